//! What is told of a request is what becomes of it, and asking changes nothing.

use serde_json::{Value, json};

use crate::support::{
    ADMIN, ALICE, House, Request, Response, Store, batch, eventually, in_time, on_each_store,
    question, streaming,
};

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
