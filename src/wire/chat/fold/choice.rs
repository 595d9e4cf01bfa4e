//! One choice of a streamed answer.

use super::calls::{Call, Calls};
use crate::wire::Json;
use crate::wire::choices::members::{
    Field, Joins, Members, add_extra, collect, is_truthy, set_reason,
};
use crate::wire::choices::{self, FoldError, Incomplete};
use crate::wire::json::Member;

/// A choice being put together.
#[derive(Debug, Default)]
pub struct Choice {
    message: Members<Field>,
    tool_calls: Calls,
    function_call: Option<Call>,
    audio: Members<Field>,
    logprobs: Members<Field>,
    finish_reason: Option<String>,
    extra: Members<Json<'static>>,
}

impl choices::Choice for Choice {
    const OBJECT: &'static str = "chat.completion";

    /// There are providers that never send the mark, and most answers have one choice.
    const NEEDS_MARK: bool = false;

    fn take(&mut self, members: Vec<Member<'_>>) -> Result<(), FoldError> {
        for (name, value) in members {
            match name.as_ref() {
                "delta" => self.delta(value)?,
                "finish_reason" => set_reason(&mut self.finish_reason, value)?,
                "logprobs" => collect(&mut self.logprobs, value, |_name| true)?,
                // The same text again, in the shape of other endpoints: all of it
                // so far, or the piece without its place.
                "message" | "text" => {}
                name => add_extra(&mut self.extra, name, value)?,
            }
        }
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.finish_reason.is_none()
    }

    fn finish(self, index: u64) -> Result<Json<'static>, Incomplete> {
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
}

impl Choice {
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
