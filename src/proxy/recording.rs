//! Reading an answer while it passes: what the log of a fill gets, and what is
//! left to store at its end.
//!
//! The bytes go on as they came whatever is found in them. A recording that
//! cannot be understood is given up, the answer is not.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::flight::{Form, Piece};
use crate::operation::{Adapter, Fold, Incomplete, Mark, StreamEnd, StreamFacts};
use crate::wire::sse::FrameReader;

/// An answer being read.
#[derive(Debug)]
pub(super) enum Recording {
    /// One document.
    Document {
        /// What came so far.
        text: BytesMut,
    },
    /// Server-sent events.
    Events(Events),
    /// Given up, or never meant to be kept: bytes only pass.
    Passing,
}

/// A stream being read.
#[derive(Debug)]
pub(super) struct Events {
    reader: FrameReader,
    fold: Box<dyn Fold>,
    done: bool,
    failed: bool,
}

/// What a finished answer comes to.
#[derive(Debug)]
pub(super) enum Recorded {
    /// The text of a whole answer, in the form that is stored, and how it came.
    Answer(Bytes, StreamFacts),
    /// Nothing to keep, though the answer ended as the provider meant it to.
    Nothing,
    /// The provider's stream ended too early, and politely: it must not look whole.
    Cut(&'static str),
}

impl Recording {
    /// Starts to read a successful answer of the given form.
    pub(super) fn start(form: Form, adapter: &'static dyn Adapter) -> Self {
        match form {
            Form::Json => Self::Document {
                text: BytesMut::new(),
            },
            Form::Stream => Self::Events(Events {
                reader: FrameReader::new(),
                fold: adapter.fold(),
                done: false,
                failed: false,
            }),
        }
    }

    /// Takes in what came and gives what may be passed on, whole events of a stream.
    pub(super) fn take(&mut self, chunk: Bytes, pieces: &mut Vec<Piece>) {
        match self {
            Self::Document { text } => {
                text.extend_from_slice(&chunk);
                pieces.push(Piece::plain(chunk));
            }
            Self::Events(events) => {
                events.reader.push(chunk);
                if let Some(rest) = events.read(pieces) {
                    pieces.push(Piece::plain(rest));
                    *self = Self::Passing;
                }
            }
            Self::Passing => pieces.push(Piece::plain(chunk)),
        }
    }

    /// Whether the stream has said that it is over.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Events(events) => events.done,
            Self::Document { .. } | Self::Passing => false,
        }
    }

    /// Stops recording: what has come is too much to keep. The events of a
    /// stream are still told apart, because usage may have to be left out of them.
    pub(super) fn give_up(&mut self) {
        match self {
            Self::Events(events) => events.fold.forget(),
            Self::Document { .. } | Self::Passing => *self = Self::Passing,
        }
    }

    /// The end of the bytes; `pieces` gets what had waited for more.
    pub(super) fn finish(self, pieces: &mut Vec<Piece>) -> Recorded {
        match self {
            Self::Document { text } => Recorded::Answer(text.freeze(), StreamFacts::default()),
            Self::Passing => Recorded::Nothing,
            Self::Events(events) => events.finish(pieces),
        }
    }
}

impl Events {
    /// Cuts frames off what came. Gives back the unread bytes if the stream
    /// cannot be read any further.
    fn read(&mut self, pieces: &mut Vec<Piece>) -> Option<Bytes> {
        while let Some(frame) = self.reader.next_frame() {
            let Ok(frame) = frame else {
                return Some(self.reader.take_rest());
            };
            if self.done {
                continue;
            }
            let read = self.fold.frame(&frame);
            self.note(read.mark);
            pieces.push(Piece {
                raw: frame.raw,
                without_usage: read.without_usage,
            });
        }
        None
    }

    fn note(&mut self, mark: Mark) {
        match mark {
            Mark::Done => self.done = true,
            Mark::Error => self.failed = true,
            // The fold itself remembers what it could not read.
            Mark::Part | Mark::Nothing | Mark::Unreadable => {}
        }
    }

    fn finish(mut self, pieces: &mut Vec<Piece>) -> Recorded {
        if let Some(frame) = self.reader.finish()
            && !self.done
        {
            let read = self.fold.frame(&frame);
            self.note(read.mark);
            // Without the blank line it is no event yet (WHATWG HTML §9.2.6), but
            // the bytes are the provider's: a readable last event is accepted.
            pieces.push(Piece {
                raw: frame.raw,
                without_usage: read.without_usage,
            });
        }
        if self.failed {
            return Recorded::Nothing;
        }
        let end = if self.done {
            StreamEnd::Done
        } else {
            StreamEnd::Closed
        };
        let came = self.fold.facts();
        match self.fold.finish(end) {
            Ok(answer) => Recorded::Answer(answer.to_bytes().into(), came),
            Err(Incomplete::Cut(reason)) => Recorded::Cut(reason),
            Err(Incomplete::Odd(_)) => Recorded::Nothing,
        }
    }
}

/// What kind of body an answer has. The content type decides where it says; some
/// providers say nothing or the wrong thing, then the first bytes do.
pub(super) fn form_of(headers: &HeaderMap, first: &[u8]) -> Form {
    let opening = first.trim_ascii_start();
    if opening.starts_with(b"{") {
        return Form::Json;
    }
    let is_event = [&b"data:"[..], b"event:", b":"]
        .iter()
        .any(|field| opening.starts_with(field));
    if is_event {
        Form::Stream
    } else {
        declared_form(headers)
    }
}

/// What kind of body an answer says that it has.
pub(super) fn declared_form(headers: &HeaderMap) -> Form {
    let declared = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    if declared.trim().eq_ignore_ascii_case("text/event-stream") {
        Form::Stream
    } else {
        Form::Json
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_first_bytes_overrule_a_wrong_content_type() {
        let declared = |content_type: &'static str| {
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))])
        };
        let events = declared("text/event-stream; charset=utf-8");
        assert_eq!(form_of(&events, b"data: {}\n\n"), Form::Stream);
        assert_eq!(form_of(&events, b" {\"id\":1}"), Form::Json);
        assert_eq!(form_of(&events, b""), Form::Stream);
        let json = declared("application/json");
        assert_eq!(form_of(&json, b"\n\n  {\"id\":1}"), Form::Json);
        assert_eq!(form_of(&json, b": PROCESSING\n\n"), Form::Stream);
        assert_eq!(form_of(&HeaderMap::new(), b"data: x"), Form::Stream);
        assert_eq!(form_of(&HeaderMap::new(), b"oops"), Form::Json);
    }
}
