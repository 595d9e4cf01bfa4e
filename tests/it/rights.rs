//! What a key may do is decided before anything is looked up, and nobody sees what
//! another tenant was answered.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{
    Gate, House, Reply, Request, Response, Store, answer, batch, in_time, on_each_store, question,
};

/// How many requests of two tenants are made at random.
const RANDOM_REQUESTS: u64 = 2_000;

fn assert_denied(seen: &Response, code: &str) {
    assert_eq!(
        (seen.status, seen.error_code().as_str()),
        (403, code),
        "{}",
        seen.text()
    );
}

on_each_store! {
    async fn tenants_share_only_what_both_were_granted(store) {
        let house = House::with_keys(store).start().await;
        let asked = question("whose?");
        let shared = || json!({"isolation": {"shared": "all"}});
        let same = [house.key("a", json!({})).await, house.key("a", json!({})).await];
        let alone = house.key("a", json!({"isolation": "key"})).await;
        let other = house.key("b", json!({})).await;
        let granted = [house.key("a", shared()).await, house.key("b", shared()).await];
        // A tenant that is called like a scope is none.
        let named = house.key("all", json!({})).await;
        for (key, x_cache, calls) in [
            (&same[0], "MISS", 1),
            (&same[1], "HIT", 1),
            (&alone, "MISS", 2),
            (&other, "MISS", 3),
            (&granted[0], "MISS", 4),
            (&granted[1], "HIT", 4),
            (&named, "MISS", 5),
            (&same[0], "HIT", 5),
        ] {
            let seen = key.ask(&house, &asked).await;
            assert_eq!((seen.x_cache(), house.upstream.calls()), (x_cache, calls));
        }
    }

    async fn a_namespace_separates_where_the_key_may(store) {
        let house = House::with_keys(store).start().await;
        let may = house.key("a", json!({"namespaces": true})).await;
        let may_not = house.key("a", json!({})).await;
        let asked = question("apart");
        let in_group = |key: &crate::support::ApiKey, group: &str| {
            key.chat(&asked).header("x-cache-namespace", group)
        };
        for (request, x_cache) in [
            (may.chat(&asked), "MISS"),
            (in_group(&may, "one"), "MISS"),
            (in_group(&may, "one"), "HIT"),
            (in_group(&may, "two"), "MISS"),
            (in_group(&may, "shared:all"), "MISS"),
            (in_group(&may_not, "one"), "HIT"),
            (in_group(&may_not, "three"), "HIT"),
        ] {
            assert_eq!(house.send(&request).await.x_cache(), x_cache);
        }
        assert_eq!(house.upstream.calls(), 4);
    }

    async fn models_and_operations_are_judged_before_the_look_up(store) {
        let house = House::with_keys(store).start().await;
        let all = house.key("a", json!({})).await;
        let asked = question("there");
        let list = batch(["x", "y"]);
        all.ask(&house, &asked).await;
        house.send(&all.embed(&list)).await;
        assert_eq!(all.ask(&house, &asked).await.x_cache(), "HIT");
        let calls = house.upstream.calls();

        let model = house.key("a", json!({"models": ["gpt-*", "test-embedding"]})).await;
        assert_denied(&model.ask(&house, &asked).await, "model_not_allowed");
        assert_eq!(house.send(&model.embed(&list)).await.x_cache(), "HIT");
        let operation = house.key("a", json!({"operations": ["chat"]})).await;
        assert_denied(&house.send(&operation.embed(&list)).await, "operation_not_allowed");
        let asked_of = |key: &crate::support::ApiKey, path: &str, body: &Value| {
            Request::post(path, body.to_string()).bearer(&key.key)
        };
        let denied = house.send(&asked_of(&operation, "/v1/moderations", &list)).await;
        assert_denied(&denied, "operation_not_allowed");
        // What is passed on unread could ask for any model.
        let images = json!({"model": "gpt-4o", "prompt": "x"});
        let unread = house.send(&asked_of(&model, "/v1/images/generations", &images)).await;
        assert_denied(&unread, "operation_not_allowed");
        // Two readers must not read two models, and a fallback is a model too.
        for odd in [
            r#"{"model":"gpt-4o","model":"test-model","messages":[]}"#,
            r#"{"model":"gpt-4o","Model":"test-model","messages":[]}"#,
            r#"{"model":"gpt-4o","models":["test-model"],"messages":[]}"#,
            r#"{"model":["gpt-4o"],"messages":[]}"#,
            r#"{"messages":[]}"#,
            r#"{"model":"gpt-4o","messages":[],}"#,
            r#"[{"model":"gpt-4o"}]"#,
            "not json",
        ] {
            let request = Request::post("/v1/chat/completions", odd).bearer(&model.key);
            assert_denied(&house.send(&request).await, "model_not_allowed");
        }
        let page = Request::new("GET", "/v1/models/test-model").bearer(&model.key);
        assert_denied(&house.send(&page).await, "model_not_allowed");
        assert_eq!(house.upstream.calls(), calls);
        let own = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]});
        assert_eq!(model.ask(&house, &own).await.x_cache(), "MISS");
    }

    async fn what_is_asked_of_the_cache_is_held_to_what_may_be(store) {
        let house = House::with_keys(store).start().await;
        let held = house.key("a", json!({"directives": {"refresh": false, "extend": false, "ttl_seconds": 60}})).await;
        let asked = question("held");
        let miss = held.ask(&house, &asked).await;
        assert_eq!(miss.x_cache(), "MISS");
        for (name, value) in [("cache-control", "no-cache"), ("cache-control", "max-age=0"), ("pragma", "no-cache")] {
            let seen = house.send(&held.chat(&asked).header(name, value)).await;
            assert_eq!(seen.x_cache(), "HIT", "{name}: {value}");
        }
        let long = house.send(&held.chat(&question("long")).header("x-cache-ttl", "9000")).await;
        assert_eq!(long.x_cache(), "MISS");
        let hit = house.send(&held.chat(&question("long"))).await.cache_status();
        let ttl: u64 = hit.split("ttl=").nth(1).unwrap().split([';', ',']).next().unwrap().parse().unwrap();
        assert!(ttl <= 60, "{hit}");
        let free = house.key("a", json!({})).await;
        let fresh = house.send(&free.chat(&asked).header("cache-control", "no-cache")).await;
        assert_ne!(fresh.body, miss.body);
    }

    async fn preferences_are_part_of_what_is_asked(store) {
        let house = House::with_keys(store).start().await;
        let cold = house.key("a", json!({"preferences": {"temperature": 0}})).await;
        let warm = house.key("a", json!({"preferences": {"temperature": 1.5, "seed": 7}})).await;
        let none = house.key("a", json!({})).await;
        let asked = question("how warm?");
        for (key, x_cache) in [(&cold, "MISS"), (&warm, "MISS"), (&none, "MISS"), (&cold, "HIT")] {
            assert_eq!(key.ask(&house, &asked).await.x_cache(), x_cache);
        }
        let sent: Vec<_> = house.upstream.requests().iter().map(|one| one.json()["temperature"].clone()).collect();
        assert_eq!(sent, [json!(0), json!(1.5), Value::Null]);
        // What a request says itself counts, and is what another says in words.
        let mut said = asked.clone();
        said["temperature"] = json!(0);
        assert_eq!(none.ask(&house, &said).await.x_cache(), "HIT");
        said["temperature"] = json!(0.5);
        assert_eq!(cold.ask(&house, &said).await.x_cache(), "MISS");
        assert_eq!(house.upstream.last().json()["temperature"], 0.5);
    }

    async fn no_request_chooses_a_provider_or_a_credential(store) {
        let house = House::with_keys(store).start().await;
        let key = house.key("a", json!({})).await;
        for name in ["api_base", "base_url", "api_key", "custom_llm_provider", "organization", "API_Base"] {
            let mut body = question("elsewhere");
            body[name] = json!("http://169.254.169.254/");
            let mut list = batch(["x"]);
            list[name] = json!("http://[::ffff:127.0.0.1]");
            for request in [key.chat(&body), key.embed(&list)] {
                let seen = house.send(&request).await;
                assert_eq!((seen.status, seen.error_code().as_str()), (400, "parameter_not_allowed"));
                let param = seen.json()["error"]["param"].as_str().unwrap().to_owned();
                assert_eq!(param, name.to_lowercase());
            }
        }
        let escaped = r#"{"model":"m","messages":[],"\u0061pi_base":"http://x"}"#;
        let request = Request::post("/v1/chat/completions", escaped).bearer(&key.key);
        assert_eq!(house.send(&request).await.status, 400);
        for query in ["api_key=x", "base_url=http://x", "%6bey=x", "api-key=x"] {
            let request = Request::new("GET", &format!("/v1/files?{query}")).bearer(&key.key);
            assert_eq!(house.send(&request).await.status, 400, "{query}");
        }
        let header = key.chat(&question("x")).header("helicone-target-url", "http://x");
        assert_eq!(house.send(&header).await.status, 400);
        assert_eq!(house.upstream.calls(), 0);
        // Within what is asked such words are only words.
        let mut body = question("api_base");
        body["metadata"] = json!({"api_base": "x"});
        assert_eq!(key.ask(&house, &body).await.status, 200);
    }

    async fn calls_under_way_are_not_shared_across_scopes(store) {
        let house = House::with_keys(store).start().await;
        let keys = [house.key("a", json!({})).await, house.key("b", json!({})).await];
        let gate = Gate::new();
        for id in ["one", "two"] {
            house.upstream.next(Reply::json(200, answer(id, "x").to_string()).after(&gate));
        }
        let mut asking = JoinSet::new();
        for at in 0..20 {
            let (client, request) = (house.client(), keys[at % 2].chat(&question("at once")));
            asking.spawn(async move { (at % 2, client.send(&request).await.json()["id"].clone()) });
        }
        house.upstream.asked(2).await;
        gate.open();
        let mut ids: [HashSet<String>; 2] = Default::default();
        while let Some(seen) = asking.join_next().await {
            let (tenant, id) = seen.unwrap();
            ids[tenant].insert(id.to_string());
        }
        assert!(ids[0].is_disjoint(&ids[1]), "{ids:?}");
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn lists_are_kept_apart_item_by_item(store) {
        let house = House::with_keys(store).start().await;
        let keys = [house.key("a", json!({})).await, house.key("b", json!({})).await];
        for key in &keys {
            let seen = house.send(&key.embed(&batch(["x", "y"]))).await;
            assert_eq!(seen.x_cache(), "MISS");
            let verdict = Request::post("/v1/moderations", batch(["x", "y"]).to_string())
                .bearer(&key.key);
            assert_eq!(house.send(&verdict).await.x_cache(), "MISS");
        }
        assert_eq!((house.upstream.sent("x"), house.upstream.sent("y")), (4, 4));
    }

    async fn at_random_nobody_gets_what_is_anothers(store) {
        let house = House::with_keys(store).start().await;
        let keys = [house.key("a", json!({})).await, house.key("b", json!({})).await];
        let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut next = move |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut owners: HashMap<String, u64> = HashMap::new();
        for _ in 0..RANDOM_REQUESTS / 20 {
            let mut asking = JoinSet::new();
            for _ in 0..20 {
                let (tenant, what) = (next(2), next(10));
                let key = &keys[usize::try_from(tenant).unwrap()];
                let request = if what < 5 {
                    key.chat(&question(&format!("random {what}")))
                } else {
                    key.embed(&batch([format!("item {what}"), format!("item {}", next(10))]))
                };
                let client = house.client();
                asking.spawn(async move { (tenant, what < 5, client.send(&request).await) });
            }
            while let Some(seen) = asking.join_next().await {
                let (tenant, is_chat, seen) = seen.unwrap();
                assert_eq!(seen.status, 200, "{}", seen.text());
                if is_chat {
                    let id = seen.json()["id"].to_string();
                    assert_eq!(*owners.entry(id).or_insert(tenant), tenant, "a foreign answer");
                }
            }
        }
        assert!(10 <= owners.len(), "a tenant has asked nothing itself: {owners:?}");
        for (item, times) in house.upstream.all_sent() {
            assert!(2 <= times, "{item} was not asked by each tenant");
        }
    }
}
