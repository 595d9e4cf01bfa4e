//! A chat completion asked twice is paid once, and both answers are the same.

use serde_json::{Value, json};

use crate::support::{
    ALICE, Ending, House, Reply, Request, Store, answer, chat, in_time, on_each_store, question,
    streaming,
};

on_each_store! {
    async fn the_second_answer_is_the_first_byte_for_byte(store) {
        let house = House::start(store).await;
        // Spelled as no serializer would: the bytes themselves are kept.
        let body = "{ \"id\":\"x\", \"object\":\"chat.completion\",\"created\":1e3,\n\t\"model\":\"m\",\
            \"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\\u00e9 é 😀\\/\"},\
            \"finish_reason\":\"stop\",\"weight\":0.10000000000000000555}],\
            \"usage\":{\"total_tokens\":3, \"prompt_tokens\":1,\"completion_tokens\":2} }\n";
        house.upstream.next(Reply::json(200, body));
        let asked = question("same bytes");
        let first = house.ask(&asked).await;
        let second = house.ask(&asked).await;
        assert_eq!((first.status, second.status), (200, 200));
        assert_eq!((first.x_cache(), second.x_cache()), ("MISS", "HIT"));
        assert_eq!(first.text(), body);
        assert_eq!(second.text(), body);
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_question_goes_upstream_as_it_came(store) {
        let house = House::start(store).await;
        let body = "{\"messages\" : [{\"content\":\"caf\\u00e9 é\",\"role\":\"user\"}],\
            \"zebra\":{\"b\":1,\"a\":2.50}, \"model\":\"test-model\", \"temperature\":1.0}";
        let request = Request::post("/v1/chat/completions?x=1", body)
            .bearer(ALICE)
            .header("x-custom", "kept")
            .header("connection", "x-hop")
            .header("x-hop", "dropped")
            .header("x-forwarded-for", "10.1.2.3")
            .header("x-cache-ttl", "60");
        house.send(&request).await;
        let got = house.upstream.last();
        assert_eq!(String::from_utf8_lossy(&got.body), body);
        assert_eq!(got.path, "/v1/chat/completions?x=1");
        assert_eq!(got.header("authorization"), Some("Bearer sk-test-alice"));
        assert_eq!(got.header("x-custom"), Some("kept"));
        assert_eq!(got.header("host"), Some(house.upstream.address().to_string().as_str()));
        for dropped in ["x-hop", "x-forwarded-for", "x-cache-ttl"] {
            assert_eq!(got.header(dropped), None, "{dropped} was forwarded");
        }
    }

    async fn headers_of_one_call_are_not_replayed_to_another(store) {
        let house = House::start(store).await;
        let reply = Reply::json(200, answer("x", "once").to_string())
            .header("set-cookie", "session=secret")
            .header("x-ratelimit-remaining-requests", "41")
            .header("openai-processing-ms", "523")
            .header("x-request-id", "req_upstream")
            .header("cf-ray", "abc");
        house.upstream.next(reply);
        let asked = question("headers");
        let miss = house.ask(&asked).await;
        let hit = house.ask(&asked).await;
        assert_eq!(miss.header("x-ratelimit-remaining-requests"), Some("41"));
        for never in ["set-cookie", "x-ratelimit-remaining-requests", "openai-processing-ms", "cf-ray"] {
            assert_eq!(hit.header(never), None, "{never} was replayed");
        }
        assert_eq!(hit.header("content-type"), Some("application/json"));
        let ids = [&miss, &hit].map(|answer| answer.header("x-request-id").unwrap().to_owned());
        assert_ne!(ids[0], ids[1]);
        assert!(!ids.contains(&"req_upstream".to_owned()));
    }

    async fn a_large_answer_is_kept_whole(store) {
        let house = House::start(store).await;
        let words: Vec<_> = (0..200_000).map(|number| format!("{number} ")).collect();
        let text = words.concat();
        let body = answer("large", &text).to_string();
        house.upstream.next(Reply::json(200, body.clone()));
        let asked = question("large");
        house.ask(&asked).await;
        let hit = house.ask(&asked).await;
        assert_eq!(hit.x_cache(), "HIT");
        assert!(hit.text() == body, "the answer changed on the way");
        let streamed = house.ask_stream(&asked).await;
        assert_eq!(streamed.x_cache(), "HIT");
        let folded = crate::support::fold_text(&streamed.events());
        assert!(folded == text, "the streamed answer differs");
        let longest = streamed.events().iter().map(String::len).max().unwrap();
        assert!(longest < 64 * 1024, "an event of {longest} bytes");
    }

    async fn clients_may_point_at_the_root_or_at_v1(store) {
        let house = House::start(store).await;
        let asked = question("either root").to_string();
        for (path, expected) in [
            ("/v1/chat/completions", "MISS"),
            ("/chat/completions", "HIT"),
            ("/v1/chat/completions/", "HIT"),
        ] {
            let answer = house.send(&Request::post(path, asked.clone()).bearer(ALICE)).await;
            assert_eq!((answer.status, answer.x_cache()), (200, expected), "{path}");
        }
        assert_eq!(house.upstream.last().path, "/v1/chat/completions");
    }

    async fn a_connection_serves_one_question_after_another(store) {
        let house = House::start(store).await;
        let request = chat(&question("kept alive"));
        let (first, mut stream) = house.client().open(&request).await.rest_and_stream().await;
        assert_eq!(first.x_cache(), "MISS");
        for _ in 0..5 {
            tokio::io::AsyncWriteExt::write_all(&mut stream, &request.to_wire()).await.unwrap();
            let live = crate::support::Live::read_head(stream, false).await.unwrap();
            let (again, same) = live.rest_and_stream().await;
            assert_eq!((again.x_cache(), again.ending), ("HIT", Ending::Whole));
            assert_eq!(again.body, first.body);
            stream = same;
        }
    }

    async fn what_providers_invent_survives_both_forms(store) {
        let house = House::start(store).await;
        for (name, message) in inventions() {
            let mut whole = answer(name, "");
            whole["choices"][0]["message"] = message;
            whole["provider_extra"] = json!({"route": ["a", "b"], "score": 0.25});
            house.upstream.next(Reply::json(200, whole.to_string()));
            let asked = question(name);
            house.ask(&asked).await;
            let hit = house.ask(&asked).await;
            assert_eq!((hit.x_cache(), hit.json()), ("HIT", whole.clone()), "{name}");
            let mut wants_usage = streaming(&asked);
            wants_usage["stream_options"] = json!({"include_usage": true});
            let streamed = house.ask(&wants_usage).await;
            assert_eq!(streamed.x_cache(), "HIT", "{name}");
            assert_eq!(without_nulls(crate::support::fold(&streamed.events())), without_nulls(whole), "{name}");
        }
        assert_eq!(house.upstream.calls(), inventions().len());
    }
}

/// Messages beyond plain text.
fn inventions() -> Vec<(&'static str, Value)> {
    let call = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    vec![
        (
            "parallel tool calls",
            json!({"role": "assistant", "content": null, "tool_calls": [
                call("call_a", "weather", "{\"city\":\"Paris\"}"), call("call_b", "time", "{}"),
            ]}),
        ),
        (
            "refusal",
            json!({"role": "assistant", "content": null, "refusal": "I would rather not."}),
        ),
        (
            "reasoning",
            json!({"role": "assistant", "content": "42", "reasoning_content": "6 by 7",
                   "reasoning": "six by seven"}),
        ),
        (
            "annotations",
            json!({"role": "assistant", "content": "See there.", "annotations": [
                {"type": "url_citation", "url_citation": {"url": "https://example.org", "title": "E",
                 "start_index": 0, "end_index": 3}},
            ]}),
        ),
        (
            "an unknown member",
            json!({"role": "assistant", "content": "x", "mood": {"calm": true}}),
        ),
    ]
}

/// A value without the members that are null: streams cannot tell null from absent.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}
