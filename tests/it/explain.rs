//! What is told of a request is what becomes of it, and asking changes nothing.

use serde_json::{Value, json};

use crate::support::{
    ADMIN, ALICE, House, Request, Response, Store, batch, eventually, in_time, on_each_store,
    question, stored_now, streaming,
};

const BOB: &str = "sk-test-bob";

const CHAT: &str = "/v1/chat/completions";

/// Asks what would become of a request of Alice.
async fn explain(house: &House, path: &str, body: &Value) -> Value {
    let bearer = format!("Bearer {ALICE}");
    let inquiry = json!({"path": path, "headers": {"authorization": bearer}, "body": body});
    let seen = post(house, &inquiry).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    seen.json()
}

async fn post(house: &House, inquiry: &Value) -> Response {
    let request = Request::post("/admin/v1/cache/explain", inquiry.to_string());
    house.send(&request.bearer(ADMIN)).await
}

fn outcome(told: &Value) -> (&str, &str) {
    (
        told["outcome"].as_str().unwrap(),
        told["reason"].as_str().unwrap(),
    )
}

/// A question under a system prompt.
fn prompted(system: &str) -> Value {
    json!({"model": "test-model", "messages": [
        {"role": "system", "content": system},
        {"role": "user", "content": "Which shoes?"},
    ]})
}

/// What is told to be nearest to a question of Alice, once the store has anything.
async fn nearest(house: &House, asked: &Value) -> Value {
    eventually("something is near", || async {
        let told = explain(house, CHAT, asked).await;
        assert_eq!(outcome(&told), ("miss", "absent"));
        (!told["nearest"].is_null()).then(|| told["nearest"].clone())
    })
    .await
}

