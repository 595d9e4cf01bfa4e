//! JSON to SSE: a stored response as the stream it could have come as.
//!
//! The order of events and what each carries is what the official SDKs' accumulators
//! accept: `response.created` first and with an empty output, every item added before
//! its parts and its parts before their text, all under the ids and places of the stored
//! form, the whole response last. Text is cut into pieces; there are no artificial
//! pauses, and nothing follows the last event.

mod event;

use self::event::{At, Events, changed};
use super::answer::{Answer, Status};
use super::item::{Item, Kind, Part};
use crate::wire::Json;
use crate::wire::json::Member;
use crate::wire::pieces::pieces;

/// The bytes of the whole stream; `None` if the response is not one that could have been
/// streamed.
pub fn replay(stored: &Json<'_>) -> Option<Vec<u8>> {
    let answer = Answer::new(stored);
    let last = match answer.status() {
        Status::Completed => "response.completed",
        Status::Incomplete(_) => "response.incomplete",
        Status::Failed | Status::Open => return None,
    };
    let items = answer.output()?;
    let shell = shell(stored)?;
    let mut events = Events::default();
    events.tell("response.created", |event| event.member("response", &shell));
    events.tell("response.in_progress", |event| {
        event.member("response", &shell);
    });
    for (index, item) in (0..).zip(&items) {
        events.tell("response.output_item.added", |event| {
            event.number("output_index", index);
            event.member("item", &begun(item));
        });
        tell(&mut events, index, item);
        events.tell("response.output_item.done", |event| {
            event.number("output_index", index);
            event.member("item", item.json);
        });
    }
    events.tell(last, |event| event.member("response", stored));
    Some(events.into_bytes())
}

/// A response of which nothing has been said yet.
fn shell<'j>(stored: &'j Json<'j>) -> Option<Json<'j>> {
    let members = stored.as_object()?.iter().map(|(name, value)| {
        let value = match name.as_ref() {
            "status" => Json::string("in_progress"),
            "output" => Json::Array(Vec::new()),
            "completed_at" | "error" | "incomplete_details" | "usage" => Json::Null,
            _ => value.clone(),
        };
        (name.clone(), value)
    });
    // A convenience some providers add: the text of the whole output.
    Some(Json::Object(
        members.filter(|(name, _)| name != "output_text").collect(),
    ))
}

/// An item of which nothing has been said yet.
fn begun<'j>(item: &Item<'j>) -> Json<'j> {
    let status = || ("status", Json::string("in_progress"));
    match &item.kind {
        Kind::Message(_) => changed(item.json, [("content", Json::Array(Vec::new())), status()]),
        Kind::FunctionCall { .. } => {
            changed(item.json, [("arguments", Json::string("")), status()])
        }
        Kind::CustomToolCall { .. } => changed(item.json, [("input", Json::string("")), status()]),
        Kind::Reasoning { .. } => {
            let begun = changed(item.json, [("summary", Json::Array(Vec::new()))]);
            let Json::Object(members) = begun else {
                return begun;
            };
            let shown = |(name, _): &Member<'_>| name != "content";
            Json::Object(members.into_iter().filter(shown).collect())
        }
    }
}

/// Everything an item says.
fn tell(events: &mut Events, index: u64, item: &Item<'_>) {
    let at = At::item(item.id, index);
    match &item.kind {
        Kind::Message(parts) => {
            for (place, part) in (0..).zip(parts) {
                let at = at.part("content_index", place);
                if part.is_refusal {
                    tell_refusal(events, &at, part);
                } else {
                    tell_text(events, &at, part);
                }
            }
        }
        Kind::FunctionCall { name, arguments } => {
            for piece in pieces(arguments) {
                events.at("response.function_call_arguments.delta", &at, |event| {
                    event.text("delta", piece);
                });
            }
            events.at("response.function_call_arguments.done", &at, |event| {
                event.text("name", name);
                event.text("arguments", arguments);
            });
        }
        Kind::CustomToolCall { input, .. } => {
            for piece in pieces(input) {
                events.at("response.custom_tool_call_input.delta", &at, |event| {
                    event.text("delta", piece);
                });
            }
            events.at("response.custom_tool_call_input.done", &at, |event| {
                event.text("input", input);
            });
        }
        Kind::Reasoning { summary, content } => {
            for (place, part) in (0..).zip(summary) {
                tell_thought(events, &at.part("summary_index", place), part, &SUMMARY);
            }
            for (place, part) in (0..).zip(content) {
                tell_thought(events, &at.part("content_index", place), part, &THOUGHTS);
            }
        }
    }
}

