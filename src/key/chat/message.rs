//! What of a message is in the question: all but the marks for the provider's
//! own prefix cache.

use crate::wire::Json;

use super::super::canonical::Form;
use super::{as_written, each, is_hint, object};

/// A message. With `folds`, a text alone is the same as a list of that one part;
/// elsewhere chat templates tell them apart.
pub(super) fn message<'a>(value: &'a Json<'a>, folds: bool) -> Form<'a> {
    object(value, |name, value| match name {
        _ if is_hint(name) => None,
        "content" => Some(content(value, folds)),
        "tool_calls" => Some(each(value, tool_call)),
        "audio" | "function_call" => Some(Form::Normal(value)),
        _ => Some(as_written(value)),
    })
}

fn content<'a>(value: &'a Json<'a>, folds: bool) -> Form<'a> {
    match sole_text(value) {
        Some(text) if folds => Form::Text(text),
        Some(_) | None => each(value, |item| part(item, folds)),
    }
}

/// The text of a content that is one part of text and nothing else.
fn sole_text<'a>(content: &'a Json<'a>) -> Option<&'a str> {
    let [part] = content.as_array()? else {
        return None;
    };
    let members = part.as_object()?;
    let plain = members
        .iter()
        .all(|(name, _)| matches!(name.as_ref(), "type" | "text") || is_hint(name));
    let is_text = part.get("type").and_then(Json::as_str) == Some("text");
    (plain && is_text).then(|| part.get("text")?.as_str())?
}

fn part<'a>(value: &'a Json<'a>, folds: bool) -> Form<'a> {
    object(value, |name, value| match name {
        _ if is_hint(name) => None,
        "image_url" => Some(image(value, folds)),
        "input_audio" | "file" => Some(Form::Normal(value)),
        _ => Some(as_written(value)),
    })
}

fn image<'a>(value: &'a Json<'a>, folds: bool) -> Form<'a> {
    object(value, |name, value| {
        let is_default = folds && name == "detail" && value.as_str() == Some("auto");
        (!is_default).then_some(Form::Normal(value))
    })
}

fn tool_call<'a>(value: &'a Json<'a>) -> Form<'a> {
    object(value, |name, value| match name {
        _ if is_hint(name) => None,
        "function" | "custom" => Some(Form::Normal(value)),
        _ => Some(as_written(value)),
    })
}
