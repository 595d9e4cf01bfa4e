//! Anthropic's messages: what a client asks, what its provider answers in both forms,
//! and what a client makes of a stream. Written from the API's description, not with
//! the code under test.

use serde_json::{Value, json};

use super::app::ALICE;
use super::http::Request;

/// Where messages are asked for.
pub(crate) const MESSAGES: &str = "/v1/messages";

/// A question with this text.
pub(crate) fn message_question(text: &str) -> Value {
    json!({"model": "claude-test", "max_tokens": 100,
        "messages": [{"role": "user", "content": text}]})
}

/// A request for a message by Alice, as Anthropic's SDKs send it.
pub(crate) fn message(question: &Value) -> Request {
    Request::post(MESSAGES, question.to_string())
        .header("x-api-key", ALICE)
        .header("anthropic-version", "2023-06-01")
}

/// A whole message.
pub(crate) fn message_answer(id: &str, content: &Value, stop_reason: &str) -> Value {
    json!({
        "id": id, "type": "message", "role": "assistant", "model": "claude-test-1",
        "content": content, "stop_reason": stop_reason, "stop_sequence": null,
        "usage": {
            "input_tokens": 6, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3,
            "output_tokens": 5, "service_tier": "standard",
        },
    })
}

/// The stream that tells a message, event by event, as its provider writes it.
pub(crate) fn message_events(whole: &Value) -> Vec<String> {
    let mut start = whole.clone();
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    start["usage"]["output_tokens"] = json!(1);
    let mut data = vec![json!({"type": "message_start", "message": start})];
    for (index, block) in whole["content"].as_array().unwrap().iter().enumerate() {
        data.extend(block_events(index, block));
        data.push(json!({"type": "ping"}));
    }
    let usage = &whole["usage"];
    data.push(json!({
        "type": "message_delta",
        "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": whole["stop_sequence"]},
        "usage": {
            "input_tokens": usage["input_tokens"],
            "cache_creation_input_tokens": usage["cache_creation_input_tokens"],
            "cache_read_input_tokens": usage["cache_read_input_tokens"],
            "output_tokens": usage["output_tokens"],
        },
    }));
    data.push(json!({"type": "message_stop"}));
    let written = data.iter().map(|data| {
        let name = data["type"].as_str().unwrap();
        format!("event: {name}\ndata: {data}\n\n")
    });
    written.collect()
}

fn block_events(index: usize, block: &Value) -> Vec<Value> {
    let mut start = block.clone();
    let text = |name: &str| block[name].as_str().unwrap().to_owned();
    let pieces =
        |text: &str| -> Vec<String> { text.split_inclusive(' ').map(str::to_owned).collect() };
    let deltas: Vec<Value> = match block["type"].as_str().unwrap() {
        "text" => {
            start["text"] = json!("");
            let pieces = pieces(&text("text")).into_iter();
            pieces
                .map(|piece| json!({"type": "text_delta", "text": piece}))
                .collect()
        }
        "thinking" => {
            start["thinking"] = json!("");
            start["signature"] = json!("");
            let pieces = pieces(&text("thinking")).into_iter();
            let thought = pieces.map(|piece| json!({"type": "thinking_delta", "thinking": piece}));
            let signature = json!({"type": "signature_delta", "signature": text("signature")});
            thought.chain([signature]).collect()
        }
        "tool_use" => {
            start["input"] = json!({});
            let input = block["input"].to_string();
            let (front, back) = input.split_at(input.len() / 2);
            ["", front, back]
                .map(|part| json!({"type": "input_json_delta", "partial_json": part}))
                .into()
        }
        _ => Vec::new(),
    };
    let begin = json!({"type": "content_block_start", "index": index, "content_block": start});
    let growth = deltas
        .into_iter()
        .map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta}));
    let end = json!({"type": "content_block_stop", "index": index});
    [begin].into_iter().chain(growth).chain([end]).collect()
}

/// The message that a stream tells: what a client makes of it.
pub(crate) fn fold_message(events: &[String]) -> Value {
    let mut whole = Value::Null;
    let mut input = String::new();
    for data in events {
        let event: Value = serde_json::from_str(data).unwrap();
        let index = event["index"]
            .as_u64()
            .and_then(|at| usize::try_from(at).ok());
        match event["type"].as_str().unwrap() {
            "message_start" => whole = event["message"].clone(),
            "content_block_start" => {
                let content = whole["content"].as_array_mut().unwrap();
                assert_eq!(index, Some(content.len()));
                content.push(event["content_block"].clone());
                input.clear();
            }
            "content_block_delta" => {
                let block = &mut whole["content"][index.unwrap()];
                for (name, value) in event["delta"].as_object().unwrap() {
                    let piece = value.as_str().unwrap();
                    match name.as_str() {
                        "type" => {}
                        "partial_json" => input.push_str(piece),
                        name => {
                            let known = block[name].as_str().unwrap();
                            block[name] = json!(format!("{known}{piece}"));
                        }
                    }
                }
            }
            "content_block_stop" if !input.is_empty() => {
                whole["content"][index.unwrap()]["input"] = serde_json::from_str(&input).unwrap();
                input.clear();
            }
            "message_delta" => {
                for part in ["delta", "usage"] {
                    for (name, value) in event[part].as_object().unwrap() {
                        let into = if part == "usage" {
                            &mut whole["usage"]
                        } else {
                            &mut whole
                        };
                        into[name] = value.clone();
                    }
                }
            }
            "content_block_stop" | "message_stop" | "ping" => {}
            other => panic!("an event of type {other}"),
        }
    }
    whole
}
