//! What was spent, served and saved is counted to the token: once, on every path, and
//! whatever happens to the store meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    ADMIN, ALICE, Billed, Crowd, Gate, House, Redis, Reply, Request, Response, Store, Wire, answer,
    batch, chat, eventually, in_time, on_each_store, question, streamed, streaming, with_usage,
};

/// Tokens that tell of which question they are.
fn tokens(number: u64) -> Billed {
    Billed {
        input: 1_000 + number,
        cached_input: 10 * number,
        output: 100 + number,
        reasoning: number,
    }
}

/// An answer that took those tokens.
fn costly(number: u64) -> Value {
    let mut whole = answer(&format!("chatcmpl-{number}"), "a few words of answer");
    let Billed {
        input,
        cached_input,
        output,
        reasoning,
    } = tokens(number);
    whole["usage"] = json!({
        "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": cached_input},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    });
    whole
}

fn costly_stream(number: u64) -> Reply {
    let whole = costly(number);
    Reply::chunks(&with_usage(streamed(&whole), &whole))
}

fn asked(number: u64) -> Value {
    question(&format!("question {number}"))
}

/// What has been expected of the books so far.
#[derive(Debug, Default)]
struct Expected {
    requests: u64,
    hits: u64,
    served: Billed,
    saved: Billed,
}

impl Expected {
    fn miss(&mut self, number: u64) {
        self.requests += 1;
        add(&mut self.served, tokens(number));
    }

    fn hit(&mut self, number: u64) {
        self.miss(number);
        self.hits += 1;
        add(&mut self.saved, tokens(number));
    }
}

fn add(sum: &mut Billed, more: Billed) {
    sum.input += more.input;
    sum.cached_input += more.cached_input;
    sum.output += more.output;
    sum.reasoning += more.reasoning;
}

/// The tokens of one kind in a group of the usage API.
fn told(group: &Value, kind: &str) -> Billed {
    let of = |name: &str| group["tokens"][kind][name].as_u64().unwrap_or_default();
    Billed {
        input: of("input"),
        cached_input: of("cached_input"),
        output: of("output"),
        reasoning: of("reasoning"),
    }
}

/// The numbers of one operation, over all time; `None` while they cannot be read.
async fn books(house: &House, operation: &str) -> Option<Value> {
    let path = format!("/admin/v1/usage?start=0&granularity=total&operation={operation}");
    let seen = house.admin(&path).await;
    assert!(matches!(seen.status, 200 | 503), "{}", seen.text());
    (seen.status == 200).then(|| seen.json()["totals"].clone())
}

/// Waits until the books of an operation have so many requests, and gives them.
async fn books_with(house: &House, operation: &str, requests: u64) -> Value {
    eventually("the requests are in the books", || async {
        let books = books(house, operation).await?;
        (requests <= books["requests"].as_u64().unwrap_or_default()).then_some(books)
    })
    .await
}

/// Waits until the books of chat have so many requests, and gives them.
async fn books_of(house: &House, requests: u64) -> Value {
    books_with(house, "chat", requests).await
}

/// Asks a question for the first time.
async fn miss(house: &House, number: u64, expected: &mut Expected) {
    house
        .upstream
        .next(Reply::json(200, costly(number).to_string()));
    let seen = house.ask(&asked(number)).await;
    assert_eq!((seen.status, seen.x_cache()), (200, "MISS"));
    expected.miss(number);
}

/// Asks a question again.
async fn hit(house: &House, number: u64, expected: &mut Expected) {
    assert_eq!(house.ask(&asked(number)).await.x_cache(), "HIT");
    expected.hit(number);
}

/// Whether the books of chat are as expected, and as the provider's own.
fn reconcile(books: &Value, billed: Billed, expected: &Expected) {
    assert_eq!(books["requests"], expected.requests, "{books:#}");
    assert_eq!(books["hits"], expected.hits, "{books:#}");
    assert_eq!(told(books, "upstream"), billed, "{books:#}");
    assert_eq!(told(books, "served"), expected.served, "{books:#}");
    assert_eq!(told(books, "saved"), expected.saved, "{books:#}");
}

