//! Batches that overlap pay each item once, whoever asks first, leaves or fails;
//! and nobody is told of a failure that was another's.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{
    Crowd, EmbeddingStyle, Ending, Gate, House, Live, Reply, Request, Response, Store,
    assert_embeds, batch, embed, encoded, in_time, on_each_store, settled,
};

const BOB: &str = "sk-test-bob";

/// Starts a question whose answer waits at the gate, and waits until the provider
/// has it.
async fn leading(house: &House, asked: &Value, reply: Reply) -> Crowd {
    let before = house.upstream.calls();
    house.upstream.next(reply);
    let leader = Crowd::sending(house, vec![embed(asked)]);
    house.upstream.asked(before + 1).await;
    leader
}

/// The only answer of a crowd of one.
async fn only(crowd: Crowd) -> Response {
    crowd.answers().await.remove(0)
}

on_each_store! {
    async fn overlapping_batches_pay_each_item_once(store) {
        let house = House::start(store).await;
        let (first, second) = (Gate::new(), Gate::new());
        let asked = [batch(["a", "b", "c"]), batch(["d", "c", "b", "e"])];
        let leader = leading(&house, &asked[0], Reply::usual().after(&first)).await;
        let follower = leading(&house, &asked[1], Reply::usual().after(&second)).await;
        assert_eq!(house.upstream.batches(), [vec!["a", "b", "c"], vec!["d", "e"]]);
        // Whichever comes first, both are whole.
        second.open();
        first.open();
        for (crowd, asked) in [leader, follower].into_iter().zip(&asked) {
            assert_embeds(&only(crowd).await, asked, EmbeddingStyle::default());
        }
        for asked in &asked {
            assert_eq!(house.embed(asked).await.x_cache(), "HIT");
        }
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn a_crowd_with_one_batch_is_one_call(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        house.upstream.next(Reply::usual().after(&gate));
        let asked = batch(["a", "b", "a"]);
        let forms = [asked.clone(), encoded(&asked, "base64"), batch(["b", "a"]), batch(["a"])];
        // The first one leads: the others find all of their items in flight.
        let leader = Crowd::sending(&house, vec![embed(&asked)]);
        house.upstream.asked(1).await;
        let requests: Vec<_> = (0..100).map(|at| embed(&forms[at % 4])).collect();
        let running = Crowd::sending(&house, requests);
        running.arrived(&house).await;
        gate.open();
        assert_embeds(&only(leader).await, &asked, EmbeddingStyle::default());
        let mut seen_forms = [0; 4];
        for seen in running.answers().await {
            let form = forms.iter().position(|form| {
                let data = &seen.json()["data"];
                let is_text = data[0]["embedding"].is_string();
                let length = form["input"].as_array().unwrap().len();
                data.as_array().is_some_and(|data| data.len() == length)
                    && is_text == (form["encoding_format"] == "base64")
            });
            let form = form.unwrap_or_else(|| panic!("no answer to any: {}", seen.text()));
            assert_embeds(&seen, &forms[form], EmbeddingStyle::default());
            seen_forms[form] += 1;
        }
        assert_eq!(seen_forms, [25; 4]);
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_crowd_with_the_largest_batch_is_one_call(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let asked = batch((0..2_048).map(|number| format!("item {number}")));
        let leader = leading(&house, &asked, Reply::usual().after(&gate)).await;
        let running = Crowd::sending(&house, vec![embed(&asked); 20]);
        running.arrived(&house).await;
        gate.open();
        let first = only(leader).await;
        assert_embeds(&first, &asked, EmbeddingStyle::default());
        let bodies: Vec<_> = running.answers().await.into_iter().map(|seen| seen.json()).collect();
        assert_eq!(bodies.len(), 20);
        assert!(bodies.iter().all(|body| body["data"] == first.json()["data"]));
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_chain_of_batches_pays_each_item_once(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let batches: Vec<_> = (0..10)
            .map(|at| batch((at..at + 4).map(|number| format!("link {number}"))))
            .collect();
        let mut running = Vec::new();
        for asked in &batches {
            running.push(leading(&house, asked, Reply::usual().after(&gate)).await);
        }
        gate.open();
        for (crowd, asked) in running.into_iter().zip(&batches) {
            assert_embeds(&only(crowd).await, asked, EmbeddingStyle::default());
        }
        let sent = house.upstream.all_sent();
        assert_eq!(sent.len(), 13);
        assert!(sent.values().all(|times| *times == 1), "{sent:?}");
    }

    async fn nobody_joins_the_call_of_another_credential(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let asked = batch(["a", "b"]);
        let alice = leading(&house, &asked, Reply::usual().after(&gate)).await;
        let bob = Request::post("/v1/embeddings", asked.to_string()).bearer(BOB);
        let seen = house.send(&bob).await;
        assert_eq!(seen.x_cache(), "MISS");
        assert_embeds(&seen, &asked, EmbeddingStyle::default());
        gate.open();
        assert_embeds(&only(alice).await, &asked, EmbeddingStyle::default());
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn a_refresh_joins_no_older_call(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let asked = batch(["a"]);
        let old = EmbeddingStyle::default();
        let leader = leading(&house, &asked, Reply::json(200, old.answer(&asked)).after(&gate)).await;
        let new = old.moved_on();
        house.upstream.embeds(new);
        let seen = house.send(&embed(&asked).header("cache-control", "no-cache")).await;
        assert_embeds(&seen, &asked, new);
        gate.open();
        assert_embeds(&only(leader).await, &asked, old);
        let hit = house.embed(&asked).await;
        assert_eq!(hit.x_cache(), "HIT");
        assert_embeds(&hit, &asked, new);
    }

    async fn what_nobody_waits_for_any_more_is_stored(store) {
        let house = House::start(store).await;
        house.embed(&batch(["known"])).await;
        for asked in [batch(["left", "alone"]), batch(["known", "left half known"])] {
            let before = house.upstream.calls();
            let gate = Gate::new();
            house.upstream.next(Reply::usual().after(&gate));
            let leaving = house.client().begin(&embed(&asked)).await.unwrap();
            house.upstream.asked(before + 1).await;
            drop(leaving);
            gate.open();
            let seen = house.embed(&asked).await;
            assert_embeds(&seen, &asked, EmbeddingStyle::default());
            assert_eq!(house.embed(&asked).await.x_cache(), "HIT");
            assert_eq!((house.upstream.calls(), house.upstream.left()), (before + 1, 0), "{asked}");
        }
    }

    async fn a_leader_that_leaves_takes_nothing_with_it(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        house.upstream.next(Reply::usual().after(&gate));
        let leaving = house.client().begin(&embed(&batch(["a", "b"]))).await.unwrap();
        house.upstream.asked(1).await;
        let asked = batch(["b", "c"]);
        let follower = Crowd::sending(&house, vec![embed(&asked)]);
        house.upstream.asked(2).await;
        drop(leaving);
        gate.open();
        assert_embeds(&only(follower).await, &asked, EmbeddingStyle::default());
        assert_eq!(house.embed(&batch(["a", "b", "c"])).await.x_cache(), "HIT");
        assert_eq!((house.upstream.calls(), house.upstream.left()), (2, 0));
    }

    async fn a_retry_attaches_to_the_call_it_gave_up_on(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        house.upstream.next(Reply::usual().after(&gate));
        let asked = batch(["retry", "me"]);
        let impatient = house.client().begin(&embed(&asked)).await.unwrap();
        house.upstream.asked(1).await;
        drop(impatient);
        let again = embed(&asked).header("x-stainless-retry-count", "1");
        let retry = house.client().begin(&again).await.unwrap();
        settled(&house).await;
        gate.open();
        let seen = Live::read_head(retry, false).await.unwrap().rest().await.unwrap();
        assert_embeds(&seen, &asked, EmbeddingStyle::default());
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_failure_fails_the_batch_and_what_was_known_stays_known(store) {
        let house = House::start(store).await;
        house.embed(&batch(["known"])).await;
        let asked = batch(["known", "new"]);
        for status in [400, 404, 422, 429, 500, 503] {
            let refusal = Reply::error(status, "as the provider says")
                .header("retry-after", "17")
                .header("x-should-retry", "false");
            house.upstream.next(refusal);
            let seen = house.embed(&asked).await;
            assert_eq!((seen.status, seen.error_code().as_str()), (status, "as the provider says"));
            assert_eq!(seen.header("retry-after"), Some("17"));
            assert_eq!(seen.header("x-should-retry"), Some("false"));
            assert_eq!(house.embed(&batch(["known"])).await.x_cache(), "HIT");
        }
        house.upstream.next(Reply::reset());
        let seen = house.embed(&asked).await;
        assert_eq!((seen.status, seen.error_code().as_str()), (502, "upstream_unreachable"));
        let seen = house.embed(&asked).await;
        assert_eq!(seen.x_cache(), "PARTIAL", "nothing of a failure is stored");
        assert_embeds(&seen, &asked, EmbeddingStyle::default());
    }

    async fn anothers_bad_batch_is_not_a_followers_problem(store) {
        let house = House::start(store).await;
        for status in [400, 404, 422] {
            let item = |name: &str| format!("{name} {status}");
            let gate = Gate::new();
            let bad = batch([item("a"), item("b"), item("bad")]);
            let refused = Reply::error(status, "your_fault").after(&gate);
            let leader = leading(&house, &bad, refused).await;
            let before = house.upstream.calls();
            let asked = [batch([item("b")]), batch([item("a"), item("c")])];
            let joined = Crowd::sending(&house, vec![embed(&asked[0])]);
            joined.arrived(&house).await;
            let half_joined = leading(&house, &asked[1], Reply::usual()).await;
            assert_eq!(house.upstream.batches().pop().unwrap(), [item("c")], "the rest is joined");
            gate.open();
            let refused = only(leader).await;
            assert_eq!((refused.status, refused.error_code().as_str()), (status, "your_fault"));
            for (crowd, asked) in [joined, half_joined].into_iter().zip(&asked) {
                assert_embeds(&only(crowd).await, asked, EmbeddingStyle::default());
            }
            let calls = house.upstream.calls() - before;
            assert!(calls <= 3, "{calls} calls for two batches");
            assert_eq!(house.upstream.sent(item("bad")), 1, "the bad item was sent by another");
        }
    }

    async fn a_crowd_with_a_bad_batch_is_told_so_without_standing_in_line(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let asked = batch(["fine", "bad"]);
        let leader = leading(&house, &asked, Reply::error(400, "your_fault").after(&gate)).await;
        house.upstream.always(Reply::error(400, "your_fault").late(Duration::from_millis(200)));
        let running = Crowd::sending(&house, vec![embed(&asked); 20]);
        running.arrived(&house).await;
        let began = Instant::now();
        gate.open();
        let mut answers = running.answers().await;
        answers.push(only(leader).await);
        for seen in answers {
            assert_eq!((seen.status, seen.error_code().as_str()), (400, "your_fault"));
        }
        assert!(began.elapsed() < Duration::from_secs(3), "they waited for one another");
        assert!(house.upstream.calls() <= 21);
    }

    async fn followers_of_a_malformed_answer_ask_for_themselves(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let body = r#"{"object":"list","data":[],"model":"m"}"#;
        let leader = leading(&house, &batch(["a", "b"]), Reply::json(200, body).after(&gate)).await;
        let asked = batch(["b", "b"]);
        let running = Crowd::sending(&house, vec![embed(&asked); 5]);
        running.arrived(&house).await;
        gate.open();
        assert_eq!(only(leader).await.text(), body);
        for seen in running.answers().await {
            assert_embeds(&seen, &asked, EmbeddingStyle::default());
        }
        assert_eq!(house.upstream.sent("a"), 1);
    }

    async fn followers_of_a_failed_call_elect_one_to_try_again(store) {
        let house = House::start(store).await;
        for (name, failure) in [
            ("500", Reply::error(500, "oops")),
            ("503", Reply::error(503, "busy")),
            ("429", Reply::error(429, "slow_down").header("retry-after-ms", "50")),
            ("reset", Reply::reset()),
            ("cut", Reply::json(200, EmbeddingStyle::default().answer(&batch(["x"]))).reset_after(40)),
        ] {
            let gate = Gate::new();
            let item = |at: &str| format!("{at} {name}");
            let leader = leading(&house, &batch([item("a"), item("b")]), failure.after(&gate)).await;
            let before = house.upstream.calls();
            let asked = batch([item("b")]);
            let running = Crowd::sending(&house, vec![embed(&asked); 20]);
            running.arrived(&house).await;
            gate.open();
            let failed = only(leader).await;
            assert!(failed.status != 200 || failed.ending == Ending::Cut, "{name}");
            for seen in running.answers().await {
                assert_embeds(&seen, &asked, EmbeddingStyle::default());
            }
            assert_eq!(house.upstream.calls(), before + 1, "{name}");
            assert_eq!(house.upstream.sent(item("a")), 1, "{name}: another's item was sent");
        }
    }

    async fn elections_end(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let asked = batch(["always fails"]);
        let leader = leading(&house, &asked, Reply::error(500, "always").after(&gate)).await;
        house.upstream.always(Reply::error(500, "always").late(Duration::from_millis(300)));
        let running = Crowd::sending(&house, vec![embed(&asked); 20]);
        running.arrived(&house).await;
        gate.open();
        let mut answers = running.answers().await;
        answers.push(only(leader).await);
        for seen in answers {
            assert_eq!((seen.status, seen.error_code().as_str()), (500, "always"));
        }
        let calls = house.upstream.calls();
        assert!((2..=3).contains(&calls), "{calls} calls for one item that fails");
    }

    async fn a_batch_that_follows_several_is_told_of_the_one_that_fails(store) {
        let house = House::start(store).await;
        let (good, bad) = (Gate::new(), Gate::new());
        let one = leading(&house, &batch(["a"]), Reply::usual().after(&good)).await;
        let other = leading(&house, &batch(["b"]), Reply::error(503, "down").after(&bad)).await;
        house.upstream.always(Reply::error(503, "down"));
        let both = Crowd::sending(&house, vec![embed(&batch(["a", "b"]))]);
        both.arrived(&house).await;
        bad.open();
        good.open();
        assert_eq!(only(one).await.status, 200);
        assert_eq!(only(other).await.status, 503);
        let seen = only(both).await;
        assert_eq!((seen.status, seen.error_code().as_str()), (503, "down"));
        house.upstream.recover();
        let seen = house.embed(&batch(["a", "b"])).await;
        assert_eq!((seen.x_cache(), &seen.json()["data"][1]["index"]), ("PARTIAL", &json!(1)));
        assert_eq!(house.upstream.sent("a"), 1);
    }

    async fn a_slow_client_keeps_no_other_waiting(store) {
        let house = House::start(store).await;
        let asked = {
            let mut asked = batch((0..64).map(|number| format!("wide {number}")));
            asked["dimensions"] = json!(3_072);
            asked
        };
        // It asks and then reads nothing: the connection's buffers fill up.
        let lazy = house.client().begin(&embed(&asked)).await.unwrap();
        house.upstream.asked(1).await;
        let seen = house.embed(&asked).await;
        assert_embeds(&seen, &asked, EmbeddingStyle::default());
        assert_eq!(house.upstream.calls(), 1);
        let late = Live::read_head(lazy, false).await.unwrap().rest().await.unwrap();
        assert_embeds(&late, &asked, EmbeddingStyle::default());
    }
}
