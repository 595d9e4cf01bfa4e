//! Whether a response may be stored.

use super::{Refusal, is_arguments};
use crate::wire::Json;
use crate::wire::response::answer::{Answer, Status};
use crate::wire::response::item::{Item, Kind};

/// Whether a response, plain or from the end of its stream, may be stored. One that a
/// limit cut is what was asked for, if the request itself set the limit.
///
/// # Errors
/// Why it may not be stored.
pub fn response(answer: &Json<'_>, limits_length: bool) -> Result<(), Refusal> {
    if answer.as_object().is_none() {
        return Err(Refusal::WrongShape);
    }
    let view = Answer::new(answer);
    if view.has_error() {
        return Err(Refusal::ErrorObject);
    }
    let is_cut = match view.status() {
        Status::Completed => false,
        Status::Incomplete("max_output_tokens") if limits_length => true,
        Status::Incomplete("max_output_tokens") => return Err(Refusal::Length),
        Status::Incomplete("content_filter") => return Err(Refusal::ContentFilter),
        Status::Incomplete(_) | Status::Open => return Err(Refusal::Unfinished),
        Status::Failed => return Err(Refusal::ErrorObject),
    };
    // What a provider's tools have done cannot be told as a stream.
    let items = view.output().ok_or(Refusal::WrongShape)?;
    if !items.iter().any(says_something) {
        return Err(Refusal::Empty);
    }
    let is_finished = |item: &Item<'_>| match item.status() {
        None | Some("completed") => true,
        Some("incomplete") => is_cut,
        Some(_) => false,
    };
    if !items.iter().all(is_finished) {
        return Err(Refusal::Unfinished);
    }
    if items.iter().all(is_callable) {
        Ok(())
    } else {
        Err(Refusal::ToolArguments)
    }
}

/// Whether an item is of any use to who asked. What was thought alone is not.
fn says_something(item: &Item<'_>) -> bool {
    match &item.kind {
        Kind::Message(parts) => parts.iter().any(|part| !part.text.is_empty()),
        Kind::FunctionCall { .. } | Kind::CustomToolCall { .. } => true,
        Kind::Reasoning { .. } => false,
    }
}

/// Whether what is to be called has a name, and arguments that are JSON. The input of a
/// custom tool is free text.
fn is_callable(item: &Item<'_>) -> bool {
    match &item.kind {
        Kind::FunctionCall { name, arguments } => !name.is_empty() && is_arguments(arguments),
        Kind::CustomToolCall { name, .. } => !name.is_empty(),
        Kind::Message(_) | Kind::Reasoning { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::parse;

    const TEXT: &str = r#"{"type":"message","id":"m","status":"completed","content":[{"type":"output_text","text":"x"}]}"#;

    fn judged(members: &str, limits_length: bool) -> Result<(), Refusal> {
        response(&parse(members.as_bytes()).unwrap(), limits_length)
    }

    fn said(items: &str) -> Result<(), Refusal> {
        judged(
            &format!(r#"{{"status":"completed","error":null,"output":[{items}]}}"#),
            false,
        )
    }

    #[test]
    fn what_ended_well_and_says_something_is_stored() {
        for items in [
            TEXT.to_owned(),
            format!(r#"{{"type":"reasoning","id":"r","summary":[]}},{TEXT}"#),
            r#"{"type":"function_call","id":"f","name":"f","arguments":"{\"a\":1}"}"#.to_owned(),
            r#"{"type":"function_call","id":"f","name":"f","arguments":""}"#.to_owned(),
            r#"{"type":"custom_tool_call","id":"c","name":"c","input":"any"}"#.to_owned(),
            r#"{"type":"message","id":"m","content":[{"type":"refusal","refusal":"no"}]}"#
                .to_owned(),
        ] {
            assert_eq!(said(&items), Ok(()), "{items}");
        }
    }

    #[test]
    fn what_says_nothing_or_cannot_be_used_is_not_stored() {
        for (items, refusal) in [
            ("", Refusal::Empty),
            (
                r#"{"type":"reasoning","id":"r","summary":[]}"#,
                Refusal::Empty,
            ),
            (
                r#"{"type":"message","id":"m","content":[]}"#,
                Refusal::Empty,
            ),
            (
                r#"{"type":"web_search_call","id":"w"}"#,
                Refusal::WrongShape,
            ),
            (
                r#"{"type":"message","id":"m","status":"in_progress","content":[{"type":"output_text","text":"x"}]}"#,
                Refusal::Unfinished,
            ),
            (
                r#"{"type":"function_call","id":"f","name":"f","arguments":"{\"a\":"}"#,
                Refusal::ToolArguments,
            ),
            (
                r#"{"type":"function_call","id":"f","name":"","arguments":"{}"}"#,
                Refusal::ToolArguments,
            ),
        ] {
            assert_eq!(said(items), Err(refusal), "{items}");
        }
    }

    #[test]
    fn what_did_not_end_well_is_not_stored() {
        let cut = |reason: &str| {
            format!(
                r#"{{"status":"incomplete","incomplete_details":{{"reason":"{reason}"}},"output":[{}]}}"#,
                TEXT.replace("completed", "incomplete")
            )
        };
        assert_eq!(judged(&cut("max_output_tokens"), true), Ok(()));
        assert_eq!(
            judged(&cut("max_output_tokens"), false),
            Err(Refusal::Length)
        );
        assert_eq!(
            judged(&cut("content_filter"), true),
            Err(Refusal::ContentFilter)
        );
        assert_eq!(judged(&cut(""), true), Err(Refusal::Unfinished));
        for status in ["queued", "in_progress", "cancelled", "new"] {
            let open = format!(r#"{{"status":"{status}","output":[{TEXT}]}}"#);
            assert_eq!(judged(&open, true), Err(Refusal::Unfinished), "{status}");
        }
        let failed = format!(r#"{{"status":"failed","output":[{TEXT}]}}"#);
        assert_eq!(judged(&failed, true), Err(Refusal::ErrorObject));
        let error = format!(r#"{{"status":"completed","error":{{"code":"x"}},"output":[{TEXT}]}}"#);
        assert_eq!(judged(&error, true), Err(Refusal::ErrorObject));
        assert_eq!(judged("[]", true), Err(Refusal::WrongShape));
        assert_eq!(
            judged(r#"{"status":"completed"}"#, true),
            Err(Refusal::WrongShape)
        );
    }
}
