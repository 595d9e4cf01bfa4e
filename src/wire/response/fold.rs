//! SSE to JSON: the last event of a stream carries the whole response.
//!
//! The events before it are only looked at: one nobody has described here may tell
//! something that could not be told again, so its stream is passed on and not stored. A
//! stream without a last event was cut.

use crate::wire::Json;
use crate::wire::json::parse;
use crate::wire::sse::{DONE_PAYLOAD, Frame};

/// The type of the event that is sent while there is nothing to tell.
const KEEPALIVE: &str = "keepalive";

/// The types of events that tell what a response says, and nothing else.
const PARTS: [&str; 21] = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.delta",
    "response.output_text.annotation.added",
    "response.output_text.done",
    "response.refusal.delta",
    "response.refusal.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.custom_tool_call_input.delta",
    "response.custom_tool_call_input.done",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
    "response.reasoning_text.delta",
    "response.reasoning_text.done",
];

/// A stream of a response being read.
#[derive(Debug, Default)]
pub struct ResponseFold {
    answer: Option<Json<'static>>,
    /// The last event has come, whether or not its response is kept.
    ended: bool,
    /// What is read is too much to keep.
    forgotten: bool,
    /// How many items have been told to their end.
    items: usize,
    /// Set for good by the first event that spoils the answer.
    spoiled: Option<Incomplete>,
}

/// What an event was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A part of the answer.
    Part,
    /// Nothing that matters: no data.
    Nothing,
    /// The last one.
    Done,
    /// The provider reports an error; there will be no answer.
    Error,
    /// It is not known here, or cannot be read: there will be nothing to store.
    Unknown,
}

/// Why a stream is no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream is no whole answer: {}", self.as_str())]
pub enum Incomplete {
    /// It ended before its last event.
    EndedEarly,
    /// An event could not be read.
    Unreadable,
    /// An event is of a type that is not known.
    UnknownEvent,
    /// The last event does not carry what the ones before it told.
    Mismatch,
    /// It was too much to keep.
    TooLarge,
}

impl Incomplete {
    /// The name used in logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EndedEarly => "ended-early",
            Self::Unreadable => "unreadable",
            Self::UnknownEvent => "unknown-event",
            Self::Mismatch => "mismatch",
            Self::TooLarge => "too-large",
        }
    }

    /// Whether the stream stopped before its provider meant it to, so that a client must
    /// not take it for whole. The others are only not to be stored.
    pub const fn is_cut(self) -> bool {
        match self {
            Self::EndedEarly => true,
            Self::Unreadable | Self::UnknownEvent | Self::Mismatch | Self::TooLarge => false,
        }
    }
}

impl ResponseFold {
    /// A fold at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a frame. A last one without its blank line is taken if it can be read all
    /// the same, otherwise the stream broke off in the middle of it.
    pub fn frame(&mut self, frame: &Frame) -> Seen {
        let data = match frame.data() {
            Ok(Some(data)) => data,
            Ok(None) => return Seen::Nothing,
            Err(_not_utf8) => return self.unreadable(frame),
        };
        match data.trim() {
            "" => Seen::Nothing,
            // Some send it, behind the last event or in its place.
            DONE_PAYLOAD => Seen::Done,
            data => match parse(data.as_bytes()) {
                Ok(event) => self.event(event, frame.event()),
                Err(_odd) => self.unreadable(frame),
            },
        }
    }

    /// Stops keeping what is read.
    pub fn forget(&mut self) {
        self.forgotten = true;
        self.answer = None;
    }

    /// The whole answer.
    ///
    /// # Errors
    /// Why the stream is none.
    pub fn finish(self) -> Result<Json<'static>, Incomplete> {
        // What could not be read may have been the end.
        let is_cut = !self.ended && self.spoiled != Some(Incomplete::Unreadable);
        let reason = if is_cut {
            Some(Incomplete::EndedEarly)
        } else if self.forgotten {
            Some(Incomplete::TooLarge)
        } else {
            self.spoiled
        };
        if let Some(reason) = reason {
            return Err(reason);
        }
        let answer = self.answer.ok_or(Incomplete::Mismatch)?;
        let output = answer.get("output").and_then(Json::as_array);
        // Some tell no items; whoever tells them tells all.
        if self.items > 0 && output.map(<[_]>::len) != Some(self.items) {
            return Err(Incomplete::Mismatch);
        }
        Ok(answer)
    }

    fn event(&mut self, event: Json<'_>, name: Option<&str>) -> Seen {
        let kind = event.get("type").and_then(Json::as_str).or(name);
        match kind {
            Some("response.completed" | "response.incomplete") => {
                self.ended = true;
                if !self.forgotten {
                    self.answer = response_of(event);
                }
                Seen::Done
            }
            Some("response.failed" | "error") => Seen::Error,
            _ if event.get("error").is_some_and(Json::says_something) => Seen::Error,
            Some(kind) if PARTS.contains(&kind) => {
                self.items += usize::from(kind == "response.output_item.done");
                Seen::Part
            }
            // It says that the model is still thinking, and nothing of the answer.
            Some(KEEPALIVE) => Seen::Nothing,
            Some(_) | None => {
                self.spoiled.get_or_insert(Incomplete::UnknownEvent);
                Seen::Unknown
            }
        }
    }

    fn unreadable(&mut self, frame: &Frame) -> Seen {
        if !frame.is_whole() {
            return Seen::Nothing;
        }
        self.spoiled = Some(Incomplete::Unreadable);
        Seen::Unknown
    }
}

