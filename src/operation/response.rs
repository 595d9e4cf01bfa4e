//! Responses: `POST /v1/responses`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{
    Adapter, AnswerFacts, Appraisal, Asking, Echo, Fold, Incomplete, Mark, Question, QuestionFacts,
    Read, StreamEnd, StreamFacts, Wanted,
};
use crate::key::{self, Bypass};
use crate::policy::gate;
use crate::wire::error::ErrorBody;
use crate::wire::response::{self, ResponseFold, Seen, echo};
use crate::wire::sse::Frame;
use crate::wire::{Json, Operation, json};

/// How long a provider keeps a response: `OpenAI` and xAI document 30 days. Behind that
/// its id opens nothing, so an answer that carries it is not given any more.
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Response;

impl Adapter for Response {
    fn operation(&self) -> Operation {
        Operation::Response
    }

    fn read(&self, asking: &Asking<'_>) -> Result<Question, Bypass> {
        let request = asking.json()?;
        key::refuse_control_fields(&request)?;
        let canonical = key::response::identify(&request, asking.rules())?;
        let view = response::Request::new(&request);
        Ok(Question {
            canonical,
            facts: QuestionFacts {
                model: asking.model(view.model()),
                wants_stream: view.wants_stream(),
                // A stream of this family always tells it, in its last event.
                wants_usage: true,
                limits_length: view.limits_length(),
                echo: Echo::of(echo::given(&request)).map(Arc::new),
                wanted: Wanted::Usual,
            },
        })
    }

    fn fold(&self) -> Box<dyn Fold> {
        Box::new(Folding(ResponseFold::new()))
    }

    fn replay(
        &self,
        answer: &Json<'_>,
        question: &QuestionFacts,
        _came: StreamFacts,
    ) -> Option<Vec<u8>> {
        let Some(own) = question.echo.as_deref() else {
            return response::replay(answer);
        };
        let text = String::from_utf8(answer.to_bytes()).ok()?;
        let told = echo::with(&text, |name| own.get(name))?;
        response::replay(&json::parse(told.as_bytes()).ok()?)
    }

    fn appraise(&self, answer: &Bytes, question: &QuestionFacts) -> Appraisal {
        let limits_length = question.limits_length;
        let judge = |answer: &Json<'_>| gate::response(answer, limits_length);
        let appraisal = Appraisal::of_json(answer, facts, judge);
        let gave = |name: &str| question.echo.as_ref().is_some_and(|own| own.has(name));
        let text = std::str::from_utf8(answer).ok();
        let stored = text.and_then(|text| echo::without(text, gave));
        Appraisal {
            stored: stored.map(Bytes::from),
            ..appraisal
        }
    }

    fn echoes(&self) -> bool {
        true
    }

    fn retell(&self, stored: &Bytes, own: &Echo) -> Bytes {
        let text = std::str::from_utf8(stored).ok();
        let told = text.and_then(|text| echo::with(text, |name| own.get(name)));
        told.map_or_else(|| stored.clone(), Bytes::from)
    }

    fn retell_frame(&self, frame: &Bytes, own: Option<&Echo>) -> Bytes {
        echo::with_in_frame(frame, |name| own?.get(name))
    }

    fn error_event(&self, error: &ErrorBody<'_>) -> Bytes {
        self.error_event_behind(0, error)
    }

    fn error_event_behind(&self, frames: u64, error: &ErrorBody<'_>) -> Bytes {
        response::error_event(error, frames)
    }

    fn kept_for(&self, answer: &[u8]) -> Option<Duration> {
        let answer = json::parse(answer).ok();
        let is_kept = answer.is_none_or(|answer| response::Answer::new(&answer).is_kept());
        is_kept.then_some(KEPT_FOR)
    }
}

fn facts(answer: &Json<'_>) -> AnswerFacts {
    let view = response::Answer::new(answer);
    AnswerFacts {
        model: view.model().map(ToOwned::to_owned),
        usage: view.usage(),
    }
}

/// A stream being read.
#[derive(Debug)]
struct Folding(ResponseFold);

impl Fold for Folding {
    fn frame(&mut self, frame: &Frame) -> Read {
        let mark = match self.0.frame(frame) {
            Seen::Part => Mark::Part,
            Seen::Nothing => Mark::Nothing,
            Seen::Done => Mark::Done,
            Seen::Error => Mark::Error,
            Seen::Unknown => Mark::Unreadable,
        };
        Read {
            mark,
            without_usage: Some(frame.raw.clone()),
        }
    }

    fn forget(&mut self) {
        self.0.forget();
    }

    fn finish(self: Box<Self>, _end: StreamEnd) -> Result<Json<'static>, Incomplete> {
        self.0.finish().map_err(|incomplete| {
            if incomplete.is_cut() {
                Incomplete::Cut(incomplete.as_str())
            } else {
                Incomplete::Odd(incomplete.as_str())
            }
        })
    }
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
