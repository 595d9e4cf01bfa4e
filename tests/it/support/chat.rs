//! Chat completions: questions, answers, their streams, and how a stream is
//! read back into an answer.

use serde_json::{Value, json};

/// A question nobody else asks.
pub(crate) fn question(text: &str) -> Value {
    json!({"model": "test-model", "messages": [{"role": "user", "content": text}]})
}

/// A complete answer.
pub(crate) fn answer(id: &str, text: &str) -> Value {
    json!({
        "id": id,
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "test-model-2026-01-01",
        "system_fingerprint": "fp_test",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": null},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    })
}

/// One chunk of the stream that tells `whole`.
pub(crate) fn chunk(whole: &Value, index: u64, delta: &Value, finish: Option<&str>) -> Value {
    json!({
        "id": whole["id"],
        "object": "chat.completion.chunk",
        "created": whole["created"],
        "model": whole["model"],
        "system_fingerprint": whole["system_fingerprint"],
        "choices": [{
            "index": index, "delta": delta, "logprobs": null, "finish_reason": finish,
        }],
    })
}

/// The chunks of a plain answer in words, without usage and without `[DONE]`.
pub(crate) fn streamed(whole: &Value) -> Vec<Value> {
    let text = whole["choices"][0]["message"]["content"]
        .as_str()
        .unwrap_or_default();
    let mut all = vec![json!({"role": "assistant", "content": "", "refusal": null})];
    all.extend(
        text.split_inclusive(' ')
            .map(|word| json!({"content": word})),
    );
    let finish = whole["choices"][0]["finish_reason"].as_str();
    deltas(whole, &all, finish)
}

/// Chunks with these deltas for the first choice, and one that finishes it.
pub(crate) fn deltas(whole: &Value, deltas: &[Value], finish: Option<&str>) -> Vec<Value> {
    let mut chunks: Vec<_> = deltas
        .iter()
        .map(|delta| chunk(whole, 0, delta, None))
        .collect();
    if finish.is_some() {
        chunks.push(chunk(whole, 0, &json!({}), finish));
    }
    chunks
}

/// The chunks as a provider sends them that was asked for usage.
pub(crate) fn with_usage(mut chunks: Vec<Value>, whole: &Value) -> Vec<Value> {
    for chunk in &mut chunks {
        chunk["usage"] = Value::Null;
    }
    let mut last = chunk(whole, 0, &json!({}), None);
    last["choices"] = json!([]);
    last["usage"] = whole["usage"].clone();
    chunks.push(last);
    chunks
}

/// A chunk as an event.
pub(crate) fn event(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}

/// The payloads of a stream as JSON, without `[DONE]`.
pub(crate) fn chunks(events: &[String]) -> Vec<Value> {
    events
        .iter()
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap_or_else(|_| panic!("not JSON: {data}")))
        .collect()
}

/// The text that a stream tells.
pub(crate) fn fold_text(events: &[String]) -> String {
    let whole = fold(events);
    whole["choices"][0]["message"]["content"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The answer that a stream tells: what a client makes of it.
pub(crate) fn fold(events: &[String]) -> Value {
    let mut whole = json!({});
    let mut choices: Vec<Value> = Vec::new();
    for chunk in chunks(events) {
        assert!(chunk.get("error").is_none(), "an error event: {chunk}");
        for (name, value) in chunk.as_object().unwrap() {
            let keeps = matches!(name.as_str(), "choices" | "object")
                || (name == "usage" && value.is_null());
            if !keeps {
                whole[name] = value.clone();
            }
        }
        for part in chunk["choices"].as_array().unwrap() {
            let index = usize::try_from(part["index"].as_u64().unwrap()).unwrap();
            while choices.len() <= index {
                choices.push(json!({"index": choices.len(), "message": {}}));
            }
            fold_choice(&mut choices[index], part);
        }
    }
    whole["object"] = json!("chat.completion");
    whole["choices"] = Value::Array(choices);
    whole
}

fn fold_choice(choice: &mut Value, part: &Value) {
    for (name, value) in part.as_object().unwrap() {
        match name.as_str() {
            "index" => {}
            "delta" => {
                for (name, value) in value.as_object().unwrap() {
                    merge(&mut choice["message"][name], value);
                }
            }
            _ => merge(&mut choice[name], value),
        }
    }
}

/// What the SDKs do with a repeated member: texts and lists grow, items with an
/// index grow in their place, the rest is replaced unless it is null.
fn merge(into: &mut Value, part: &Value) {
    match (into, part) {
        (Value::String(text), Value::String(more)) => text.push_str(more),
        (Value::Array(items), Value::Array(more)) => merge_items(items, more),
        (into @ Value::Null, Value::Array(more)) => {
            let mut items = Vec::new();
            merge_items(&mut items, more);
            *into = Value::Array(items);
        }
        (Value::Object(members), Value::Object(more)) => {
            for (name, value) in more {
                merge(members.entry(name).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (into, part) => *into = part.clone(),
    }
}

fn merge_items(items: &mut Vec<Value>, more: &[Value]) {
    for part in more {
        let Some(index) = part["index"].as_u64() else {
            items.push(part.clone());
            continue;
        };
        let index = usize::try_from(index).unwrap();
        while items.len() <= index {
            items.push(json!({}));
        }
        merge(&mut items[index], part);
        items[index].as_object_mut().unwrap().remove("index");
    }
}
