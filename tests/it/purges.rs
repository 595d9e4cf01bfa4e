//! A purge is in force at once and everywhere, and what it means is removed whatever
//! happens to the process that was asked.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::{
    Gate, House, Redis, Reply, Store, answer, eventually, in_time, on_each_store, question, stored,
    stored_now,
};

on_each_store! {
    async fn what_a_selector_means_is_gone_at_once_and_the_rest_stays(store) {
        let house = House::start(store).await;
        let (one, other) = (question("one"), question("other"));
        for _ask in 0..2 {
            house.ask_tagged(&one, "blue").await;
            house.ask_tagged(&other, "red").await;
        }
        stored(&house, 2).await;
        let would = house.invalidate(&json!({"tag": "blue", "dry_run": true})).await;
        assert_eq!((would.status, &would.json()["entries"]), (200, &json!(1)));
        assert_eq!(house.ask_tagged(&one, "blue").await, "HIT");

        let begun = house.invalidate(&json!({"tag": "blue", "model": "test-*"})).await;
        assert_eq!(begun.status, 202);
        assert_eq!(house.ask_tagged(&one, "blue").await, "MISS");
        assert_eq!(house.ask_tagged(&other, "red").await, "HIT");
        let purge = house.purged(&begun.json()).await;
        assert_eq!(purge["selector"]["tag"], json!(["blue"]));
        // What was asked for afterwards began afterwards.
        assert_eq!(house.ask_tagged(&one, "blue").await, "HIT");
        let listed = house.admin("/admin/v1/cache/purges").await.json();
        assert_eq!(listed["data"][0]["id"], purge["id"]);
    }

    async fn one_entry_is_removed_by_its_key(store) {
        let house = House::start(store).await;
        house.ask(&question("one")).await;
        stored(&house, 1).await;
        let key = house.entries("").await[0]["key"].as_str().unwrap().to_owned();
        house.ask(&question("other")).await;
        stored(&house, 2).await;
        let path = format!("/admin/v1/cache/entries/{key}");
        let begun = house.order("DELETE", &path).await;
        assert_eq!((begun.status, house.admin(&path).await.status), (202, 404));
        assert_eq!(house.purged(&begun.json()).await["progress"]["removed"], 1);
        assert_eq!(stored_now(&house).len(), 1);
        assert_eq!(house.ask(&question("one")).await.x_cache(), "MISS");
        assert_eq!(house.ask(&question("other")).await.x_cache(), "HIT");
    }

    async fn an_answer_under_way_is_given_and_not_kept(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let slow = Reply::json(200, answer("slow", "too late").to_string()).after(&gate);
        house.upstream.next(slow);
        let asked = question("slow");
        let (given, ()) = tokio::join!(house.ask(&asked), async {
            house.upstream.asked(1).await;
            let begun = house.invalidate(&json!({"operation": "chat"})).await;
            assert_eq!(begun.status, 202);
            gate.open();
        });
        assert_eq!((given.status, given.x_cache()), (200, "MISS"));
        assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
        assert_eq!(house.upstream.calls(), 2);
        assert_eq!(house.ask(&asked).await.x_cache(), "HIT");
    }

    async fn a_purge_outlives_the_process_that_was_asked(store) {
        let mut house = House::start(store).await;
        house.embed_many(1_500).await;
        house.ask(&question("stays")).await;
        stored(&house, 1_501).await;
        let begun = house.invalidate(&json!({"operation": "embedding"})).await;
        assert_eq!(begun.status, 202);
        house.app.kill();
        house.start_again().await;
        let one = json!({"model": "test-embedding", "input": "input 7"});
        assert_eq!(house.embed(&one).await.x_cache(), "MISS");
        house.purged(&begun.json()).await;
        assert_eq!(house.entries("operation=embedding").await.len(), 1);
        assert_eq!(house.ask(&question("stays")).await.x_cache(), "HIT");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_instance_purges_is_soon_gone_from_the_memory_of_another() {
    in_time(async {
        let redis = Redis::start().await;
        let here = House::with(Store::Redis).backend(redis.url()).start().await;
        let there = House::with(Store::Redis)
            .backend(redis.url())
            .upstream(here.upstream.url())
            .start()
            .await;
        let asked = question("everywhere");
        here.ask(&asked).await;
        eventually("the other one has it in memory", || async {
            let answer = there.ask(&asked).await;
            answer.cache_status().ends_with("detail=L1").then_some(())
        })
        .await;
        let calls = here.upstream.calls();
        let begun = Instant::now();
        here.invalidate(&json!({"operation": "chat"})).await;
        eventually("it is asked again", || async {
            there.ask(&asked).await;
            (calls < here.upstream.calls()).then_some(())
        })
        .await;
        assert!(begun.elapsed() < Duration::from_secs(3));
        assert_eq!(there.ask(&asked).await.x_cache(), "HIT");
    })
    .await;
}
