//! The list of models, and one of them: `GET /v1/models` and `GET /v1/models/{id}`.
//!
//! There is nothing to read in the request: all of the question is in its address
//! and in who asks.

use bytes::Bytes;

use super::{Adapter, AnswerFacts, Appraisal, Asking, Question, QuestionFacts, Wanted};
use crate::key::canonical::Form;
use crate::key::{Bypass, Canonical};
use crate::policy::Refusal;
use crate::wire::{Json, Operation};

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Models;

impl Adapter for Models {
    fn operation(&self) -> Operation {
        Operation::Models
    }

    fn read(&self, _asking: &Asking<'_>) -> Result<Question, Bypass> {
        Ok(Question {
            canonical: Canonical::of(&Form::Object(Vec::new())),
            facts: QuestionFacts::plain(String::new(), Wanted::Usual),
        })
    }

    fn appraise(&self, answer: &Bytes, _question: &QuestionFacts) -> Appraisal {
        Appraisal::of_json(answer, |_answer| AnswerFacts::default(), judge)
    }
}

fn judge(answer: &Json<'_>) -> Result<(), Refusal> {
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
