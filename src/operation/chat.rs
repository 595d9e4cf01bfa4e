//! Chat completions: `POST /v1/chat/completions`.

use bytes::Bytes;

use super::choices::{Folding, facts};
use super::{Adapter, Appraisal, Asking, Fold, Question, QuestionFacts, StreamFacts, Wanted};
use crate::key::{self, Bypass};
use crate::policy::gate::{self, ChatFacts};
use crate::wire::chat::{self, ChatFold};
use crate::wire::choices::{self, UsageTold};
use crate::wire::{Json, Operation};

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chat;

impl Adapter for Chat {
    fn operation(&self) -> Operation {
        Operation::Chat
    }

    fn read(&self, asking: &Asking<'_>) -> Result<Question, Bypass> {
        let request = asking.json()?;
        key::refuse_control_fields(&request)?;
        let canonical = key::chat::identify(&request, asking.rules())?;
        let view = chat::Request::new(&request);
        Ok(Question {
            canonical,
            facts: QuestionFacts {
                model: asking.model(view.model()),
                wants_stream: view.wants_stream(),
                wants_usage: view.wants_usage(),
                limits_length: view.limits_length(),
                echo: None,
                wanted: Wanted::Usual,
            },
        })
    }

    fn asking_for_usage(&self, request: &[u8]) -> Option<Vec<u8>> {
        choices::ask_for_usage(request)
    }

    fn fold(&self) -> Box<dyn Fold> {
        Box::new(Folding::new(ChatFold::new()))
    }

    fn replay(
        &self,
        answer: &Json<'_>,
        question: &QuestionFacts,
        came: StreamFacts,
    ) -> Option<Vec<u8>> {
        let usage = UsageTold::to(question.wants_usage, came.usage_beside);
        chat::replay(answer, usage).ok()
    }

    fn appraise(&self, answer: &Bytes, question: &QuestionFacts) -> Appraisal {
        let asked = ChatFacts {
            limits_length: question.limits_length,
        };
        Appraisal::of_json(answer, facts, |answer| gate::chat(answer, asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PolicyOptions;
    use crate::wire::UpstreamKind;

    #[test]
    fn a_field_for_a_gateway_that_goes_upstream_unkeyed_is_not_answered_from_the_store() {
        let read = |extra: &str| {
            let text =
                format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}]{extra}}}"#);
            let asking = Asking {
                body: text.as_bytes(),
                content_type: None,
                path: "/chat/completions",
                kind: UpstreamKind::OpenAi,
                policy: &PolicyOptions::default(),
            };
            Chat.read(&asking).map(|question| question.facts.model)
        };
        assert_eq!(read(""), Ok("m".to_owned()));
        assert_eq!(
            read(r#","cache":{"no-cache":true}"#),
            Err(Bypass::ControlField)
        );
        assert_eq!(read(r#","litellm_metadata":{}"#), Err(Bypass::ControlField));
    }
}
