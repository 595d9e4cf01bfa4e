//! What must not be stored is not, and reaches the client all the same.

use serde_json::{Value, json};

use crate::support::{
    House, Reply, Store, answer, deltas, event, in_time, on_each_store, question, streamed,
    with_usage,
};

/// An answer with another message and reason to end.
fn with(message: &Value, finish: &Value) -> Value {
    let mut whole = answer("gated", "");
    whole["choices"][0]["message"] = message.clone();
    whole["choices"][0]["finish_reason"] = finish.clone();
    whole
}

fn says(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

fn calls(arguments: &str) -> Value {
    json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}}]})
}

/// Answers with status 200 that are none, or are in doubt.
fn refused() -> Vec<(&'static str, Value)> {
    let mut no_choices = answer("gated", "x");
    no_choices["choices"] = json!([]);
    let mut with_error = answer("gated", "x");
    with_error["error"] = json!({"message": "overloaded", "code": 502});
    let mut half = answer("gated", "x");
    let mut second = half["choices"][0].clone();
    second["index"] = json!(1);
    second["finish_reason"] = Value::Null;
    half["choices"].as_array_mut().unwrap().push(second);
    let mut gap = answer("gated", "x");
    gap["choices"][0]["index"] = json!(1);
    let mut no_reason = answer("gated", "x");
    no_reason["choices"][0]
        .as_object_mut()
        .unwrap()
        .remove("finish_reason");
    vec![
        (
            "an error object alone",
            json!({"error": {"message": "no", "type": "x", "param": null, "code": null}}),
        ),
        ("an error beside an answer", with_error),
        ("no choices", no_choices),
        ("a missing choice", gap),
        ("an unfinished choice", half),
        ("no finish_reason", no_reason),
        ("finish_reason null", with(&says("x"), &Value::Null)),
        ("finish_reason empty", with(&says("x"), &json!(""))),
        ("an empty text", with(&says(""), &json!("stop"))),
        (
            "no message content",
            with(
                &json!({"role": "assistant", "content": null}),
                &json!("stop"),
            ),
        ),
        ("content_filter", with(&says("x"), &json!("content_filter"))),
        ("length without a limit", with(&says("x"), &json!("length"))),
        (
            "tool arguments that are no JSON",
            with(&calls("{\"city\": \"Par"), &json!("tool_calls")),
        ),
        ("another shape", json!({"output": "x"})),
        ("an array", json!([1, 2])),
    ]
}

