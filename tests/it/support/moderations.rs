//! Moderations: what a provider answers, one result for each item.

use serde_json::{Value, json};

use super::embeddings::items;
use super::vectors::hash;

/// What the answer to a question is, but for its id.
pub(crate) fn verdicts(asked: &Value) -> Value {
    // Parts of one message are judged together.
    let is_message = asked["input"]
        .as_array()
        .is_some_and(|parts| parts.iter().any(Value::is_object));
    let results: Vec<Value> = if is_message {
        vec![verdict(&asked["input"])]
    } else {
        items(asked).iter().map(verdict).collect()
    };
    let model = asked["model"].as_str().unwrap_or("omni-moderation-latest");
    json!({"model": format!("{model}-v1"), "results": results})
}

/// The result for one item, which no other item has.
fn verdict(item: &Value) -> Value {
    let text = item.to_string();
    let score: f64 = format!("0.{:05}", hash(&text) % 100_000).parse().unwrap();
    let flagged = text.contains("kill");
    json!({
        "flagged": flagged,
        "categories": {"violence": flagged, "hate": false},
        "category_scores": {"violence": score, "hate": 1.2e-7},
        "category_applied_input_types": {"violence": ["text"], "hate": ["text"]},
    })
}
