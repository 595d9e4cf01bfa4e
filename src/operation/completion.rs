//! Completions, of the time before chat: `POST /v1/completions`.

use bytes::Bytes;

use super::choices::{Folding, facts};
use super::{Adapter, Appraisal, Asking, Fold, Question, QuestionFacts, StreamFacts, Wanted};
use crate::key::{self, Bypass};
use crate::policy::gate::{self, ChatFacts};
use crate::wire::chat::Request;
use crate::wire::choices::{self, UsageTold};
use crate::wire::completion::{self, CompletionFold};
use crate::wire::{Json, Operation};

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion;

impl Adapter for Completion {
    fn operation(&self) -> Operation {
        Operation::Completion
    }

    fn read(&self, asking: &Asking<'_>) -> Result<Question, Bypass> {
        let request = asking.json()?;
        key::refuse_control_fields(&request)?;
        let canonical = key::completion::identify(&request, asking.rules())?;
        // Besides its prompt a request is written as for chat.
        let view = Request::new(&request);
        Ok(Question {
            canonical,
            facts: QuestionFacts {
                model: asking.model(view.model()),
                wants_stream: view.wants_stream(),
                wants_usage: view.wants_usage(),
                // Where a limit is documented for who sets none, it is in the key as well.
                limits_length: view.limits_length() || asking.kind.folds_documented_defaults(),
                echo: None,
                wanted: Wanted::Usual,
            },
        })
    }

    fn asking_for_usage(&self, request: &[u8]) -> Option<Vec<u8>> {
        choices::ask_for_usage(request)
    }

    fn fold(&self) -> Box<dyn Fold> {
        Box::new(Folding::new(CompletionFold::new()))
    }

    fn replay(
        &self,
        answer: &Json<'_>,
        question: &QuestionFacts,
        came: StreamFacts,
    ) -> Option<Vec<u8>> {
        let usage = UsageTold::to(question.wants_usage, came.usage_beside);
        completion::replay(answer, usage).ok()
    }

    fn appraise(&self, answer: &Bytes, question: &QuestionFacts) -> Appraisal {
        let asked = ChatFacts {
            limits_length: question.limits_length,
        };
        Appraisal::of_json(answer, facts, |answer| gate::completion(answer, asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{PolicyOptions, Refusal};
    use crate::wire::UpstreamKind;

    fn read(body: &str, path: &str, kind: UpstreamKind) -> QuestionFacts {
        let asking = Asking {
            body: body.as_bytes(),
            content_type: None,
            path,
            kind,
            policy: &PolicyOptions::default(),
        };
        Completion.read(&asking).unwrap().facts
    }

    #[test]
    fn an_answer_that_the_documented_limit_cut_is_the_one_that_was_asked_for() {
        let cut =
            Bytes::from_static(br#"{"choices":[{"index":0,"text":"x","finish_reason":"length"}]}"#);
        let verdict = |body: &str, kind| {
            let question = read(body, "/completions", kind);
            Completion.appraise(&cut, &question).verdict
        };
        let plain = r#"{"model":"m","prompt":"x"}"#;
        assert_eq!(verdict(plain, UpstreamKind::OpenAi), Ok(()));
        assert_eq!(
            verdict(plain, UpstreamKind::Compatible),
            Err(Refusal::Length)
        );
        let limited = r#"{"model":"m","prompt":"x","max_tokens":9}"#;
        assert_eq!(verdict(limited, UpstreamKind::Compatible), Ok(()));
    }

    #[test]
    fn on_azure_the_address_names_the_model() {
        let path = "/openai/deployments/old-davinci/completions";
        let facts = read(r#"{"prompt":"x"}"#, path, UpstreamKind::Azure);
        assert_eq!(facts.model, "old-davinci");
    }
}
