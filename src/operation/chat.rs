//! Chat completions: `POST /v1/chat/completions`.

use bytes::Bytes;

use super::{
    Adapter, AnswerFacts, Fold, Incomplete, Mark, Question, QuestionFacts, Read, StreamEnd,
};
use crate::key::chat::Rules;
use crate::key::{self, Bypass};
use crate::policy::gate::{self, ChatFacts};
use crate::policy::{PolicyOptions, Refusal};
use crate::wire::chat::{self, ChatFold, Ending, FoldError, Seen, View};
use crate::wire::error::ErrorBody;
use crate::wire::sse::{self, Frame};
use crate::wire::{Json, Operation, UpstreamKind};

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chat;

impl Adapter for Chat {
    fn operation(&self) -> Operation {
        Operation::Chat
    }

    fn read(
        &self,
        request: &Json<'_>,
        kind: UpstreamKind,
        policy: &PolicyOptions,
    ) -> Result<Question, Bypass> {
        key::refuse_control_fields(request)?;
        let rules = Rules {
            kind,
            remote_references: policy.allow_remote_refs,
        };
        let canonical = key::chat::identify(request, rules)?;
        let view = chat::Request::new(request);
        Ok(Question {
            canonical,
            facts: QuestionFacts {
                model: view.model().unwrap_or_default().to_owned(),
                wants_stream: view.wants_stream(),
                wants_usage: view.wants_usage(),
                limits_length: view.limits_length(),
            },
        })
    }

    fn asking_for_usage(&self, request: &[u8]) -> Option<Vec<u8>> {
        chat::ask_for_usage(request)
    }

    fn fold(&self) -> Box<dyn Fold> {
        Box::new(Folding(Some(ChatFold::new())))
    }

    fn replay(&self, answer: &Json<'_>, with_usage: bool) -> Option<Vec<u8>> {
        chat::replay(answer, with_usage).ok()
    }

    fn judge(&self, answer: &Json<'_>, question: &QuestionFacts) -> Result<(), Refusal> {
        let facts = ChatFacts {
            limits_length: question.limits_length,
        };
        gate::chat(answer, facts)
    }

    fn facts(&self, answer: &Json<'_>) -> AnswerFacts {
        let view = chat::Answer::new(answer);
        AnswerFacts {
            model: view.model().map(ToOwned::to_owned),
            id: view.id().map(ToOwned::to_owned),
            usage: view.usage(),
        }
    }

    fn error_event(&self, error: &ErrorBody<'_>) -> Bytes {
        sse::error_frame(error)
    }
}

/// A chat stream being read, and what it comes to unless that was given up.
#[derive(Debug)]
struct Folding(Option<ChatFold>);

impl Fold for Folding {
    fn frame(&mut self, frame: &Frame) -> Read {
        let seen = self.0.as_mut().map(|fold| fold.frame(frame));
        let mark = seen.map_or(Mark::Nothing, mark_of);
        let without_usage = match chat::hide_usage(frame) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::parse;

    #[test]
    fn a_field_for_a_gateway_that_goes_upstream_unkeyed_is_not_answered_from_the_store() {
        let read = |extra: &str| {
            let text =
                format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}]{extra}}}"#);
            let request = parse(text.as_bytes()).unwrap();
            Chat.read(&request, UpstreamKind::OpenAi, &PolicyOptions::default())
                .map(|question| question.facts.model)
        };
        assert_eq!(read(""), Ok("m".to_owned()));
        assert_eq!(
            read(r#","cache":{"no-cache":true}"#),
            Err(Bypass::ControlField)
        );
        assert_eq!(read(r#","litellm_metadata":{}"#), Err(Bypass::ControlField));
    }
}
