//! RFC 5861: an old answer instead of an error, and while a new one is fetched.

use std::time::Duration;

use serde_json::Value;

use crate::support::{
    Gate, House, Reply, Response, Store, answer, chat, eventually, in_time, on_each_store,
    question, streaming,
};

/// Asks once, and waits until the answer is no longer fresh.
async fn outlived(house: &House, asked: &Value) -> Response {
    let first = house.send(&chat(asked).header("x-cache-ttl", "1")).await;
    assert_eq!(first.status, 200);
    eventually("the entry is no longer fresh", || async {
        let control = "only-if-cached, max-stale";
        let seen = house
            .send(&chat(asked).header("cache-control", control))
            .await;
        (seen.x_cache() == "STALE").then_some(())
    })
    .await;
    first
}

on_each_store! {
    async fn an_old_answer_stands_in_for_a_failing_provider(store) {
        let house = House::with(store).set("REPRISE_UPSTREAM_FIRST_BYTE_TIMEOUT", "300ms").start().await;
        let asked = question("stands in");
        let first = outlived(&house, &asked).await;
        for (reply, status) in [
            (Reply::error(500, "x"), Some(500)),
            (Reply::error(502, "x"), Some(502)),
            (Reply::error(503, "x"), Some(503)),
            (Reply::error(504, "x"), Some(504)),
            (Reply::error(429, "x"), Some(429)),
            (Reply::reset(), None),
            (Reply::silence(), None),
        ] {
            house.upstream.next(reply);
            let before = house.upstream.calls();
            let seen = house.ask(&asked).await;
            assert_eq!((seen.status, seen.x_cache()), (200, "STALE"), "{status:?}");
            assert_eq!(seen.body, first.body);
            let forwarded = status.map_or(String::new(), |status| format!("; fwd-status={status}"));
            assert_eq!(seen.cache_status(), format!("reprise; fwd=stale{forwarded}; detail=stale-if-error"));
            assert!(seen.header("age").is_some());
            assert_eq!(house.upstream.calls(), before + 1);
        }
        house.upstream.next(Reply::error(500, "x"));
        let seen = house.ask(&streaming(&asked)).await;
        assert_eq!((seen.x_cache(), seen.is_done()), ("STALE", true));
        assert_eq!(house.ask(&asked).await.x_cache(), "MISS", "the provider is well again");
    }

    async fn a_refusal_of_the_question_is_no_failure(store) {
        let house = House::start(store).await;
        let asked = question("refused");
        outlived(&house, &asked).await;
        for status in [400, 401, 403, 404, 422] {
            house.upstream.next(Reply::error(status, "no"));
            assert_eq!(house.ask(&asked).await.status, status);
        }
    }

    async fn no_old_answer_stands_in_where_the_operator_forbids_it(store) {
        let house = House::with(store).set("REPRISE_STALE_IF_ERROR", "0s").start().await;
        let asked = question("forbidden");
        house.send(&chat(&asked).header("x-cache-ttl", "1")).await;
        house.upstream.always(Reply::error(503, "down"));
        eventually("the entry expires", || async {
            let seen = house.ask(&asked).await;
            (seen.status == 503).then_some(())
        })
        .await;
    }

    async fn an_old_answer_is_given_while_one_call_fetches_a_new_one(store) {
        let house = House::with(store).set("REPRISE_STALE_WHILE_REVALIDATE", "1h").start().await;
        let asked = question("revalidated");
        let first = house.send(&chat(&asked).header("x-cache-ttl", "1")).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let gate = Gate::new();
        let renewed = answer("renewed", "new").to_string();
        house.upstream.next(Reply::json(200, renewed.clone()).after(&gate));
        for _ in 0..10 {
            let seen = house.ask(&asked).await;
            assert_eq!((seen.x_cache(), &seen.body), ("STALE", &first.body));
            assert!(seen.cache_status().starts_with("reprise; hit; ttl=-"), "{}", seen.cache_status());
            assert!(seen.cache_status().ends_with("; detail=SWR"), "{}", seen.cache_status());
        }
        house.upstream.asked(2).await;
        gate.open();
        let hit = eventually("the new answer is stored", || async {
            let seen = house.ask(&asked).await;
            (seen.x_cache() == "HIT").then_some(seen)
        })
        .await;
        assert_eq!(hit.text(), renewed);
        assert_eq!(house.upstream.calls(), 2, "one refresh at a time");
    }

    async fn a_refresh_that_fails_keeps_the_old_answer(store) {
        let house = House::with(store).set("REPRISE_STALE_WHILE_REVALIDATE", "1h").start().await;
        let asked = question("kept");
        let first = house.send(&chat(&asked).header("x-cache-ttl", "1")).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        house.upstream.always(Reply::error(500, "x"));
        for round in 1..=3 {
            let seen = house.ask(&asked).await;
            assert_eq!((seen.x_cache(), &seen.body), ("STALE", &first.body));
            house.upstream.asked(1 + round).await;
            // The next request starts a refresh only once this one has ended.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn nothing_is_refreshed_that_nobody_asks_for(store) {
        let house = House::with(store).set("REPRISE_STALE_WHILE_REVALIDATE", "1h").start().await;
        let asked = question("unasked");
        house.send(&chat(&asked).header("x-cache-ttl", "1")).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(house.upstream.calls(), 1);
    }
}