fn tell_text(events: &mut Events, at: &At<'_>, part: &Part<'_>) {
    let nothing = || Json::Array(Vec::new());
    let begun = Json::Object(vec![
        ("type".into(), Json::string("output_text")),
        ("text".into(), Json::string("")),
        ("annotations".into(), nothing()),
        ("logprobs".into(), nothing()),
    ]);
    events.at("response.content_part.added", at, |event| {
        event.member("part", &begun);
    });
    for piece in pieces(part.text) {
        events.at("response.output_text.delta", at, |event| {
            event.text("delta", piece);
            event.member("logprobs", &nothing());
        });
    }
    let annotations = part.json.get("annotations").and_then(Json::as_array);
    for (place, annotation) in (0..).zip(annotations.unwrap_or_default()) {
        events.at("response.output_text.annotation.added", at, |event| {
            event.number("annotation_index", place);
            event.member("annotation", annotation);
        });
    }
    let logprobs = part.json.get("logprobs").filter(|list| !list.is_null());
    events.at("response.output_text.done", at, |event| {
        event.text("text", part.text);
        event.member("logprobs", logprobs.unwrap_or(&nothing()));
    });
    events.at("response.content_part.done", at, |event| {
        event.member("part", part.json);
    });
}

fn tell_refusal(events: &mut Events, at: &At<'_>, part: &Part<'_>) {
    let begun = Json::Object(vec![
        ("type".into(), Json::string("refusal")),
        ("refusal".into(), Json::string("")),
    ]);
    events.at("response.content_part.added", at, |event| {
        event.member("part", &begun);
    });
    for piece in pieces(part.text) {
        events.at("response.refusal.delta", at, |event| {
            event.text("delta", piece);
        });
    }
    events.at("response.refusal.done", at, |event| {
        event.text("refusal", part.text);
    });
    events.at("response.content_part.done", at, |event| {
        event.member("part", part.json);
    });
}

/// The events of a part of reasoning, and the type of the part.
struct Thought {
    kind: &'static str,
    added: &'static str,
    delta: &'static str,
    done: &'static str,
    part_done: &'static str,
}

const SUMMARY: Thought = Thought {
    kind: "summary_text",
    added: "response.reasoning_summary_part.added",
    delta: "response.reasoning_summary_text.delta",
    done: "response.reasoning_summary_text.done",
    part_done: "response.reasoning_summary_part.done",
};

const THOUGHTS: Thought = Thought {
    kind: "reasoning_text",
    added: "response.content_part.added",
    delta: "response.reasoning_text.delta",
    done: "response.reasoning_text.done",
    part_done: "response.content_part.done",
};

fn tell_thought(events: &mut Events, at: &At<'_>, part: &Part<'_>, names: &Thought) {
    let begun = Json::Object(vec![
        ("type".into(), Json::string(names.kind)),
        ("text".into(), Json::string("")),
    ]);
    events.at(names.added, at, |event| event.member("part", &begun));
    for piece in pieces(part.text) {
        events.at(names.delta, at, |event| event.text("delta", piece));
    }
    events.at(names.done, at, |event| event.text("text", part.text));
    events.at(names.part_done, at, |event| {
        event.member("part", part.json);
    });
}

#[cfg(test)]
mod tests;
