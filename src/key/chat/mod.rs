//! What is in the question of a chat completion.
//!
//! Everything, but for a short list of fields and the marks for a provider's own
//! prefix cache.
//! `null` is the same as leaving a documented field out; a documented default is
//! the same only where the upstream documents it. Whatever is not documented is
//! taken as it was written, because a server may put it into its prompt.

mod message;
mod refuse;

use crate::wire::Json;

use super::canonical::{Form, same_number};
use super::field::{as_written, is_control_field, is_hint, stream_options};
use super::generation::{ASIDE, STREAM_OPTIONS, stop};
use super::shape::{each, is_text_format, object, set};
use super::{Bypass, Canonical, Rules};

/// The documented fields that are in the question.
pub(super) const QUESTION: [&str; 27] = [
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "modalities",
    "model",
    "moderation",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "reasoning_effort",
    "response_format",
    "seed",
    "stop",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "verbosity",
    "web_search_options",
];

/// The canonical question of a chat completion request.
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
    let members = body.as_object()?;
    let context = Context {
        folds: rules.kind.folds_documented_defaults(),
        tools: Tools::of(body),
    };
    let question = members
        .iter()
        .filter_map(|(name, value)| Some((name.as_ref(), context.field(name, value)?)))
        .collect();
    Some(Form::Object(question))
}

/// Whether the request brings tools, on which the default of `tool_choice` hangs.
#[derive(Clone, Copy)]
enum Tools {
    None,
    /// An empty list. Servers refuse it, so no default is known.
    Empty,
    Some,
}

impl Tools {
    fn of(body: &Json<'_>) -> Self {
        match body.get("tools") {
            None | Some(Json::Null) => Self::None,
            Some(Json::Array(tools)) if !tools.is_empty() => Self::Some,
            Some(_) => Self::Empty,
        }
    }
}

struct Context {
    /// Whether leaving out means the documented default.
    folds: bool,
    tools: Tools,
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
            "messages" => each(value, |item| message::message(item, self.folds)),
            "tools" => each(value, tool),
            "functions" => each(value, function),
            "response_format" => response_format(value),
            "stop" => stop(value),
            "modalities" => set(value),
            _ => Form::Normal(value),
        })
    }

    /// Whether a field says what the upstream's documentation says of its absence.
    ///
    /// Not here, on purpose: `reasoning_effort` and `verbosity`, whose defaults
    /// differ by model; `top_logprobs`, `tools: []`, which are errors alone.
    fn is_default(&self, name: &str, value: &Json<'_>) -> bool {
        let is =
            |expected: &str| matches!(value, Json::Number(lexeme) if same_number(lexeme, expected));
        match name {
            "temperature" | "top_p" | "n" => is("1"),
            "presence_penalty" | "frequency_penalty" => is("0"),
            "logprobs" => value.as_bool() == Some(false),
            "logit_bias" => value.as_object().is_some_and(<[_]>::is_empty),
            "response_format" => is_text_format(value),
            "modalities" => is_text_only(value),
            "parallel_tool_calls" => {
                matches!(self.tools, Tools::Some) && value.as_bool() == Some(true)
            }
            "tool_choice" => match self.tools {
                Tools::Some => value.as_str() == Some("auto"),
                Tools::None => value.as_str() == Some("none"),
                Tools::Empty => false,
            },
            _ => false,
        }
    }
}

fn is_text_only(value: &Json<'_>) -> bool {
    value
        .as_array()
        .is_some_and(|items| matches!(items, [only] if only.as_str() == Some("text")))
}

fn tool<'a>(value: &'a Json<'a>) -> Form<'a> {
    object(value, |name, value| match name {
        _ if is_hint(name) => None,
        "function" => Some(function(value)),
        "type" | "custom" => Some(Form::Normal(value)),
        _ => Some(as_written(value)),
    })
}

fn function<'a>(value: &'a Json<'a>) -> Form<'a> {
    object(value, |name, value| {
        (!is_hint(name)).then(|| as_written(value))
    })
}

fn response_format<'a>(value: &'a Json<'a>) -> Form<'a> {
    object(value, |name, value| match name {
        "json_schema" => Some(object(value, |_, value| Some(as_written(value)))),
        _ => Some(as_written(value)),
    })
}

#[cfg(test)]
mod tests;
