//! Stopping, being killed, starting again, and growing old.

use std::time::Duration;

use crate::support::{
    Gate, House, Reply, Store, answer, chat, eventually, fold_text, in_time, on_each_store,
    question, stored, stored_now, streamed, with_usage,
};

on_each_store! {
    async fn a_stop_lets_running_answers_finish(store) {
        let mut house = House::start(store).await;
        let gate = Gate::new();
        let whole = answer("drained", "all of it");
        let chunks = with_usage(streamed(&whole), &whole);
        house.upstream.next(Reply::chunks(&chunks).gate_before(2, &gate));
        let asked = question("drained");
        let mut running = house.open_stream(&asked).await;
        running.events(1).await;
        house.app.terminate();
        eventually("new connections are refused or told to go elsewhere", || async {
            let ready = crate::support::Request::new("GET", "/health/ready");
            match house.client().try_send(&ready).await {
                Ok(seen) => (seen.status == 503).then_some(()),
                Err(_) => Some(()),
            }
        })
        .await;
        gate.open();
        let seen = running.rest().await.unwrap();
        assert!(seen.is_done(), "the stop cut a running stream: {}", seen.text());
        assert_eq!(fold_text(&seen.events()), "all of it");
        assert!(house.app.exited().await, "the exit says something went wrong");
        house.start_again().await;
        let hit = house.ask(&asked).await;
        assert_eq!(hit.x_cache(), "HIT", "what was answered during the stop was not stored");
    }

    async fn a_stop_closes_idle_connections(store) {
        let mut house = House::start(store).await;
        let (_, kept) = house.client().open(&chat(&question("idle"))).await.rest_and_stream().await;
        house.app.terminate();
        assert!(house.app.exited().await);
        drop(kept);
    }

    async fn a_stop_does_not_wait_forever(store) {
        let mut house = House::with(store).set("REPRISE_DRAIN_TIMEOUT", "500ms").start().await;
        let whole = answer("endless", "never ends");
        let reply = Reply::chunks(&with_usage(streamed(&whole), &whole));
        let length = reply.body_bytes() / 2;
        house.upstream.next(reply.silent_after(length));
        let mut running = house.open_stream(&question("endless")).await;
        running.events(1).await;
        house.app.terminate();
        house.app.exited().await;
        let seen = running.rest().await.unwrap();
        assert!(!seen.is_done(), "a stream that was cut looks whole");
    }

    async fn what_was_stored_outlives_a_kill(store) {
        let mut house = House::start(store).await;
        let mut bodies = Vec::new();
        for number in 0..20 {
            bodies.push(house.ask(&question(&format!("killed {number}"))).await.body);
        }
        stored(&house, 20).await;
        house.app.kill();
        house.start_again().await;
        for (number, body) in bodies.iter().enumerate() {
            let asked = question(&format!("killed {number}"));
            let hit = eventually("the entry is read", || async {
                // On a busy machine a look-up may run into its deadline: a miss is
                // allowed then, another answer is what the entry must not become.
                let control = chat(&asked).header("cache-control", "only-if-cached");
                let seen = house.send(&control).await;
                (seen.status == 200).then_some(seen)
            })
            .await;
            assert_eq!(&hit.body, body);
        }
        assert_eq!(house.upstream.calls(), 20);
    }

    async fn kills_in_the_middle_of_writing_leave_no_broken_entry(store) {
        let mut house = House::start(store).await;
        for round in 0..6 {
            let client = house.client();
            let mut running = tokio::task::JoinSet::new();
            for number in 0..40 {
                let request = chat(&question(&format!("midst {round} {number}")));
                running.spawn(async move { client.try_send(&request).await.map(|seen| seen.status) });
            }
            while let Some(one) = running.join_next().await {
                if one.unwrap().is_ok_and(|status| status == 200) && running.len() < 30 {
                    break;
                }
            }
            house.app.kill();
            drop(running);
            house.start_again().await;
            for number in (0..40).step_by(8) {
                let asked = question(&format!("midst {round} {number}"));
                let (first, second) = (house.ask(&asked).await, house.ask(&asked).await);
                assert_eq!((first.status, second.status), (200, 200));
                assert_eq!(first.body, second.body);
                assert_eq!(first.json()["object"], "chat.completion");
            }
        }
    }

    async fn an_entry_ends_with_its_time(store) {
        let mut house = House::with(store)
            .set("REPRISE_COMPLETION_TTL", "1s")
            .set("REPRISE_STALE_IF_ERROR", "0s")
            .start()
            .await;
        let asked = question("its time");
        // A busy machine may need longer than that for the first two.
        let hit = eventually("the entry is found", || async {
            let seen = house.ask(&asked).await;
            (seen.x_cache() == "HIT").then_some(seen)
        })
        .await;
        let anew = eventually("the entry expires", || async {
            let seen = house.ask(&asked).await;
            (seen.body != hit.body).then_some(seen)
        })
        .await;
        assert_eq!(anew.x_cache(), "MISS");
        house.app.kill();
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        house.start_again().await;
        assert_eq!(house.ask(&asked).await.x_cache(), "MISS", "it came back after a restart");
    }

    async fn the_store_keeps_its_key_over_a_restart(store) {
        let mut house = House::start(store).await;
        let asked = question("same key");
        house.ask(&asked).await;
        stored(&house, 1).await;
        for _ in 0..3 {
            house.app.terminate();
            assert!(house.app.exited().await);
            house.start_again().await;
            eventually("the entry is found", || async {
                let control = chat(&asked).header("cache-control", "only-if-cached");
                (house.send(&control).await.status == 200).then_some(())
            })
            .await;
        }
        assert_eq!(stored_now(&house).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_entry_in_redis_has_an_end() {
    in_time(async {
        let house = House::start(Store::Redis).await;
        house.ask(&question("ends")).await;
        stored(&house, 1).await;
        let mut connection = house.redis().connect();
        let mut entries = 0;
        for key in house.redis().keys() {
            let length: usize = redis::cmd("STRLEN")
                .arg(&key)
                .query(&mut connection)
                .unwrap_or(0);
            let left: i64 = redis::cmd("PTTL").arg(&key).query(&mut connection).unwrap();
            if 64 <= length {
                entries += 1;
                assert!(0 < left, "an entry stays forever");
            }
            let text = String::from_utf8_lossy(&key).into_owned();
            assert!(
                text.starts_with("reprise"),
                "a key outside our prefix: {text}"
            );
        }
        assert_eq!(entries, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_stays_inside_its_bound() {
    const BOUND: u64 = 4 * 1024 * 1024;
    const LOG_BYTES: u64 = 12 * 1024 * 1024;
    in_time(async {
        let house = House::with(Store::Embedded)
            .set("REPRISE_CACHE_MAX_BYTES", &BOUND.to_string())
            .set("REPRISE_MEMORY_MAX_BYTES", "0")
            .start()
            .await;
        let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
        for number in 0..1_000 {
            // Hardly compressible: 40 KiB an answer, some 20 MiB in all when sealed.
            let words: Vec<_> = (0..2_560)
                .map(|_| {
                    noise ^= noise << 13;
                    noise ^= noise >> 7;
                    noise ^= noise << 17;
                    format!("{noise:016x}")
                })
                .collect();
            let body = answer(&number.to_string(), &words.concat()).to_string();
            house.upstream.next(Reply::json(200, body));
            assert_eq!(
                house
                    .ask(&question(&format!("bound {number}")))
                    .await
                    .status,
                200
            );
        }
        let control = chat(&question("bound 999")).header("cache-control", "only-if-cached");
        eventually("the newest entry is stored", || async {
            (house.send(&control).await.status == 200).then_some(())
        })
        .await;
        eventually("the store is inside its bound", || async {
            let bytes: usize = stored_now(&house)
                .iter()
                .map(|entry| entry.value.len())
                .sum();
            (bytes as u64 <= BOUND).then_some(())
        })
        .await;
        // The log beside the database has a size of its own, whatever the bound.
        eventually("the files are near the bound", || async {
            let files = std::fs::read_dir(house.data_folder()).unwrap();
            let bytes: u64 = files
                .map(|file| file.unwrap().metadata().unwrap().len())
                .sum();
            (bytes < BOUND + LOG_BYTES).then_some(())
        })
        .await;
        let oldest = chat(&question("bound 0")).header("cache-control", "only-if-cached");
        assert_eq!(
            house.send(&oldest).await.status,
            504,
            "the oldest entry is still there"
        );
    })
    .await;
}
