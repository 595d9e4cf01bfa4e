//! SSE to JSON: the events of a stream, folded into the message they spell.
//!
//! What counts as a whole answer is decided here and nowhere else: a stream that was
//! cut, that reports an error, or in which anything is not understood gives
//! [`Incomplete`], never a shorter answer. Members that are not known are kept where
//! they stood; events, pieces and blocks of an unknown kind spoil the answer, because
//! nobody knows what they would have added to it.

mod content;

use self::content::Content;
use super::block::Kind;
use crate::wire::Json;
use crate::wire::json::{Member, parse};
use crate::wire::sse::{DONE_PAYLOAD, Frame};

/// A stream being read.
#[derive(Debug, Default)]
pub struct MessageFold {
    /// The members of the message, once it has started.
    message: Option<Vec<Member<'static>>>,
    content: Content,
    done: bool,
    /// Set for good by the first event that spoils the answer.
    spoiled: Option<&'static str>,
}

/// What an event was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A part of the answer.
    Part,
    /// Nothing that matters: no data, a ping, or data behind the end.
    Nothing,
    /// The event that ends the stream.
    Done,
    /// The provider reports an error; there will be no answer.
    Error,
    /// It cannot be understood. The stream can be passed on, not stored.
    Unreadable,
}

/// Why a stream is no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// It ended before its end: a client must not take it for whole.
    #[error("the stream ended too early: {0}")]
    Cut(&'static str),
    /// It ended as the provider meant it to, but it is not what could be stored.
    #[error("the stream is no whole answer: {0}")]
    Odd(&'static str),
}

/// Why an event cannot be taken in.
type Odd = &'static str;

impl MessageFold {
    /// A fold at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a frame. A last one without its blank line is taken if it can be read
    /// all the same; otherwise the stream broke off in the middle of it, which shows in
    /// its not being done.
    pub fn frame(&mut self, frame: &Frame) -> Seen {
        if self.done {
            return Seen::Nothing;
        }
        let seen = match frame.data() {
            Ok(data) => self.event(frame.event(), data.as_deref().unwrap_or_default()),
            Err(_not_utf8) => Err("not-utf8"),
        };
        match seen {
            Ok(seen) => seen,
            Err(_half) if !frame.is_whole() => Seen::Nothing,
            Err(odd) => {
                self.spoiled.get_or_insert(odd);
                Seen::Unreadable
            }
        }
    }

    /// The whole answer, once the bytes are over.
    ///
    /// # Errors
    /// Why the stream is none.
    pub fn finish(self) -> Result<Json<'static>, Incomplete> {
        if !self.done {
            // What never was a message is not this API's to judge.
            return Err(match (&self.message, self.spoiled) {
                (None, Some(odd)) => Incomplete::Odd(odd),
                (Some(_), _) | (None, None) => Incomplete::Cut("ended-early"),
            });
        }
        if let Some(odd) = self.spoiled {
            return Err(Incomplete::Odd(odd));
        }
        let mut message = self.message.ok_or(Incomplete::Odd("no-message"))?;
        let stop_reason = member(&message, "stop_reason").and_then(Json::as_str);
        if stop_reason.is_none_or(str::is_empty) {
            return Err(Incomplete::Odd("unfinished"));
        }
        let content = self.content.finish().map_err(Incomplete::Odd)?;
        put(&mut message, "content", Json::Array(content));
        Ok(Json::Object(message))
    }

    fn event(&mut self, name: Option<&str>, data: &str) -> Result<Seen, Odd> {
        let data = data.trim();
        if data.is_empty() || data == DONE_PAYLOAD {
            return Ok(Seen::Nothing);
        }
        if name == Some("error") {
            return Ok(Seen::Error);
        }
        let event = parse(data.as_bytes()).map_err(|_error| "not-json")?;
        match event.get("type").and_then(Json::as_str).or(name) {
            Some("ping") => Ok(Seen::Nothing),
            Some("error") => Ok(Seen::Error),
            Some("message_start") => self.start(event),
            Some("content_block_start") => self.content.start(event),
            Some("content_block_delta") => self.content.delta(&event),
            Some("content_block_stop") => self.content.stop(&event),
            Some("message_delta") => self.delta(event),
            Some("message_stop") if self.message.is_some() => {
                self.done = true;
                Ok(Seen::Done)
            }
            Some(_) | None if event.get("error").is_some_and(Json::says_something) => {
                Ok(Seen::Error)
            }
            Some(_) | None => Err("unknown-event"),
        }
    }

    fn start(&mut self, mut event: Json<'_>) -> Result<Seen, Odd> {
        let message = pull(&mut event, "message").ok_or("wrong-shape")?;
        let Json::Object(members) = message.into_owned() else {
            return Err("wrong-shape");
        };
        let has_content = member(&members, "content").is_some_and(Json::says_something);
        if self.message.is_some() || has_content {
            return Err("wrong-shape");
        }
        self.message = Some(members);
        Ok(Seen::Part)
    }

    /// The end of the message: what its start could not know yet.
    fn delta(&mut self, event: Json<'_>) -> Result<Seen, Odd> {
        let message = self.message.as_mut().ok_or("wrong-shape")?;
        let Json::Object(members) = event.into_owned() else {
            return Err("wrong-shape");
        };
        for (name, value) in members {
            match (name.as_ref(), value) {
                ("type", _) | (_, Json::Null) => {}
                ("delta", Json::Object(delta)) => {
                    for (name, value) in delta {
                        keep(message, &name, value);
                    }
                }
                ("usage", Json::Object(usage)) => keep_usage(message, usage)?,
                ("delta" | "usage", _) => return Err("wrong-shape"),
                (name, value) => keep(message, name, value),
            }
        }
        Ok(Seen::Part)
    }
}

/// Merges what is told of the usage later over what was told first. The counts are
/// cumulative, so the last one is the whole; what is `null` says nothing.
fn keep_usage(message: &mut Vec<Member<'static>>, told: Vec<Member<'static>>) -> Result<(), Odd> {
    let known = message.iter_mut().find(|(name, _)| name == "usage");
    match known {
        Some((_, Json::Object(usage))) => {
            for (name, value) in told {
                keep(usage, &name, value);
            }
        }
        Some((_, known @ Json::Null)) => *known = Json::Object(told),
        Some(_) => return Err("wrong-shape"),
        None => message.push(("usage".into(), Json::Object(told))),
    }
    Ok(())
}

/// Takes a member of an object out.
fn pull<'a>(object: &mut Json<'a>, name: &str) -> Option<Json<'a>> {
    match object {
        Json::Object(members) => {
            let at = members.iter().position(|(member, _)| member == name)?;
            Some(members.remove(at).1)
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => None,
    }
}

fn member<'m>(members: &'m [Member<'static>], name: &str) -> Option<&'m Json<'static>> {
    let found = members.iter().find(|(member, _)| member == name);
    found.map(|(_, value)| value)
}

/// Sets a member in its place, or behind the others.
fn put(members: &mut Vec<Member<'static>>, name: &str, value: Json<'static>) {
    match members.iter_mut().find(|(member, _)| member == name) {
        Some((_, known)) => *known = value,
        None => members.push((name.to_owned().into(), value)),
    }
}

/// The same, but `null` does not take away what is known.
fn keep(members: &mut Vec<Member<'static>>, name: &str, value: Json<'static>) {
    if !value.is_null() || member(members, name).is_none() {
        put(members, name, value);
    }
}

#[cfg(test)]
mod tests;
