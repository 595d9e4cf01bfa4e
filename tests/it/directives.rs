//! What a client may ask of the cache: RFC 9111 §5.2.1, RFC 5861 §4, and what it
//! is told: RFC 9211, `Age`, `x-cache`, `x-request-id`.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;

use crate::support::{
    Gate, House, Reply, Response, Store, answer, chat, eventually, in_time, on_each_store,
    question, streaming,
};

/// Asks with a `Cache-Control`.
async fn ask(house: &House, question: &Value, control: &str) -> Response {
    house
        .send(&chat(question).header("cache-control", control))
        .await
}

/// Asks again until the entry is so old, in whole seconds.
async fn aged(house: &House, question: &Value, seconds: u64) {
    eventually("the entry is old enough", || async {
        let answer = ask(house, question, "max-stale").await;
        let age: u64 = answer.header("age").unwrap().parse().unwrap();
        (seconds <= age).then_some(())
    })
    .await;
}

on_each_store! {
    async fn no_cache_asks_anew_and_replaces_the_entry(store) {
        let house = House::start(store).await;
        for (at, control) in ["no-cache", "max-age=0", "No-Cache", "max-age=\"0\"", "foo, no-cache=\"x\""]
            .into_iter()
            .enumerate()
        {
            let asked = question(&format!("refresh {at}"));
            let first = house.ask(&asked).await;
            let fresh = ask(&house, &asked, control).await;
            assert_eq!(fresh.x_cache(), "REFRESH", "{control}");
            assert_eq!(fresh.cache_status(), "reprise; fwd=request; fwd-status=200", "{control}");
            assert_ne!(fresh.body, first.body);
            let after = house.ask(&asked).await;
            assert_eq!((after.x_cache(), &after.body), ("HIT", &fresh.body), "{control}");
        }
    }

    async fn pragma_counts_only_without_cache_control(store) {
        let house = House::start(store).await;
        let asked = question("pragma");
        house.ask(&asked).await;
        let pragma = chat(&asked).header("pragma", "no-cache");
        assert_eq!(house.send(&pragma).await.x_cache(), "REFRESH");
        let both = pragma.header("cache-control", "max-age=600");
        assert_eq!(house.send(&both).await.x_cache(), "HIT");
    }

    async fn no_store_leaves_no_trace(store) {
        let house = House::start(store).await;
        let asked = question("no trace");
        let first = ask(&house, &asked, "no-store").await;
        assert_eq!(first.x_cache(), "BYPASS");
        assert_eq!(first.cache_status(), "reprise; fwd=bypass; detail=no-store");
        assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
        let bypassed = ask(&house, &asked, "no-store").await;
        assert_eq!(bypassed.x_cache(), "BYPASS");
        assert_eq!(house.upstream.calls(), 3);
        assert_eq!(house.ask(&asked).await.x_cache(), "HIT");
    }

    async fn no_store_joins_nobody(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let asked = question("alone");
        for number in 0..3 {
            let body = answer(&format!("{number}"), "apart").to_string();
            house.upstream.next(Reply::json(200, body).after(&gate));
        }
        let request = chat(&asked).header("cache-control", "no-store");
        let client = house.client();
        let running: Vec<_> = (0..3)
            .map(|_| {
                let request = request.clone();
                tokio::spawn(async move { client.send(&request).await })
            })
            .collect();
        house.upstream.asked(3).await;
        gate.open();
        let mut bodies = HashSet::new();
        for one in running {
            bodies.insert(one.await.unwrap().body);
        }
        assert_eq!(bodies.len(), 3);
    }

    async fn only_if_cached_never_asks_upstream(store) {
        let house = House::start(store).await;
        let asked = question("only if cached");
        let nothing = ask(&house, &asked, "only-if-cached").await;
        assert_eq!((nothing.status, nothing.error_code().as_str()), (504, "cache_only_miss"));
        assert_eq!(nothing.header("x-should-retry"), Some("false"));
        assert_eq!(nothing.header("cache-status"), None, "RFC 9211: not on our own errors");
        assert_eq!(house.upstream.calls(), 0);
        house.ask(&asked).await;
        let hit = ask(&house, &asked, "only-if-cached").await;
        assert_eq!((hit.status, hit.x_cache()), (200, "HIT"));
        let nothing = ask(&house, &streaming(&question("other")), "only-if-cached").await;
        assert_eq!(nothing.status, 504);
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn max_age_and_min_fresh_bound_what_is_accepted(store) {
        let house = House::start(store).await;
        let asked = question("bounds");
        let request = chat(&asked).header("x-cache-ttl", "600");
        house.send(&request).await;
        assert_eq!(ask(&house, &asked, "max-age=600").await.x_cache(), "HIT");
        assert_eq!(ask(&house, &asked, "min-fresh=500").await.x_cache(), "HIT");
        assert_eq!(ask(&house, &asked, "max-age=99999999999999999999").await.x_cache(), "HIT");
        aged(&house, &asked, 2).await;
        let before = house.upstream.calls();
        let newer = ask(&house, &asked, "max-age=1").await;
        assert_ne!(newer.x_cache(), "HIT");
        assert_eq!(house.upstream.calls(), before + 1);
        assert_eq!(ask(&house, &asked, "max-age=1").await.x_cache(), "HIT", "it replaces the entry");
        let newer = house.send(&request.clone().header("cache-control", "min-fresh=99999999")).await;
        assert_ne!(newer.x_cache(), "HIT");
        assert_eq!(house.upstream.calls(), before + 2);
    }

    async fn a_short_life_ends_and_max_stale_extends_it(store) {
        let house = House::start(store).await;
        let asked = question("short life");
        let request = chat(&asked).header("x-cache-ttl", "1");
        let first = house.send(&request).await;
        aged(&house, &asked, 2).await;
        let stale = ask(&house, &asked, "max-stale=600").await;
        assert_eq!((stale.x_cache(), &stale.body), ("STALE", &first.body));
        assert!(stale.cache_status().starts_with("reprise; hit; ttl=-"), "{}", stale.cache_status());
        assert_eq!(house.upstream.calls(), 1);
        let anew = house.ask(&asked).await;
        assert_eq!(anew.x_cache(), "MISS");
        assert_ne!(anew.body, first.body);
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn a_life_of_nothing_is_not_kept(store) {
        let house = House::start(store).await;
        let asked = question("no life");
        let request = chat(&asked).header("x-cache-ttl", "0");
        house.send(&request).await;
        assert_ne!(house.send(&request).await.x_cache(), "HIT");
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn the_cache_says_what_it_did(store) {
        let house = House::start(store).await;
        let asked = question("say");
        let miss = chat(&asked).header("x-cache-ttl", "3600");
        let miss = house.send(&miss).await;
        assert!(miss.cache_status().starts_with("reprise; fwd=uri-miss; fwd-status=200"));
        assert_eq!(miss.header("age"), None);
        let hit = house.ask(&asked).await;
        let status = hit.cache_status();
        let ttl = status.strip_prefix("reprise; hit; ttl=").unwrap();
        let (ttl, detail) = ttl.split_once("; detail=").unwrap();
        let ttl: u64 = ttl.parse().unwrap();
        assert!((3590..=3600).contains(&ttl), "{status}");
        assert!(["L1", "L2"].contains(&detail), "{status}");
        let age: u64 = hit.header("age").unwrap().parse().unwrap();
        assert!(age <= 10);
        let streamed = house.ask_stream(&asked).await;
        assert!(streamed.cache_status().starts_with("reprise; hit; ttl="));
        assert!(streamed.header("age").is_some());
        aged(&house, &asked, 1).await;
        let answers = [miss, hit, streamed];
        for answer in &answers {
            let id = answer.header("x-request-id").unwrap();
            assert!(id.starts_with("req_"), "{id}");
        }
        let ids: HashSet<_> = answers.iter().map(|answer| answer.header("x-request-id")).collect();
        assert_eq!(ids.len(), 3);
    }

    async fn no_cache_further_down_may_store_an_answer(store) {
        let house = House::start(store).await;
        let asked = question("downstream");
        for _ in 0..2 {
            let answer = house.ask(&asked).await;
            assert_eq!(answer.header("cache-control"), Some("private, no-store"));
            let streamed = house.ask_stream(&asked).await;
            let control = streamed.header("cache-control").unwrap();
            assert!(control.contains("no-cache"), "{control}");
        }
    }

    async fn a_condition_on_a_post_changes_nothing(store) {
        let house = House::start(store).await;
        let asked = question("condition");
        house.ask(&asked).await;
        let request = chat(&asked).header("if-none-match", "*");
        let hit = house.send(&request).await;
        assert_eq!((hit.status, hit.x_cache()), (200, "HIT"));
    }

    async fn what_a_cache_before_us_said_is_kept(store) {
        let house = House::start(store).await;
        let body = answer("x", "upstream cache").to_string();
        house.upstream.next(Reply::json(200, body).header("cache-status", "far; hit"));
        let seen = house.ask(&question("list")).await;
        assert!(seen.cache_status().starts_with("far; hit, reprise; fwd=uri-miss"), "{}", seen.cache_status());
    }

    async fn an_operator_may_forbid_to_bypass_and_to_extend(store) {
        let house = House::with(store)
            .set("REPRISE_CLIENTS_MAY_BYPASS", "false")
            .set("REPRISE_CLIENTS_MAY_EXTEND", "false")
            .set("REPRISE_COMPLETION_TTL", "1s")
            .start()
            .await;
        let asked = question("forbidden");
        let long = chat(&asked).header("x-cache-ttl", "600");
        // A busy machine may need longer than the entry lasts for the two.
        let first = eventually("the entry is not bypassed", || async {
            let first = house.send(&long).await;
            let control = ask(&house, &asked, "no-cache").await;
            (control.x_cache() == "HIT" && control.body == first.body).then_some(first)
        })
        .await;
        let expired = eventually("the entry expires in spite of the client", || async {
            let answer = ask(&house, &asked, "max-stale").await;
            (answer.body != first.body).then_some(answer)
        })
        .await;
        assert_eq!(expired.x_cache(), "MISS");
    }

    async fn a_refresh_joins_no_older_fill(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let (old, new) = (answer("old", "old").to_string(), answer("new", "new").to_string());
        house.upstream.next(Reply::json(200, old.clone()).after(&gate));
        house.upstream.next(Reply::json(200, new.clone()));
        let asked = question("older");
        let (client, request) = (house.client(), chat(&asked));
        let slow = tokio::spawn(async move { client.send(&request).await });
        house.upstream.asked(1).await;
        let refreshed = ask(&house, &asked, "no-cache").await;
        assert_eq!(refreshed.text(), new);
        gate.open();
        assert_eq!(slow.await.unwrap().text(), old);
        // The older answer does not take the newer one's place.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let hit = house.ask(&asked).await;
        assert_eq!((hit.x_cache(), hit.text()), ("HIT", new));
    }
}