/// Chat of every kind; what is to be in the books then.
async fn mixed_chat(house: &House) -> Expected {
    let mut expected = Expected::default();
    let upstream = &house.upstream;
    for number in 0..5 {
        miss(house, number, &mut expected).await;
        hit(house, number, &mut expected).await;
        assert_eq!(house.ask_stream(&asked(number)).await.x_cache(), "HIT");
        expected.hit(number);
    }
    // Streams, of clients that ask for their usage and of those that do not.
    for number in 10..14 {
        upstream.next(costly_stream(number));
        let mut wanted = streaming(&asked(number));
        if number % 2 == 0 {
            wanted["stream_options"] = json!({"include_usage": true});
        }
        assert_eq!(house.send(&chat(&wanted)).await.x_cache(), "MISS");
        expected.miss(number);
        hit(house, number, &mut expected).await;
    }
    many_at_once(house, &mut expected).await;
    clients_that_leave(house, &mut expected).await;
    failures(house, &mut expected).await;
    without_the_cache(house, &mut expected).await;
    expected
}

/// Many ask at once, and one pays.
async fn many_at_once(house: &House, expected: &mut Expected) {
    let gate = Gate::new();
    house.upstream.next(costly_stream(20).after(&gate));
    let crowd = Crowd::of(house, &streaming(&asked(20)), 8);
    crowd.arrived(house).await;
    // The questions that made sure of it.
    expected.requests += 3;
    gate.open();
    let answers = crowd.answers().await;
    assert!(answers.iter().all(Response::is_done));
    expected.miss(20);
    for _ in 1..8 {
        expected.hit(20);
    }
}

/// Clients leave in the middle; the answer is paid for and read to its end.
async fn clients_that_leave(house: &House, expected: &mut Expected) {
    for (left, number) in (1_u64..).zip(30..33) {
        let gate = Gate::new();
        let calls = house.upstream.calls();
        house
            .upstream
            .next(costly_stream(number).gate_before(3, &gate));
        let mut live = house.open_stream(&asked(number)).await;
        live.events(1).await;
        house.upstream.asked(calls + 1).await;
        drop(live);
        eventually("the proxy has seen that the client left", || async {
            let books = books(house, "chat").await?;
            (books["abandoned"] == left).then_some(())
        })
        .await;
        gate.open();
        let tries = AtomicU64::new(0);
        eventually("the answer is stored all the same", || async {
            tries.fetch_add(1, Ordering::SeqCst);
            let request = chat(&asked(number)).header("cache-control", "only-if-cached");
            (house.send(&request).await.status == 200).then_some(())
        })
        .await;
        // The one that left, and those that came too early.
        expected.requests += tries.load(Ordering::SeqCst);
        expected.hit(number);
    }
}

/// The provider refuses, fails, or breaks off: nothing that it told is lost.
async fn failures(house: &House, expected: &mut Expected) {
    for status in [400, 429, 500] {
        house.upstream.next(Reply::error(status, "no"));
        assert_eq!(house.ask(&asked(40)).await.status, status);
        expected.requests += 1;
    }
    house.upstream.next(costly_stream(41).reset_after(400));
    assert!(!house.ask_stream(&asked(41)).await.is_done());
    expected.requests += 1;
}

/// What is not kept is paid for all the same.
async fn without_the_cache(house: &House, expected: &mut Expected) {
    for number in 50..52 {
        for _ in 0..2 {
            let body = costly(number).to_string();
            house.upstream.next(Reply::json(200, body));
            let request = chat(&asked(number)).header("cache-control", "no-store");
            assert_eq!(house.send(&request).await.x_cache(), "BYPASS");
            expected.miss(number);
        }
    }
    house.upstream.next(costly_stream(53));
    let mut stateful = streaming(&asked(53));
    stateful["store"] = json!(true);
    stateful["stream_options"] = json!({"include_usage": true});
    assert_eq!(house.send(&chat(&stateful)).await.status, 200);
    expected.miss(53);
}

/// Lists of vectors that overlap; the items asked for.
async fn mixed_lists(house: &House) -> u64 {
    let words = |from: u64, to: u64| batch((from..to).map(|number| format!("the text {number}")));
    let mut items = 0;
    for (asked, cache) in [
        (words(0, 10), "MISS"),
        (words(0, 10), "HIT"),
        (words(5, 15), "PARTIAL"),
        (batch(["again", "again", "again"]), "MISS"),
        (words(14, 16), "PARTIAL"),
    ] {
        let seen = house.embed(&asked).await;
        assert_eq!(seen.x_cache(), cache);
        items += asked["input"].as_array().unwrap().len() as u64;
    }
    items
}

