//! What is asked about the cache: selectors, as members of a body or of a query.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::error::ApiError;
use crate::api::parameters::{Parameters, bad};
use crate::clock::UnixMillis;
use crate::policy::Pattern;
use crate::purge::{KeyPrefix, Selector};
use crate::wire::Operation;

/// Values of one member.
const VALUES_MAX: usize = 1_000;
/// Bytes of one value.
const VALUE_BYTES_MAX: usize = 512;

/// Which entries to remove. Every member given must hold; of several values one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"model": ["gpt-4o*"], "tag": "team=search", "dry_run": true}))]
pub(super) struct InvalidateRequest {
    /// `chat`, `embedding`, `moderation` or `models`; or a list of those.
    operation: Option<Vec<String>>,
    /// Models asked for or answered by, one or a list; `*` stands for any text.
    model: Option<Vec<String>>,
    /// Tenants, one or a list, to the letter.
    tenant: Option<Vec<String>>,
    /// Tags (`x-cache-tags`), one or a list, to the letter.
    tag: Option<Vec<String>>,
    /// Keys, one or a list: 64 hexadecimal digits, or the first of them.
    key: Option<Vec<String>>,
    /// Stored before this moment: RFC 3339, or seconds since the Unix epoch.
    created_before: Option<String>,
    /// Whether only to count what would be removed. Default: false.
    dry_run: Option<bool>,
}

/// What a body asks to remove, and whether only to count it.
///
/// # Errors
/// If it is no such request, or selects nothing; with the member at fault.
pub(super) fn read(body: &[u8]) -> Result<(Selector, bool), ApiError> {
    let members: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| ApiError::invalid(None, format!("the body is no JSON object: {error}")))?;
    let mut selector = Selector::default();
    let mut is_dry = false;
    for (name, value) in &members {
        let words = || words(name, value);
        match name.as_str() {
            _ if value.is_null() => {}
            "operation" => selector.operations = operations(&words()?)?,
            "model" => selector.models = words()?.into_iter().map(Pattern::new).collect(),
            "tenant" => selector.tenants = words()?,
            "tag" => selector.tags = words()?,
            "key" => selector.keys = keys(&words()?)?,
            "created_before" => selector.created_before = Some(moment(name, value)?),
            "dry_run" => {
                is_dry = value.as_bool().ok_or_else(|| {
                    ApiError::invalid(Some(name), "dry_run is true or false".to_owned())
                })?;
            }
            odd => {
                let message = "there is no such member; there are operation, model, tenant, tag, key, created_before, dry_run";
                return Err(ApiError::invalid(Some(odd), message.to_owned()));
            }
        }
    }
    if selector.is_empty() {
        let message = "this selects nothing: give at least one member; to remove everything, DELETE /admin/v1/cache/entries?confirm=all";
        return Err(ApiError::invalid(None, message.to_owned()));
    }
    Ok((selector, is_dry))
}

/// What the filters of a query mean: a selector that may be empty, and from when on.
pub(super) struct Filters {
    pub(super) selector: Selector,
    pub(super) created_after: Option<UnixMillis>,
}

/// The filters of a query, at this time.
///
/// # Errors
/// If one makes no sense; with its name.
pub(super) fn filters(asked: &Parameters, now: UnixMillis) -> Result<Filters, ApiError> {
    let list = |name| -> Vec<String> {
        let values = asked.list(name).unwrap_or_default();
        values.into_iter().map(str::to_owned).collect()
    };
    let before = |seconds: u64| now.saturating_sub(seconds.saturating_mul(1000));
    let millis = |seconds: u64| seconds.saturating_mul(1000);
    let min_age = asked.number("min_age")?.map(before);
    let max_age = asked.number("max_age")?.map(before);
    let created_before = asked.moment("created_before")?.map(millis);
    let created_after = asked.moment("created_after")?.map(millis);
    Ok(Filters {
        selector: Selector {
            operations: operations(&list("operation"))?,
            models: list("model").into_iter().map(Pattern::new).collect(),
            tenants: list("tenant"),
            tags: list("tag"),
            keys: keys(&list("key"))?,
            created_before: min_age.into_iter().chain(created_before).min(),
        },
        created_after: max_age.into_iter().chain(created_after).max(),
    })
}

