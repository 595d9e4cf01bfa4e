//! Rankings of documents: `POST /v1/rerank`.

use std::collections::HashSet;

use bytes::Bytes;

use super::{Adapter, AnswerFacts, Appraisal, Asking, Question, QuestionFacts, Wanted};
use crate::key::{self, Bypass};
use crate::policy::Refusal;
use crate::wire::{Json, Operation, Usage};

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rerank;

impl Adapter for Rerank {
    fn operation(&self) -> Operation {
        Operation::Rerank
    }

    fn read(&self, asking: &Asking<'_>) -> Result<Question, Bypass> {
        if !asking.policy.stores(Operation::Rerank) {
            return Err(Bypass::NotEnabled);
        }
        let request = asking.json()?;
        key::refuse_control_fields(&request)?;
        let canonical = key::rerank::identify(&request, asking.rules())?;
        let wanted = if key::rerank::asks_for_nothing(&request) {
            Wanted::PerhapsNothing
        } else {
            Wanted::Usual
        };
        let model = request.get("model").and_then(Json::as_str);
        Ok(Question {
            canonical,
            facts: QuestionFacts::plain(asking.model(model), wanted),
        })
    }

    fn appraise(&self, answer: &Bytes, question: &QuestionFacts) -> Appraisal {
        Appraisal::of_json(answer, facts, |answer| judge(answer, question.wanted))
    }
}

fn facts(answer: &Json<'_>) -> AnswerFacts {
    let text = |name| Some(answer.get(name)?.as_str()?.to_owned());
    AnswerFacts {
        model: text("model"),
        usage: answer.get("usage").and_then(Usage::read_any),
    }
}

/// Every result names a document, each another one, and scores it. Voyage calls them
/// `data`.
fn judge(answer: &Json<'_>, wanted: Wanted) -> Result<(), Refusal> {
    if answer.get("error").is_some_and(Json::says_something) {
        return Err(Refusal::ErrorObject);
    }
    let results = answer.get("results").or_else(|| answer.get("data"));
    let results = results
        .and_then(Json::as_array)
        .ok_or(Refusal::WrongShape)?;
    if results.is_empty() && wanted != Wanted::PerhapsNothing {
        return Err(Refusal::Empty);
    }
    let mut places = HashSet::new();
    let is_result = |result: &Json<'_>| {
        let place = result.get("index").and_then(Json::as_u64);
        let scores = ["relevance_score", "score"];
        let is_scored = scores
            .iter()
            .any(|name| matches!(result.get(name), Some(Json::Number(_))));
        is_scored && place.is_some_and(|place| places.insert(place))
    };
    if results.iter().all(is_result) {
        Ok(())
    } else {
        Err(Refusal::WrongShape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str, wanted: Wanted) -> Result<(), Refusal> {
        let facts = QuestionFacts::plain("m".to_owned(), wanted);
        let text = Bytes::copy_from_slice(text.as_bytes());
        Rerank.appraise(&text, &facts).verdict
    }

    #[test]
    fn a_ranking_names_documents_and_scores_them() {
        for good in [
            r#"{"results":[{"index":1,"relevance_score":0.9},{"index":0,"relevance_score":-4.5}]}"#,
            r#"{"object":"list","data":[{"index":0,"relevance_score":0.9}],"model":"m"}"#,
            r#"{"results":[{"index":0,"score":1e-5,"document":{"text":"a"}}]}"#,
        ] {
            assert_eq!(judged(good, Wanted::Usual), Ok(()), "{good}");
        }
        for (bad, refusal) in [
            (r#"{"results":[]}"#, Refusal::Empty),
            (r#"{"results":[{"index":0}]}"#, Refusal::WrongShape),
            (
                r#"{"results":[{"relevance_score":1}]}"#,
                Refusal::WrongShape,
            ),
            (
                r#"{"results":[{"index":0,"score":1},{"index":0,"score":2}]}"#,
                Refusal::WrongShape,
            ),
            (r#"{"results":"none"}"#, Refusal::WrongShape),
            (
                r#"{"error":{"message":"x"},"results":[{"index":0,"score":1}]}"#,
                Refusal::ErrorObject,
            ),
            ("ranked", Refusal::NotJson),
        ] {
            assert_eq!(judged(bad, Wanted::Usual), Err(refusal), "{bad}");
        }
        assert_eq!(judged(r#"{"results":[]}"#, Wanted::PerhapsNothing), Ok(()));
    }
}
