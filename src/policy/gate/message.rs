//! Whether an answer of Anthropic's Messages API may be stored.

use super::{Refusal, has_error, has_name};
use crate::wire::Json;

/// Whether a message, plain or folded from its stream, may be stored.
///
/// # Errors
/// Why it may not be stored.
pub fn message(answer: &Json<'_>) -> Result<(), Refusal> {
    if answer.as_object().is_none() {
        return Err(Refusal::WrongShape);
    }
    let kind = answer.get("type").and_then(Json::as_str);
    if kind == Some("error") || has_error(answer) {
        return Err(Refusal::ErrorObject);
    }
    if kind != Some("message") {
        return Err(Refusal::WrongShape);
    }
    let content = answer
        .get("content")
        .and_then(Json::as_array)
        .ok_or(Refusal::WrongShape)?;
    let stop_reason = answer.get("stop_reason").and_then(Json::as_str);
    check_stop(stop_reason)?;
    content.iter().try_for_each(check_block)?;
    // One that began with the caller's own stop sequence is whole without a word.
    if stop_reason == Some("stop_sequence") || content.iter().any(says_something) {
        Ok(())
    } else {
        Err(Refusal::Empty)
    }
}

/// Whether a count of tokens may be stored.
///
/// # Errors
/// Why it may not be stored.
pub fn token_count(answer: &Json<'_>) -> Result<(), Refusal> {
    if answer.get("type").and_then(Json::as_str) == Some("error") || has_error(answer) {
        return Err(Refusal::ErrorObject);
    }
    let count = answer.get("input_tokens").and_then(Json::as_u64);
    count.map(|_| ()).ok_or(Refusal::WrongShape)
}

/// Whether the reason a message ended for is one that ends an answer. The length is
/// always limited by the request, so the limit is in the key. A refusal is a classifier's
/// word, which may be another one the next time, and is not billed as an answer is: it is
/// asked for anew. A pause is meant to be gone on from, and so is whatever is not known.
fn check_stop(reason: Option<&str>) -> Result<(), Refusal> {
    match reason {
        Some(
            "end_turn"
            | "max_tokens"
            | "model_context_window_exceeded"
            | "stop_sequence"
            | "tool_use",
        ) => Ok(()),
        Some("refusal") => Err(Refusal::ContentFilter),
        Some(_) | None => Err(Refusal::Unfinished),
    }
}

fn check_block(block: &Json<'_>) -> Result<(), Refusal> {
    let kind = block.get("type").and_then(Json::as_str);
    match kind.ok_or(Refusal::WrongShape)? {
        "tool_use" | "server_tool_use" | "mcp_tool_use" if !is_call(block) => {
            Err(Refusal::ToolArguments)
        }
        _ => Ok(()),
    }
}

fn is_call(block: &Json<'_>) -> bool {
    let id = block.get("id").and_then(Json::as_str);
    let input = block.get("input").and_then(Json::as_object);
    has_name(block) && id.is_some_and(|id| !id.is_empty()) && input.is_some()
}

/// Whether there is more in a block than an empty text.
fn says_something(block: &Json<'_>) -> bool {
    match block.get("type").and_then(Json::as_str) {
        Some("text") => block.get("text").is_some_and(Json::says_something),
        Some(_) | None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::parse;

    fn judged(text: &str) -> Result<(), Refusal> {
        message(&parse(text.as_bytes()).unwrap())
    }

    fn with(stop_reason: &str, content: &str) -> Result<(), Refusal> {
        judged(&format!(
            r#"{{"type":"message","content":{content},"stop_reason":{stop_reason}}}"#
        ))
    }

    #[test]
    fn only_a_message_that_was_ended_is_stored() {
        let content = r#"[{"type":"text","text":"a"}]"#;
        for reason in [
            "end_turn",
            "max_tokens",
            "model_context_window_exceeded",
            "stop_sequence",
            "tool_use",
        ] {
            assert_eq!(with(&format!("{reason:?}"), content), Ok(()), "{reason}");
        }
        for (reason, refusal) in [
            ("null", Refusal::Unfinished),
            ("\"\"", Refusal::Unfinished),
            ("\"pause_turn\"", Refusal::Unfinished),
            ("\"compaction\"", Refusal::Unfinished),
            ("\"refusal\"", Refusal::ContentFilter),
        ] {
            assert_eq!(with(reason, content), Err(refusal), "{reason}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for (text, refusal) in [
            ("[]", Refusal::WrongShape),
            ("{}", Refusal::WrongShape),
            (r#"{"type":"message"}"#, Refusal::WrongShape),
            (r#"{"type":"completion","content":[]}"#, Refusal::WrongShape),
            (
                r#"{"type":"error","error":{"type":"api_error","message":"m"}}"#,
                Refusal::ErrorObject,
            ),
            (r#"{"type":"message","error":"m"}"#, Refusal::ErrorObject),
        ] {
            assert_eq!(judged(text), Err(refusal), "{text}");
        }
    }

    #[test]
    fn blocks_have_to_say_something_and_calls_to_be_whole() {
        for (content, judgement) in [
            ("[]", Err(Refusal::Empty)),
            (r#"[{"type":"text","text":""}]"#, Err(Refusal::Empty)),
            (r#"["a"]"#, Err(Refusal::WrongShape)),
            (r#"[{"text":"a"}]"#, Err(Refusal::WrongShape)),
            (
                r#"[{"type":"tool_use","id":"t","name":"f","input":{}}]"#,
                Ok(()),
            ),
            (
                r#"[{"type":"tool_use","id":"t","name":"f","input":"{}"}]"#,
                Err(Refusal::ToolArguments),
            ),
            (
                r#"[{"type":"tool_use","id":"t","name":"","input":{}}]"#,
                Err(Refusal::ToolArguments),
            ),
            (
                r#"[{"type":"tool_use","name":"f","input":{}}]"#,
                Err(Refusal::ToolArguments),
            ),
            (r#"[{"type":"redacted_thinking","data":"x"}]"#, Ok(())),
        ] {
            assert_eq!(with("\"tool_use\"", content), judgement, "{content}");
        }
    }

    #[test]
    fn nothing_before_the_stop_sequence_is_an_answer() {
        assert_eq!(with("\"stop_sequence\"", "[]"), Ok(()));
        assert_eq!(with("\"end_turn\"", "[]"), Err(Refusal::Empty));
    }

    #[test]
    fn a_count_is_a_number() {
        let judged = |text: &str| token_count(&parse(text.as_bytes()).unwrap());
        assert_eq!(judged(r#"{"input_tokens":12}"#), Ok(()));
        assert_eq!(judged(r#"{"input_tokens":"12"}"#), Err(Refusal::WrongShape));
        assert_eq!(judged("{}"), Err(Refusal::WrongShape));
        assert_eq!(
            judged(r#"{"type":"error","error":{"message":"m"}}"#),
            Err(Refusal::ErrorObject)
        );
    }
}
