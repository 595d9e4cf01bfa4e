//! Callers are held to their limits, to the request, by all processes together; and no
//! request fails or waits because it is not known what they have used.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{
    ADMIN, Client, Gate, House, Redis, Reply, Request, Response, Setup, Store, answer, chat,
    eventually, in_time, on_each_store, question, streamed, streaming, with_usage,
};

fn limited(store: Store, name: &str, most: &str) -> Setup {
    House::with(store).set(name, most)
}

fn number(seen: &Response, name: &str) -> u64 {
    let value = seen.header(name);
    let value = value.unwrap_or_else(|| panic!("no {name} in {:?}", seen.headers));
    value.parse().unwrap()
}

/// Clients that ask as fast as they can until `until`; how many were let through, and
/// when the first asked and the last was answered.
async fn storm(clients: &[Client], many: usize, until: Duration) -> (u64, Duration) {
    let began = Instant::now();
    let mut running = JoinSet::new();
    for client in 0..many {
        let http = clients[client % clients.len()];
        running.spawn(async move {
            let mut passed = 0;
            while began.elapsed() < until {
                let seen = http.send(&chat(&question("the same"))).await;
                match seen.status {
                    200 => passed += 1,
                    429 => tokio::time::sleep(Duration::from_millis(20)).await,
                    other => panic!("{other}: {}", seen.text()),
                }
            }
            passed
        });
    }
    let passed = running.join_all().await.into_iter().sum();
    (passed, began.elapsed())
}

