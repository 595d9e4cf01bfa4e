//! SSE to JSON: the chunks of a stream, folded into the answer they spell.
//!
//! What counts as a whole answer is decided here and nowhere else: a stream that
//! was cut, that reports an error, or in which anything is open gives
//! [`Incomplete`], never a shorter answer. What a provider adds is kept. The work
//! is linear in the bytes of the stream: text grows in place.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::members::{Members, is_truthy, pull};
use crate::wire::Json;
use crate::wire::json::{JsonError, Member, parse};
use crate::wire::sse::{DONE_PAYLOAD, Frame};

/// One choice being put together from its parts in the chunks.
pub trait Choice: Debug + Default {
    /// What `object` says of a whole answer.
    const OBJECT: &'static str;

    /// Whether only the mark at the end tells that no choice is missing: nothing in the
    /// stream says how many there are.
    const NEEDS_MARK: bool;

    /// Takes in the members of a choice in a chunk.
    ///
    /// # Errors
    /// If they cannot be understood.
    fn take(&mut self, members: Vec<Member<'_>>) -> Result<(), FoldError>;

    /// Whether the choice has not said why it ended.
    fn is_open(&self) -> bool;

    /// The choice as in an answer that was not streamed.
    ///
    /// # Errors
    /// If something in it is not whole.
    fn finish(self, index: u64) -> Result<Json<'static>, Incomplete>;
}

/// A stream being read.
#[derive(Debug)]
pub struct Fold<C> {
    top: Members<Json<'static>>,
    choices: BTreeMap<u64, C>,
    usage: Option<Json<'static>>,
    /// The usage stood in a chunk that had a part of a choice as well.
    usage_beside: bool,
    moderation: Option<Json<'static>>,
    spoken: Spoken,
    done: bool,
    /// Set for good by the first event that spoils the answer.
    spoiled: Option<Incomplete>,
}

/// What the chunks of a stream have spoken of so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Spoken {
    /// None came.
    Nothing,
    /// Anything but choices.
    OfOthers,
    /// Choices.
    OfChoices,
}

/// What an event was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A part of the answer.
    Chunk,
    /// Nothing that matters: no data, or data behind the end.
    Nothing,
    /// The mark that ends the stream.
    Done,
    /// The provider reports an error; there will be no answer.
    Error,
}

/// How the bytes of a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// After the mark that ends it.
    Done,
    /// Without the mark, but closed properly. Some providers never send it.
    CleanEof,
    /// The connection broke off.
    Cut,
}

/// Why an event cannot be read. The stream can be passed on, not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The data is not UTF-8.
    #[error("the data of an event is not UTF-8")]
    NotUtf8,
    /// The data is not JSON that is read in one way only.
    #[error("the data of an event is not JSON: {0}")]
    NotJson(#[from] JsonError),
    /// Something in a chunk is of another kind than it should be, or changes it.
    #[error("a chunk has an unknown shape")]
    Shape,
    /// Two tool calls claim the same place.
    #[error("two tool calls have the same index")]
    AmbiguousCalls,
    /// More different members, choices or calls than an answer can have.
    #[error("a chunk has too many members")]
    TooWide,
}

/// Why a stream is no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream is no whole answer: {}", self.as_str())]
pub enum Incomplete {
    /// The connection broke off.
    Cut,
    /// It ended without the mark, in the middle of an event or before every
    /// choice was finished.
    EndedEarly,
    /// No chunk of it speaks of choices: it is a stream of another kind, and how those
    /// end is not known here.
    Foreign,
    /// All that came is finished, but without the mark nobody knows if it is all.
    NoMark,
    /// It ended with the mark, but has no choices.
    NoChoices,
    /// It ended with the mark, but a choice has no finish reason.
    Unfinished,
    /// The choices are not numbered from 0 without gaps.
    ChoiceGap,
    /// The tool calls of a choice are not numbered from 0 without gaps.
    CallGap,
    /// A tool call has no id or no name.
    UnnamedCall,
    /// The provider reported an error in it.
    ErrorEvent,
    /// An event could not be read.
    Unreadable,
}

impl Seen {
    /// Whether nothing after this event can matter.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Error)
    }
}

impl FoldError {
    /// The name used in logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not-utf8",
            Self::NotJson(_) => "not-json",
            Self::Shape => "wrong-shape",
            Self::AmbiguousCalls => "ambiguous-calls",
            Self::TooWide => "too-wide",
        }
    }
}

