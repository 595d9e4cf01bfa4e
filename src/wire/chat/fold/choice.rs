//! One choice of a streamed answer.

use super::calls::{Call, Calls};
use super::members::{Field, Joins, Members, extend, is_truthy};
use super::{FoldError, Incomplete};
use crate::wire::Json;
use crate::wire::json::Member;

/// A choice being put together.
#[derive(Debug, Default)]
pub(super) struct Choice {
    message: Members<Field>,
    tool_calls: Calls,
    function_call: Option<Call>,
    audio: Members<Field>,
    logprobs: Members<Field>,
    finish_reason: Option<String>,
    extra: Members<Json<'static>>,
}

impl Choice {
    /// Takes in the members of a choice in a chunk.
    pub(super) fn take(&mut self, members: Vec<Member<'_>>) -> Result<(), FoldError> {
        for (name, value) in members {
            match name.as_ref() {
                "delta" => self.delta(value)?,
                "finish_reason" => match value {
                    Json::String(reason) if !reason.is_empty() => {
                        self.finish_reason = Some(reason.into_owned());
                    }
                    Json::String(_) | Json::Null => {}
                    Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                        return Err(FoldError::Shape);
                    }
                },
                "logprobs" => collect(&mut self.logprobs, value, |_name| true)?,
                // The same text again, in the shape of other endpoints: all of it
                // so far, or the piece without its place.
                "message" | "text" => {}
                "token_ids" => self.token_ids(value)?,
                name => {
                    let (known, is_new) = self.extra.slot(name)?;
                    // Azure ends with an empty object where results stood before.
                    if is_new || value.says_something() {
                        *known = value.into_owned();
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the choice has not said why it ended.
    pub(super) const fn is_open(&self) -> bool {
        self.finish_reason.is_none()
    }

    /// The choice as in an answer that was not streamed.
    pub(super) fn finish(self, index: u64) -> Result<Json<'static>, Incomplete> {
        let logprobs = logprobs(self.logprobs);
        let mut message = self.message;
        let tool_calls = self.tool_calls.finish()?;
        let mut pull = |name| message.pull(name);
        let role = pull("role").unwrap_or(Field::Whole(Json::string("assistant")));
        let refusal = pull("refusal").unwrap_or(Field::Null);
        let says_otherwise = !tool_calls.is_empty()
            || self.function_call.is_some()
            || !self.audio.is_empty()
            || refusal.is_text();
        let content = pull("content")
            .filter(|content| !(says_otherwise && content.is_empty_text()))
            .unwrap_or(Field::Null);
        let mut members: Vec<Member<'static>> = vec![
            ("role".into(), role.into()),
            ("content".into(), content.into()),
            ("refusal".into(), refusal.into()),
        ];
        members.extend(message.into_iter());
        if !self.audio.is_empty() {
            let audio = self.audio.into_iter().collect();
            members.push(("audio".into(), Json::Object(audio)));
        }
        if let Some(call) = self.function_call {
            members.push(("function_call".into(), call.finish("arguments")));
        }
        if !tool_calls.is_empty() {
            members.push(("tool_calls".into(), Json::Array(tool_calls)));
        }
        let finish_reason = self.finish_reason.map_or(Json::Null, Json::string);
        let mut choice = vec![
            ("index".into(), Json::number(index)),
            ("message".into(), Json::Object(members)),
            ("logprobs".into(), logprobs),
            ("finish_reason".into(), finish_reason),
        ];
        choice.extend(self.extra.into_iter());
        Ok(Json::Object(choice))
    }

    fn delta(&mut self, delta: Json<'_>) -> Result<(), FoldError> {
        let members = match delta {
            Json::Null => return Ok(()),
            Json::Object(members) => members,
            Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                return Err(FoldError::Shape);
            }
        };
        for (name, value) in members {
            match name.as_ref() {
                "tool_calls" => self.tool_calls.take(value)?,
                "function_call" => {
                    if let Json::Object(members) = value {
                        let call = self.function_call.get_or_insert_default();
                        call.take(members, "arguments")?;
                    }
                }
                "audio" => {
                    let grows = |name: &str| matches!(name, "data" | "transcript");
                    collect(&mut self.audio, value, grows)?;
                }
                // Of one token, not of the message.
                "token_id" => {}
                // Repeated by some servers in every chunk, never in pieces.
                "role" | "name" | "channel" => {
                    if is_truthy(&value) {
                        self.message.slot(&name)?.0.set(value);
                    }
                }
                name => {
                    let joins = match name {
                        "content" => Joins::Parts,
                        "reasoning_details" => Joins::Reasoning,
                        _ => Joins::Never,
                    };
                    self.message.slot(name)?.0.add(value, joins)?;
                }
            }
        }
        Ok(())
    }

    fn token_ids(&mut self, value: Json<'_>) -> Result<(), FoldError> {
        let (known, is_new) = self.extra.slot("token_ids")?;
        match (&mut *known, value) {
            (Json::Array(known), Json::Array(more)) => extend(known, more, Joins::Never),
            (_, value) if is_new || value.says_something() => *known = value.into_owned(),
            _ => {}
        }
        Ok(())
    }
}

/// Adds the members of an object that comes in pieces; those that do not grow are
/// replaced.
fn collect(
    places: &mut Members<Field>,
    value: Json<'_>,
    grows: impl Fn(&str) -> bool,
) -> Result<(), FoldError> {
    let members = match value {
        Json::Null => return Ok(()),
        Json::Object(members) => members,
        Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            return Err(FoldError::Shape);
        }
    };
    for (name, value) in members {
        let (place, _is_new) = places.slot(&name)?;
        if grows(&name) {
            place.add(value, Joins::Never)?;
        } else if !value.is_null() {
            place.set(value);
        }
    }
    Ok(())
}

/// The two lists every client looks for, whichever came, then what else there is.
fn logprobs(mut places: Members<Field>) -> Json<'static> {
    if places.is_empty() {
        return Json::Null;
    }
    let mut members: Vec<Member<'static>> = ["content", "refusal"]
        .into_iter()
        .map(|name| (name.into(), places.pull(name).unwrap_or(Field::Null).into()))
        .collect();
    members.extend(places.into_iter());
    Json::Object(members)
}
