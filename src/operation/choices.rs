//! What adapters whose answers are a list of choices have in common: how a stream is
//! read, and what is noted of an answer.

use super::{AnswerFacts, Fold, Incomplete, Mark, Read, StreamEnd, StreamFacts};
use crate::wire::Json;
use crate::wire::chat::Answer;
use crate::wire::choices::{self, Choice, Ending, FoldError, Seen, View};
use crate::wire::sse::Frame;

/// What is noted of an answer; what stands around the choices is the same in all of them.
pub(super) fn facts(answer: &Json<'_>) -> AnswerFacts {
    let view = Answer::new(answer);
    AnswerFacts {
        model: view.model().map(ToOwned::to_owned),
        usage: view.usage(),
    }
}

/// A stream being read, and what it comes to unless that was given up.
#[derive(Debug)]
pub(super) struct Folding<C>(Option<choices::Fold<C>>);

impl<C> Folding<C> {
    /// At the start of a stream.
    pub(super) const fn new(fold: choices::Fold<C>) -> Self {
        Self(Some(fold))
    }
}

impl<C: Choice + Send> Fold for Folding<C> {
    fn frame(&mut self, frame: &Frame) -> Read {
        let seen = self.0.as_mut().map(|fold| fold.frame(frame));
        let mark = seen.map_or(Mark::Nothing, mark_of);
        let without_usage = match choices::hide_usage(frame) {
            View::Same => Some(frame.raw.clone()),
            View::Rewritten(text) => Some(text),
            View::Hidden => None,
        };
        Read {
            mark,
            without_usage,
        }
    }

    fn forget(&mut self) {
        self.0 = None;
    }

    fn facts(&self) -> StreamFacts {
        let beside = self.0.as_ref().map(choices::Fold::tells_usage_beside);
        StreamFacts {
            usage_beside: beside.unwrap_or_default(),
        }
    }

    fn finish(self: Box<Self>, end: StreamEnd) -> Result<Json<'static>, Incomplete> {
        let ending = match end {
            StreamEnd::Done => Ending::Done,
            StreamEnd::Closed => Ending::CleanEof,
        };
        let fold = self.0.ok_or(Incomplete::Odd("too-large"))?;
        fold.finish(ending).map_err(|incomplete| {
            if incomplete.is_cut() {
                Incomplete::Cut(incomplete.as_str())
            } else {
                Incomplete::Odd(incomplete.as_str())
            }
        })
    }
}

fn mark_of(seen: Result<Seen, FoldError>) -> Mark {
    match seen {
        Ok(Seen::Chunk) => Mark::Part,
        Ok(Seen::Nothing) => Mark::Nothing,
        Ok(Seen::Done) => Mark::Done,
        Ok(Seen::Error) => Mark::Error,
        Err(_unreadable) => Mark::Unreadable,
    }
}
