//! Moderations: each text is judged once, and a message of several parts is one.

use serde_json::{Value, json};

use crate::support::{
    ALICE, Gate, House, Reply, Request, Response, Store, counted, in_time, moderate, on_each_store,
    verdicts,
};

/// A question with this input.
fn about(input: Value) -> Value {
    let mut asked = json!({"model": "omni-moderation-latest"});
    asked["input"] = input;
    asked
}

/// Checks that an answer has each result in its place.
#[track_caller]
fn assert_judges(seen: &Response, asked: &Value) {
    assert_eq!(seen.status, 200, "{asked}: {}", seen.text());
    let (body, wanted) = (seen.json(), verdicts(asked));
    assert_eq!(
        body["results"],
        wanted["results"],
        "{asked} ({})",
        seen.x_cache()
    );
    assert_eq!(body["model"], wanted["model"], "{asked}");
    assert!(
        body["id"]
            .as_str()
            .is_some_and(|id| id.starts_with("modr-")),
        "{body}"
    );
    assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
}

fn image(url: &str) -> Value {
    json!({"type": "image_url", "image_url": {"url": url}})
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

on_each_store! {
    async fn a_text_is_judged_once(store) {
        let house = House::start(store).await;
        for input in [json!("kill the lights"), json!(["kill the lights"])] {
            let asked = about(input);
            let seen = house.moderate(&asked).await;
            assert_judges(&seen, &asked);
        }
        let asked = about(json!("kill the lights"));
        let hit = house.moderate(&asked).await;
        assert_eq!((hit.x_cache(), counted(&hit)), ("HIT", (Some(1), Some(0))));
        assert!(hit.cache_status().starts_with("reprise; hit; ttl="));
        assert_judges(&hit, &asked);
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_batch_half_known_pays_for_the_other_half(store) {
        let house = House::start(store).await;
        let first = about(json!(["a", "kill"]));
        assert_eq!(house.moderate(&first).await.x_cache(), "MISS");
        let asked = about(json!(["c", "kill", "d", "a", "c"]));
        let seen = house.moderate(&asked).await;
        assert_eq!((seen.x_cache(), counted(&seen)), ("PARTIAL", (Some(2), Some(3))));
        assert!(seen.cache_status().ends_with("; detail=\"2/5\""), "{}", seen.cache_status());
        assert_judges(&seen, &asked);
        assert_eq!(house.upstream.batches(), [vec!["a", "kill"], vec!["c", "d"]]);
        let again = house.moderate(&asked).await;
        assert_eq!((again.x_cache(), counted(&again)), ("HIT", (Some(5), Some(0))));
        assert_judges(&again, &asked);
        let one = about(json!("d"));
        assert_judges(&house.moderate(&one).await, &one);
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn a_question_goes_upstream_as_it_came(store) {
        let house = House::start(store).await;
        for body in [
            "{ \"input\" : [\"caf\\u00e9\" ,\"x\"], \"zebra\": 2.50 }\n",
            "{\"model\":\"m\", \"input\":[ {\"text\":\"x\",\"type\":\"text\"} ]}",
        ] {
            house.send(&Request::post("/v1/moderations", body).bearer(ALICE)).await;
            assert_eq!(String::from_utf8_lossy(&house.upstream.last().body), body);
        }
        let (before, after) = ("{ \"zebra\": 2.50, \"input\" :", ", \"model\" : null }\n");
        let body = format!("{before}[\"new\", \"x\",\"new\"]{after}");
        let seen = house.send(&Request::post("/v1/moderations", body).bearer(ALICE)).await;
        assert_eq!(seen.x_cache(), "PARTIAL");
        let sent = String::from_utf8(house.upstream.last().body).unwrap();
        let input = sent.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        let input = input.unwrap_or_else(|| panic!("more was changed than the input: {sent}"));
        assert_eq!(serde_json::from_str::<Value>(input).unwrap(), json!(["new"]));
    }

    async fn the_usual_model_may_be_named_or_not(store) {
        let house = House::start(store).await;
        house.moderate(&about(json!("x"))).await;
        for asked in [json!({"input": "x"}), json!({"input": ["x"], "model": null})] {
            let seen = house.moderate(&asked).await;
            assert_eq!(seen.x_cache(), "HIT", "{asked}");
            assert_judges(&seen, &asked);
        }
        let mut other = about(json!("x"));
        other["model"] = json!("text-moderation-latest");
        let seen = house.moderate(&other).await;
        assert_eq!(seen.x_cache(), "MISS");
        assert_judges(&seen, &other);
    }

    async fn other_kinds_of_providers_may_have_another_usual_model(store) {
        let setup = House::with(store).set("REPRISE_UPSTREAM_KIND", "compatible");
        let house = setup.start().await;
        house.moderate(&about(json!("x"))).await;
        let seen = house.moderate(&json!({"input": "x"})).await;
        assert_eq!((seen.status, house.upstream.calls()), (200, 2));
    }

    async fn a_message_of_several_parts_is_one_item(store) {
        let house = House::start(store).await;
        let data = "data:image/png;base64,iVBORw0KGgo=";
        for input in [
            json!([text("a"), text("b")]),
            json!([text("b"), text("a")]),
            json!([text("ab")]),
            json!([text("a"), image(data)]),
            json!([image(data)]),
            json!([image("data:image/png;base64,iVBORw0KGgA=")]),
        ] {
            let asked = about(input);
            for x_cache in ["MISS", "HIT"] {
                let seen = house.moderate(&asked).await;
                assert_eq!(seen.x_cache(), x_cache, "{asked}");
                assert_judges(&seen, &asked);
                assert_eq!(seen.json()["results"].as_array().unwrap().len(), 1);
            }
        }
    }

    async fn what_is_elsewhere_or_odd_is_never_stored(store) {
        let house = House::start(store).await;
        for input in [
            json!([text("a"), image("https://example.org/a.png")]),
            json!([image("HTTP://example.org/a.png")]),
            json!([image("gs://bucket/a.png")]),
            json!([]),
            json!(["x", text("y")]),
            json!(["x", 1]),
            json!([["x"]]),
            json!([1, 2]),
            json!({"text": "x"}),
            json!(7),
            json!(null),
        ] {
            let asked = about(input);
            let before = house.upstream.calls();
            for number in 0..2 {
                let body = format!("{{ \"passed\":{number} }}");
                house.upstream.next(Reply::json(200, body.clone()));
                let seen = house.moderate(&asked).await;
                assert_eq!((seen.x_cache(), seen.text()), ("BYPASS", body), "{asked}");
            }
            assert_eq!(house.upstream.calls(), before + 2, "{asked}");
        }
    }

    async fn every_field_that_may_change_a_verdict_tells_items_apart(store) {
        let house = House::start(store).await;
        for members in [json!({}), json!({"threshold": 0.5}), json!({"threshold": 0.25}), json!({"input": "X"})] {
            let mut asked = about(json!("x"));
            for (name, value) in members.as_object().unwrap() {
                asked[name] = value.clone();
            }
            for x_cache in ["MISS", "HIT"] {
                assert_eq!(house.moderate(&asked).await.x_cache(), x_cache, "{asked}");
            }
        }
    }

    async fn another_credential_asks_for_itself(store) {
        let house = House::start(store).await;
        let asked = about(json!(["a", "b"]));
        house.moderate(&asked).await;
        let bob = Request::post("/v1/moderations", asked.to_string()).bearer("sk-test-bob");
        for x_cache in ["MISS", "HIT"] {
            let seen = house.send(&bob).await;
            assert_eq!(seen.x_cache(), x_cache);
            assert_judges(&seen, &asked);
        }
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn items_in_flight_are_joined(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        house.upstream.always(Reply::usual().after(&gate));
        let asked = [about(json!(["a", "b"])), about(json!(["b", "c"]))];
        let mut running = Vec::new();
        for (at, asked) in asked.iter().enumerate() {
            let (client, request) = (house.client(), moderate(asked));
            running.push(tokio::spawn(async move { client.send(&request).await }));
            house.upstream.asked(at + 1).await;
        }
        gate.open();
        for (one, asked) in running.into_iter().zip(&asked) {
            assert_judges(&one.await.unwrap(), asked);
        }
        assert_eq!(house.upstream.batches(), [vec!["a", "b"], vec!["c"]]);
    }

    async fn a_failure_is_the_providers_own_and_forgets_nothing(store) {
        let house = House::start(store).await;
        house.moderate(&about(json!("known"))).await;
        for status in [400, 429, 500] {
            house.upstream.next(Reply::error(status, "as the provider says"));
            let seen = house.moderate(&about(json!(["known", "new"]))).await;
            assert_eq!((seen.status, seen.error_code().as_str()), (status, "as the provider says"));
            assert_eq!(house.moderate(&about(json!("known"))).await.x_cache(), "HIT");
        }
    }

    async fn an_answer_with_another_number_of_results_passes_and_is_not_stored(store) {
        let house = House::start(store).await;
        for (name, body) in [
            ("too few", json!({"id": "modr-1", "model": "m", "results": [{"flagged": true}]}).to_string()),
            ("none", json!({"id": "modr-1", "model": "m", "results": []}).to_string()),
            ("null", json!({"id": "modr-1", "model": "m", "results": [{"flagged": true}, null]}).to_string()),
            ("no list", json!({"id": "modr-1", "model": "m"}).to_string()),
            ("no JSON", "busy".to_owned()),
        ] {
            let asked = about(json!([format!("a {name}"), format!("b {name}")]));
            house.upstream.next(Reply::json(200, body.clone()));
            let seen = house.moderate(&asked).await;
            assert_eq!((seen.status, seen.text()), (200, body), "{name}");
            let again = house.moderate(&asked).await;
            assert_ne!(again.x_cache(), "HIT", "{name} was stored");
            assert_judges(&again, &asked);
        }
    }

    async fn clients_may_point_at_the_root_or_at_v1(store) {
        let house = House::start(store).await;
        let asked = about(json!("either root")).to_string();
        for (path, expected) in [("/v1/moderations", "MISS"), ("/moderations", "HIT"), ("/v1/moderations/", "HIT")] {
            let seen = house.send(&Request::post(path, asked.clone()).bearer(ALICE)).await;
            assert_eq!((seen.status, seen.x_cache()), (200, expected), "{path}");
        }
    }
}
