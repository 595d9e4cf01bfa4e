//! Good answers, to whatever is asked.

use serde_json::{Value, json};

use super::{Recorded, Reply};
use crate::support::chat::{answer, streamed, with_usage};
use crate::support::completions::{completion_chunks, completions};
use crate::support::embeddings::{EmbeddingStyle, items};
use crate::support::messages::{message_answer, message_events};
use crate::support::moderations::verdicts;
use crate::support::responses::{response, told_as_events};

/// A good answer to the call of this number.
pub(super) fn usual(request: &Recorded, number: usize, style: EmbeddingStyle) -> Reply {
    match operation(request).as_str() {
        "/v1/chat/completions" => chat(&request.json(), number),
        "/v1/messages" => message(&request.json(), number),
        "/v1/messages/count_tokens" => {
            Reply::json(200, json!({"input_tokens": 10 + number}).to_string())
        }
        "/v1/completions" => completed(&request.json(), number),
        "/v1/responses" => respond(&request.json(), number),
        "/v1/embeddings" => Reply::json(200, style.answer(&request.json())),
        "/v1/moderations" => {
            let mut whole = verdicts(&request.json());
            whole["id"] = json!(format!("modr-{number}"));
            Reply::json(200, whole.to_string())
        }
        _ => {
            let echo = json!({"echo": request.path, "number": number});
            Reply::json(200, echo.to_string())
        }
    }
}

/// The list of models, or the model whose page is asked for.
pub(super) fn model(request: &Recorded) -> Reply {
    let model = |id: &str| json!({"id": id, "object": "model"});
    let operation = operation(request);
    match operation.strip_prefix("/v1/models/") {
        Some(id) if id.starts_with("missing") => Reply::error(404, "model_not_found"),
        Some(id) => Reply::json(200, model(id).to_string()),
        None => {
            let list = json!({"object": "list", "data": [model("test-model")]});
            Reply::json(200, list.to_string())
        }
    }
}

/// Whether the list of models is asked for, or one of them.
pub(super) fn is_models(request: &Recorded) -> bool {
    operation(request).starts_with("/v1/models")
}

/// The items of a request that has any.
pub(super) fn items_of(request: &Recorded) -> Vec<Value> {
    match operation(request).as_str() {
        "/v1/embeddings" | "/v1/moderations" => items(&request.json()),
        _ => Vec::new(),
    }
}

/// The endpoint below `/v1`, whatever the provider's root is: on Azure it may be a
/// deployment's.
fn operation(request: &Recorded) -> String {
    let path = request.path.split('?').next().unwrap_or_default();
    let path = path.trim_end_matches('/');
    let deployed = path.strip_prefix("/openai/deployments/");
    let deployed = deployed.and_then(|rest| rest.find('/').and_then(|at| rest.get(at..)));
    match (deployed, path.strip_prefix("/openai/v1")) {
        (Some(endpoint), _) | (None, Some(endpoint)) => format!("/v1{endpoint}"),
        (None, None) => path.to_owned(),
    }
}

/// Another chat completion each time.
fn chat(asked: &Value, number: usize) -> Reply {
    let whole = answer(&format!("chatcmpl-{number}"), &format!("answer {number}"));
    if asked["stream"] != true {
        return Reply::json(200, whole.to_string());
    }
    let mut chunks = streamed(&whole);
    if asked["stream_options"]["include_usage"] == true {
        chunks = with_usage(chunks, &whole);
    }
    Reply::chunks(&chunks)
}

/// Another message each time.
fn message(asked: &Value, number: usize) -> Reply {
    let content = json!([{"type": "text", "text": format!("answer {number}")}]);
    let whole = message_answer(&format!("msg_{number}"), &content, "end_turn");
    if asked["stream"] == true {
        Reply::stream(message_events(&whole))
    } else {
        Reply::json(200, whole.to_string())
    }
}

/// Other completions each time.
fn completed(asked: &Value, number: usize) -> Reply {
    let text = format!("completion {number}");
    let whole = completions(&format!("cmpl-{number}"), &[&text]);
    if asked["stream"] == true {
        Reply::chunks(&completion_chunks(&whole, asked))
    } else {
        Reply::json(200, whole.to_string())
    }
}

/// Another response each time.
fn respond(asked: &Value, number: usize) -> Reply {
    let whole = response(
        &format!("resp_{number}"),
        &format!("answer {number}"),
        asked,
    );
    if asked["stream"] == true {
        Reply::stream(told_as_events(&whole))
    } else {
        Reply::json(200, whole.to_string())
    }
}
