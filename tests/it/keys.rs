//! Which questions are the same: a sample over HTTP, seen by what the upstream
//! is asked. The whole table is with the code that decides it.

use serde_json::{Value, json};

use crate::support::{ALICE, House, Request, Store, in_time, on_each_store, question};

/// A change to a question.
type Edit = fn(&mut Value);

/// Questions that a provider that is known cannot tell apart.
const SAME: [(&str, Edit); 16] = [
    ("stream", |question| question["stream"] = json!(false)),
    ("user", |question| question["user"] = json!("someone")),
    ("safety_identifier", |question| {
        question["safety_identifier"] = json!("x");
    }),
    ("metadata", |question| {
        question["metadata"] = json!({"run": "1"});
    }),
    ("store: false", |question| question["store"] = json!(false)),
    ("prompt_cache_key", |question| {
        question["prompt_cache_key"] = json!("x");
    }),
    ("service_tier", |question| {
        question["service_tier"] = json!("flex");
    }),
    ("temperature 1", |question| {
        question["temperature"] = json!(1);
    }),
    ("temperature 1.0", |question| {
        question["temperature"] = json!(1.0);
    }),
    ("top_p 1", |question| question["top_p"] = json!(1)),
    ("n 1", |question| question["n"] = json!(1)),
    ("seed null", |question| question["seed"] = Value::Null),
    ("logit_bias {}", |question| {
        question["logit_bias"] = json!({});
    }),
    ("response_format text", |question| {
        question["response_format"] = json!({"type": "text"});
    }),
    ("tool_choice none", |question| {
        question["tool_choice"] = json!("none");
    }),
    ("a single text part", |question| {
        let text = question["messages"][0]["content"].clone();
        question["messages"][0]["content"] = json!([{"type": "text", "text": text}]);
    }),
];

/// Questions that may have another answer.
const OTHER: [(&str, Edit); 24] = [
    ("model", |question| question["model"] = json!("other")),
    ("text", |question| {
        question["messages"][0]["content"] = json!("BASE");
    }),
    ("white space", |question| {
        question["messages"][0]["content"] = json!("base ");
    }),
    ("normal form", |question| {
        question["messages"][0]["content"] = json!("bas\u{65}\u{301}");
    }),
    ("role", |question| {
        question["messages"][0]["role"] = json!("developer");
    }),
    ("name", |question| {
        question["messages"][0]["name"] = json!("x");
    }),
    ("more messages", |question| {
        let message = question["messages"][0].clone();
        question["messages"].as_array_mut().unwrap().push(message);
    }),
    ("temperature", |question| {
        question["temperature"] = json!(0.7);
    }),
    ("top_p", |question| question["top_p"] = json!(0.9)),
    ("seed 1", |question| question["seed"] = json!(1)),
    ("seed 2", |question| question["seed"] = json!(2)),
    ("n", |question| question["n"] = json!(2)),
    ("stop", |question| question["stop"] = json!(["x"])),
    ("max_tokens", |question| question["max_tokens"] = json!(5)),
    ("max_completion_tokens", |question| {
        question["max_completion_tokens"] = json!(5);
    }),
    ("logprobs", |question| question["logprobs"] = json!(true)),
    ("presence_penalty", |question| {
        question["presence_penalty"] = json!(0.5);
    }),
    ("frequency_penalty", |question| {
        question["frequency_penalty"] = json!(0.5);
    }),
    ("reasoning_effort", |question| {
        question["reasoning_effort"] = json!("medium");
    }),
    ("verbosity", |question| {
        question["verbosity"] = json!("medium");
    }),
    ("response_format", |question| {
        question["response_format"] = json!({"type": "json_object"});
    }),
    ("tools", |question| {
        question["tools"] = tools(&json!({"type": "object"}));
    }),
    ("an unknown field", |question| question["top_k"] = json!(40)),
    ("an unknown object", |question| {
        question["provider"] = json!({"order": ["a", "b"]});
    }),
];