on_each_store! {
    async fn a_miss_and_a_hit_are_told_before_they_happen(store) {
        let house = House::start(store).await;
        let mut asked = question("to be explained");
        asked["temperature"] = json!(1);
        asked["user"] = json!("somebody");
        let before = explain(&house, CHAT, &asked).await;
        assert_eq!(outcome(&before), ("miss", "absent"));
        assert_eq!(before["left_out"][0]["field"], "user");
        assert_eq!(before["defaulted"], json!(["temperature"]));
        assert_eq!(before["canonical"], question("to be explained"));
        assert_eq!(house.upstream.calls(), 0);
        house.ask(&asked).await;
        let after = explain(&house, CHAT, &asked).await;
        assert_eq!(outcome(&after), ("hit", "fresh"));
        assert_eq!(after["key"], before["key"]);
        assert!(after["stored"]["ttl"].as_i64().unwrap() > 0);
        assert_eq!(after["stored"]["model"], "test-model-2026-01-01");
        // Another form of it is the same question, another question is not.
        let stream = explain(&house, CHAT, &streaming(&question("to be explained"))).await;
        assert_eq!((outcome(&stream), &stream["key"]), (("hit", "fresh"), &before["key"]));
        let other = explain(&house, CHAT, &question("something else")).await;
        assert_eq!(outcome(&other), ("miss", "absent"));
        assert_eq!(house.ask(&asked).await.x_cache(), "HIT");
        assert_eq!((house.upstream.calls(), house.upstream.probes()), (1, 0));
    }

    async fn a_bypass_is_told_with_its_reason(store) {
        let house = House::start(store).await;
        let mut stored = question("kept");
        stored["store"] = json!(true);
        let told = explain(&house, CHAT, &stored).await;
        let seen = house.ask(&stored).await;
        let (outcome, reason) = outcome(&told);
        assert_eq!((outcome, seen.x_cache()), ("bypass", "BYPASS"));
        assert!(seen.cache_status().contains(reason), "{reason}");
        assert_eq!(told["key"], Value::Null);
    }

    async fn each_item_of_a_list_is_told(store) {
        let house = House::start(store).await;
        house.embed(&batch(["a", "b"])).await;
        let told = explain(&house, "/v1/embeddings", &batch(["b", "c", "b"])).await;
        assert_eq!(outcome(&told), ("partial", "absent"));
        let items = told["items"].as_array().unwrap();
        let outcomes: Vec<_> = items.iter().map(|item| item["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["hit", "miss", "hit"]);
        assert_eq!(items[0]["key"], items[2]["key"]);
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_tenant_can_be_stood_in_for_and_nothing_is_counted(store) {
        let house = House::start(store).await;
        let asked = question("whose");
        house.ask(&asked).await;
        let told = explain(&house, CHAT, &asked).await;
        let tenant = &told["tenant"];
        let inquiry = json!({"path": CHAT, "tenant": tenant, "body": asked});
        let same = post(&house, &inquiry).await.json();
        assert_eq!((&same["key"], outcome(&same)), (&told["key"], ("hit", "fresh")));
        // As text, to the byte.
        let text = format!("{asked}").replace(':', " : ");
        let inquiry = json!({"path": CHAT, "tenant": tenant, "body": text});
        assert_eq!(post(&house, &inquiry).await.json()["key"], told["key"]);
        let usage = eventually("the request is counted", || async {
            let seen = house.admin("/admin/v1/usage?start=0&granularity=total").await;
            let totals = seen.json()["totals"].clone();
            (totals["requests"].as_u64()? > 0).then_some(totals)
        })
        .await;
        assert_eq!(usage["requests"], 1, "{usage}");
    }

    async fn on_a_miss_the_nearest_stored_request_is_told_with_what_differs(store) {
        let house = House::start(store).await;
        let timed = |time: &str| prompted(&format!("You sell shoes. Be kind. It is {time}. Be canary-short."));
        let first = timed("2026-11-21T10:00:00Z");
        house.ask(&first).await;
        house.ask(&question("something else altogether")).await;
        eventually("both are stored", || async {
            (house.entries("").await.len() == 2).then_some(())
        })
        .await;
        let key = explain(&house, CHAT, &first).await["key"].clone();
        let second = timed("2026-11-21T10:00:07Z");
        let told = nearest(&house, &second).await;
        assert_eq!((&told["key"], &told["complete"]), (&key, &json!(true)));
        assert_eq!(told["model"], "test-model-2026-01-01");
        let [only] = told["differences"].as_array().unwrap().as_slice() else {
            panic!("{told}")
        };
        assert_eq!((&only["path"], &only["kind"]), (&json!("messages[0].content"), &json!("changed")));
        assert_eq!(only["hint"], "looks like a timestamp");
        assert!(only["yours"].as_str().unwrap().contains("2026-11-21T10:00:07Z"), "{only}");
        assert!(only["message"].as_str().unwrap().contains("your system prompt carries a timestamp"));
        let mut warmer = first.clone();
        warmer["temperature"] = json!(0.5);
        let told = nearest(&house, &warmer).await;
        assert_eq!(told["differences"][0]["path"], "temperature");
        assert_eq!(told["differences"][0]["yours"], "0.5");
        assert_eq!(told["differences"].as_array().unwrap().len(), 1);
        // Of a hit there is nothing to tell.
        let hit = explain(&house, CHAT, &first).await;
        assert_eq!((outcome(&hit), hit.get("nearest")), (("hit", "fresh"), None));
        // It is looked for without asking the provider, and in nothing that can be read.
        assert_eq!(house.upstream.calls(), 2);
        let mut kept: Vec<u8> = stored_now(&house).into_iter().flat_map(|one| one.value).collect();
        if house.redis.is_none() {
            for file in std::fs::read_dir(house.data_folder()).unwrap() {
                kept.extend(std::fs::read(file.unwrap().path()).unwrap_or_default());
            }
        }
        assert!(kept.len() > 500, "there is something to look at");
        assert!(!kept.windows(6).any(|part| part == b"canary"), "the prompt is in the store");
    }

    async fn nothing_of_another_tenant_is_near(store) {
        let house = House::start(store).await;
        let asked = prompted("A secret of Alice, told at 10:00:00.");
        house.ask(&asked).await;
        nearest(&house, &prompted("A secret of Alice, told at 10:00:01.")).await;
        let bearer = format!("Bearer {BOB}");
        let inquiry = json!({"path": CHAT, "headers": {"authorization": bearer}, "body": asked});
        let told = post(&house, &inquiry).await.json();
        assert_eq!(told.get("nearest"), Some(&Value::Null), "{told}");
        assert_eq!(house.ask_as(BOB, &question("hello")).await, "MISS");
        let told = eventually("his own is met", || async {
            let told = post(&house, &inquiry).await.json();
            (!told["nearest"].is_null()).then_some(told)
        })
        .await;
        assert_eq!(outcome(&told), ("miss", "absent"));
        let own = json!({"path": CHAT, "headers": {"authorization": bearer}, "body": question("hello")});
        assert_eq!(told["nearest"]["key"], post(&house, &own).await.json()["key"]);
    }

    async fn what_was_removed_is_not_near(store) {
        let house = House::start(store).await;
        house.ask(&prompted("one")).await;
        nearest(&house, &prompted("two")).await;
        let removed = house.invalidate(&json!({"operation": "chat"})).await;
        assert_eq!(removed.status, 202, "{}", removed.text());
        let told = explain(&house, CHAT, &prompted("two")).await;
        assert_eq!(told.get("nearest"), Some(&Value::Null), "{told}");
    }

    async fn what_makes_no_sense_is_refused(store) {
        let house = House::start(store).await;
        for inquiry in [
            json!({}),
            json!({"path": "chat"}),
            json!({"path": CHAT, "odd": 1}),
            json!({"path": CHAT, "tenant": "a", "key_id": "b"}),
            json!({"path": CHAT, "tenant": "nobody-we-know", "body": {}}),
            json!({"path": CHAT, "headers": {"a b": "c"}}),
        ] {
            assert_eq!(post(&house, &inquiry).await.status, 400, "{inquiry}");
        }
        let nobody = Request::post("/admin/v1/cache/explain", "{}");
        assert_eq!(house.send(&nobody).await.status, 401);
        let passed = post(&house, &json!({"path": "/v1/files", "body": {}})).await.json();
        assert_eq!(outcome(&passed), ("bypass", "passthrough"));
    }
}
