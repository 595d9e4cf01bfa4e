//! What is cached can be looked at and tried out, and all of it removed.

use serde_json::{Value, json};

use crate::support::{
    ADMIN, ALICE, House, Redis, Request, Store, in_time, on_each_store, question, stored,
    stored_now,
};

on_each_store! {
    async fn entries_are_listed_by_what_is_known_of_them_and_without_the_answer(store) {
        let house = House::start(store).await;
        for number in 0..30 {
            let tag = if number < 3 { "few" } else { "many" };
            assert_eq!(house.ask_tagged(&question(&format!("no {number}")), tag).await, "MISS");
        }
        house.embed_many(5).await;
        stored(&house, 35).await;
        assert_eq!(house.entries("").await.len(), 35);
        assert_eq!(house.entries("operation=embedding").await.len(), 5);
        assert_eq!(house.entries("model=test-model*").await.len(), 30);
        assert_eq!(house.entries("tag=few,none").await.len(), 3);
        assert_eq!(house.entries("tag=few&operation=embedding").await.len(), 0);
        assert_eq!(house.entries("min_age=3600").await.len(), 0);
        assert_eq!(house.entries("max_age=3600").await.len(), 35);

        let few = house.entries("tag=few").await;
        let one = few.first().unwrap();
        assert_eq!(one["tags"], json!(["few"]));
        let (key, tenant) = (one["key"].as_str().unwrap(), one["tenant"].as_str().unwrap());
        assert!(tenant.starts_with("cred_"), "{tenant}");
        assert_eq!(house.entries(&format!("tenant={tenant}")).await.len(), 35);
        assert_eq!(house.entries(&format!("key={}", &key[..12])).await.len(), 1);
        let detail = house.admin(&format!("/admin/v1/cache/entries/{key}")).await.json();
        assert_eq!((&detail["key"], &detail["in_memory"]), (&one["key"], &json!(true)));
        assert!(detail["kept_for"].as_u64() > Some(0), "{detail}");
        assert!(detail["ttl"].as_i64() > Some(0), "{detail}");
        assert!(detail["body_bytes"].as_u64() > Some(100), "{detail}");
        assert!(!detail.to_string().contains("choices"));
        let unknown = format!("/admin/v1/cache/entries/{}", "0".repeat(64));
        assert_eq!(house.admin(&unknown).await.status, 404);
    }

    async fn the_store_is_measured_and_tried_out(store) {
        let house = House::start(store).await;
        house.ask(&question("once")).await;
        house.ask(&question("once")).await;
        stored(&house, 1).await;
        let tried = house.order("POST", "/admin/v1/cache/test").await.json();
        assert_eq!((&tried["ok"], &tried["error"]), (&json!(true), &Value::Null));
        for step in ["write_ms", "read_ms", "remove_ms"] {
            assert!(tried[step].as_f64() > Some(0.0), "{tried}");
        }
        assert_eq!(stored_now(&house).len(), 1, "nothing of the trial is left");
        let stats = house.admin("/admin/v1/cache/stats").await.json();
        assert_eq!(stats["lookups"], json!({"memory_hits": 1, "store_hits": 0, "misses": 1}));
        assert_eq!(stats["memory"]["entries"], 1);
        let told = &stats["store"];
        let counted = match store {
            Store::Embedded => "own",
            Store::Redis => "database",
        };
        assert_eq!((&told["reachable"], &told["counted"]), (&json!(true), &json!(counted)));
        assert!(told["version"].is_string() && told["evicted"] == 0, "{told}");
        assert_eq!(told["compression"]["sampled"], 1);
        assert!(told["compression"]["ratio"].as_f64() > Some(0.0), "{told}");
    }

    async fn everything_is_removed_if_that_is_meant(store) {
        let house = House::start(store).await;
        house.ask(&question("gone")).await;
        house.embed_many(300).await;
        stored(&house, 301).await;
        let path = "/admin/v1/cache/entries";
        for unconfirmed in [path.to_owned(), format!("{path}?confirm=yes")] {
            assert_eq!(house.order("DELETE", &unconfirmed).await.status, 400);
        }
        let begun = house.order("DELETE", &format!("{path}?confirm=all")).await;
        assert_eq!((begun.status, house.ask(&question("gone")).await.x_cache()), (202, "MISS"));
        let purge = house.purged(&begun.json()).await;
        // One may have been removed by who looked it up.
        assert!(purge["progress"]["removed"].as_u64() >= Some(300), "{purge}");
        // What was asked for afterwards stays.
        assert_eq!(house.ask(&question("gone")).await.x_cache(), "HIT");
        assert_eq!(house.entries("").await.len(), 1);
        let metrics = house.metrics().await;
        assert!(metrics.contains("reprise_purged_total{reason=\"everything\"} 30"), "{metrics}");
    }

    async fn what_is_asked_wrongly_is_refused(store) {
        let house = House::start(store).await;
        for selector in [
            json!({}), json!({"dry_run": true}), json!({"tags": ["a"]}), json!({"key": "*"}),
            json!({"operation": "everything"}),
        ] {
            let refused = house.invalidate(&selector).await;
            assert_eq!((refused.status, &*refused.error_code()), (400, "invalid_parameter"));
        }
        for path in ["entries?limit=0", "entries?after=zz", "entries?after=61", "entries/abc"] {
            let refused = house.admin(&format!("/admin/v1/cache/{path}")).await;
            assert_eq!(refused.status, 400, "{path}");
        }
        assert_eq!(house.admin("/admin/v1/cache/purges/purge_0").await.status, 404);
        for (method, path) in [
            ("GET", "cache/stats"), ("POST", "cache/test"), ("GET", "cache/entries"),
            ("DELETE", "cache/entries?confirm=all"), ("POST", "cache/invalidate"),
            ("GET", "cache/purges"), ("DELETE", "tenants/acme"),
        ] {
            let request = Request::new(method, &format!("/admin/v1/{path}"));
            assert_eq!(house.send(&request).await.status, 401, "{path}");
            assert_eq!(house.send(&request.bearer(ALICE)).await.status, 401, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_keep_in_the_same_redis_stays() {
    in_time(async {
        let redis = Redis::start().await;
        let house = House::with(Store::Redis).backend(redis.url()).start().await;
        let theirs: [&[u8]; 3] = [b"session:1", b"reprise2:e1:x", b"reprise:e"];
        for name in theirs {
            ::redis::cmd("SET")
                .arg(name)
                .arg("theirs")
                .exec(&mut redis.connect())
                .unwrap();
        }
        house.embed_many(50).await;
        crate::support::eventually("they are stored", || async {
            (house.entries("").await.len() == 50).then_some(())
        })
        .await;
        let path = "/admin/v1/cache/entries?confirm=all";
        let request = Request::new("DELETE", path).bearer(ADMIN);
        house.purged(&house.send(&request).await.json()).await;
        let keys = redis.keys();
        assert!(theirs.iter().all(|name| keys.contains(&name.to_vec())));
        assert!(!keys.iter().any(|name| name.starts_with(b"reprise:e1:")));
    })
    .await;
}
