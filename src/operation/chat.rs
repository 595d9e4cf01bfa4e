//! Chat completions: `POST /v1/chat/completions`.

use bytes::Bytes;

use super::{
    Adapter, AnswerFacts, Appraisal, Asking, Fold, Incomplete, Mark, Question, QuestionFacts, Read,
    StreamEnd,
};
use crate::key::{self, Bypass};
use crate::policy::gate::{self, ChatFacts};
use crate::wire::chat::{self, ChatFold, Ending, FoldError, Seen, View};
use crate::wire::sse::Frame;
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
            },
        })
    }

    fn asking_for_usage(&self, request: &[u8]) -> Option<Vec<u8>> {
        chat::ask_for_usage(request)
    }

    fn fold(&self) -> Box<dyn Fold> {
        Box::new(Folding(Some(ChatFold::new())))
    }

    fn replay(&self, answer: &Json<'_>, question: &QuestionFacts) -> Option<Vec<u8>> {
        chat::replay(answer, question.wants_usage).ok()
    }

    fn appraise(&self, answer: &Bytes, question: &QuestionFacts) -> Appraisal {
        let asked = ChatFacts {
            limits_length: question.limits_length,
        };
        Appraisal::of_json(answer, facts, |answer| gate::chat(answer, asked))
    }
}

fn facts(answer: &Json<'_>) -> AnswerFacts {
    let view = chat::Answer::new(answer);
    AnswerFacts {
        model: view.model().map(ToOwned::to_owned),
        id: view.id().map(ToOwned::to_owned),
        usage: view.usage(),
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
