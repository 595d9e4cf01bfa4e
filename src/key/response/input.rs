//! What of an input is in the question: all but the marks for the provider's own prefix
//! cache.
//!
//! Where the provider documents it, a text alone is one message of the user's, `message`
//! is the type of an item that has none, and one part of text is that text.

use crate::wire::Json;

use super::super::canonical::Form;
use super::super::field::{as_written, is_hint};
use super::super::shape::{each, object};

/// The members that an item may have for its type to go without saying.
const PLAIN: [&str; 3] = ["content", "role", "type"];

/// Who may say something in parts that are put in. What the model said comes in others.
const ASKING: [&str; 3] = ["developer", "system", "user"];

/// The whole input. With `folds`, what is documented to be the same is the same.
pub(super) fn form<'a>(value: &'a Json<'a>, folds: bool) -> Form<'a> {
    match value.as_str() {
        Some(text) if folds => {
            let message = vec![("content", Form::Text(text)), ("role", Form::Text("user"))];
            Form::List(vec![Form::Object(message)])
        }
        Some(_) | None => each(value, |each| item(each, folds)),
    }
}

fn item<'a>(value: &'a Json<'a>, folds: bool) -> Form<'a> {
    let is_plain = folds && is_plain_message(value);
    let role = value.get("role").and_then(Json::as_str);
    let asks = folds && role.is_some_and(|role| ASKING.contains(&role));
    object(value, |name, value| match name {
        _ if is_hint(name) => None,
        "type" if is_plain => None,
        "content" => Some(content(value, asks)),
        _ => Some(as_written(value)),
    })
}

/// Whether an item is a message that says nothing but who says what.
fn is_plain_message(item: &Json<'_>) -> bool {
    let members = item.as_object().unwrap_or_default().iter();
    let mut names = members.map(|(name, _)| name.as_ref());
    let is_message = item.get("type").and_then(Json::as_str) == Some("message");
    is_message && names.all(|name| PLAIN.contains(&name) || is_hint(name))
}

fn content<'a>(value: &'a Json<'a>, folds: bool) -> Form<'a> {
    match sole_text(value) {
        Some(text) if folds => Form::Text(text),
        Some(_) | None => each(value, part),
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
    let is_text = part.get("type").and_then(Json::as_str) == Some("input_text");
    (plain && is_text).then(|| part.get("text")?.as_str())?
}

fn part<'a>(value: &'a Json<'a>) -> Form<'a> {
    object(value, |name, value| {
        (!is_hint(name)).then(|| as_written(value))
    })
}
