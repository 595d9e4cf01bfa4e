//! The list of models, and one of them: `GET /v1/models` and `GET /v1/models/{id}`.
//!
//! There is nothing to read in the request: all of the question is in its address
//! and in who asks.

use bytes::Bytes;

use super::{
    Adapter, AnswerFacts, Fold, Incomplete, Mark, Question, QuestionFacts, Read, StreamEnd,
};
use crate::key::canonical::Form;
use crate::key::{Bypass, Canonical};
use crate::policy::{PolicyOptions, Refusal};
use crate::wire::error::ErrorBody;
use crate::wire::sse::{self, Frame};
use crate::wire::{Json, Operation, UpstreamKind};

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Models;

impl Adapter for Models {
    fn operation(&self) -> Operation {
        Operation::Models
    }

    fn read(
        &self,
        _request: &Json<'_>,
        _kind: UpstreamKind,
        _policy: &PolicyOptions,
    ) -> Result<Question, Bypass> {
        Ok(Question {
            canonical: Canonical::of(&Form::Object(Vec::new())),
            facts: QuestionFacts {
                model: String::new(),
                wants_stream: false,
                wants_usage: false,
                limits_length: false,
            },
        })
    }

    fn asking_for_usage(&self, _request: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn fold(&self) -> Box<dyn Fold> {
        Box::new(NoStream)
    }

    fn replay(&self, _answer: &Json<'_>, _with_usage: bool) -> Option<Vec<u8>> {
        None
    }

    fn judge(&self, answer: &Json<'_>, _question: &QuestionFacts) -> Result<(), Refusal> {
        if answer.get("error").is_some_and(Json::says_something) {
            return Err(Refusal::ErrorObject);
        }
        // A list may come bare, as some servers send it.
        let is_model = answer.get("id").and_then(Json::as_str).is_some();
        let is_list = answer
            .as_array()
            .or(answer.get("data").and_then(Json::as_array));
        if is_model || is_list.is_some() {
            Ok(())
        } else {
            Err(Refusal::WrongShape)
        }
    }

    fn facts(&self, _answer: &Json<'_>) -> AnswerFacts {
        AnswerFacts::default()
    }

    fn error_event(&self, error: &ErrorBody<'_>) -> Bytes {
        sse::error_frame(error)
    }
}

/// There are no streams of models; what comes as one is passed on.
#[derive(Debug)]
struct NoStream;

impl Fold for NoStream {
    fn frame(&mut self, frame: &Frame) -> Read {
        Read {
            mark: Mark::Unreadable,
            without_usage: Some(frame.raw.clone()),
        }
    }

    fn forget(&mut self) {}

    fn finish(self: Box<Self>, _end: StreamEnd) -> Result<Json<'static>, Incomplete> {
        Err(Incomplete::Odd("stream"))
    }
}
