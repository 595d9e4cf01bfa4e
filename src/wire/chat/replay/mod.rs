//! JSON to SSE: a stored chat answer as the stream it could have come as.
//!
//! The order of chunks is what the official SDKs' accumulators accept: the role
//! once per choice and before anything else, choices and tool calls ascending from
//! 0, ids and names once, annotations in one piece, usage last. Members that are
//! not known survive where they stood. Text is cut into pieces, so that no line is
//! longer than common readers take; there are no artificial pauses.

mod chunk;

use self::chunk::Logprobs;
use crate::wire::Json;
use crate::wire::choices::chunks::{Chunks, is_nothing, members};
use crate::wire::choices::{Unreplayable, UsageTold, listed};
use crate::wire::json::Member;
use crate::wire::pieces::pieces;

/// The members of a message that have a place of their own in a stream.
const PLACED: [&str; 7] = [
    "annotations",
    "audio",
    "content",
    "function_call",
    "refusal",
    "role",
    "tool_calls",
];

/// Text besides the content that clients put together from pieces.
const GROWING: [&str; 2] = ["reasoning", "reasoning_content"];

/// The members of a choice that have a place of their own in a stream, or none.
const CHOICE_PLACED: [&str; 6] = [
    "delta",
    "finish_reason",
    "index",
    "logprobs",
    "message",
    "text",
];

/// The bytes of the whole stream, its end mark included. Where usage is told apart,
/// every chunk has `usage` and the last one tells it.
///
/// # Errors
/// If the answer is not one that could have been streamed.
pub fn replay(stored: &Json<'_>, usage: UsageTold) -> Result<Vec<u8>, Unreplayable> {
    let top = stored.as_object().ok_or(Unreplayable::NoChoices)?;
    let choices = choices(stored)?;
    let mut chunks = Chunks::new(top, "chat.completion.chunk", usage);
    for choice in &choices {
        chunks.role(choice);
    }
    for choice in &choices {
        tell(&mut chunks, choice)?;
    }
    if let Some(moderation) = stored.get("moderation").filter(|value| !value.is_null()) {
        chunks.moderation(moderation);
    }
    Ok(chunks.end(stored.get("usage")))
}

/// A choice and its parts.
struct Choice<'j> {
    index: u64,
    members: &'j [Member<'j>],
    message: &'j Json<'j>,
    finish_reason: &'j Json<'j>,
}

/// The choices by their index.
fn choices<'j>(stored: &'j Json<'j>) -> Result<Vec<Choice<'j>>, Unreplayable> {
    let parts = |choice: &'j Json<'j>| {
        let message = choice.get("message").ok_or(Unreplayable::Shape)?;
        message.as_object().ok_or(Unreplayable::Shape)?;
        Ok((choice, message))
    };
    let choices = listed(stored, parts)?.into_iter();
    let choices = choices.map(|(index, (choice, message))| Choice {
        index,
        members: choice.as_object().unwrap_or_default(),
        message,
        finish_reason: choice.get("finish_reason").unwrap_or(&Json::Null),
    });
    Ok(choices.collect())
}

/// Everything a choice says behind its role.
fn tell(chunks: &mut Chunks, choice: &Choice<'_>) -> Result<(), Unreplayable> {
    let logprobs = Logprobs::of(choice);
    tell_unknown(chunks, choice);
    tell_text(chunks, choice, "content", logprobs.content().as_deref());
    tell_text(chunks, choice, "refusal", logprobs.refusal().as_deref());
    let annotations = choice.message.get("annotations");
    if let Some(annotations) = annotations.filter(|value| !is_nothing(value)) {
        chunks.delta(choice.index, |delta| {
            delta.member("annotations", annotations);
        });
    }
    tell_audio(chunks, choice);
    tell_function_call(chunks, choice);
    for (index, call) in (0..).zip(tool_calls(choice)?) {
        tell_tool_call(chunks, choice.index, index, call)?;
    }
    let unknown = || {
        choice
            .members
            .iter()
            .filter(|(name, _)| !CHOICE_PLACED.contains(&name.as_ref()))
    };
    chunks.finish(choice.index, choice.finish_reason, unknown());
    Ok(())
}

