//! The store is never the reason for a failed request: Redis away, killed,
//! frozen, full, slow, or holding something else than it should.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{
    EmbeddingStyle, Ending, House, Redis, Setup, Store, Wire, assert_embeds, batch, chat,
    eventually, in_time, question, stored, stored_now,
};

/// Clients that ask without a pause, some questions again and again, some new.
struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    running: JoinSet<Vec<Duration>>,
}

impl Load {
    fn on(house: &House, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(AtomicUsize::new(0));
        let mut running = JoinSet::new();
        for client in 0..clients {
            let (http, stop, asked) = (house.client(), Arc::clone(&stop), Arc::clone(&asked));
            running.spawn(async move {
                let mut times = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    let number = asked.fetch_add(1, Ordering::SeqCst);
                    let text = if number.is_multiple_of(4) {
                        format!("new {client} {number}")
                    } else {
                        format!("known {}", number % 40)
                    };
                    let began = Instant::now();
                    let seen = http.send(&chat(&question(&text))).await;
                    times.push(began.elapsed());
                    assert_eq!(
                        (seen.status, seen.ending),
                        (200, Ending::Whole),
                        "{}",
                        seen.text()
                    );
                    assert_eq!(seen.json()["object"], "chat.completion");
                }
                times
            });
        }
        Self {
            stop,
            asked,
            running,
        }
    }

    /// Waits until so many more questions have been asked.
    async fn goes_on(&self, more: usize) {
        let goal = self.asked.load(Ordering::SeqCst) + more;
        eventually("the load goes on", || async {
            (goal <= self.asked.load(Ordering::SeqCst)).then_some(())
        })
        .await;
    }

    /// Ends it; how long each question took, the slowest last.
    async fn end(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::SeqCst);
        let mut times = self.running.join_all().await.concat();
        times.sort_unstable();
        times
    }
}

/// A house on Redis with the deadline that operators have.
fn house() -> Setup {
    House::with(Store::Redis).set("REPRISE_BACKEND_READ_TIMEOUT", "50ms")
}

/// What `/health/ready` lists as not working.
async fn degraded(house: &House) -> Value {
    let seen = house.client().get("/health/ready").await;
    assert_eq!(
        seen.status, 200,
        "a store that is away does not make the proxy unready"
    );
    seen.json()["degraded"].clone()
}

