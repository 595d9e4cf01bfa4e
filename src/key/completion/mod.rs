//! What is in the question of a completion, of the time before chat.
//!
//! The rule is that of chat, with a prompt in place of messages. A prompt is a text or a
//! list of tokens, or a list of either; one alone is a list of one. Text and the tokens
//! it would become are never the same question: only the provider knows its tokens.

use crate::wire::Json;

use super::canonical::{Form, same_number};
use super::field::{as_written, given, is_control_field, stream_options};
use super::generation::{ASIDE, STREAM_OPTIONS, is_well_formed, stop, stores};
use super::moment::is_volatile;
use super::{Bypass, Canonical, Rules};

/// The documented fields that are in the question.
pub(super) const QUESTION: [&str; 15] = [
    "best_of",
    "echo",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "model",
    "n",
    "presence_penalty",
    "prompt",
    "seed",
    "stop",
    "suffix",
    "temperature",
    "top_p",
];

/// The canonical question of a request for completions.
///
/// # Errors
/// Why the request has no key; it is to be forwarded as it came.
pub fn identify<'a>(body: &'a Json<'a>, rules: Rules) -> Result<Canonical, Bypass> {
    let form = form(body, rules).ok_or(Bypass::Invalid)?;
    if !is_well_formed(body, rules) || body.get("prompt").and_then(prompt).is_none() {
        return Err(Bypass::Invalid);
    }
    if stores(body) {
        return Err(Bypass::Stateful);
    }
    if is_volatile(body) {
        return Err(Bypass::Volatile);
    }
    Ok(Canonical::of(&form))
}

/// What of a request is in the question; `None` if it is no object.
pub(super) fn form<'a>(body: &'a Json<'a>, rules: Rules) -> Option<Form<'a>> {
    let context = Context {
        folds: rules.kind.folds_documented_defaults(),
        is_single: given(body, "n").is_none_or(|n| is_number(n, "1")),
    };
    let members = body.as_object()?.iter();
    let question =
        members.filter_map(|(name, value)| Some((name.as_ref(), context.field(name, value)?)));
    Some(Form::Object(question.collect()))
}

struct Context {
    /// Whether leaving out means the documented default.
    folds: bool,
    /// Whether one completion of each prompt is asked for.
    is_single: bool,
}

impl Context {
    /// What of a top-level field is in the question; `None` if nothing is.
    fn field<'a>(&self, name: &str, value: &'a Json<'a>) -> Option<Form<'a>> {
        if ASIDE.contains(&name) || is_control_field(name) {
            return None;
        }
        if name == STREAM_OPTIONS {
            return stream_options(value);
        }
        if !QUESTION.contains(&name) {
            return Some(as_written(value));
        }
        if value.is_null() || (self.folds && self.is_default(name, value)) {
            return None;
        }
        Some(match name {
            "prompt" => prompt(value).unwrap_or(Form::Normal(value)),
            "stop" => stop(value),
            _ => Form::Normal(value),
        })
    }

    /// Whether a field says what the upstream's documentation says of its absence.
    ///
    /// `best_of` is so only where one completion is asked for: fewer candidates than
    /// completions are an error.
    fn is_default(&self, name: &str, value: &Json<'_>) -> bool {
        match name {
            "max_tokens" => is_number(value, "16"),
            "temperature" | "top_p" | "n" => is_number(value, "1"),
            "best_of" => self.is_single && is_number(value, "1"),
            "presence_penalty" | "frequency_penalty" => is_number(value, "0"),
            "echo" => value.as_bool() == Some(false),
            "logit_bias" => value.as_object().is_some_and(<[_]>::is_empty),
            _ => false,
        }
    }
}

fn is_number(value: &Json<'_>, expected: &str) -> bool {
    matches!(value, Json::Number(lexeme) if same_number(lexeme, expected))
}

/// A prompt as a list of texts or of lists of tokens; `None` if it is neither.
fn prompt<'a>(value: &'a Json<'a>) -> Option<Form<'a>> {
    if value.as_str().is_some() {
        return Some(Form::List(vec![Form::Normal(value)]));
    }
    let items = value.as_array().filter(|items| !items.is_empty())?;
    if is_tokens(value) {
        return Some(Form::List(vec![Form::Normal(value)]));
    }
    let is_list = items.iter().all(|item| item.as_str().is_some()) || items.iter().all(is_tokens);
    is_list.then(|| Form::List(items.iter().map(Form::Normal).collect()))
}

/// Whether a value is a list of tokens.
fn is_tokens(value: &Json<'_>) -> bool {
    value.as_array().is_some_and(|tokens| {
        !tokens.is_empty() && tokens.iter().all(|token| token.as_u64().is_some())
    })
}

#[cfg(test)]
mod tests;