impl Incomplete {
    /// The name used in logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::EndedEarly => "ended-early",
            Self::Foreign => "foreign",
            Self::NoMark => "no-mark",
            Self::NoChoices => "no-choices",
            Self::Unfinished => "unfinished",
            Self::ChoiceGap => "choice-gap",
            Self::CallGap => "call-gap",
            Self::UnnamedCall => "unnamed-call",
            Self::ErrorEvent => "error-event",
            Self::Unreadable => "unreadable",
        }
    }

    /// Whether the stream stopped before its provider meant it to, so that a
    /// client must not take it for whole. The others are only not to be stored.
    pub const fn is_cut(self) -> bool {
        match self {
            Self::Cut | Self::EndedEarly => true,
            Self::Foreign
            | Self::NoMark
            | Self::NoChoices
            | Self::Unfinished
            | Self::ChoiceGap
            | Self::CallGap
            | Self::UnnamedCall
            | Self::ErrorEvent
            | Self::Unreadable => false,
        }
    }
}

impl<C: Choice> Default for Fold<C> {
    fn default() -> Self {
        Self {
            top: Members::default(),
            choices: BTreeMap::new(),
            usage: None,
            usage_beside: false,
            moderation: None,
            spoken: Spoken::Nothing,
            done: false,
            spoiled: None,
        }
    }
}

impl<C: Choice> Fold<C> {
    /// A fold at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a frame. A last one without its blank line is taken if it can be
    /// read all the same, otherwise the stream broke off in the middle of it.
    ///
    /// # Errors
    /// See [`Fold::event`].
    pub fn frame(&mut self, frame: &Frame) -> Result<Seen, FoldError> {
        if self.done {
            return Ok(Seen::Nothing);
        }
        let spoiled = self.spoiled;
        let seen = self.whole_frame(frame);
        let is_broken = match seen {
            Ok(Seen::Nothing) => !is_aside(&frame.raw),
            Ok(Seen::Chunk | Seen::Done | Seen::Error) => false,
            Err(_unreadable) => true,
        };
        if frame.is_whole() || !is_broken {
            return seen;
        }
        self.spoiled = spoiled.or(Some(Incomplete::EndedEarly));
        Ok(Seen::Nothing)
    }

    /// Takes in the data of an event.
    ///
    /// # Errors
    /// If it cannot be understood. There will be no answer then.
    pub fn event(&mut self, data: &str) -> Result<Seen, FoldError> {
        let data = data.trim();
        if self.done || data.is_empty() {
            return Ok(Seen::Nothing);
        }
        if data == DONE_PAYLOAD {
            self.done = true;
            return Ok(Seen::Done);
        }
        let chunk = parse(data.as_bytes()).map_err(|error| self.spoil(error.into()))?;
        if reports_error(&chunk) {
            return Ok(self.error());
        }
        match self.chunk(chunk) {
            Ok(()) => Ok(Seen::Chunk),
            Err(error) => Err(self.spoil(error)),
        }
    }

    /// Whether the usage was told in a chunk with a part of a choice, as providers do
    /// that tell it whether it is asked for or not.
    pub const fn tells_usage_beside(&self) -> bool {
        self.usage_beside
    }