async fn is_degraded(house: &House, expected: bool) {
    eventually("the health tells of the store", || async {
        let store_is_away = degraded(house).await == serde_json::json!(["store"]);
        (store_is_away == expected).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_away_at_the_start_is_found_when_it_comes() {
    in_time(async {
        let mut redis = Redis::absent();
        let began = Instant::now();
        let mut house = house().backend(redis.url()).start().await;
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "the start waited for Redis"
        );
        assert_eq!(house.client().get("/health/live").await.status, 200);
        let asked = question("without a store");
        assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
        assert_eq!(
            house.ask(&asked).await.x_cache(),
            "HIT",
            "memory alone serves"
        );
        is_degraded(&house, true).await;
        redis.run().await;
        is_degraded(&house, false).await;
        house.redis = Some(redis);
        house.ask(&question("with a store")).await;
        stored(&house, 1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_ten_times_under_load_fails_no_request() {
    in_time(async {
        let mut house = house().start().await;
        let load = Load::on(&house, 8);
        load.goes_on(100).await;
        for _ in 0..10 {
            house.redis.as_mut().unwrap().kill();
            load.goes_on(100).await;
            house.redis.as_mut().unwrap().run().await;
            load.goes_on(100).await;
        }
        let times = load.end().await;
        let worst = times.last().unwrap();
        assert!(
            *worst < Duration::from_secs(2),
            "a request waited {worst:?}"
        );
        is_degraded(&house, false).await;
        let asked = question("after the storm");
        house.ask(&asked).await;
        eventually("answers are stored again", || async {
            (!stored_now(&house).is_empty()).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_redis_costs_little_and_fails_nothing() {
    in_time(async {
        let house = house().start().await;
        let load = Load::on(&house, 8);
        load.goes_on(100).await;
        house.redis().freeze();
        load.goes_on(400).await;
        is_degraded(&house, true).await;
        // With the breaker open a question costs what it costs without a store.
        let began = Instant::now();
        for number in 0..20 {
            assert_eq!(
                house
                    .ask(&question(&format!("frozen {number}")))
                    .await
                    .status,
                200
            );
        }
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{:?} for 20 questions",
            began.elapsed()
        );
        house.redis().thaw();
        load.goes_on(100).await;
        let times = load.end().await;
        let worst = times.last().unwrap();
        assert!(
            *worst < Duration::from_secs(2),
            "a request waited {worst:?}"
        );
        is_degraded(&house, false).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_or_silent_wire_to_redis_fails_nothing() {
    in_time(async {
        let redis = Redis::start().await;
        let wire = Wire::to(redis.address()).await;
        let url = format!("redis://{}", wire.address());
        let house = house().backend(url).start().await;
        let load = Load::on(&house, 4);
        for _ in 0..3 {
            load.goes_on(50).await;
            wire.cut();
            load.goes_on(50).await;
            wire.mend();
            load.goes_on(50).await;
            wire.silence();
            load.goes_on(50).await;
            wire.mend();
        }
        load.end().await;
        is_degraded(&house, false).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_is_still_read() {
    in_time(async {
        let mut house = house().start().await;
        let kept = question("kept before it was full");
        let first = house.ask(&kept).await;
        stored(&house, 1).await;
        house.redis().configure("maxmemory-policy", "noeviction");
        house.redis().configure("maxmemory", "1");
        for number in 0..50 {
            assert_eq!(
                house.ask(&question(&format!("full {number}"))).await.status,
                200
            );
        }
        assert_eq!(stored_now(&house).len(), 1);
        house.app.kill();
        house.start_again().await;
        let hit = eventually("what is stored is read", || async {
            let control = chat(&kept).header("cache-control", "only-if-cached");
            let seen = house.send(&control).await;
            (seen.x_cache() == "HIT").then_some(seen)
        })
        .await;
        assert_eq!(hit.body, first.body);
        house.redis().configure("maxmemory", "0");
        eventually("answers are stored again", || async {
            let number = house.upstream.calls();
            house.ask(&question(&format!("room again {number}"))).await;
            (1 < stored_now(&house).len()).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_refuses_writes_fails_nothing() {
    in_time(async {
        let house = house().start().await;
        house.ask(&question("before")).await;
        stored(&house, 1).await;
        let mut connection = house.redis().connect();
        redis::cmd("REPLICAOF")
            .arg(&["127.0.0.1", "1"])
            .exec(&mut connection)
            .unwrap();
        for number in 0..30 {
            assert_eq!(
                house
                    .ask(&question(&format!("read-only {number}")))
                    .await
                    .status,
                200
            );
        }
        redis::cmd("REPLICAOF")
            .arg(&["NO", "ONE"])
            .exec(&mut connection)
            .unwrap();
        eventually("answers are stored again", || async {
            let number = house.upstream.calls();
            house.ask(&question(&format!("writable {number}"))).await;
            (1 < stored_now(&house).len()).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_answered_while_redis_is_away() {
    in_time(async {
        let mut house = house().set("REPRISE_MEMORY_MAX_BYTES", "0").start().await;
        let style = EmbeddingStyle::default();
        house.embed(&batch(["before"])).await;
        stored(&house, 1).await;
        for round in 0..3 {
            let asked = batch(["before".to_owned(), format!("round {round}")]);
            let redis = house.redis.as_mut().unwrap();
            match round {
                0 => redis.freeze(),
                1 => redis.thaw(),
                _ => redis.kill(),
            }
            let began = Instant::now();
            for _ in 0..3 {
                assert_embeds(&house.embed(&asked).await, &asked, style);
            }
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "the store was waited for"
            );
        }
        is_degraded(&house, true).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_hold_something_else_are_misses() {
    in_time(async {
        let setup = House::with(Store::Redis).set("REPRISE_MEMORY_MAX_BYTES", "0");
        let house = setup.start().await;
        let asked = question("something else");
        house.ask(&asked).await;
        stored(&house, 1).await;
        let mut connection = house.redis().connect();
        let entries: Vec<Vec<u8>> = house.redis().keys();
        for key in entries {
            let length: usize = redis::cmd("STRLEN")
                .arg(&key)
                .query(&mut connection)
                .unwrap_or(0);
            if 64 <= length {
                redis::cmd("DEL").arg(&key).exec(&mut connection).unwrap();
                redis::cmd("LPUSH")
                    .arg(&key)
                    .arg("x")
                    .exec(&mut connection)
                    .unwrap();
            }
        }
        assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
        stored(&house, 1).await;
        assert_eq!(house.ask(&asked).await.x_cache(), "HIT");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_redis_is_only_empty() {
    in_time(async {
        let house = house().start().await;
        let asked = question("flushed");
        let first = house.ask(&asked).await;
        stored(&house, 1).await;
        redis::cmd("FLUSHALL")
            .exec(&mut house.redis().connect())
            .unwrap();
        for _ in 0..3 {
            let seen = house.ask(&asked).await;
            assert_eq!((seen.status, &seen.body), (200, &first.body));
        }
        assert_eq!(house.ask(&question("after the flush")).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_or_host_fails_nothing() {
    in_time(async {
        let redis = Redis::start().await;
        redis.configure("requirepass", "right");
        for url in [
            format!("redis://:wrong@{}", redis.address()),
            "redis://no-such-host.invalid:6379".to_owned(),
        ] {
            let house = house().backend(url).start().await;
            let asked = question("wrong address");
            assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
            assert_eq!(house.ask(&asked).await.x_cache(), "HIT");
            is_degraded(&house, true).await;
        }
    })
    .await;
}
