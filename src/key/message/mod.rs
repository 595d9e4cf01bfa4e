//! What is in the question of a message of Anthropic's API, and of a count of its tokens.
//!
//! Everything, but for a short list of fields and the marks for the provider's own
//! prefix cache. No default is folded: the newer models refuse some parameters even at
//! the value they are documented to have, so writing it is not the same as leaving it
//! out. For the same reason `null` is not the same as absence. The one equivalence that
//! the provider documents is that a text alone is a list of one block of text.

mod block;
mod refuse;

use crate::wire::{Json, UpstreamKind};

use super::canonical::Form;
use super::field::{as_written, is_control_field};
use super::shape::{each, object};
use super::{Bypass, Canonical, Rules};

/// The documented fields that are in the question.
pub(super) const QUESTION: [&str; 17] = [
    "container",
    "context_management",
    "inference_geo",
    "max_tokens",
    "mcp_servers",
    "messages",
    "model",
    "output_config",
    "output_format",
    "stop_sequences",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];

/// The fields that are out of the question:
/// - `stream` is transport, both forms are served from one entry;
/// - `metadata` names the caller and is not shown to the model;
/// - `service_tier` chooses a price and a latency of the same model;
/// - `cache_control` steers the provider's own prefix cache.
pub(super) const ASIDE: [&str; 4] = ["cache_control", "metadata", "service_tier", "stream"];

/// Which of the two is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A message.
    Message,
    /// How many tokens its request has.
    TokenCount,
}

/// The canonical question of a request.
///
/// # Errors
/// Why the request has no key; it is to be forwarded as it came.
pub fn identify<'a>(body: &'a Json<'a>, wanted: Wanted, rules: Rules) -> Result<Canonical, Bypass> {
    refuse::check(body, wanted, rules)?;
    let form = form(body, rules).ok_or(Bypass::Invalid)?;
    Ok(Canonical::of(&form))
}

/// What of a request is in the question; `None` if it is no object.
pub(super) fn form<'a>(body: &'a Json<'a>, rules: Rules) -> Option<Form<'a>> {
    let folds = folds_sole_text(rules.kind);
    let members = body.as_object()?.iter();
    let question = members
        .filter_map(|(name, value)| Some((name.as_ref(), field(name, value, folds)?)))
        .collect();
    Some(Form::Object(question))
}

/// Whether a text alone is the same as a list of one block of text. It is documented of
/// the provider's own server; others have templates of their own.
const fn folds_sole_text(kind: UpstreamKind) -> bool {
    match kind {
        UpstreamKind::Anthropic => true,
        UpstreamKind::OpenAi | UpstreamKind::Azure | UpstreamKind::Compatible => false,
    }
}

/// What of a top-level field is in the question; `None` if nothing is.
fn field<'a>(name: &str, value: &'a Json<'a>, folds: bool) -> Option<Form<'a>> {
    if ASIDE.contains(&name) || is_control_field(name) {
        return None;
    }
    Some(match name {
        "system" => block::content(value, folds),
        "messages" => each(value, |message| block::message(message, folds)),
        "tools" => each(value, tool),
        "output_config" => output_config(value),
        "inference_geo" | "max_tokens" | "model" | "stop_sequences" | "temperature"
        | "thinking" | "tool_choice" | "top_k" | "top_p" => Form::Normal(value),
        _ => as_written(value),
    })
}

fn tool<'a>(value: &'a Json<'a>) -> Form<'a> {
    object(value, |name, value| {
        (!block::is_hint(name)).then(|| as_written(value))
    })
}

/// How the answer is to be put; the schema in its format as it was written.
fn output_config<'a>(value: &'a Json<'a>) -> Form<'a> {
    object(value, |name, value| {
        Some(match name {
            "format" => object(value, |_, value| Some(as_written(value))),
            _ => as_written(value),
        })
    })
}

#[cfg(test)]
mod tests;