on_each_store! {
    async fn mixed_chat_reconciles_with_the_providers_books(store) {
        let house = House::start(store).await;
        let expected = mixed_chat(&house).await;
        let books = books_of(&house, expected.requests).await;
        reconcile(&books, house.upstream.billed(), &expected);
        assert_eq!(books["upstream_calls"], house.upstream.calls());
        // Three refusals and the one that broke off.
        assert_eq!((&books["upstream_failed"], &books["uncounted"]), (&json!(4), &json!(0)));
        assert_eq!(books["abandoned"], 3);
    }

    async fn lists_reconcile_to_the_token_and_to_the_item(store) {
        let house = House::start(store).await;
        let items = mixed_lists(&house).await;
        let books = books_with(&house, "embedding", 5).await;
        let (upstream, served, saved) =
            (told(&books, "upstream"), told(&books, "served"), told(&books, "saved"));
        assert_eq!(upstream, house.upstream.billed());
        assert_eq!(served.input, upstream.input + saved.input);
        let counted = &books["items"];
        let of = |source: &str| counted[source].as_u64().unwrap();
        assert_eq!(of("stored") + of("joined") + of("called"), items);
        assert_eq!((of("stored"), of("called")), (10 + 5 + 1, 10 + 5 + 3 + 1));
        assert_eq!((&books["hits"], &books["partials"]), (&json!(1), &json!(2)));
    }

    async fn a_list_that_cannot_be_taken_apart_is_counted_as_it_was_paid(store) {
        let house = House::start(store).await;
        let odd = json!({"data": [{"index": 7}], "model": "m", "usage": {"prompt_tokens": 9}});
        house.upstream.next(Reply::json(200, odd.to_string()));
        let seen = house.embed(&batch(["one", "two"])).await;
        assert_eq!(seen.json()["data"], odd["data"], "the answer passes as it came");
        let books = books_with(&house, "embedding", 1).await;
        assert_eq!(told(&books, "upstream"), house.upstream.billed());
        assert_eq!((told(&books, "upstream").input, &books["uncounted"]), (9, &json!(0)));
    }

    async fn what_is_forwarded_is_counted_too(store) {
        let house = House::start(store).await;
        let usage = json!({"input_tokens": 30, "output_tokens": 4});
        let body = json!({"object": "response", "model": "some", "usage": usage});
        house.upstream.next(Reply::json(200, body.to_string()));
        let request = Request::post("/v1/threads/runs", r#"{"model":"some"}"#).bearer(ALICE);
        // A client that takes packed answers must not keep them from being counted.
        let request = request.header("accept-encoding", "gzip");
        assert_eq!(house.send(&request).await.status, 200);
        assert_eq!(house.upstream.last().header("accept-encoding"), None);
        let books = books_with(&house, "passthrough", 1).await;
        assert_eq!(told(&books, "upstream"), house.upstream.billed());
    }

    async fn a_killed_proxy_loses_no_more_than_a_second(store) {
        let mut house = House::start(store).await;
        let mut expected = Expected::default();
        for number in 0..5 {
            miss(&house, number, &mut expected).await;
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        house.app.kill();
        house.start_again().await;
        let books = books(&house, "chat").await.unwrap();
        reconcile(&books, house.upstream.billed(), &expected);
    }

    async fn a_stopped_proxy_loses_nothing(store) {
        let mut house = House::start(store).await;
        let mut expected = Expected::default();
        for number in 0..5 {
            miss(&house, number, &mut expected).await;
            hit(&house, number, &mut expected).await;
        }
        house.app.terminate();
        assert!(house.app.exited().await);
        house.start_again().await;
        let books = books(&house, "chat").await.unwrap();
        reconcile(&books, house.upstream.billed(), &expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_in_the_middle_costs_no_count() {
    in_time(async {
        let mut redis = Redis::start_durable().await;
        let house = House::with(Store::Redis).backend(redis.url()).start().await;
        let mut expected = Expected::default();
        for round in 0..3 {
            for number in 0..10 {
                miss(&house, round * 100 + number, &mut expected).await;
                hit(&house, round * 100 + number, &mut expected).await;
                if number == 5 {
                    redis.kill();
                }
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
            redis.run().await;
        }
        let books = books_of(&house, expected.requests).await;
        reconcile(&books, house.upstream.billed(), &expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_whose_answer_is_lost_counts_once() {
    in_time(async {
        let redis = Redis::start().await;
        let wire = Wire::to(redis.address()).await;
        let url = format!("redis://{}", wire.address());
        let house = House::with(Store::Redis).backend(url).start().await;
        let mut expected = Expected::default();
        miss(&house, 0, &mut expected).await;
        books_of(&house, 1).await;
        for round in 1..4 {
            wire.mute();
            miss(&house, round, &mut expected).await;
            hit(&house, round, &mut expected).await;
            // Long enough for the flush to be applied and to wait for its answer in vain.
            eventually("the flush has failed", || async {
                let metrics = house.metrics().await;
                let failures = metrics
                    .lines()
                    .find_map(|line| line.strip_prefix("reprise_usage_flush_failures_total "))?;
                (round <= failures.parse().ok()?).then_some(())
            })
            .await;
            // Answers are lost only with the connection they would have come on.
            wire.cut();
            tokio::time::sleep(Duration::from_millis(50)).await;
            wire.mend();
            books_of(&house, expected.requests).await;
        }
        let books = books_of(&house, expected.requests).await;
        reconcile(&books, house.upstream.billed(), &expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_can_be_watched_as_they_finish() {
    in_time(async {
        let house = House::start(Store::Embedded).await;
        let mut expected = Expected::default();
        miss(&house, 1, &mut expected).await;
        let live = Request::new("GET", "/admin/v1/usage/live").bearer(ADMIN);
        let mut live = house.client().open(&live).await;
        let first: Value = serde_json::from_str(&live.events(1).await[0]).unwrap();
        let tagged = chat(&asked(1)).header("x-cache-tags", "search, chat");
        assert_eq!(house.send(&tagged).await.x_cache(), "HIT");
        let second: Value = serde_json::from_str(&live.events(2).await[1]).unwrap();
        assert_eq!(
            (&first["outcome"], &second["outcome"]),
            (&json!("miss"), &json!("hit"))
        );
        assert_eq!(second["tags"], json!(["chat", "search"]));
        assert_eq!(second["tokens"]["input"], tokens(1).input);
        assert_eq!(second["model"], "test-model");
        assert_eq!(second["answered_by"], "test-model-2026-01-01");
        assert!(
            !live.so_far().text().contains("question 1"),
            "a prompt was shown"
        );
        // Whoever watches does not keep the server from stopping.
        let began = tokio::time::Instant::now();
        house.app.terminate();
        live.rest().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(10));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_administration_is_closed_to_all_who_lack_its_key() {
    in_time(async {
        let house = House::start(Store::Embedded).await;
        let live = || Request::new("GET", "/admin/v1/usage/live");
        for request in [
            live(),
            live().bearer(ALICE),
            live().bearer(""),
            live().header("authorization", &format!("Basic {ADMIN}")),
            live().header("api-key", ADMIN),
        ] {
            let seen = house.send(&request).await;
            assert_eq!(seen.status, 401);
            assert_eq!(seen.error_code(), "invalid_admin_key");
            assert_eq!(seen.header("www-authenticate"), Some("Bearer"));
        }
        let unknown = house.admin("/admin/v1/nothing").await;
        assert_eq!((unknown.status, &*unknown.error_code()), (404, "not_found"));
        assert_eq!(
            house.upstream.calls(),
            0,
            "the admin key went to the provider"
        );
        assert!(!house.app.output().contains(ADMIN));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_made_at_the_first_start_and_shown_once() {
    in_time(async {
        let mut house = House::with(Store::Embedded)
            .set("REPRISE_ADMIN_KEY", "")
            .start()
            .await;
        let file = house.data_folder().join("admin.key");
        let key = std::fs::read_to_string(&file).unwrap();
        let key = key.trim().to_owned();
        assert_eq!(house.app.output().matches(&key).count(), 1);
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(&file).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
        house.app.kill();
        house.start_again().await;
        assert!(!house.app.output().contains(&key), "a key was shown twice");
        let request = Request::new("GET", "/admin/v1/nothing").bearer(&key);
        assert_eq!(house.send(&request).await.status, 404);
    })
    .await;
}
