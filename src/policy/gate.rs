//! Whether an answer may be stored: complete, meaningful, and not in doubt.
//!
//! HTTP 200 is not success: servers send error objects, empty messages and cut
//! choices under it. Every refusal has a reason, and a refused answer still
//! reaches the client as it came.

pub mod message;
mod response;

use http::{HeaderMap, StatusCode, header};

use crate::wire::Json;
use crate::wire::json::parse;

use super::PolicyOptions;

pub use response::response;

/// Why an answer is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The status is not 2xx.
    Status,
    /// The body is not JSON that is read in one way only.
    NotJson,
    /// The body is JSON, but not an answer of this operation.
    WrongShape,
    /// The body carries an error, whatever its status.
    ErrorObject,
    /// A choice says nothing: no text, no call, no refusal, no reasoning.
    Empty,
    /// A choice was not finished.
    Unfinished,
    /// A filter cut the answer.
    ContentFilter,
    /// A limit the client did not set cut the answer.
    Length,
    /// A tool call has no name, or arguments that are not JSON.
    ToolArguments,
    /// The answer is larger than the operator allows.
    TooLarge,
    /// The client asked not to store it.
    NoStore,
    /// The upstream asked not to store it.
    UpstreamNoStore,
    /// Another model than the asked one stood in.
    FallbackModel,
    /// The answer is compressed, although that was not asked for.
    Encoded,
}

impl Refusal {
    /// Every refusal, for registering metrics.
    pub const ALL: [Self; 14] = [
        Self::Status,
        Self::NotJson,
        Self::WrongShape,
        Self::ErrorObject,
        Self::Empty,
        Self::Unfinished,
        Self::ContentFilter,
        Self::Length,
        Self::ToolArguments,
        Self::TooLarge,
        Self::NoStore,
        Self::UpstreamNoStore,
        Self::FallbackModel,
        Self::Encoded,
    ];

    /// The name used in headers, logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::NotJson => "not-json",
            Self::WrongShape => "wrong-shape",
            Self::ErrorObject => "error-object",
            Self::Empty => "empty",
            Self::Unfinished => "unfinished",
            Self::ContentFilter => "content-filter",
            Self::Length => "length",
            Self::ToolArguments => "tool-arguments",
            Self::TooLarge => "too-large",
            Self::NoStore => "no-store",
            Self::UpstreamNoStore => "upstream-no-store",
            Self::FallbackModel => "fallback-model",
            Self::Encoded => "encoded",
        }
    }
}

/// What of a request for chat or completions decides whether its answer may be stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChatFacts {
    /// Whether the request itself limits the length of the answer. The limit is
    /// in the key then, so a cut answer is the one that was asked for.
    pub limits_length: bool,
}

impl ChatFacts {
    /// Reads the facts off a request.
    pub fn of(request: &Json<'_>) -> Self {
        let limits_length = ["max_completion_tokens", "max_tokens"]
            .into_iter()
            .any(|name| request.get(name).is_some_and(|limit| !limit.is_null()));
        Self { limits_length }
    }
}

/// What the head of an answer says about storing it.
///
/// # Errors
/// Why it may not be stored.
pub fn head(
    status: StatusCode,
    headers: &HeaderMap,
    options: &PolicyOptions,
) -> Result<(), Refusal> {
    if !status.is_success() {
        return Err(Refusal::Status);
    }
    let is_encoded = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_encoded {
        return Err(Refusal::Encoded);
    }
    let no_store = headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-store"));
    if no_store && options.heed_upstream_no_store {
        return Err(Refusal::UpstreamNoStore);
    }
    Ok(())
}