/// Whether so many may have passed in a time, of so many a minute.
fn assert_exact(passed: u64, per_minute: u64, (least, most): (Duration, Duration)) {
    let due = |time: Duration| {
        per_minute + u64::try_from(time.as_millis()).unwrap() * per_minute / 60_000
    };
    assert!(passed <= due(most), "{passed} of {}", due(most));
    let owed = due(least);
    assert!(owed <= passed + 1 + owed / 100, "{passed} of {owed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_over_one_redis_let_through_what_one_may() {
    in_time(async {
        let redis = Redis::start().await;
        let per_minute = 300;
        let house = || {
            limited(Store::Redis, "REPRISE_DEFAULT_REQUESTS_PER_MINUTE", "300")
                .backend(redis.url())
                .start()
        };
        let (one, other) = (house().await, house().await);
        let clients = [one.client(), other.client()];
        let time = Duration::from_secs(4);
        let (passed, took) = storm(&clients, 64, time).await;
        assert_exact(passed, per_minute, (time, took));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_lets_through_what_is_allowed() {
    in_time(async {
        let setup = limited(
            Store::Embedded,
            "REPRISE_DEFAULT_REQUESTS_PER_MINUTE",
            "300",
        );
        let house = setup.start().await;
        let time = Duration::from_secs(4);
        let (passed, took) = storm(&[house.client()], 64, time).await;
        assert_exact(passed, 300, (time, took));
    })
    .await;
}

on_each_store! {
    async fn what_is_left_is_told_on_every_answer(store) {
        let setup = limited(store, "REPRISE_DEFAULT_REQUESTS_PER_MINUTE", "4");
        let house = setup.set("REPRISE_DEFAULT_TOKENS_PER_MINUTE", "100000").start().await;
        house.upstream.next(Reply::usual().header("x-ratelimit-limit-requests", "99"));
        let miss = house.ask(&question("a")).await;
        let hit = house.ask(&question("a")).await;
        let stream = house.ask_stream(&question("a")).await;
        house.upstream.next(Reply::error(400, "nonsense"));
        let error = house.ask(&question("b")).await;
        for (seen, left) in [(&miss, 3), (&hit, 2), (&stream, 1), (&error, 0)] {
            assert_eq!(number(seen, "x-ratelimit-limit-requests"), 4);
            assert_eq!(number(seen, "x-ratelimit-remaining-requests"), left);
            let reset = seen.header("x-ratelimit-reset-requests").unwrap();
            assert!(reset.ends_with('s') && reset.starts_with(|c: char| c.is_ascii_digit()));
            assert_eq!(number(seen, "x-ratelimit-limit-tokens"), 100_000);
        }
        let refused = house.ask(&question("a")).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limit_exceeded"));
        let error = &refused.json()["error"];
        assert_eq!(error["type"], "requests");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("4 requests per minute") && message.contains("come again in"));
        let millis = number(&refused, "retry-after-ms");
        assert!((1..=15_000).contains(&millis));
        assert_eq!(number(&refused, "retry-after"), millis.div_ceil(1000));
        assert_eq!(number(&refused, "x-ratelimit-remaining-requests"), 0);
        assert_eq!(refused.header("x-should-retry"), None);
        let told = house.metrics().await;
        assert!(told.contains("reprise_limited_total{limit=\"requests_minute\"} 1"), "{told}");
    }

    async fn callers_are_held_to_limits_each_by_itself(store) {
        let setup = limited(store, "REPRISE_DEFAULT_REQUESTS_PER_MINUTE", "1");
        let house = setup.start().await;
        let ask = |who: &'static str| {
            Request::post("/v1/chat/completions", question("a").to_string()).bearer(who)
        };
        for (who, status) in [("sk-one", 200), ("sk-one", 429), ("sk-two", 200)] {
            assert_eq!(house.send(&ask(who)).await.status, status, "{who}");
        }
    }

    async fn tokens_of_a_stream_count_when_it_has_ended(store) {
        let setup = limited(store, "REPRISE_DEFAULT_TOKENS_PER_MINUTE", "12");
        let house = setup.start().await;
        let whole = answer("chatcmpl-1", "so many tokens");
        for text in ["one", "two"] {
            house.upstream.next(Reply::chunks(&with_usage(streamed(&whole), &whole)));
            assert_eq!(house.ask_stream(&question(text)).await.status, 200);
            let most = if text == "one" { 8 } else { 0 };
            eventually("the tokens of the stream are counted", || async {
                // A request that comes to nothing tells what is left.
                let asked = Request::new("GET", "/v1/echo").bearer(crate::support::ALICE);
                let seen = house.send(&asked).await;
                (number(&seen, "x-ratelimit-remaining-tokens") <= most).then_some(())
            })
            .await;
        }
        let refused = house.ask(&question("three")).await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.json()["error"]["type"], "tokens");
    }

    async fn no_more_are_under_way_than_may_be_and_who_hangs_up_is_not(store) {
        let house = limited(store, "REPRISE_DEFAULT_CONCURRENT", "4").start().await;
        let gate = Gate::new();
        let whole = answer("chatcmpl-1", "slowly told");
        house.upstream.always(Reply::chunks(&streamed(&whole)).gate_before(1, &gate));
        let mut open = Vec::new();
        let mut refused = 0;
        for stream in 0..16 {
            let asked = chat(&streaming(&question(&format!("stream {stream}"))));
            let live = house.client().open(&asked).await;
            match live.so_far().status {
                200 => open.push(live),
                429 => refused += 1,
                other => panic!("{other}"),
            }
        }
        assert_eq!((open.len(), refused), (4, 12));
        drop(open.pop());
        let again = eventually("the place of one who hung up is free", || async {
            let live = house.open_stream(&question("again")).await;
            (live.so_far().status == 200).then_some(live)
        })
        .await;
        gate.open();
        for live in open.into_iter().chain([again]) {
            assert!(live.rest().await.unwrap().is_done());
        }
        house.upstream.recover();
        // One after the other there is always a place.
        for one in 0..12 {
            assert_eq!(house.ask(&question(&format!("one {one}"))).await.status, 200);
        }
    }

    async fn an_address_is_held_to_a_limit_whoever_asks_from_it(store) {
        let house = limited(store, "REPRISE_IP_REQUESTS_PER_MINUTE", "2").start().await;
        // Nobody here is a proxy that may say where a request comes from.
        let ask = |who: &str, from: &str| {
            Request::post("/v1/chat/completions", question("a").to_string())
                .bearer(who)
                .header("x-forwarded-for", from)
        };
        for (who, from, status) in [
            ("sk-one", "198.51.100.1", 200),
            ("sk-two", "198.51.100.2", 200),
            ("sk-three", "198.51.100.3", 429),
        ] {
            assert_eq!(house.send(&ask(who, from)).await.status, status, "{who}");
        }
    }

    async fn a_trusted_proxy_says_who_asks(store) {
        let setup = limited(store, "REPRISE_IP_REQUESTS_PER_MINUTE", "1");
        let house = setup.set("REPRISE_TRUSTED_PROXIES", "127.0.0.0/8").start().await;
        let ask = |said: &str| chat(&question("a")).header("x-forwarded-for", said);
        for (said, status) in [
            ("198.51.100.1", 200),
            ("198.51.100.1", 429),
            // What stands before the address the proxy saw is the client's own invention.
            ("203.0.113.9, 198.51.100.1", 429),
            ("198.51.100.2", 200),
        ] {
            assert_eq!(house.send(&ask(said)).await.status, status, "{said}");
        }
    }

    async fn who_guesses_the_admin_key_is_stopped(store) {
        let house = limited(store, "REPRISE_TRUSTED_PROXIES", "127.0.0.1").start().await;
        let ask = |key: &str, from: &str| {
            Request::new("GET", "/admin/v1/prices").bearer(key).header("x-forwarded-for", from)
        };
        let stopped = eventually("guessing ends", || async {
            let seen = house.send(&ask("rk-admin-guessed", "198.51.100.1")).await;
            (seen.status == 429).then_some(seen)
        })
        .await;
        assert!(number(&stopped, "retry-after") >= 1);
        assert_eq!(house.send(&ask(ADMIN, "198.51.100.2")).await.status, 200);
    }

    async fn hits_count_or_are_exempt_as_the_key_says(store) {
        let house = House::with(store)
            .set("REPRISE_ACCESS", "keys")
            .set("REPRISE_UPSTREAM_API_KEY", "sk-operator")
            .start()
            .await;
        for (exempt, statuses) in [(false, [200, 200, 429]), (true, [200, 200, 200])] {
            let allowance = json!({"requests": {"day": 2}, "exempt_hits": exempt});
            let key = made_key(&house, &allowance).await;
            let ask = |text: &str| {
                let body = question(&format!("{text} {exempt}")).to_string();
                Request::post("/v1/chat/completions", body).bearer(&key)
            };
            for status in statuses {
                assert_eq!(house.send(&ask("a")).await.status, status);
            }
            if exempt {
                assert_eq!(house.send(&ask("b")).await.status, 200);
                assert_eq!(house.send(&ask("c")).await.status, 429);
                assert_eq!(house.send(&ask("a")).await.status, 200);
            }
        }
    }

    async fn a_budget_warns_and_then_ends(store) {
        let house = House::with(store)
            .set("REPRISE_ACCESS", "keys")
            .set("REPRISE_UPSTREAM_API_KEY", "sk-operator")
            .set("REPRISE_PRICE_PROVIDER", "openai")
            .start()
            .await;
        // 1,000,000 tokens each way of gpt-4o-mini are 0.15 and 0.60 dollars.
        let allowance = json!({"budget": {"day_usd": 0.80, "warn_at": 0.5}});
        let key = made_key(&house, &allowance).await;
        let ask = |text: &str| {
            let mut asked = question(text);
            asked["model"] = json!("gpt-4o-mini");
            Request::post("/v1/chat/completions", asked.to_string()).bearer(&key)
        };
        let bill = || {
            let mut whole = answer("chatcmpl-1", "dear");
            whole["model"] = json!("gpt-4o-mini");
            whole["usage"] = json!({
                "prompt_tokens": 1_000_000, "completion_tokens": 1_000_000, "total_tokens": 2_000_000,
            });
            house.upstream.next(Reply::json(200, whole.to_string()));
        };
        bill();
        let first = house.send(&ask("a")).await;
        assert_eq!((first.status, first.header("x-reprise-budget-warning")), (200, None));
        let warned = eventually("the budget is known to run out", || async {
            let seen = house.send(&ask("a")).await;
            seen.header("x-reprise-budget-warning").map(str::to_owned)
        })
        .await;
        assert_eq!(warned, "day=93%");
        bill();
        assert_eq!(house.send(&ask("b")).await.status, 200);
        let ended = eventually("the budget ends", || async {
            let seen = house.send(&ask("a")).await;
            (seen.status == 429).then_some(seen)
        })
        .await;
        assert_eq!(ended.error_code(), "insufficient_quota");
        assert_eq!(ended.json()["error"]["type"], "insufficient_quota");
        assert_eq!(ended.header("x-should-retry"), Some("false"));
        assert_eq!(house.app.output().matches("a budget is running out").count(), 1);
    }
}

/// A key with an allowance.
async fn made_key(house: &House, allowance: &Value) -> String {
    let asked = json!({"name": "test", "tenant": "test", "rights": {"allowance": allowance}});
    let request = Request::post("/admin/v1/keys", asked.to_string()).bearer(ADMIN);
    let made = house.send(&request).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["key"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_fails_no_request_and_limits_go_on() {
    in_time(async {
        let mut redis = Redis::start().await;
        let house = limited(Store::Redis, "REPRISE_DEFAULT_REQUESTS_PER_MINUTE", "40")
            .backend(redis.url())
            .start()
            .await;
        let ask = async || house.ask(&question("the same")).await;
        for _ in 0..10 {
            assert_eq!(ask().await.status, 200);
        }
        redis.kill();
        let mut statuses = Vec::new();
        for _ in 0..60 {
            let seen = ask().await;
            assert!(matches!(seen.status, 200 | 429), "{}", seen.text());
            statuses.push(seen.status);
        }
        // What was used before is known, and at most what the time gives back comes to it.
        let passed = statuses.iter().filter(|status| **status == 200).count();
        assert!((30..60).contains(&passed), "{passed}");
        assert_eq!(statuses.last(), Some(&429));
        assert!(house.metrics().await.contains("reprise_limiter_local 1"));
        redis.run().await;
        eventually("the shared limits are back", || async {
            house
                .metrics()
                .await
                .contains("reprise_limiter_local 0")
                .then_some(())
        })
        .await;
        let output = house.app.output();
        assert_eq!(output.matches("the store of the limits is away").count(), 1);
        assert_eq!(output.matches("the store of the limits is back").count(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_does_not_hold_its_places_for_ever() {
    in_time(async {
        let redis = Redis::start().await;
        let house = || {
            limited(Store::Redis, "REPRISE_DEFAULT_CONCURRENT", "1")
                .backend(redis.url())
                .start()
        };
        let (mut one, other) = (house().await, house().await);
        let gate = Gate::new();
        let whole = answer("chatcmpl-1", "never told");
        one.upstream
            .always(Reply::chunks(&streamed(&whole)).gate_before(1, &gate));
        let held = one.open_stream(&question("held")).await;
        assert_eq!(held.so_far().status, 200);
        assert_eq!(other.ask(&question("a")).await.status, 429);
        one.app.kill();
        eventually("the place of the killed process is free", || async {
            (other.ask(&question("a")).await.status == 200).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_does_not_give_a_day_back() {
    in_time(async {
        let mut house = House::with(Store::Embedded)
            .set("REPRISE_ACCESS", "keys")
            .set("REPRISE_UPSTREAM_API_KEY", "sk-operator")
            .start()
            .await;
        let key = made_key(&house, &json!({"requests": {"day": 3}})).await;
        let asked = Request::post("/v1/chat/completions", question("a").to_string()).bearer(&key);
        for _ in 0..2 {
            assert_eq!(house.send(&asked).await.status, 200);
        }
        house.app.terminate();
        assert!(house.app.exited().await);
        house.start_again().await;
        for status in [200, 429] {
            assert_eq!(house.send(&asked).await.status, status);
        }
    })
    .await;
}
