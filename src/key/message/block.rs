//! What of a message and its blocks is in the question: all but the marks for the
//! provider's own prefix cache.

use crate::wire::Json;

use super::super::canonical::Form;
use super::super::field::as_written;
use super::super::shape::{each, object};

/// Whether a member of a block or a tool is but a mark for the provider's prefix cache.
/// Only there: in a tool's input or a schema it is somebody's property.
pub(super) fn is_hint(name: &str) -> bool {
    name == "cache_control"
}

/// A message.
pub(super) fn message<'a>(value: &'a Json<'a>, folds: bool) -> Form<'a> {
    object(value, |name, value| {
        Some(match name {
            "content" => content(value, folds),
            _ => as_written(value),
        })
    })
}

/// The content of a message, or the system's. With `folds`, a text alone is the same as
/// a list of that one block.
pub(super) fn content<'a>(value: &'a Json<'a>, folds: bool) -> Form<'a> {
    match sole_text(value) {
        Some(text) if folds => Form::Text(text),
        Some(_) | None => each(value, block),
    }
}

/// The text of a content that is one block of text and nothing else.
fn sole_text<'a>(content: &'a Json<'a>) -> Option<&'a str> {
    let [block] = content.as_array()? else {
        return None;
    };
    let plain = block
        .as_object()?
        .iter()
        .all(|(name, _)| matches!(name.as_ref(), "type" | "text") || is_hint(name));
    let is_text = block.get("type").and_then(Json::as_str) == Some("text");
    (plain && is_text).then(|| block.get("text")?.as_str())?
}

/// A block. Blocks stand within others: in the result of a tool, and in the source of a
/// document.
fn block<'a>(value: &'a Json<'a>) -> Form<'a> {
    object(value, |name, value| match name {
        _ if is_hint(name) => None,
        "content" => Some(each_block(value)),
        "source" => Some(object(value, |name, value| {
            Some(match name {
                "content" => each_block(value),
                _ => as_written(value),
            })
        })),
        _ => Some(as_written(value)),
    })
}

/// A list of blocks; anything else as it was written.
fn each_block<'a>(value: &'a Json<'a>) -> Form<'a> {
    if value.as_array().is_some() {
        each(value, block)
    } else {
        as_written(value)
    }
}