/// The members of the message that have no place of their own, in one delta; the
/// rest of long text in more.
fn tell_unknown(chunks: &mut Chunks, choice: &Choice<'_>) {
    let unknown = || {
        members(choice.message)
            .filter(|(name, value)| !PLACED.contains(&name.as_ref()) && !value.is_null())
    };
    if unknown().next().is_none() {
        return;
    }
    let growing =
        |name: &str, value: &'_ Json<'_>| value.as_str().is_some() && GROWING.contains(&name);
    chunks.delta(choice.index, |delta| {
        for (name, value) in unknown() {
            match value.as_str().filter(|_text| growing(name, value)) {
                Some(text) => delta.text(name, pieces(text).next().unwrap_or_default()),
                None => delta.member(name, value),
            }
        }
    });
    for (name, value) in unknown().filter(|(name, value)| growing(name, value)) {
        for piece in pieces(value.as_str().unwrap_or_default()).skip(1) {
            chunks.delta(choice.index, |delta| delta.text(name, piece));
        }
    }
}

/// The content or the refusal, its log probabilities on the first piece.
fn tell_text(chunks: &mut Chunks, choice: &Choice<'_>, name: &str, mut logprobs: Option<&[u8]>) {
    match choice.message.get(name) {
        Some(Json::String(text)) => {
            for piece in pieces(text) {
                chunks.told(choice.index, logprobs.take(), |delta| {
                    delta.text(name, piece);
                });
            }
        }
        Some(value) if !is_nothing(value) => {
            chunks.told(choice.index, logprobs.take(), |delta| {
                delta.member(name, value);
            });
        }
        Some(_) | None => {}
    }
    if logprobs.is_some() {
        chunks.told(choice.index, logprobs, |_delta| {});
    }
}

/// Spoken answers: what names the recording once, then its text and its sound.
fn tell_audio(chunks: &mut Chunks, choice: &Choice<'_>) {
    const GROWING: [&str; 2] = ["transcript", "data"];
    let Some(audio) = choice
        .message
        .get("audio")
        .filter(|audio| !is_nothing(audio))
    else {
        return;
    };
    let text = |name: &str| audio.get(name).and_then(Json::as_str);
    chunks.delta(choice.index, |delta| {
        delta.object("audio", |audio_delta| {
            let named = members(audio)
                .filter(|(name, _)| !GROWING.contains(&name.as_ref()) || text(name).is_none());
            for (name, value) in named {
                audio_delta.member(name, value);
            }
        });
    });
    for name in GROWING {
        for piece in text(name).into_iter().flat_map(pieces) {
            chunks.delta(choice.index, |delta| {
                delta.object("audio", |audio| audio.text(name, piece));
            });
        }
    }
}

fn tell_function_call(chunks: &mut Chunks, choice: &Choice<'_>) {
    let call = choice.message.get("function_call");
    let Some(call) = call.filter(|call| !is_nothing(call)) else {
        return;
    };
    chunks.delta(choice.index, |delta| {
        delta.object("function_call", |head| head.call(call, "arguments"));
    });
    let arguments = argument_text(call, "arguments");
    for piece in pieces(&arguments) {
        chunks.delta(choice.index, |delta| {
            delta.object("function_call", |rest| rest.text("arguments", piece));
        });
    }
}

fn tool_calls<'j>(choice: &Choice<'j>) -> Result<&'j [Json<'j>], Unreplayable> {
    match choice.message.get("tool_calls") {
        None | Some(Json::Null) => Ok(&[]),
        Some(calls) => calls.as_array().ok_or(Unreplayable::Shape),
    }
}

fn tell_tool_call(
    chunks: &mut Chunks,
    choice: u64,
    index: u64,
    call: &Json<'_>,
) -> Result<(), Unreplayable> {
    call.as_object().ok_or(Unreplayable::Shape)?;
    let kind = call.get("type").and_then(Json::as_str);
    let (payload, growing) = match kind {
        Some("custom") => ("custom", "input"),
        Some(_) | None => ("function", "arguments"),
    };
    chunks.delta(choice, |delta| {
        delta.tool_call(index, |head| {
            if let Some(id) = call.get("id") {
                head.member("id", id);
            }
            head.text("type", kind.unwrap_or("function"));
            let rest = members(call)
                .filter(|(name, _)| !["id", "index", "type", payload].contains(&name.as_ref()));
            for (name, value) in rest {
                head.member(name, value);
            }
            if let Some(called) = call.get(payload) {
                head.object(payload, |payload| payload.call(called, growing));
            }
        });
    });
    let Some(called) = call.get(payload) else {
        return Ok(());
    };
    let arguments = argument_text(called, growing);
    for piece in pieces(&arguments) {
        chunks.delta(choice, |delta| {
            delta.tool_call(index, |rest| {
                rest.object(payload, |payload| payload.text(growing, piece));
            });
        });
    }
    Ok(())
}

/// What something is called with, as text. Servers that send the object itself do
/// not do so in a stream.
fn argument_text(call: &Json<'_>, name: &str) -> String {
    match call.get(name) {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => text.clone().into_owned(),
        Some(value) => String::from_utf8(value.to_bytes()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