fn response_of(event: Json<'_>) -> Option<Json<'static>> {
    let Json::Object(members) = event else {
        return None;
    };
    let mut members = members.into_iter();
    let (_, response) = members.find(|(name, _)| name == "response")?;
    response.as_object()?;
    Some(response.into_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire::sse::FrameReader;

    const CREATED: &str = r#"{"type":"response.created","response":{"id":"r","output":[]}}"#;
    const ITEM: &str = r#"{"type":"response.output_item.done","item":{}}"#;
    const COMPLETED: &str =
        r#"{"type":"response.completed","response":{"id":"r","n":1.50,"output":[{"a":"b"}]}}"#;

    fn read(text: &str) -> (Vec<Seen>, Result<String, Incomplete>) {
        let mut reader = FrameReader::new();
        reader.push(Bytes::copy_from_slice(text.as_bytes()));
        let mut fold = ResponseFold::new();
        let mut seen = Vec::new();
        while let Some(frame) = reader.next_frame() {
            seen.push(fold.frame(&frame.unwrap()));
        }
        if let Some(frame) = reader.finish() {
            seen.push(fold.frame(&frame));
        }
        let answer = fold.finish();
        (
            seen,
            answer.map(|json| String::from_utf8(json.to_bytes()).unwrap()),
        )
    }

    fn events(all: &[&str]) -> String {
        let event = |data: &&str| ["event: x\ndata: ", data, "\n\n"].concat();
        all.iter().map(event).collect()
    }

    #[test]
    fn the_last_event_is_the_answer() {
        let (seen, answer) = read(&events(&[CREATED, ITEM, COMPLETED]));
        assert_eq!(seen, [Seen::Part, Seen::Part, Seen::Done]);
        assert_eq!(
            answer.unwrap(),
            r#"{"id":"r","n":1.50,"output":[{"a":"b"}]}"#
        );
        // Without its blank line, and with the mark of other streams.
        let (_, answer) = read(events(&[COMPLETED]).trim_end());
        assert!(answer.is_ok());
        let (seen, _) = read(&events(&[COMPLETED, "[DONE]"]));
        assert_eq!(seen, [Seen::Done, Seen::Done]);
    }

    #[test]
    fn that_a_stream_is_alive_says_nothing_of_the_answer() {
        let alive = r#"{"type":"keepalive","sequence_number":1}"#;
        let (seen, answer) = read(&events(&[CREATED, alive, ITEM, COMPLETED]));
        assert_eq!(seen[1], Seen::Nothing);
        assert_eq!(answer, read(&events(&[CREATED, ITEM, COMPLETED])).1);
    }

    #[test]
    fn a_stream_without_its_last_event_was_cut() {
        let whole = events(&[CREATED, ITEM, COMPLETED]);
        let end = whole.find(r#"{"type":"response.completed""#).unwrap();
        for at in 0..whole.len() - 3 {
            let (_, answer) = read(whole.get(..at).unwrap());
            assert_eq!(answer, Err(Incomplete::EndedEarly), "cut at {at} of {end}");
        }
        assert!(read("data: [DONE]\n\n").1.unwrap_err().is_cut());
    }

    #[test]
    fn what_cannot_be_told_again_is_not_kept() {
        let unknown = r#"{"type":"response.web_search_call.searching"}"#;
        let (seen, answer) = read(&events(&[CREATED, unknown, COMPLETED]));
        assert_eq!(seen[1], Seen::Unknown);
        assert_eq!(answer, Err(Incomplete::UnknownEvent));
        let (_, answer) = read(&events(&[ITEM, ITEM, COMPLETED]));
        assert_eq!(answer, Err(Incomplete::Mismatch));
        let (_, answer) = read(&events(&["{oops}", COMPLETED]));
        assert_eq!(answer, Err(Incomplete::Unreadable));
        let odd = r#"{"type":"response.completed","response":null}"#;
        assert_eq!(read(&events(&[odd])).1, Err(Incomplete::Mismatch));
        // A cut is a cut, whatever came before.
        assert_eq!(read(&events(&[unknown])).1, Err(Incomplete::EndedEarly));
    }

    #[test]
    fn errors_are_seen_in_all_their_forms() {
        for error in [
            r#"{"type":"error","code":"server_error","message":"m"}"#,
            r#"{"type":"response.failed","response":{"status":"failed"}}"#,
            r#"{"error":{"message":"m"}}"#,
        ] {
            assert_eq!(read(&events(&[error])).0, [Seen::Error], "{error}");
        }
        assert_eq!(
            read("event: error\ndata: {\"message\":\"m\"}\n\n").0,
            [Seen::Error]
        );
    }

    #[test]
    fn what_is_too_large_is_forgotten_but_its_end_is_seen() {
        let mut fold = ResponseFold::new();
        fold.forget();
        let mut reader = FrameReader::new();
        reader.push(events(&[COMPLETED]).into());
        fold.frame(&reader.next_frame().unwrap().unwrap());
        assert_eq!(fold.finish(), Err(Incomplete::TooLarge));
        let mut fold = ResponseFold::new();
        fold.forget();
        assert_eq!(fold.finish(), Err(Incomplete::EndedEarly));
    }
}
