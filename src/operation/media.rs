//! Answers that are not JSON: text and sound.

use crate::policy::Refusal;
use crate::wire::{Json, json};

/// The longest answer that is looked at for whether it is JSON, in bytes: errors are
/// short.
const LOOKED_AT_BYTES_MAX: usize = 64 * 1024;

/// How an answer that should be something else may turn out to be an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorsAs {
    /// As JSON.
    Json,
    /// As JSON, or as a page for people.
    Text,
}

/// The content type JSON is kept under.
pub(super) fn json(declared: Option<&str>) -> String {
    declared
        .filter(|declared| declared.starts_with("application/json"))
        .unwrap_or("application/json")
        .to_owned()
}

/// Whether a content type is that of a page.
pub(super) fn is_html(declared: &str) -> bool {
    essence(declared) == "text/html"
}

/// Whether a content type is that of sound.
pub(super) fn is_sound(declared: &str) -> bool {
    let essence = essence(declared);
    essence.starts_with("audio/") || essence == "application/octet-stream"
}

fn essence(declared: &str) -> String {
    let essence = declared.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// Whether bytes that should be text or sound are that.
///
/// # Errors
/// If they are nothing, or an error.
pub(super) fn judge(answer: &[u8], errors: ErrorsAs) -> Result<(), Refusal> {
    let text = answer.trim_ascii();
    if text.is_empty() {
        return Err(Refusal::Empty);
    }
    if text.starts_with(b"{") && text.len() <= LOOKED_AT_BYTES_MAX {
        match json::parse(text) {
            Ok(said) if said.get("error").is_some_and(Json::says_something) => {
                return Err(Refusal::ErrorObject);
            }
            Ok(_) => return Err(Refusal::WrongShape),
            Err(_text) => {}
        }
    }
    let is_page = text
        .get(..5)
        .is_some_and(|opening| opening.eq_ignore_ascii_case(b"<html"))
        || text
            .get(..9)
            .is_some_and(|opening| opening.eq_ignore_ascii_case(b"<!doctype"));
    match errors {
        ErrorsAs::Text if is_page => Err(Refusal::WrongShape),
        ErrorsAs::Json | ErrorsAs::Text => Ok(()),
    }
}
