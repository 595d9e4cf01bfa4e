//! Which requests for messages are the same question, seen by what the upstream is
//! asked. The whole table is with the code that decides it.

use serde_json::{Value, json};

use crate::support::{House, Request, Store, in_time, message, message_question, on_each_store};

/// A change to a question.
type Edit = fn(&mut Value);

/// What the provider cannot tell apart, or is not to.
const SAME: [(&str, Edit); 8] = [
    ("stream", |question| question["stream"] = json!(false)),
    ("metadata", |question| {
        question["metadata"] = json!({"user_id": "u"});
    }),
    ("service_tier", |question| {
        question["service_tier"] = json!("auto");
    }),
    ("cache_control", |question| {
        question["cache_control"] = json!({"type": "ephemeral"});
    }),
    ("a block of text", |question| {
        question["messages"][0]["content"] = json!([{"type": "text", "text": "base",
            "cache_control": {"type": "ephemeral", "ttl": "1h"}}]);
    }),
    ("the system as a block", |question| {
        question["system"] = json!([{"type": "text", "text": "Be brief."}]);
    }),
    ("a marked tool", |question| {
        question["tools"][0]["cache_control"] = json!({"type": "ephemeral"});
    }),
    ("temperature 0.50", |question| {
        question["temperature"] = json!(0.50);
    }),
];

/// What may have another answer.
const OTHER: [(&str, Edit); 9] = [
    ("model", |question| question["model"] = json!("other")),
    ("max_tokens", |question| question["max_tokens"] = json!(7)),
    ("system", |question| question["system"] = json!("Be long.")),
    ("temperature", |question| {
        question["temperature"] = json!(0.6);
    }),
    ("thinking", |question| {
        question["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
    }),
    ("schema", |question| {
        question["tools"][0]["input_schema"] = json!({"type": "object", "title": "x"});
    }),
    ("stop_sequences", |question| {
        question["stop_sequences"] = json!(["a"]);
    }),
    ("context_management", |question| {
        question["context_management"] = json!({"edits": []});
    }),
    ("unheard of", |question| question["unheard_of"] = json!(1)),
];

/// What is never answered from the store, and why.
const BYPASSED: [(&str, Edit); 8] = [
    ("hosted-tool", |question| {
        question["tools"] = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    }),
    ("hosted-tool", |question| {
        question["mcp_servers"] = json!([{"type": "url", "url": "https://e", "name": "m"}]);
    }),
    ("stateful", |question| {
        question["container"] = json!("container_1");
    }),
    ("remote-reference", |question| {
        question["messages"][0]["content"] = json!([
            {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}]);
    }),
    ("remote-reference", |question| {
        question["messages"][0]["content"] = json!([
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}}]);
    }),
    ("invalid", |question| {
        question.as_object_mut().unwrap().remove("max_tokens");
    }),
    ("invalid", |question| question["messages"] = json!("Hi")),
    ("control-field", |question| {
        question["cache"] = json!(true);
    }),
];

fn base() -> Value {
    let mut question = message_question("base");
    question["system"] = json!("Be brief.");
    question["temperature"] = json!(0.5);
    question["tools"] = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    question
}

fn edited(edit: Edit) -> Value {
    let mut question = base();
    edit(&mut question);
    question
}

async fn house(store: Store) -> House {
    let setup = House::with(store).set("REPRISE_UPSTREAM_KIND", "anthropic");
    setup.start().await
}

on_each_store! {
    async fn what_means_the_same_is_asked_once(store) {
        let house = house(store).await;
        let first = house.send(&message(&base())).await;
        assert_eq!(first.x_cache(), "MISS");
        for (name, edit) in SAME {
            let seen = house.send(&message(&edited(edit))).await;
            assert_eq!((seen.x_cache(), seen.text()), ("HIT", first.text()), "{name}");
        }
        for (name, edit) in OTHER {
            let seen = house.send(&message(&edited(edit))).await;
            assert_eq!(seen.x_cache(), "MISS", "{name}");
        }
        assert_eq!(house.upstream.calls(), 1 + OTHER.len());
    }

    async fn the_version_and_what_is_asked_in_beta_are_part_of_the_question(store) {
        let house = house(store).await;
        let asked = base().to_string();
        let with = |version: &str, beta: Option<&str>| {
            let request = Request::post("/v1/messages", asked.clone())
                .header("x-api-key", "sk-test-alice")
                .header("anthropic-version", version);
            match beta {
                Some(beta) => request.header("anthropic-beta", beta),
                None => request,
            }
        };
        for (version, beta) in [
            ("2023-06-01", None),
            ("2023-01-01", None),
            ("2023-06-01", Some("context-1m-2025-08-07")),
            ("2023-06-01", Some("interleaved-thinking-2025-05-14")),
        ] {
            assert_eq!(house.send(&with(version, beta)).await.x_cache(), "MISS");
            assert_eq!(house.upstream.last().header("anthropic-beta"), beta);
            assert_eq!(house.send(&with(version, beta)).await.x_cache(), "HIT");
        }
        // What an SDK and an agent tell of themselves is not.
        let telling = with("2023-06-01", None)
            .header("x-stainless-lang", "python")
            .header("x-claude-code-session-id", "s-1")
            .header("anthropic-dangerous-direct-browser-access", "true");
        assert_eq!(house.send(&telling).await.x_cache(), "HIT");
    }

    async fn the_spellings_of_the_path_are_one(store) {
        let house = house(store).await;
        let asked = base().to_string();
        let at = |path: &str| {
            Request::post(path, asked.clone())
                .header("x-api-key", "sk-test-alice")
                .header("anthropic-version", "2023-06-01")
        };
        for path in ["/v1/messages", "/v1/messages/", "/messages", "/messages/"] {
            house.send(&at(path)).await;
        }
        assert_eq!(house.upstream.calls(), 1);
        assert_eq!(house.upstream.last().path, "/v1/messages");
    }

    async fn what_the_provider_runs_or_keeps_is_passed_on(store) {
        let house = house(store).await;
        for (at, (reason, edit)) in BYPASSED.into_iter().enumerate() {
            let asked = edited(edit);
            for _ in 0..2 {
                let seen = house.send(&message(&asked)).await;
                assert_eq!((seen.status, seen.x_cache()), (200, "BYPASS"), "{reason}");
                let status = seen.cache_status();
                assert!(status.contains(&format!("detail={reason}")), "{status}");
            }
            assert_eq!(house.upstream.calls(), (at + 1) * 2);
            assert_eq!(house.upstream.last().json(), asked);
        }
        // Batches are the provider's.
        let batch = Request::post("/v1/messages/batches", "{}").header("x-api-key", "sk-test-alice");
        let seen = house.send(&batch).await;
        assert_eq!((seen.status, seen.x_cache()), (200, "BYPASS"));
        assert_eq!(house.upstream.last().path, "/v1/messages/batches");
    }
}
