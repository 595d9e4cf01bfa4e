//! Responses: questions, answers, and the streams that tell them.

use serde_json::{Value, json};

use super::app::{ALICE, House, streaming};
use super::http::{Ending, Request, Response};

/// A question nobody else asks.
pub(crate) fn asking(text: &str) -> Value {
    json!({"model": "test-model", "input": text})
}

/// A question with more members.
pub(crate) fn asking_with(text: &str, more: &Value) -> Value {
    let mut asked = asking(text);
    for (name, value) in more.as_object().unwrap() {
        asked[name] = value.clone();
    }
    asked
}

/// A complete answer to a question, which repeats of it what a provider repeats.
pub(crate) fn response(id: &str, text: &str, asked: &Value) -> Value {
    let given = |name: &str, usual: Value| {
        let value = asked.get(name).filter(|value| !value.is_null());
        value.cloned().unwrap_or(usual)
    };
    json!({
        "id": id, "object": "response", "created_at": 1_700_000_000, "status": "completed",
        "background": false, "error": null, "incomplete_details": null,
        "max_output_tokens": asked["max_output_tokens"], "model": "test-model-2026-01-01",
        "output": [
            {"id": format!("rs_{id}"), "type": "reasoning", "summary": [],
             "encrypted_content": format!("sealed for {id}")},
            {"id": format!("msg_{id}"), "type": "message", "status": "completed",
             "role": "assistant", "content": [{"type": "output_text", "text": text,
                "annotations": [], "logprobs": []}]},
        ],
        "prompt_cache_key": asked["prompt_cache_key"],
        "prompt_cache_retention": given("prompt_cache_retention", json!("in_memory")),
        "safety_identifier": asked["safety_identifier"],
        "store": given("store", json!(true)),
        "text": {"format": {"type": "text"}},
        "usage": {
            "input_tokens": 7, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 1},
            "total_tokens": 10,
        },
        "user": asked["user"],
        "metadata": given("metadata", json!({})),
    })
}

/// The stream that tells an answer, event by event.
pub(crate) fn told_as_events(whole: &Value) -> Vec<String> {
    let mut shell = whole.clone();
    shell["status"] = json!("in_progress");
    shell["output"] = json!([]);
    shell["usage"] = Value::Null;
    let mut all = vec![
        json!({"type": "response.created", "response": shell}),
        json!({"type": "response.in_progress", "response": shell}),
    ];
    for (index, item) in whole["output"].as_array().unwrap().iter().enumerate() {
        all.push(
            json!({"type": "response.output_item.added", "output_index": index, "item": item}),
        );
        let text = item["content"][0]["text"].as_str().unwrap_or_default();
        for word in text.split_inclusive(' ') {
            all.push(
                json!({"type": "response.output_text.delta", "item_id": item["id"],
                "output_index": index, "content_index": 0, "delta": word, "logprobs": [],
                "obfuscation": "x7Jq"}),
            );
        }
        all.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
    }
    all.push(json!({"type": "response.completed", "response": whole}));
    let event = |(number, mut event): (usize, Value)| {
        event["sequence_number"] = json!(number);
        format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap()
        )
    };
    all.into_iter().enumerate().map(event).collect()
}

/// A request for a response by Alice.
pub(crate) fn respond(question: &Value) -> Request {
    respond_as(ALICE, question)
}

/// The same by somebody.
pub(crate) fn respond_as(credential: &str, question: &Value) -> Request {
    Request::post("/v1/responses", question.to_string()).bearer(credential)
}

/// The payloads of a stream.
pub(crate) fn payloads(seen: &Response) -> Vec<Value> {
    let parse = |data: &String| serde_json::from_str(data).unwrap();
    seen.events().iter().map(parse).collect()
}

/// The response that a whole stream ends with, seen as the official clients see it: from
/// the numbers and names of its events to the text of its parts.
pub(crate) fn completed(seen: &Response) -> Value {
    assert_eq!(seen.ending, Ending::Whole);
    let events = payloads(seen);
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{event}");
        let name = format!("event: {}\n", event["type"].as_str().unwrap());
        assert!(seen.text().contains(&name), "{name}");
    }
    let first = events.first().unwrap();
    assert_eq!(
        (&first["type"], &first["response"]["output"]),
        (&json!("response.created"), &json!([]))
    );
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.completed", "{}", seen.text());
    let deltas = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta");
    let text: String = deltas
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    assert_eq!(text, text_of(&last["response"]));
    last["response"].clone()
}

/// What an answer says.
pub(crate) fn text_of(whole: &Value) -> &str {
    let items = whole["output"].as_array().unwrap();
    let message = items.iter().find(|item| item["type"] == "message").unwrap();
    message["content"][0]["text"].as_str().unwrap()
}

impl House {
    /// Asks for a response.
    pub(crate) async fn respond(&self, question: &Value) -> Response {
        self.send(&respond(question)).await
    }

    /// Asks for a response as a stream.
    pub(crate) async fn respond_stream(&self, question: &Value) -> Response {
        self.send(&respond(&streaming(question))).await
    }
}
