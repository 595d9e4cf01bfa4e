//! What is in the question of a moderation request, item by item.

use crate::wire::{Json, UpstreamKind};

use super::canonical::Form;
use super::field::{as_written, given, is_control_field};
use super::reference::contains_reference;
use super::{Batch, Bypass, Canonical, Rules};

/// The model that judges where none is named (`OpenAI`, "Create moderation").
const DEFAULT_MODEL: &str = "omni-moderation-latest";

/// The most texts of a request that are looked at one by one.
const ITEMS_MAX: usize = 2048;

/// The canonical question of a moderation request. Texts in an array are judged
/// one by one; the parts of one message, text and images, are judged together
/// and are one item.
///
/// # Errors
/// Why the request has no keys; it is to be forwarded as it came.
pub fn identify<'a>(body: &'a Json<'a>, rules: Rules) -> Result<Batch, Bypass> {
    let shared = form(body, rules.kind).ok_or(Bypass::Invalid)?;
    if given(body, "model").is_some_and(|model| model.as_str().is_none_or(str::is_empty)) {
        return Err(Bypass::Invalid);
    }
    let input = body.get("input").ok_or(Bypass::Invalid)?;
    Ok(Batch {
        items: items(input)?,
        shared: Canonical::of(&shared),
    })
}

/// What of a request is in the question of each item; `None` if it is no object.
pub(super) fn form<'a>(body: &'a Json<'a>, kind: UpstreamKind) -> Option<Form<'a>> {
    let members = body.as_object()?.iter();
    let members =
        members.filter_map(|(name, value)| Some((name.as_ref(), field(name, value, kind)?)));
    Some(Form::Object(members.collect()))
}

/// The texts of an input that are judged one by one; `None` if it is parts of
/// one message.
pub fn texts<'a>(input: &'a Json<'a>) -> Option<Vec<&'a str>> {
    match input.as_str() {
        Some(text) => Some(vec![text]),
        None => input.as_array()?.iter().map(Json::as_str).collect(),
    }
}

fn items(input: &Json<'_>) -> Result<Vec<Canonical>, Bypass> {
    if let Some(texts) = texts(input) {
        if texts.is_empty() {
            return Err(Bypass::Invalid);
        }
        if texts.len() > ITEMS_MAX {
            return Err(Bypass::OverLimit);
        }
        let item = |text: &&str| Canonical::of(&Form::Text(text));
        return Ok(texts.iter().map(item).collect());
    }
    let parts = input.as_array().ok_or(Bypass::Invalid)?;
    if parts.iter().any(|part| part.as_object().is_none()) {
        return Err(Bypass::Invalid);
    }
    if contains_reference(input) {
        return Err(Bypass::RemoteReference);
    }
    Ok(vec![Canonical::of(&Form::Opaque(input))])
}

/// What of a top-level field is in the question; `None` if nothing is.
fn field<'a>(name: &str, value: &'a Json<'a>, kind: UpstreamKind) -> Option<Form<'a>> {
    if name == "input" || name == "user" || is_control_field(name) {
        return None;
    }
    if name != "model" {
        return Some(as_written(value));
    }
    let is_default = kind.folds_documented_defaults() && value.as_str() == Some(DEFAULT_MODEL);
    (!value.is_null() && !is_default).then_some(Form::Normal(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::parse;

    fn read(text: &str, kind: UpstreamKind) -> Result<Batch, Bypass> {
        identify(&parse(text.as_bytes()).unwrap(), Rules::of(kind))
    }

    #[test]
    fn texts_are_items_and_parts_of_a_message_are_one() {
        let count = |text: &str| read(text, UpstreamKind::OpenAi).map(|batch| batch.items.len());
        assert_eq!(count(r#"{"input":"a"}"#), Ok(1));
        assert_eq!(count(r#"{"input":["a","b"]}"#), Ok(2));
        let image = r#"{"input":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}"#;
        assert_eq!(count(image), Ok(1));
        let remote = image.replace("data:image/png;base64,AAAA", "https://example.com/a.png");
        assert_eq!(count(&remote), Err(Bypass::RemoteReference));
        for odd in [
            r#"{"input":[]}"#,
            r#"{"input":["a",{}]}"#,
            "{}",
            r#"{"input":1}"#,
        ] {
            assert_eq!(count(odd), Err(Bypass::Invalid), "{odd}");
        }
    }

    #[test]
    fn the_default_model_is_folded_where_it_is_documented() {
        let unnamed = r#"{"input":"a"}"#;
        let named = r#"{"model":"omni-moderation-latest","input":["a"]}"#;
        let other = r#"{"model":"text-moderation-latest","input":"a"}"#;
        let openai = |text| read(text, UpstreamKind::OpenAi).unwrap();
        assert_eq!(openai(unnamed), openai(named));
        assert_ne!(openai(unnamed), openai(other));
        let compatible = |text| read(text, UpstreamKind::Compatible).unwrap();
        assert_ne!(compatible(unnamed), compatible(named));
    }
}