    /// The whole answer.
    ///
    /// # Errors
    /// Why the stream is none.
    pub fn finish(self, ending: Ending) -> Result<Json<'static>, Incomplete> {
        let is_done = match ending {
            Ending::Cut => return Err(Incomplete::Cut),
            Ending::Done => true,
            Ending::CleanEof => self.done,
        };
        if let Some(reason) = self.spoiled {
            return Err(reason);
        }
        if self.spoken == Spoken::OfOthers {
            return Err(Incomplete::Foreign);
        }
        let open = if self.choices.is_empty() {
            Some(Incomplete::NoChoices)
        } else if self.choices.values().any(C::is_open) {
            Some(Incomplete::Unfinished)
        } else {
            None
        };
        if let Some(reason) = open {
            return Err(if is_done {
                reason
            } else {
                Incomplete::EndedEarly
            });
        }
        if C::NEEDS_MARK && !is_done {
            return Err(Incomplete::NoMark);
        }
        if !self
            .choices
            .keys()
            .copied()
            .eq((0..).take(self.choices.len()))
        {
            return Err(Incomplete::ChoiceGap);
        }
        self.answer()
    }

    fn whole_frame(&mut self, frame: &Frame) -> Result<Seen, FoldError> {
        match frame.data() {
            Ok(None) => Ok(Seen::Nothing),
            // The flat form of an error has no `error` member that gives it away.
            Ok(Some(data)) if frame.event() == Some("error") && !data.trim().is_empty() => {
                Ok(self.error())
            }
            Ok(Some(data)) => self.event(&data),
            Err(_not_utf8) => Err(self.spoil(FoldError::NotUtf8)),
        }
    }

    fn answer(self) -> Result<Json<'static>, Incomplete> {
        let object = Json::string(C::OBJECT);
        let mut answer: Vec<_> = self.top.into_iter().collect();
        match answer.iter_mut().find(|(name, _)| name == "object") {
            Some((_, value)) => *value = object,
            None => answer.push(("object".into(), object)),
        }
        let choices = self
            .choices
            .into_iter()
            .map(|(index, choice)| choice.finish(index))
            .collect::<Result<_, _>>()?;
        answer.push(("choices".into(), Json::Array(choices)));
        let rest = [("usage", self.usage), ("moderation", self.moderation)];
        answer.extend(
            rest.into_iter()
                .filter_map(|(name, value)| Some((name.into(), value?))),
        );
        Ok(Json::Object(answer))
    }

    fn chunk(&mut self, chunk: Json<'_>) -> Result<(), FoldError> {
        let Json::Object(members) = chunk else {
            return Err(FoldError::Shape);
        };
        self.spoken = self.spoken.max(Spoken::OfOthers);
        let says = |wanted: &str| {
            let mut members = members.iter();
            members.any(|(name, value)| name == wanted && value.says_something())
        };
        self.usage_beside |= says("usage") && says("choices");
        for (name, value) in members {
            match name.as_ref() {
                "choices" => self.choices(value)?,
                // Padding against guessing at the length of tokens.
                "obfuscation" | "p" => {}
                // Cumulative where it comes several times: the last one counts.
                "usage" => keep(&mut self.usage, value),
                "moderation" => keep(&mut self.moderation, value),
                name => self.member(name, value)?,
            }
        }
        Ok(())
    }

    /// The last value that says something stays, but for what names the answer:
    /// there it is the first, which is the one clients note. Azure's first chunk
    /// has all of them empty.
    fn member(&mut self, name: &str, value: Json<'_>) -> Result<(), FoldError> {
        let first_counts = matches!(name, "id" | "created" | "model");
        let (known, is_new) = self.top.slot(name)?;
        if is_new || (is_truthy(&value) && !(first_counts && is_truthy(known))) {
            *known = value.into_owned();
        }
        Ok(())
    }

    fn choices(&mut self, choices: Json<'_>) -> Result<(), FoldError> {
        self.spoken = Spoken::OfChoices;
        let choices = match choices {
            Json::Null => return Ok(()),
            Json::Array(choices) => choices,
            Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => {
                return Err(FoldError::Shape);
            }
        };
        for (position, choice) in (0..).zip(choices) {
            let Json::Object(mut members) = choice else {
                return Err(FoldError::Shape);
            };
            let index = match pull(&mut members, "index") {
                None | Some(Json::Null) => position,
                Some(index) => index.as_u64().ok_or(FoldError::Shape)?,
            };
            self.choices.entry(index).or_default().take(members)?;
        }
        Ok(())
    }

    fn error(&mut self) -> Seen {
        self.spoiled.get_or_insert(Incomplete::ErrorEvent);
        Seen::Error
    }

    fn spoil(&mut self, error: FoldError) -> FoldError {
        self.spoiled.get_or_insert(Incomplete::Unreadable);
        error
    }
}

fn keep(place: &mut Option<Json<'static>>, value: Json<'_>) {
    if !value.is_null() {
        *place = Some(value.into_owned());
    }
}

/// Whether bytes are a comment or nothing, which is never the start of a part.
fn is_aside(raw: &[u8]) -> bool {
    let text = raw.trim_ascii_start();
    text.is_empty() || text.starts_with(b":")
}

/// Whether a chunk is an error or has one: providers put it beside the choices,
/// into one, or send it flat with a name of its own.
fn reports_error(chunk: &Json<'_>) -> bool {
    let has_error = |value: &Json<'_>| value.get("error").is_some_and(is_truthy);
    has_error(chunk)
        || chunk.get("object").and_then(Json::as_str) == Some("error")
        || chunk
            .get("choices")
            .and_then(Json::as_array)
            .is_some_and(|choices| choices.iter().any(has_error))
}
