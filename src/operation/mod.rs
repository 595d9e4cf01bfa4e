//! What the story needs to know of an endpoint family, and nothing else of it.
//!
//! An operation is an [`Adapter`]: how its requests are read, how its stream
//! becomes the one form that is stored, how that becomes a stream again, and what
//! may be stored. One that asks for a list, each item of which is answered by
//! itself, is a [`BatchAdapter`]. Adding one adds a file here; the path of a request
//! stays as it is. Adapters are pure: they see bytes and values, never a connection
//! or a clock.

mod asking;
mod batch;
mod chat;
mod choices;
mod completion;
mod echo;
mod embedding;
mod media;
mod message;
mod models;
mod moderation;
mod no_stream;
mod rerank;
mod response;
mod speech;
mod token_count;
mod transcription;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::key::{Bypass, Canonical};
use crate::policy::Refusal;
use crate::wire::error::ErrorBody;
use crate::wire::sse::{self, Frame};
use crate::wire::{Json, Operation, Usage, json};

use transcription::Transcription;

pub use asking::Asking;
pub use batch::{BatchAdapter, BatchFacts, BatchQuestion, Frame as ListFrame, Item, Told};
pub use echo::Echo;

/// An endpoint family. What most of them have nothing to say to has an answer here.
pub trait Adapter: Debug + Send + Sync {
    /// Its name.
    fn operation(&self) -> Operation;

    /// Whether answers may be streams. Where they are not, only the content type makes
    /// one of an answer: the first bytes of a text may be anything.
    fn streams(&self) -> bool {
        true
    }

    /// Whether all that is read of a request stands in its body. Then what it was
    /// identified as is remembered by that.
    fn reads_body_alone(&self) -> bool {
        true
    }

    /// Reads a request.
    ///
    /// # Errors
    /// If the request must not be answered from a store, with the reason.
    fn read(&self, asking: &Asking<'_>) -> Result<Question, Bypass>;

    /// The request changed so that a stream will tell its usage; `None` if it
    /// does already. All other bytes stay as the client wrote them.
    fn asking_for_usage(&self, _request: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// Starts to read a stream.
    fn fold(&self) -> Box<dyn Fold> {
        Box::new(no_stream::NoStream)
    }

    /// What a whole answer comes to: what is noted of it, and whether it may be stored.
    fn appraise(&self, answer: &Bytes, question: &QuestionFacts) -> Appraisal;

    /// Under which content type an answer is kept, given what it says that it is.
    ///
    /// # Errors
    /// The gate that refused it.
    fn media_type(
        &self,
        declared: Option<&str>,
        _question: &QuestionFacts,
    ) -> Result<String, Refusal> {
        Ok(media::json(declared))
    }

    /// The stored form of an answer that `came` so as the stream that is asked for, or
    /// `None` if it cannot be told as one.
    fn replay(
        &self,
        _answer: &Json<'_>,
        _question: &QuestionFacts,
        _came: StreamFacts,
    ) -> Option<Vec<u8>> {
        None
    }

    /// Whether answers repeat what their requests say besides their question. Then a
    /// caller is never given what was told to another as it is.
    fn echoes(&self) -> bool {
        false
    }

    /// The stored form with what this caller's request said besides its question.
    fn retell(&self, stored: &Bytes, _echo: &Echo) -> Bytes {
        stored.clone()
    }

    /// A frame of another caller's stream with what this one's request said besides its
    /// question.
    fn retell_frame(&self, frame: &Bytes, _echo: Option<&Echo>) -> Bytes {
        frame.clone()
    }

    /// An error in the middle of a stream, as the family's clients understand it.
    fn error_event(&self, error: &ErrorBody<'_>) -> Bytes {
        sse::error_frame(error)
    }

    /// The same behind so many frames, where the family numbers its events.
    fn error_event_behind(&self, _frames: u64, error: &ErrorBody<'_>) -> Bytes {
        self.error_event(error)
    }

    /// How long the provider keeps an answer under its id, so that it can be referred to
    /// and taken back by that; `None` if it does not. The answer is not fresh for longer,
    /// whatever is configured.
    fn kept_for(&self, _answer: &[u8]) -> Option<Duration> {
        None
    }
}

/// What a whole answer comes to.
#[derive(Debug)]
pub struct Appraisal {
    /// What is noted of it.
    pub facts: AnswerFacts,
    /// The form that is stored, where it is not the answer as it came.
    pub stored: Option<Bytes>,
    /// Whether it may be stored, as far as its text says; or the gate that refused it.
    pub verdict: Result<(), Refusal>,
}

impl Appraisal {
    /// Reads an answer that is JSON: its facts, and what `judge` says of it.
    fn of_json(
        answer: &[u8],
        facts: impl FnOnce(&Json<'_>) -> AnswerFacts,
        judge: impl FnOnce(&Json<'_>) -> Result<(), Refusal>,
    ) -> Self {
        match json::parse(answer) {
            Ok(answer) => Self {
                facts: facts(&answer),
                stored: None,
                verdict: judge(&answer),
            },
            Err(_odd) => Self {
                facts: AnswerFacts::default(),
                stored: None,
                verdict: Err(Refusal::NotJson),
            },
        }
    }
}

/// A stream being read.
pub trait Fold: Send + Debug {
    /// Takes the next frame in.
    fn frame(&mut self, frame: &Frame) -> Read;

    /// Stops keeping what is read: there is too much of it. Frames are still told
    /// apart, but there will be no answer.
    fn forget(&mut self);

    /// What is to be known of how the answer came, to tell it as it came.
    fn facts(&self) -> StreamFacts {
        StreamFacts::default()
    }

    /// The whole answer in the form that is stored.
    ///
    /// # Errors
    /// Why the stream is no whole answer.
    fn finish(self: Box<Self>, end: StreamEnd) -> Result<Json<'static>, Incomplete>;
}

/// What of a stream is not in the answer it came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamFacts {
    /// It told its usage beside a part of the answer, as it does whether it is asked for
    /// usage or not.
    pub usage_beside: bool,
}

/// What a frame meant.
#[derive(Clone, Debug)]
pub struct Read {
    /// What it says about the stream.
    pub mark: Mark,
    /// The frame as a client sees it that did not ask for usage; `None` if it does not.
    pub without_usage: Option<Bytes>,
}

/// What a frame says about the stream it is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A part of the answer.
    Part,
    /// Nothing that matters: a comment, a ping.
    Nothing,
    /// The end: whatever follows does not count.
    Done,
    /// The provider reports an error.
    Error,
    /// It cannot be understood: the stream can be passed on, but not stored.
    Unreadable,
}

/// How a stream's bytes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// With the mark that says so.
    Done,
    /// The provider closed it properly, but without the mark.
    Closed,
}

/// A stream that is no whole answer, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// It ended before its end: a client must not take it for whole.
    #[error("the stream ended too early: {0}")]
    Cut(&'static str),
    /// It ended as the provider meant it to, but it is not what could be stored.
    #[error("the stream is no whole answer: {0}")]
    Odd(&'static str),
}

/// A request, as far as the story needs it.
#[derive(Debug)]
pub struct Question {
    /// The canonical form: equal for requests that mean the same.
    pub canonical: Canonical,
    /// What a request says besides its meaning.
    pub facts: QuestionFacts,
}

/// What a request says besides its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionFacts {
    /// The model asked for.
    pub model: String,
    /// Whether the answer is wanted as a stream.
    pub wants_stream: bool,
    /// Whether a stream is to tell its usage.
    pub wants_usage: bool,
    /// Whether the request itself limits the answer's length.
    pub limits_length: bool,
    /// What the answer is to repeat of what it says; `None` if nothing.
    pub echo: Option<Arc<Echo>>,
    /// What its answer is to be.
    pub wanted: Wanted,
}

/// What an answer is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// What is usual for its family.
    #[default]
    Usual,
    /// The same, but it may be empty: nothing was asked for.
    PerhapsNothing,
    /// Plain text, where JSON is usual.
    Text,
}

