//! Rankings are cached where the operator says so, and not otherwise.

use serde_json::{Value, json};

use crate::support::{ALICE, House, Reply, Request, Response, Store, in_time, on_each_store};

const PATH: &str = "/v1/rerank";

fn question(documents: &Value) -> Value {
    json!({"model": "rerank-1", "query": "panda", "documents": documents})
}

/// A ranking that no other call gives.
fn ranking(id: usize) -> Reply {
    let whole = json!({
        "id": format!("rank-{id}"), "model": "rerank-1",
        "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": -4.5}],
        "usage": {"total_tokens": 43},
    });
    Reply::json(200, whole.to_string())
}

async fn ask(house: &House, path: &str, body: &Value) -> Response {
    let request = Request::post(path, body.to_string()).bearer(ALICE);
    house.send(&request).await
}

async fn house(store: Store) -> House {
    House::with(store)
        .set("REPRISE_CACHE_RERANK", "true")
        .start()
        .await
}

on_each_store! {
    async fn nothing_is_cached_unless_it_is_said(store) {
        let house = House::start(store).await;
        let asked = question(&json!(["a", "b"]));
        for call in 1..=3 {
            house.upstream.next(ranking(call));
            let seen = ask(&house, PATH, &asked).await;
            assert_eq!((seen.status, seen.x_cache()), (200, "BYPASS"));
            assert!(seen.cache_status().contains("not-enabled"), "{}", seen.cache_status());
            assert_eq!(seen.json()["id"], format!("rank-{call}"));
            assert_eq!(house.upstream.calls(), call);
        }
        assert_eq!(house.upstream.last().path, PATH);
    }

    async fn the_same_is_ranked_once(store) {
        let house = house(store).await;
        let asked = question(&json!(["a", "b"]));
        house.upstream.next(ranking(1));
        let first = ask(&house, PATH, &asked).await;
        assert_eq!((first.status, first.x_cache()), (200, "MISS"));
        let mut named = asked.clone();
        named["user"] = json!("somebody");
        for (path, body) in [(PATH, &asked), ("/rerank", &asked), ("/v1/rerank/", &named)] {
            let again = ask(&house, path, body).await;
            assert_eq!((again.status, again.x_cache()), (200, "HIT"), "{path}");
            assert_eq!(again.body, first.body);
            assert_eq!(again.header("content-type"), first.header("content-type"));
        }
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn whatever_else_is_asked_is_another_question(store) {
        let house = house(store).await;
        house.upstream.always(ranking(0));
        let plain = question(&json!(["a", "b"]));
        let mut fewer = plain.clone();
        fewer["top_n"] = json!(1);
        let questions = [
            plain,
            question(&json!(["b", "a"])),
            question(&json!([{"text": "a"}, "b"])),
            fewer,
        ];
        for (call, body) in questions.iter().enumerate() {
            assert_eq!(ask(&house, PATH, body).await.x_cache(), "MISS", "{body}");
            assert_eq!(house.upstream.calls(), call + 1);
        }
        // The second version of the API has an address and answers of its own.
        assert_eq!(ask(&house, "/v2/rerank", &questions[0]).await.x_cache(), "MISS");
        assert_eq!(house.upstream.last().path, "/v2/rerank");
    }

    async fn what_is_no_ranking_is_not_kept(store) {
        let house = house(store).await;
        let asked = question(&json!(["a", "b"]));
        let bad = [
            json!({"results": []}),
            json!({"results": [{"index": 0}]}),
            json!({"error": {"message": "no"}}),
            json!({"message": "invalid api token"}),
        ];
        for (call, body) in bad.iter().enumerate() {
            house.upstream.next(Reply::json(200, body.to_string()));
            let seen = ask(&house, PATH, &asked).await;
            assert_eq!((seen.status, seen.json()), (200, body.clone()));
            assert_eq!(house.upstream.calls(), call + 1, "{body}");
        }
        let mut none = asked.clone();
        none["top_n"] = json!(0);
        house.upstream.next(Reply::json(200, json!({"results": []}).to_string()));
        assert_eq!(ask(&house, PATH, &none).await.x_cache(), "MISS");
        assert_eq!(ask(&house, PATH, &none).await.x_cache(), "HIT");
    }

    async fn a_key_is_held_to_its_models(store) {
        for enabled in ["true", "false"] {
            let house = House::with_keys(store).set("REPRISE_CACHE_RERANK", enabled).start().await;
            house.upstream.always(ranking(0));
            let key = house.key("a", json!({"models": ["rerank-*"]})).await;
            let ask = async |model: &str| {
                let mut asked = question(&json!(["a", "b"]));
                asked["model"] = json!(model);
                house.send(&Request::post(PATH, asked.to_string()).bearer(&key.key)).await.status
            };
            assert_eq!(ask("other").await, 403);
            // What is passed on unread cannot be judged.
            let expected = if enabled == "true" { 200 } else { 403 };
            assert_eq!(ask("rerank-1").await, expected);
        }
    }
}