on_each_store! {
    async fn an_answer_in_doubt_reaches_the_client_and_is_not_stored(store) {
        let house = House::start(store).await;
        for (name, body) in refused() {
            let before = house.upstream.calls();
            let asked = question(name);
            for _ in 0..2 {
                house.upstream.next(Reply::json(200, body.to_string()));
                let seen = house.ask(&asked).await;
                assert_eq!((seen.status, seen.json()), (200, body.clone()), "{name}");
            }
            assert_eq!(house.upstream.calls(), before + 2, "{name} was stored");
        }
    }

    async fn bodies_that_are_no_json_reach_the_client_and_are_not_stored(store) {
        let house = House::start(store).await;
        let good = answer("x", "y").to_string();
        for (name, kind, body) in [
            ("empty", "application/json", String::new()),
            ("html", "text/html", "<html>bad gateway</html>".to_owned()),
            ("cut", "application/json", good[..good.len() / 2].to_owned()),
            ("two", "application/json", format!("{good}{good}")),
            ("twice named", "application/json", good.replacen('{', "{\"id\":\"z\",", 1)),
        ] {
            let before = house.upstream.calls();
            let asked = question(name);
            for _ in 0..2 {
                house.upstream.next(Reply::document(200, kind, body.clone()));
                let seen = house.ask(&asked).await;
                assert_eq!((seen.status, seen.text()), (200, body.clone()), "{name}");
                assert_eq!(seen.header("content-type"), Some(kind), "{name}");
            }
            assert_eq!(house.upstream.calls(), before + 2, "{name} was stored");
        }
    }

    async fn errors_of_the_provider_pass_and_are_not_stored(store) {
        let house = House::start(store).await;
        for status in [400, 402, 403, 404, 408, 409, 422, 429, 500, 502, 503, 504, 529] {
            let asked = question(&format!("status {status}"));
            house.upstream.next(Reply::error(status, "theirs"));
            let seen = house.ask(&asked).await;
            assert_eq!((seen.status, seen.error_code().as_str()), (status, "theirs"));
            let good = house.ask(&asked).await;
            assert_eq!((good.status, good.x_cache()), (200, "MISS"), "{status} was stored");
        }
    }

    async fn an_error_asked_for_as_a_stream_stays_a_document(store) {
        let house = House::start(store).await;
        house.upstream.next(Reply::error(400, "context_length_exceeded"));
        let seen = house.ask_stream(&question("error stream")).await;
        assert_eq!((seen.status, seen.error_code().as_str()), (400, "context_length_exceeded"));
    }

    async fn an_answer_cut_at_the_limit_the_client_set_is_stored(store) {
        let house = House::start(store).await;
        for limit in ["max_tokens", "max_completion_tokens"] {
            let body = with(&says("cut he"), &json!("length")).to_string();
            house.upstream.next(Reply::json(200, body));
            let mut asked = question(limit);
            asked[limit] = json!(2);
            house.ask(&asked).await;
            assert_eq!(house.ask(&asked).await.x_cache(), "HIT", "{limit}");
        }
    }

    async fn calls_and_refusals_and_reasoning_are_answers(store) {
        let house = House::start(store).await;
        for (name, message, finish) in [
            ("call", calls("{\"city\":\"Paris\"}"), "tool_calls"),
            ("call without arguments", calls(""), "tool_calls"),
            ("function", json!({"role": "assistant", "content": null,
                "function_call": {"name": "f", "arguments": "{}"}}), "function_call"),
            ("refusal", json!({"role": "assistant", "content": null, "refusal": "No."}), "stop"),
            ("reasoning", json!({"role": "assistant", "content": "", "reasoning_content": "hm"}), "stop"),
        ] {
            house.upstream.next(Reply::json(200, with(&message, &json!(finish)).to_string()));
            let asked = question(name);
            house.ask(&asked).await;
            assert_eq!(house.ask(&asked).await.x_cache(), "HIT", "{name} was not stored");
        }
    }

    async fn a_stream_in_doubt_is_not_stored(store) {
        let house = House::start(store).await;
        let whole = answer("doubt", "x");
        let role = json!({"role": "assistant", "content": ""});
        let text = json!({"content": "x"});
        let call = json!({"tool_calls": [{"index": 0, "id": "c", "type": "function",
            "function": {"name": "f", "arguments": "{\"half"}}]});
        let error = json!({"error": {"message": "overloaded", "type": "x", "param": null, "code": null}});
        for (name, chunks) in [
            ("no finish_reason", deltas(&whole, &[role.clone(), text.clone()], None)),
            ("content filter", deltas(&whole, &[role.clone(), text.clone()], Some("content_filter"))),
            ("length", deltas(&whole, &[role.clone(), text.clone()], Some("length"))),
            ("nothing said", deltas(&whole, std::slice::from_ref(&role), Some("stop"))),
            ("half a call", deltas(&whole, &[role.clone(), call], Some("tool_calls"))),
            ("an error event", [streamed(&whole), vec![error]].concat()),
            ("no chunk at all", Vec::new()),
        ] {
            let before = house.upstream.calls();
            let asked = question(name);
            for _ in 0..2 {
                house.upstream.next(Reply::chunks(&chunks));
                assert_eq!(house.ask_stream(&asked).await.status, 200, "{name}");
            }
            assert_eq!(house.upstream.calls(), before + 2, "{name} was stored");
        }
    }

    async fn a_stream_with_unreadable_events_reaches_the_client_as_it_came(store) {
        let house = House::start(store).await;
        let whole = answer("odd", "x y");
        let good: Vec<Vec<u8>> = with_usage(streamed(&whole), &whole)
            .iter()
            .map(|chunk| event(chunk).into_bytes())
            .collect();
        for (name, odd) in [
            ("no json", b"data: {oops\n\n".to_vec()),
            ("no utf-8", b"data: {\"x\":\"\xff\xfe\"}\n\n".to_vec()),
            ("no choices", b"data: {\"choices\":7}\n\n".to_vec()),
        ] {
            let mut parts = good.clone();
            parts.insert(2, odd);
            parts.push(b"data: [DONE]\n\n".to_vec());
            house.upstream.next(Reply::stream(parts.clone()));
            let mut asked = question(name);
            asked["stream"] = json!(true);
            asked["stream_options"] = json!({"include_usage": true});
            let seen = house.ask(&asked).await;
            assert_eq!(seen.body, parts.concat(), "{name}");
            assert_eq!(house.ask(&asked).await.x_cache(), "MISS", "{name} was stored");
        }
    }

    async fn an_upstreams_no_store_is_heard(store) {
        let house = House::start(store).await;
        let asked = question("their no-store");
        for number in 0..2 {
            let body = answer(&number.to_string(), "secret").to_string();
            house.upstream.next(Reply::json(200, body).header("cache-control", "no-store"));
            assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
        }
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn an_upstreams_no_store_need_not_be_heard(store) {
        let house = House::with(store)
            .set("REPRISE_HEED_UPSTREAM_NO_STORE", "false")
            .start()
            .await;
        let asked = question("their boilerplate");
        let body = answer("1", "not secret").to_string();
        house.upstream.next(Reply::json(200, body).header("cache-control", "no-store"));
        assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
        assert_eq!(house.ask(&asked).await.x_cache(), "HIT");
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn what_is_larger_than_an_entry_may_be_passes_whole(store) {
        let house = House::with(store).set("REPRISE_ENTRY_MAX_BYTES", "16000").start().await;
        let text = "word ".repeat(4_000);
        let whole = answer("big", &text);
        let body = whole.to_string();
        let asked = question("too large");
        for _ in 0..2 {
            house.upstream.next(Reply::json(200, body.clone()));
            let seen = house.ask(&asked).await;
            assert!(seen.text() == body, "the answer changed on the way");
        }
        let chunks = with_usage(streamed(&whole), &whole);
        let asked = question("too large stream");
        for _ in 0..2 {
            house.upstream.next(Reply::chunks(&chunks));
            let seen = house.ask_stream(&asked).await;
            assert!(seen.is_done());
            assert!(crate::support::fold_text(&seen.events()) == text);
        }
        assert_eq!(house.upstream.calls(), 4);
    }
}
