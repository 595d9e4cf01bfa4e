//! What is in the question of a response.
//!
//! The same rule as for chat: everything but a short list of fields and the marks for a
//! provider's own prefix cache. Whatever is not documented is taken as it was written.
//!
//! `store` is in the question, where chat has none of it: a response that its provider
//! keeps has an id that later requests refer to, and one that is not kept has an id that
//! nobody can refer to. So the answer to a request with `store: false` must not be given
//! to one that wants its response kept, nor the other way round. Where the provider
//! documents it, leaving it out means that it is kept.

mod input;
mod refuse;

use crate::wire::Json;

use super::canonical::{Form, same_number};
use super::field::{as_written, is_control_field, is_hint, stream_options};
use super::shape::{each, is_text_format, object, set};
use super::{Bypass, Canonical, Rules};

/// The documented fields that are in the question.
pub(super) const QUESTION: [&str; 21] = [
    "context_management",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "model",
    "moderation",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "reasoning",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
];

/// The fields that are out of the question:
/// - `stream` is transport, both forms are served from one entry;
/// - `background` is a bypass when it is asked for, and nothing when it is declined;
/// - `user`, `safety_identifier`, `metadata` name the caller and are not shown to the model;
///   answers repeat them, so each caller is told its own;
/// - `prompt_cache_*` and `cache_control` steer the provider's own prefix cache;
/// - `service_tier` chooses a price and a latency of the same model.
pub(super) const ASIDE: [&str; 11] = [
    "background",
    "cache_control",
    "metadata",
    "prompt_cache_breakpoint",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "stream",
    "user",
];

/// The canonical question of a request for a response.
///
/// # Errors
/// Why the request has no key; it is to be forwarded as it came.
pub fn identify<'a>(body: &'a Json<'a>, rules: Rules) -> Result<Canonical, Bypass> {
    refuse::check(body, rules)?;
    let form = form(body, rules).ok_or(Bypass::Invalid)?;
    Ok(Canonical::of(&form))
}

/// What of a request is in the question; `None` if it is no object.
pub(super) fn form<'a>(body: &'a Json<'a>, rules: Rules) -> Option<Form<'a>> {
    let folds = rules.kind.folds_documented_defaults();
    let question = body
        .as_object()?
        .iter()
        .filter_map(|(name, value)| Some((name.as_ref(), field(name, value, folds)?)))
        .collect();
    Some(Form::Object(question))
}

/// What of a top-level field is in the question; `None` if nothing is. With `folds`,
/// leaving out means the documented default.
fn field<'a>(name: &str, value: &'a Json<'a>, folds: bool) -> Option<Form<'a>> {
    if ASIDE.contains(&name) || is_control_field(name) {
        return None;
    }
    if name == "stream_options" {
        return stream_options(value);
    }
    if !QUESTION.contains(&name) {
        return Some(as_written(value));
    }
    if value.is_null() || (folds && is_default(name, value)) {
        return None;
    }
    Some(match name {
        "input" => input::form(value, folds),
        "tools" => each(value, tool),
        "text" => text(value, folds),
        "include" => set(value),
        "context_management" => as_written(value),
        _ => Form::Normal(value),
    })
}

/// Whether a field says what the provider's documentation says of its absence.
///
/// Not here, on purpose: `reasoning` and `text.verbosity`, whose defaults differ by model.
fn is_default(name: &str, value: &Json<'_>) -> bool {
    let is_one = || matches!(value, Json::Number(lexeme) if same_number(lexeme, "1"));
    let is_empty = || value.as_array().is_some_and(<[_]>::is_empty);
    match name {
        "temperature" | "top_p" => is_one(),
        "truncation" => value.as_str() == Some("disabled"),
        "parallel_tool_calls" | "store" => value.as_bool() == Some(true),
        "tool_choice" => value.as_str() == Some("auto"),
        "tools" | "include" => is_empty(),
        "text" => value.as_object().is_some_and(|members| {
            let is_plain = |(name, format): &(_, _)| name == "format" && is_text_format(format);
            members.iter().all(is_plain)
        }),
        _ => false,
    }
}

/// The form of the text: the order of a schema's properties is the order they are
/// written in.
fn text<'a>(value: &'a Json<'a>, folds: bool) -> Form<'a> {
    object(value, |name, value| match name {
        "format" if folds && is_text_format(value) => None,
        "format" => Some(object(value, |_, value| Some(as_written(value)))),
        "verbosity" => Some(Form::Normal(value)),
        _ => Some(as_written(value)),
    })
}

fn tool<'a>(value: &'a Json<'a>) -> Form<'a> {
    object(value, |name, value| {
        (!is_hint(name)).then(|| as_written(value))
    })
}

#[cfg(test)]
mod tests;
