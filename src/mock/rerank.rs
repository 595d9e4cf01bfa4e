//! Rankings: the more words of the query a document has, the better it fits.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::books::Call;
use super::refusal::Refusal;

/// The answer to `body`.
pub(super) fn answer(body: &[u8], call: &Call) -> Result<Value, Refusal> {
    let request: Value = serde_json::from_slice(body).map_err(|error| Refusal::unread(&error))?;
    let query = request.get("query").map(words).unwrap_or_default();
    let documents = request.get("documents").and_then(Value::as_array);
    let documents = documents
        .filter(|documents| !documents.is_empty())
        .ok_or_else(|| Refusal::of("documents", "'documents' must be a non-empty array."))?;
    let mut ranked: Vec<(usize, usize)> = documents
        .iter()
        .map(|document| words(document).intersection(&query).count())
        .enumerate()
        .collect();
    ranked.sort_by_key(|(_, shared)| std::cmp::Reverse(*shared));
    let wanted = request.get("top_n").and_then(Value::as_u64);
    let wanted = wanted.map_or(ranked.len(), |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    });
    let result = |(index, shared): &(usize, usize)| {
        let share = u32::try_from(*shared).unwrap_or(u32::MAX);
        let whole = u32::try_from(query.len().max(1)).unwrap_or(u32::MAX);
        json!({"index": index, "relevance_score": f64::from(share) / f64::from(whole)})
    };
    let tokens = query.len() + documents.iter().map(|one| words(one).len()).sum::<usize>();
    Ok(json!({
        "id": format!("rerank-{}", call.name()),
        "model": request.get("model"),
        "results": ranked.iter().take(wanted).map(result).collect::<Vec<_>>(),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }))
}

/// The words of a text, or of what an object says.
fn words(value: &Value) -> HashSet<String> {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}