/// The id of a whole key.
///
/// # Errors
/// If it is none.
pub(super) fn id_of(key: &str) -> Result<[u8; 32], ApiError> {
    let whole = KeyPrefix::new(key).ok().and_then(|key| key.whole());
    whole.ok_or_else(|| bad("key", "a key is 64 hexadecimal digits"))
}

fn operations(words: &[String]) -> Result<Vec<String>, ApiError> {
    let is_known = |word: &String| Operation::ALL.iter().any(|one| one.as_str() == word);
    match words.iter().find(|word| !is_known(word)) {
        None => Ok(words.to_vec()),
        Some(odd) => {
            let message =
                format!("operation is one of chat, embedding, moderation, models, not {odd:?}");
            Err(bad("operation", message))
        }
    }
}

fn keys(words: &[String]) -> Result<Vec<KeyPrefix>, ApiError> {
    let keys = words.iter().map(|word| KeyPrefix::new(word));
    keys.collect::<Result<_, _>>()
        .map_err(|odd| bad("key", odd.to_string()))
}

/// A text, or a list of texts.
fn words(name: &str, value: &Value) -> Result<Vec<String>, ApiError> {
    let odd = || {
        let message =
            format!("{name} is a text or a list of up to {VALUES_MAX}, none of them empty");
        ApiError::invalid(Some(name), message)
    };
    let word = |value: &Value| {
        let word = value.as_str()?;
        let fits = !word.is_empty() && word.len() <= VALUE_BYTES_MAX;
        fits.then(|| word.to_owned())
    };
    match value {
        Value::Array(values) if !values.is_empty() && values.len() <= VALUES_MAX => {
            values.iter().map(word).collect::<Option<_>>()
        }
        one @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_)) => word(one).map(|word| vec![word]),
    }
    .ok_or_else(odd)
}

/// A moment, in milliseconds since the Unix epoch.
fn moment(name: &str, given: &Value) -> Result<UnixMillis, ApiError> {
    let millis = match given {
        Value::Number(second) => second.as_u64().map(|second| second.saturating_mul(1000)),
        Value::String(text) => text
            .parse::<Timestamp>()
            .ok()
            .and_then(|moment| u64::try_from(moment.as_millisecond()).ok()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    millis.ok_or_else(|| {
        let message = format!("{name} is RFC 3339, as 2026-11-01T00:00:00Z, or seconds since 1970");
        ApiError::invalid(Some(name), message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_a_list_of_one() {
        let one = read(br#"{"tag": "a", "model": "gpt-*", "dry_run": true}"#).unwrap();
        let list = read(br#"{"tag": ["a"], "model": ["gpt-*"], "dry_run": true, "key": null}"#);
        assert_eq!(one, list.unwrap());
        assert!(one.1);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (body, param) in [
            ("{}", None),
            (r#"{"dry_run": true}"#, None),
            ("[]", None),
            (r#"{"tags": ["a"]}"#, Some("tags")),
            (r#"{"tag": []}"#, Some("tag")),
            (r#"{"tag": [""]}"#, Some("tag")),
            (r#"{"tag": 1}"#, Some("tag")),
            (r#"{"operation": "Chat"}"#, Some("operation")),
            (r#"{"key": "*"}"#, Some("key")),
            (r#"{"created_before": "yesterday"}"#, Some("created_before")),
            (r#"{"created_before": -1}"#, Some("created_before")),
            (r#"{"tag": "a", "dry_run": "no"}"#, Some("dry_run")),
        ] {
            let error = read(body.as_bytes()).unwrap_err();
            assert_eq!(error.param(), param, "{body}");
        }
    }

    #[test]
    fn ages_and_moments_are_the_same_filter() {
        let now = 1_000_000_000;
        let of = |query| filters(&Parameters::of(query), now).ok().unwrap();
        let both = of("min_age=10&max_age=100");
        assert_eq!(both.selector.created_before, Some(999_990_000));
        assert_eq!(both.created_after, Some(999_900_000));
        assert_eq!(of("created_before=5").selector.created_before, Some(5_000));
        assert!(of("").selector.is_empty());
    }
}
