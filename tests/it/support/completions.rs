//! Completions of the time before chat: questions, answers and their streams.

use serde_json::{Value, json};

use super::app::{ALICE, House};
use super::http::{Request, Response};

/// A question nobody else asks, with a limit that is its own.
pub(crate) fn prompt(text: &str) -> Value {
    json!({"model": "test-instruct", "prompt": text, "max_tokens": 9})
}

/// A complete answer with these texts.
pub(crate) fn completions(id: &str, texts: &[&str]) -> Value {
    let choices: Vec<Value> = texts
        .iter()
        .zip(0..)
        .map(|(text, index)| {
            json!({"text": text, "index": index, "logprobs": null, "finish_reason": "stop"})
        })
        .collect();
    json!({
        "id": id, "object": "text_completion", "created": 1_700_000_000,
        "model": "test-instruct-v1", "choices": choices,
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    })
}

/// A chunk of the stream that tells `whole`, with these choices.
pub(crate) fn completion_chunk(whole: &Value, choices: &Value) -> Value {
    let mut chunk = whole.clone();
    chunk.as_object_mut().unwrap().remove("usage");
    chunk["choices"] = choices.clone();
    chunk
}

/// The chunks of an answer, word by word and choice by choice in turn, and its usage if
/// that is asked for; without `[DONE]`.
pub(crate) fn completion_chunks(whole: &Value, asked: &Value) -> Vec<Value> {
    let choices = whole["choices"].as_array().unwrap();
    let mut words: Vec<Vec<String>> = Vec::new();
    for choice in choices {
        let text = choice["text"].as_str().unwrap();
        words.push(text.split_inclusive(' ').map(str::to_owned).collect());
    }
    let mut chunks = Vec::new();
    for turn in 0..words.iter().map(Vec::len).max().unwrap_or(0) {
        for (index, words) in words.iter().enumerate() {
            if let Some(word) = words.get(turn) {
                let part = json!([{"text": word, "index": index, "logprobs": null, "finish_reason": null}]);
                chunks.push(completion_chunk(whole, &part));
            }
        }
    }
    for choice in choices {
        let mut last = choice.clone();
        last["text"] = json!("");
        chunks.push(completion_chunk(whole, &json!([last])));
    }
    if asked["stream_options"]["include_usage"] == true {
        for chunk in &mut chunks {
            chunk["usage"] = Value::Null;
        }
        let mut last = completion_chunk(whole, &json!([]));
        last["usage"] = whole["usage"].clone();
        chunks.push(last);
    }
    chunks
}

/// What a client makes of a stream: texts and lists grow, the rest is replaced.
pub(crate) fn fold_completions(chunks: &[Value]) -> Value {
    let mut whole = json!({"choices": []});
    for chunk in chunks {
        assert!(chunk.get("error").is_none(), "an error event: {chunk}");
        for (name, value) in chunk.as_object().unwrap() {
            if name != "choices" && !(name == "usage" && value.is_null()) {
                whole[name] = value.clone();
            }
        }
        for part in chunk["choices"].as_array().unwrap() {
            let index = usize::try_from(part["index"].as_u64().unwrap()).unwrap();
            let choices = whole["choices"].as_array_mut().unwrap();
            while choices.len() <= index {
                choices.push(json!({"index": choices.len(), "text": "", "logprobs": null}));
            }
            let choice = &mut choices[index];
            let text = choice["text"].as_str().unwrap().to_owned();
            choice["text"] = json!(text + part["text"].as_str().unwrap());
            choice["finish_reason"] = part["finish_reason"].clone();
            for (name, list) in part["logprobs"].as_object().into_iter().flatten() {
                let more = list.as_array().cloned().unwrap_or_default();
                let known = choice["logprobs"][name]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                choice["logprobs"][name] = json!([known, more].concat());
            }
        }
    }
    whole
}

impl House {
    /// Asks for completions.
    pub(crate) async fn complete(&self, question: &Value) -> Response {
        let request = Request::post("/v1/completions", question.to_string());
        self.send(&request.bearer(ALICE)).await
    }
}
