//! What a client may ask of the cache holds for a batch as it does for one answer:
//! RFC 9111 §5.2.1, RFC 5861 §4.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    EmbeddingStyle, Gate, House, Reply, Response, Store, assert_embeds, batch, counted, embed,
    eventually, in_time, on_each_store,
};

/// Asks with a `Cache-Control`.
async fn ask(house: &House, asked: &Value, control: &str) -> Response {
    house
        .send(&embed(asked).header("cache-control", control))
        .await
}

/// Asks once, and waits until the vectors are no longer fresh.
async fn outlived(house: &House, asked: &Value) {
    let first = house.send(&embed(asked).header("x-cache-ttl", "1")).await;
    assert_eq!(first.status, 200);
    eventually("the vectors are no longer fresh", || async {
        let seen = ask(house, asked, "only-if-cached, max-stale").await;
        (seen.x_cache() == "STALE").then_some(())
    })
    .await;
}

on_each_store! {
    async fn no_cache_asks_for_every_item_anew(store) {
        let house = House::start(store).await;
        let asked = batch(["a", "b"]);
        house.embed(&batch(["a", "b", "c"])).await;
        let style = EmbeddingStyle::default().moved_on();
        house.upstream.embeds(style);
        for control in ["no-cache", "max-age=0"] {
            let seen = ask(&house, &asked, control).await;
            assert_eq!(seen.x_cache(), "REFRESH", "{control}");
            assert_eq!(seen.cache_status(), "reprise; fwd=request; fwd-status=200", "{control}");
            assert_eq!(counted(&seen), (Some(0), Some(2)), "{control}");
            assert_embeds(&seen, &asked, style);
            assert_eq!(house.upstream.batches().pop().unwrap(), ["a", "b"]);
        }
        let after = house.embed(&asked).await;
        assert_eq!(after.x_cache(), "HIT", "it replaced them");
        assert_embeds(&after, &asked, style);
        assert_eq!(house.upstream.calls(), 3);
    }

    async fn no_store_leaves_no_trace(store) {
        let house = House::start(store).await;
        let asked = batch(["no trace"]);
        let seen = ask(&house, &asked, "no-store").await;
        assert_eq!(seen.x_cache(), "BYPASS");
        assert_eq!(seen.cache_status(), "reprise; fwd=bypass; detail=no-store");
        assert_eq!(house.embed(&asked).await.x_cache(), "MISS");
        assert_eq!(ask(&house, &asked, "no-store").await.x_cache(), "BYPASS");
        assert_eq!(house.upstream.calls(), 3);
    }

    async fn only_if_cached_never_asks_upstream(store) {
        let house = House::start(store).await;
        house.embed(&batch(["a", "b"])).await;
        let hit = ask(&house, &batch(["b", "a"]), "only-if-cached").await;
        assert_eq!((hit.status, hit.x_cache()), (200, "HIT"));
        for asked in [batch(["a", "b", "c"]), batch(["c"])] {
            let seen = ask(&house, &asked, "only-if-cached").await;
            assert_eq!((seen.status, seen.error_code().as_str()), (504, "cache_only_miss"));
            assert_eq!(seen.header("x-should-retry"), Some("false"));
        }
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn only_the_items_that_are_too_old_are_asked_for_anew(store) {
        let house = House::start(store).await;
        outlived(&house, &batch(["old"])).await;
        house.embed(&batch(["young"])).await;
        let asked = batch(["young", "old"]);
        let seen = house.embed(&asked).await;
        assert_eq!((seen.x_cache(), counted(&seen)), ("PARTIAL", (Some(1), Some(1))));
        assert_embeds(&seen, &asked, EmbeddingStyle::default());
        assert_eq!(house.upstream.batches().pop().unwrap(), ["old"]);
        assert_eq!(house.embed(&asked).await.x_cache(), "HIT");
    }

    async fn max_stale_accepts_what_is_too_old(store) {
        let house = House::start(store).await;
        let asked = batch(["old", "as old"]);
        outlived(&house, &asked).await;
        let seen = ask(&house, &asked, "max-stale=600").await;
        assert_eq!((seen.x_cache(), counted(&seen)), ("STALE", (Some(2), Some(0))));
        assert_embeds(&seen, &asked, EmbeddingStyle::default());
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_client_bounds_the_age_it_accepts(store) {
        let house = House::start(store).await;
        let asked = batch(["bounds"]);
        house.send(&embed(&asked).header("x-cache-ttl", "600")).await;
        for control in ["max-age=600", "min-fresh=500", "max-age=99999999999999999999"] {
            assert_eq!(ask(&house, &asked, control).await.x_cache(), "HIT", "{control}");
        }
        assert_ne!(ask(&house, &asked, "min-fresh=601").await.x_cache(), "HIT");
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn vectors_are_fresh_for_thirty_days(store) {
        let house = House::start(store).await;
        let asked = batch(["thirty days"]);
        house.embed(&asked).await;
        let status = house.embed(&asked).await.cache_status();
        let ttl = status.strip_prefix("reprise; hit; ttl=").unwrap();
        let ttl: u64 = ttl.split(';').next().unwrap().parse().unwrap();
        let month = 30 * 24 * 60 * 60;
        assert!((month - 60..=month).contains(&ttl), "{status}");
    }

    async fn old_vectors_stand_in_for_a_failing_provider(store) {
        let house = House::start(store).await;
        let (asked, one) = (batch(["a", "b"]), batch(["b"]));
        outlived(&house, &asked).await;
        house.embed(&batch(["young"])).await;
        let style = EmbeddingStyle::default();
        for failure in [Reply::error(500, "down"), Reply::error(503, "down"), Reply::error(429, "slow"), Reply::reset()] {
            house.upstream.always(failure);
            for asked in [&asked, &one, &batch(["b", "young", "a", "b"])] {
                let seen = house.embed(asked).await;
                assert_eq!((seen.status, seen.x_cache()), (200, "STALE"), "{asked}");
                assert!(seen.cache_status().ends_with("detail=stale-if-error"), "{}", seen.cache_status());
                assert!(seen.header("age").is_some());
                assert_embeds(&seen, asked, style);
            }
            let seen = house.embed(&batch(["a", "never seen"])).await;
            assert_ne!(seen.status, 200, "nothing stands in for what was never there");
        }
        house.upstream.recover();
        let seen = house.embed(&asked).await;
        assert_eq!(seen.x_cache(), "MISS", "the provider is well again");
        assert_embeds(&seen, &asked, style);
    }

    async fn a_refusal_of_the_question_is_no_failure(store) {
        let house = House::start(store).await;
        let asked = batch(["refused"]);
        outlived(&house, &asked).await;
        for status in [400, 401, 403, 404, 422] {
            house.upstream.next(Reply::error(status, "no"));
            assert_eq!(house.embed(&asked).await.status, status);
        }
    }

    async fn no_old_vector_stands_in_where_the_operator_forbids_it(store) {
        let house = House::with(store).set("REPRISE_STALE_IF_ERROR", "0s").start().await;
        let asked = batch(["forbidden"]);
        house.send(&embed(&asked).header("x-cache-ttl", "1")).await;
        house.upstream.always(Reply::error(503, "down"));
        eventually("the vector expires", || async {
            let seen = house.embed(&asked).await;
            (seen.status == 503).then_some(())
        })
        .await;
    }

    async fn old_vectors_are_given_while_one_call_fetches_new_ones(store) {
        let house = House::with(store).set("REPRISE_STALE_WHILE_REVALIDATE", "1h").start().await;
        let asked = batch(["a", "b"]);
        house.send(&embed(&asked).header("x-cache-ttl", "1")).await;
        // To ask whether they are fresh would start what is tested here.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let (old, new) = (EmbeddingStyle::default(), EmbeddingStyle::default().moved_on());
        house.upstream.embeds(new);
        let gate = Gate::new();
        house.upstream.always(Reply::usual().after(&gate));
        for _ in 0..5 {
            let seen = house.embed(&asked).await;
            assert_eq!(seen.x_cache(), "STALE");
            assert!(seen.cache_status().ends_with("; detail=SWR"), "{}", seen.cache_status());
            assert_embeds(&seen, &asked, old);
        }
        house.upstream.asked(2).await;
        gate.open();
        let hit = eventually("the new vectors are stored", || async {
            let seen = house.embed(&asked).await;
            (seen.x_cache() == "HIT").then_some(seen)
        })
        .await;
        assert_embeds(&hit, &asked, new);
        assert_eq!(house.upstream.calls(), 2, "one refresh at a time");
    }

    async fn a_life_of_nothing_is_not_kept(store) {
        let house = House::start(store).await;
        let request = embed(&batch(["no life"])).header("x-cache-ttl", "0");
        for calls in 1..=2 {
            let seen = house.send(&request).await;
            assert_eq!((seen.status, &seen.json()["object"]), (200, &json!("list")));
            assert_eq!(house.upstream.calls(), calls);
        }
    }
}