impl QuestionFacts {
    /// Those of a request that can only be asked in one way.
    pub(crate) const fn plain(model: String, wanted: Wanted) -> Self {
        Self {
            model,
            wants_stream: false,
            wants_usage: false,
            limits_length: false,
            echo: None,
            wanted,
        }
    }
}

/// What is noted of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerFacts {
    /// The model that answered.
    pub model: Option<String>,
    /// The tokens it took.
    pub usage: Option<Usage>,
}

/// How the requests of an operation are answered.
#[derive(Clone, Copy, Debug)]
pub enum Family {
    /// By one answer.
    One(&'static dyn Adapter),
    /// By a list of answers.
    Many(&'static dyn BatchAdapter),
}

static TRANSCRIPTION: Transcription = Transcription(Operation::Transcription);
static TRANSLATION: Transcription = Transcription(Operation::Translation);

/// The family of an operation; `None` for what is only passed through.
pub fn family(operation: Operation) -> Option<Family> {
    match operation {
        Operation::Passthrough => None,
        Operation::Rerank => Some(Family::One(&rerank::Rerank)),
        Operation::Transcription => Some(Family::One(&TRANSCRIPTION)),
        Operation::Translation => Some(Family::One(&TRANSLATION)),
        Operation::Speech => Some(Family::One(&speech::Speech)),
        Operation::Chat => Some(Family::One(&chat::Chat)),
        Operation::Response => Some(Family::One(&response::Response)),
        Operation::Message => Some(Family::One(&message::Message)),
        Operation::TokenCount => Some(Family::One(&token_count::TokenCount)),
        Operation::Completion => Some(Family::One(&completion::Completion)),
        Operation::Models => Some(Family::One(&models::Models)),
        Operation::Embedding => Some(Family::Many(&embedding::Embedding)),
        Operation::Moderation => Some(Family::Many(&moderation::Moderation)),
    }
}