on_each_store! {
    async fn what_changes_nothing_shares_an_entry(store) {
        let house = House::start(store).await;
        let base = question("base");
        let first = house.ask(&base).await;
        for (name, edit) in SAME {
            let mut asked = base.clone();
            edit(&mut asked);
            let answer = house.ask(&asked).await;
            assert_eq!(answer.x_cache(), "HIT", "{name} made another key");
            assert_eq!(answer.body, first.body, "{name}");
        }
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn what_may_change_the_answer_has_an_entry_of_its_own(store) {
        let house = House::start(store).await;
        let base = question("base");
        house.ask(&base).await;
        for (at, (name, edit)) in OTHER.into_iter().enumerate() {
            let mut asked = base.clone();
            edit(&mut asked);
            assert_eq!(house.ask(&asked).await.x_cache(), "MISS", "{name} is not in the key");
            assert_eq!(house.upstream.calls(), at + 2, "{name}");
            assert_eq!(house.ask(&asked).await.x_cache(), "HIT", "{name} was not stored");
        }
        assert_eq!(house.ask(&base).await.x_cache(), "HIT");
    }

    async fn spelling_does_not_matter(store) {
        let house = House::start(store).await;
        let spellings = [
            r#"{"model":"m","messages":[{"role":"user","content":"é/"}],"seed":10}"#,
            r#" { "messages" : [ { "content" : "\u00e9\/" , "role" : "user" } ], "model":"m", "seed": 1e1 } "#,
            "{\"seed\":10.0,\n\t\"model\":\"\\u006d\",\"messages\":[{\"role\":\"user\",\"content\":\"\u{e9}/\"}]}",
        ];
        for spelling in spellings {
            let request = Request::post("/v1/chat/completions", spelling).bearer(ALICE);
            assert_eq!(house.send(&request).await.status, 200);
        }
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn numbers_are_told_apart_to_the_last_digit(store) {
        let house = House::start(store).await;
        for (at, seed) in ["18446744073709551616", "18446744073709551617", "1e-400", "0"].iter().enumerate() {
            let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"seed":{seed}}}"#);
            house.send(&Request::post("/v1/chat/completions", body).bearer(ALICE)).await;
            assert_eq!(house.upstream.calls(), at + 1, "{seed}");
        }
    }

    async fn the_order_inside_a_schema_is_kept_apart_and_kept(store) {
        let house = House::start(store).await;
        let schemas = [
            r#"{"type":"object","properties":{"zebra":{"type":"string"},"apple":{"type":"string"}}}"#,
            r#"{"type":"object","properties":{"apple":{"type":"string"},"zebra":{"type":"string"}}}"#,
        ];
        for (at, schema) in schemas.iter().enumerate() {
            let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"response_format":{{"type":"json_schema","json_schema":{{"name":"s","schema":{schema}}}}}}}"#);
            house.send(&Request::post("/v1/chat/completions", body.clone()).bearer(ALICE)).await;
            assert_eq!(house.upstream.calls(), at + 1);
            assert_eq!(house.upstream.last().body, body.into_bytes());
        }
    }

    async fn defaults_are_only_known_of_known_providers(store) {
        let setup = House::with(store).set("REPRISE_UPSTREAM_KIND", "compatible");
        let house = setup.start().await;
        let base = question("defaults");
        house.ask(&base).await;
        for (name, edit) in SAME {
            if !matches!(name, "temperature 1" | "top_p 1" | "a single text part") {
                continue;
            }
            let mut asked = base.clone();
            edit(&mut asked);
            assert_eq!(house.ask(&asked).await.x_cache(), "MISS", "{name}");
        }
        let mut asked = base.clone();
        asked["user"] = json!("someone");
        assert_eq!(house.ask(&asked).await.x_cache(), "HIT");
    }

    async fn what_can_be_read_in_two_ways_is_never_stored(store) {
        let house = House::start(store).await;
        let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
        let bodies: [Vec<u8>; 6] = [
            br#"{"model":"m","messages":[{"role":"user","content":"a","content":"b"}]}"#.to_vec(),
            br#"{"model":"m","model":"n","messages":[{"role":"user","content":"a"}]}"#.to_vec(),
            br#"{"model":"m","messages":[{"role":"user","content":"\ud800"}]}"#.to_vec(),
            b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}".to_vec(),
            format!(r#"{{"model":"m","messages":[{{"role":"user","content":"a"}}],"x":{deep}}}"#).into_bytes(),
            b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]} trailing".to_vec(),
        ];
        for body in bodies {
            let before = house.upstream.calls();
            let request = Request::post("/v1/chat/completions", body.clone()).bearer(ALICE);
            for _ in 0..2 {
                let answer = house.send(&request).await;
                assert_eq!((answer.status, answer.x_cache()), (200, "BYPASS"));
                assert!(answer.cache_status().contains("uncanonical"), "{}", answer.cache_status());
                assert_eq!(house.upstream.last().body, body);
            }
            assert_eq!(house.upstream.calls(), before + 2);
        }
    }

    async fn stateful_and_volatile_questions_are_never_stored(store) {
        let house = House::start(store).await;
        let edits: [(&str, Edit); 7] = [
            ("store", |question| question["store"] = json!(true)),
            ("web search", |question| question["web_search_options"] = json!({})),
            ("search model", |question| question["model"] = json!("gpt-4o-search-preview")),
            ("research model", |question| question["model"] = json!("o4-mini-deep-research")),
            ("remote image", |question| question["messages"][0]["content"] = json!([
                {"type": "image_url", "image_url": {"url": "https://example.org/now.png"}}])),
            ("file", |question| question["messages"][0]["content"] = json!([
                {"type": "file", "file": {"file_id": "file-1"}}])),
            ("audio", |question| {
                question["modalities"] = json!(["text", "audio"]);
                question["audio"] = json!({"voice": "x", "format": "mp3"});
            }),
        ];
        for (name, edit) in edits {
            let before = house.upstream.calls();
            let mut asked = question(name);
            edit(&mut asked);
            for _ in 0..2 {
                let answer = house.ask(&asked).await;
                assert_eq!((answer.status, answer.x_cache()), (200, "BYPASS"), "{name}");
                assert!(answer.cache_status().starts_with("reprise; fwd=bypass"), "{name}");
            }
            assert_eq!(house.upstream.calls(), before + 2, "{name}");
        }
    }

    async fn headers_that_may_select_a_behaviour_are_in_the_key(store) {
        let house = House::start(store).await;
        let ask = |name: &'static str, value: &'static str| {
            let request = Request::post("/v1/chat/completions", question("headers").to_string());
            request.bearer(ALICE).header(name, value)
        };
        assert_eq!(house.send(&ask("x-plain", "0")).await.x_cache(), "MISS");
        for (name, value) in [("openai-beta", "a"), ("openai-beta", "b"), ("x-plain", "1")] {
            assert_eq!(house.send(&ask(name, value)).await.x_cache(), "MISS", "{name}: {value}");
        }
        house.ask(&question("headers")).await;
        let before = house.upstream.calls();
        for name in ["user-agent", "accept", "x-stainless-retry-count", "idempotency-key",
                     "traceparent", "x-request-id", "x-forwarded-for"] {
            assert_eq!(house.send(&ask(name, "1")).await.x_cache(), "HIT", "{name}");
        }
        assert_eq!(house.upstream.calls(), before);
        let azure = Request::post("/v1/chat/completions?api-version=1", question("headers").to_string());
        assert_eq!(house.send(&azure.bearer(ALICE)).await.x_cache(), "MISS");
    }
}

fn tools(parameters: &Value) -> Value {
    json!([{"type": "function", "function": {"name": "f", "parameters": parameters}}])
}
