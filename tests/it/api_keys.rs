//! API keys of this server: shown once, kept as a digest, judged on every request.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    ADMIN, House, MASTER, Redis, Request, Store, eventually, in_time, on_each_store, question,
};

/// Everything a store holds, as bytes.
fn held(house: &House) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(redis) = &house.redis {
        let mut connection = redis.connect();
        for key in redis.keys() {
            let value: Option<Vec<u8>> =
                redis::cmd("DUMP").arg(&key).query(&mut connection).unwrap();
            bytes.extend(key);
            bytes.extend(value.unwrap_or_default());
        }
    }
    for file in fs::read_dir(house.data_folder()).into_iter().flatten() {
        bytes.extend(fs::read(file.unwrap().path()).unwrap_or_default());
    }
    bytes
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

on_each_store! {
    async fn a_key_is_shown_once_and_nowhere_else(store) {
        let mut house = House::with_keys(store).set("REPRISE_LOG", "trace").start().await;
        if let Some(redis) = &house.redis {
            // What is kept is to be found here as it is, not compressed.
            redis.configure("rdbcompression", "no");
        }
        let said = json!({"name": "search", "tenant": "acme", "expires_in_seconds": 3600});
        let made = house.administer("POST", "/admin/v1/keys", &said).await;
        assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")));
        let made = made.json();
        let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
        assert_eq!((key.len(), key.get(..4)), (47, Some("rpk_")));
        assert!(id.starts_with("key_") && id.len() == 20, "{id}");
        assert_eq!(made["prefix"].as_str(), key.get(..8));
        assert_eq!(made["last4"].as_str(), key.get(43..));
        let asked = Request::post("/v1/chat/completions", question("secret").to_string());
        assert_eq!(house.send(&asked.bearer(key)).await.x_cache(), "MISS");
        let list = json!({"model": "m", "input": "x"});
        let asked = Request::post("/v1/embeddings", list.to_string());
        assert_eq!(house.send(&asked.bearer(key)).await.x_cache(), "MISS");
        let change = json!({"name": "find"});
        let path = format!("/admin/v1/keys/{id}");
        let changed = house.administer("PATCH", &path, &change).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
        for answer in [
            house.admin(&path).await,
            house.admin("/admin/v1/keys").await,
            house.admin("/admin/v1/usage").await,
            changed,
        ] {
            assert_eq!(answer.status, 200);
            assert!(!answer.text().contains(key) && !answer.text().contains("digest"));
        }
        house.app.terminate();
        house.app.exited().await;
        let bytes = held(&house);
        // This would be found if anything were.
        assert!(contains(&bytes, "find"), "the record is not where it is looked for");
        let letters = key.get(8..43).unwrap();
        assert!(!contains(&bytes, letters), "the store has the key");
        assert!(!house.app.output().contains(letters), "the log has the key");
    }

    async fn what_a_key_was_made_with_survives_a_restart(store) {
        let mut house = House::with_keys(store).start().await;
        let key = house.key("acme", json!({})).await;
        let first = key.ask(&house, &question("kept")).await;
        house.app.terminate();
        house.app.exited().await;
        house.start_again().await;
        let hit = key.ask(&house, &question("kept")).await;
        assert_eq!((hit.x_cache(), &hit.body), ("HIT", &first.body));
        // The provider is not asked about a key that means nothing to it.
        assert_eq!((house.upstream.calls(), house.upstream.probes()), (1, 0));
    }

    async fn who_has_no_good_key_gets_nothing_although_it_is_there(store) {
        let house = House::with_keys(store).start().await;
        let key = house.key("acme", json!({})).await;
        let path = format!("/admin/v1/keys/{}", key.id);
        let asked = question("there");
        assert_eq!(key.ask(&house, &asked).await.x_cache(), "MISS");
        assert_eq!(key.ask(&house, &asked).await.x_cache(), "HIT");
        let plain = || Request::post("/v1/chat/completions", asked.to_string());
        let mut wrong = key.key.clone();
        wrong.replace_range(10..11, if wrong.get(10..11) == Some("A") { "B" } else { "A" });
        for refused in [
            plain(),
            plain().bearer(&wrong),
            plain().bearer("sk-some-key-of-the-provider"),
            plain().bearer("rpk_"),
            plain().bearer(&format!("{} ", key.id)),
            plain().bearer("a.b.c"),
            plain().header("authorization", &format!("Basic {}", key.key)),
        ] {
            let seen = house.send(&refused).await;
            assert_eq!((seen.status, seen.error_code().as_str()), (401, "invalid_api_key"));
        }
        house.administer("PATCH", &path, &json!({"disabled": true})).await;
        assert_eq!(key.ask(&house, &asked).await.status, 401);
        house.administer("PATCH", &path, &json!({"disabled": false})).await;
        assert_eq!(key.ask(&house, &asked).await.x_cache(), "HIT");
        let revoked = house.revoke(&key).await;
        assert_eq!((revoked.status, &revoked.json()["deleted"]), (200, &json!(true)));
        let seen = key.ask(&house, &asked).await;
        assert_eq!((seen.status, seen.error_code().as_str()), (401, "invalid_api_key"));
        assert_eq!(house.revoke(&key).await.status, 404);
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_key_ends_when_its_time_is_over(store) {
        let house = House::with_keys(store).start().await;
        let said = json!({"name": "short", "tenant": "acme", "expires_in_seconds": 3});
        let key = house.make_key(&said).await;
        let other = house.key("acme", json!({})).await;
        assert_eq!(other.ask(&house, &question("short")).await.x_cache(), "MISS");
        eventually("the key ends", || async {
            let seen = key.ask(&house, &question("short")).await;
            (seen.status == 401).then_some(())
        })
        .await;
        assert_eq!(other.ask(&house, &question("short")).await.x_cache(), "HIT");
        let told = house.admin(&format!("/admin/v1/keys/{}", key.id)).await.json();
        assert_eq!(told["status"], "expired");
    }

    async fn keys_are_listed_changed_and_guarded_against_lost_changes(store) {
        let house = House::with_keys(store).start().await;
        let mut ids = Vec::new();
        for tenant in ["a", "b", "a", "a*:{x}", "a"] {
            ids.push(house.key(tenant, json!({})).await.id);
        }
        let mut told = house.admin("/admin/v1/keys?tenant=a&limit=2").await.json();
        let mut seen: Vec<Value> = Vec::new();
        loop {
            seen.extend(told["data"].as_array().unwrap().iter().map(|key| key["id"].clone()));
            if told["has_more"] == false {
                break;
            }
            let last = told["last_id"].as_str().unwrap();
            told = house.admin(&format!("/admin/v1/keys?tenant=a&limit=2&after={last}")).await.json();
        }
        // Keys of one millisecond are in no order of their own.
        let mut expected = vec![json!(ids[0]), json!(ids[2]), json!(ids[4])];
        expected.sort_by_key(Value::to_string);
        seen.sort_by_key(Value::to_string);
        assert_eq!(seen, expected);
        let odd = house.admin("/admin/v1/keys?tenant=a*:%7Bx%7D").await.json();
        assert_eq!(odd["data"][0]["id"], json!(ids[3]));
        for wrong in ["limit=0", "limit=1001", "after=key_0"] {
            assert_eq!(house.admin(&format!("/admin/v1/keys?{wrong}")).await.status, 400);
        }

        let path = format!("/admin/v1/keys/{}", ids[0]);
        let revision = house.admin(&path).await.json()["revision"].clone();
        let change = json!({"rights": {"models": ["m*"]}, "revision": revision});
        let changed = house.administer("PATCH", &path, &change).await.json();
        assert_eq!(changed["rights"]["models"], json!(["m*"]));
        let late = house.administer("PATCH", &path, &change).await;
        assert_eq!((late.status, late.error_code().as_str()), (409, "conflict"));
        let wrong = json!({"rights": {"operations": ["sing"]}});
        let wrong = house.administer("PATCH", &path, &wrong).await;
        assert_eq!((wrong.status, &wrong.json()["error"]["param"]), (400, &json!("rights.operations")));
        for (method, path) in [("GET", "/admin/v1/keys/key_0"), ("DELETE", "/admin/v1/keys/%ff")] {
            let missing = house.send(&Request::new(method, path).bearer(ADMIN)).await;
            assert_eq!(missing.status, 404, "{method} {path}");
        }
        let stranger = house.send(&Request::new("GET", "/admin/v1/keys")).await;
        assert_eq!(stranger.status, 401);
    }

    async fn every_sdk_can_bring_a_key_and_the_provider_sees_the_operators(store) {
        let house = House::with_keys(store).start().await;
        let key = house.key("acme", json!({})).await;
        for (at, header) in ["authorization", "api-key", "x-api-key"].into_iter().enumerate() {
            let value = match header {
                "authorization" => format!("bearer {}", key.key),
                _ => key.key.clone(),
            };
            let asked = question(&format!("sdk {at}"));
            let request = Request::post("/v1/chat/completions", asked.to_string())
                .header(header, &value)
                .header("cookie", "session=1")
                .header("x-goog-api-key", "client")
                .header("openai-organization", "org-client")
                .header("x-portkey-virtual-key", "client");
            assert_eq!(house.send(&request).await.x_cache(), "MISS", "{header}");
            let other = Request::new("GET", "/v1/files").header(header, &value);
            assert_eq!(house.send(&other.header("cookie", "session=1")).await.status, 200);
        }
        for seen in house.upstream.requests() {
            let operators = format!("Bearer {}", crate::support::OPERATOR);
            assert_eq!(seen.header("authorization"), Some(operators.as_str()));
            let text = format!("{:?}", seen.headers);
            assert!(!text.contains(&key.key) && !text.contains("client"), "{text}");
            assert_eq!((seen.header("cookie"), seen.header("api-key")), (None, None));
        }
    }

    async fn usage_is_told_by_key_and_tenant(store) {
        let house = House::with_keys(store).start().await;
        let key = house.key("acme", json!({"tags": ["batch"]})).await;
        for _ in 0..3 {
            key.ask(&house, &question("counted")).await;
        }
        let path = "/admin/v1/usage?granularity=total&group_by=key,tenant";
        let group = eventually("the requests are counted", || async {
            let told = house.admin(path).await.json();
            let group = told["data"][0]["groups"][0].clone();
            (group["requests"] == 3).then_some(group)
        })
        .await;
        assert_eq!((&group["key"], &group["tenant"]), (&json!(key.id), &json!("acme")));
        let own = house.admin(&format!("/admin/v1/usage/keys/{}", key.id)).await.json();
        assert_eq!(own["totals"]["hits"], 2);
    }

    async fn a_server_that_passes_keys_through_does_not_pass_ours(store) {
        let house = House::start(store).await;
        let key = house.key("acme", json!({})).await;
        let seen = key.ask(&house, &question("wrong mode")).await;
        assert_eq!((seen.status, seen.error_code().as_str()), (401, "invalid_api_key"));
        assert!(seen.text().contains("REPRISE_ACCESS"), "{}", seen.text());
        let page = Request::new("GET", "/v1/files").header("x-api-key", &key.key);
        assert_eq!(house.send(&page).await.status, 401);
        assert_eq!((house.upstream.calls(), house.upstream.probes()), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_instances_follow_what_one_is_told() {
    in_time(async {
        let first = House::with_keys(Store::Redis).start().await;
        let second = House::with_keys(Store::Redis)
            .backend(first.redis().url())
            .upstream(first.upstream.url())
            .start()
            .await;
        let key = first.key("acme", json!({})).await;
        let asked = question("everywhere");
        assert_eq!(key.ask(&first, &asked).await.x_cache(), "MISS");
        eventually(
            "the other instance knows the key and has the answer",
            || async { (key.ask(&second, &asked).await.x_cache() == "HIT").then_some(()) },
        )
        .await;
        assert_eq!(second.revoke(&key).await.status, 200);
        assert_eq!(key.ask(&second, &asked).await.status, 401);
        eventually(
            "the first instance refuses the key although the answer is fresh",
            || async { (key.ask(&first, &asked).await.status == 401).then_some(()) },
        )
        .await;
        assert_eq!(first.upstream.calls(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_another_master_key_no_key_is_good() {
    in_time(async {
        let first = House::with_keys(Store::Redis).start().await;
        let key = first.key("acme", json!({})).await;
        let start = |masters: String| {
            House::with_keys(Store::Redis)
                .backend(first.redis().url())
                .set("REPRISE_MASTER_KEYS", &masters)
                .start()
        };
        let other = "2:another-master-key-of-the-tests-01";
        let stranger = start(other.to_owned()).await;
        assert_eq!(key.ask(&stranger, &question("pepper")).await.status, 401);
        // Beside the one in force the old one still finds its keys.
        let rotated = start(format!("{other},{MASTER}")).await;
        assert_eq!(key.ask(&rotated, &question("pepper")).await.status, 200);
        let new = rotated.key("acme", json!({})).await;
        assert_eq!(
            new.ask(&rotated, &question("pepper")).await.x_cache(),
            "HIT"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_were_never_read_are_no_verdict_and_known_ones_stay_good() {
    in_time(async {
        let mut redis = Redis::absent();
        let mut house = House::with_keys(Store::Redis)
            .backend(redis.url())
            .start()
            .await;
        let key = crate::support::ApiKey {
            id: "key_0".to_owned(),
            key: format!("rpk_{}", "a".repeat(43)),
        };
        let seen = key.ask(&house, &question("never read")).await;
        assert_eq!(
            (seen.status, seen.error_code().as_str()),
            (503, "keys_unavailable")
        );
        assert!(seen.header("retry-after").is_some());
        assert_eq!(house.admin("/admin/v1/keys").await.status, 503);
        let said = json!({"name": "n", "tenant": "t"});
        assert_eq!(
            house
                .administer("POST", "/admin/v1/keys", &said)
                .await
                .status,
            503
        );
        redis.run().await;
        eventually("the keys are read", || async {
            (key.ask(&house, &question("x")).await.status == 401).then_some(())
        })
        .await;
        let good = eventually("a key can be made", || async {
            let made = house.administer("POST", "/admin/v1/keys", &said).await;
            (made.status == 201).then(|| made.json()["key"].as_str().unwrap().to_owned())
        })
        .await;
        redis.kill();
        let request = Request::post("/v1/chat/completions", question("away").to_string());
        assert_eq!(house.send(&request.bearer(&good)).await.status, 200);
        house.app.kill();
    })
    .await;
}