/// Whether an answer of so many bytes may be stored.
///
/// # Errors
/// [`Refusal::TooLarge`].
pub const fn size(bytes: usize, options: &PolicyOptions) -> Result<(), Refusal> {
    if bytes > options.entry_bytes_max {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}

/// Whether a chat completion, plain or folded from its stream, may be stored.
///
/// # Errors
/// Why it may not be stored.
pub fn chat(answer: &Json<'_>, facts: ChatFacts) -> Result<(), Refusal> {
    check_choices(answer, facts, check_message)
}

/// Whether a completion of the time before chat, plain or folded from its stream, may
/// be stored.
///
/// # Errors
/// Why it may not be stored.
pub fn completion(answer: &Json<'_>, facts: ChatFacts) -> Result<(), Refusal> {
    check_choices(answer, facts, check_text)
}

/// Whether all choices of an answer are there, are finished, and pass `check`.
fn check_choices(
    answer: &Json<'_>,
    facts: ChatFacts,
    check: impl Fn(&Json<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    if answer.as_object().is_none() {
        return Err(Refusal::WrongShape);
    }
    if has_error(answer) {
        return Err(Refusal::ErrorObject);
    }
    let choices = answer
        .get("choices")
        .and_then(Json::as_array)
        .ok_or(Refusal::WrongShape)?;
    if choices.is_empty() {
        return Err(Refusal::Empty);
    }
    if !is_in_order(choices) {
        return Err(Refusal::WrongShape);
    }
    choices.iter().try_for_each(|choice| {
        if has_error(choice) {
            return Err(Refusal::ErrorObject);
        }
        if choice.as_object().is_none() {
            return Err(Refusal::WrongShape);
        }
        // Before the content: a filtered choice may come without any.
        check_finish(choice.get("finish_reason").and_then(Json::as_str), facts)?;
        check(choice)
    })
}

/// Whether the choices are numbered from 0 without gaps, as far as they are numbered.
fn is_in_order(choices: &[Json<'_>]) -> bool {
    let mut indexes: Vec<_> = choices
        .iter()
        .filter_map(|choice| choice.get("index"))
        .map(Json::as_u64)
        .collect();
    indexes.sort_unstable();
    indexes.is_empty()
        || (indexes.len() == choices.len()
            && indexes.into_iter().eq((0..).map(Some).take(choices.len())))
}

/// Whether the message of a choice says something.
fn check_message(choice: &Json<'_>) -> Result<(), Refusal> {
    let message = choice.get("message").ok_or(Refusal::WrongShape)?;
    let members = message.as_object().ok_or(Refusal::WrongShape)?;
    if !members
        .iter()
        .any(|(name, value)| name != "role" && value.says_something())
    {
        return Err(Refusal::Empty);
    }
    check_calls(message)
}

/// Whether the text of a choice says something.
fn check_text(choice: &Json<'_>) -> Result<(), Refusal> {
    let text = choice.get("text").and_then(Json::as_str);
    match text.ok_or(Refusal::WrongShape)? {
        "" => Err(Refusal::Empty),
        _ => Ok(()),
    }
}

/// Whether the reason a choice ended for is one that ends an answer. Servers add
/// to the documented ones, and some write them in capitals.
fn check_finish(reason: Option<&str>, facts: ChatFacts) -> Result<(), Refusal> {
    let reason = reason.unwrap_or_default().to_ascii_lowercase();
    match reason.as_str() {
        "" | "abort" | "aborted" | "cancelled" | "insufficient_system_resource" => {
            Err(Refusal::Unfinished)
        }
        "error" => Err(Refusal::ErrorObject),
        "content_filter" | "recitation" | "safety" => Err(Refusal::ContentFilter),
        "length" | "max_tokens" | "model_length" if !facts.limits_length => Err(Refusal::Length),
        _ => Ok(()),
    }
}

fn has_error(value: &Json<'_>) -> bool {
    value.get("error").is_some_and(Json::says_something)
}

fn check_calls(message: &Json<'_>) -> Result<(), Refusal> {
    let calls = match message.get("tool_calls") {
        None | Some(Json::Null) => &[],
        Some(calls) => calls.as_array().ok_or(Refusal::WrongShape)?,
    };
    let called = match message.get("function_call") {
        None | Some(Json::Null) => true,
        Some(function) => is_call(function),
    };
    if called && calls.iter().all(is_tool_call) {
        Ok(())
    } else {
        Err(Refusal::ToolArguments)
    }
}

fn is_tool_call(call: &Json<'_>) -> bool {
    match call.get("type").and_then(Json::as_str) {
        // The input of a custom tool is free text.
        Some("custom") => call.get("custom").is_some_and(|custom| {
            has_name(custom)
                && custom
                    .get("input")
                    .is_some_and(|input| input.as_str().is_some())
        }),
        Some(_) | None => call.get("function").is_some_and(is_call),
    }
}

/// Whether a text is what a function can be called with: JSON. Empty text is what
/// upstreams send for no arguments.
fn is_arguments(text: &str) -> bool {
    text.trim_ascii().is_empty() || parse(text.as_bytes()).is_ok()
}

/// Whether a function has a name, and arguments that are JSON. Some upstreams send the
/// object itself.
fn is_call(function: &Json<'_>) -> bool {
    let arguments = match function.get("arguments") {
        None | Some(Json::Null | Json::Object(_)) => true,
        Some(Json::String(text)) => is_arguments(text),
        Some(Json::Bool(_) | Json::Number(_) | Json::Array(_)) => false,
    };
    has_name(function) && arguments
}

fn has_name(called: &Json<'_>) -> bool {
    called
        .get("name")
        .and_then(Json::as_str)
        .is_some_and(|name| !name.is_empty())
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
