//! How many tokens a message's request has: `POST /v1/messages/count_tokens`.
//!
//! Counting costs nothing and has no usage: what is counted is not used.

use bytes::Bytes;

use super::{Adapter, AnswerFacts, Appraisal, Asking, Question, QuestionFacts, message};
use crate::key::Bypass;
use crate::key::message::Wanted;
use crate::policy::gate;
use crate::wire::Operation;

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenCount;

impl Adapter for TokenCount {
    fn operation(&self) -> Operation {
        Operation::TokenCount
    }

    fn read(&self, asking: &Asking<'_>) -> Result<Question, Bypass> {
        message::read(asking, Wanted::TokenCount)
    }

    fn appraise(&self, answer: &Bytes, _question: &QuestionFacts) -> Appraisal {
        Appraisal::of_json(
            answer,
            |_answer| AnswerFacts::default(),
            gate::message::token_count,
        )
    }
}
