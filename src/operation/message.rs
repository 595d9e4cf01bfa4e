//! Anthropic's Messages: `POST /v1/messages`.

use bytes::Bytes;

use super::{
    Adapter, AnswerFacts, Appraisal, Asking, Fold, Incomplete, Mark, Question, QuestionFacts, Read,
    StreamEnd, StreamFacts,
};
use crate::key::message::{Wanted, identify};
use crate::key::{self, Bypass};
use crate::policy::gate;
use crate::wire::error::ErrorBody;
use crate::wire::message::{self, MessageFold, Problem, Seen};
use crate::wire::sse::Frame;
use crate::wire::{Json, Operation};

/// The adapter. Its streams tell their usage whether asked or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message;

impl Adapter for Message {
    fn operation(&self) -> Operation {
        Operation::Message
    }

    fn read(&self, asking: &Asking<'_>) -> Result<Question, Bypass> {
        read(asking, Wanted::Message)
    }

    fn fold(&self) -> Box<dyn Fold> {
        Box::new(Folding(Some(MessageFold::new())))
    }

    fn replay(
        &self,
        answer: &Json<'_>,
        _question: &QuestionFacts,
        _came: StreamFacts,
    ) -> Option<Vec<u8>> {
        message::replay(answer)
    }

    fn appraise(&self, answer: &Bytes, _question: &QuestionFacts) -> Appraisal {
        Appraisal::of_json(answer, facts, gate::message::message)
    }

    fn error_event(&self, error: &ErrorBody<'_>) -> Bytes {
        let problem = Problem {
            kind: error.kind,
            message: error.message,
            request_id: None,
        };
        problem.to_event()
    }
}

/// Reads a request for a message, or for a count of its tokens.
pub(super) fn read(asking: &Asking<'_>, wanted: Wanted) -> Result<Question, Bypass> {
    let request = asking.json()?;
    key::refuse_control_fields(&request)?;
    let canonical = identify(&request, wanted, asking.rules())?;
    let view = message::Request::new(&request);
    Ok(Question {
        canonical,
        facts: QuestionFacts {
            model: asking.model(view.model()),
            wants_stream: wanted == Wanted::Message && view.wants_stream(),
            wants_usage: true,
            limits_length: true,
            echo: None,
            wanted: super::Wanted::Usual,
        },
    })
}

fn facts(answer: &Json<'_>) -> AnswerFacts {
    let view = message::Answer::new(answer);
    AnswerFacts {
        model: view.model().map(ToOwned::to_owned),
        usage: view.usage(),
    }
}

/// A stream being read, and what it comes to unless that was given up.
#[derive(Debug)]
struct Folding(Option<MessageFold>);

impl Fold for Folding {
    fn frame(&mut self, frame: &Frame) -> Read {
        let seen = self.0.as_mut().map(|fold| fold.frame(frame));
        Read {
            mark: seen.map_or(Mark::Nothing, mark_of),
            without_usage: Some(frame.raw.clone()),
        }
    }

    fn forget(&mut self) {
        self.0 = None;
    }

    fn finish(self: Box<Self>, _end: StreamEnd) -> Result<Json<'static>, Incomplete> {
        let fold = self.0.ok_or(Incomplete::Odd("too-large"))?;
        fold.finish().map_err(|incomplete| match incomplete {
            message::Incomplete::Cut(why) => Incomplete::Cut(why),
            message::Incomplete::Odd(why) => Incomplete::Odd(why),
        })
    }
}

const fn mark_of(seen: Seen) -> Mark {
    match seen {
        Seen::Part => Mark::Part,
        Seen::Nothing => Mark::Nothing,
        Seen::Done => Mark::Done,
        Seen::Error => Mark::Error,
        Seen::Unreadable => Mark::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PolicyOptions;
    use crate::wire::UpstreamKind;

    fn asked(body: &str, wanted: Wanted) -> Result<QuestionFacts, Bypass> {
        let asking = Asking {
            body: body.as_bytes(),
            content_type: None,
            path: "/messages",
            kind: UpstreamKind::Anthropic,
            policy: &PolicyOptions::default(),
        };
        read(&asking, wanted).map(|question| question.facts)
    }

    #[test]
    fn a_request_is_read() {
        let body = r#"{"model":"claude","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}"#;
        let facts = asked(body, Wanted::Message).unwrap();
        assert_eq!((facts.model.as_str(), facts.wants_stream), ("claude", true));
        assert!(!asked(body, Wanted::TokenCount).unwrap().wants_stream);
        let controlled = body.replace("\"stream\":true", "\"cache\":{}");
        assert_eq!(
            asked(&controlled, Wanted::Message),
            Err(Bypass::ControlField)
        );
    }

    #[test]
    fn an_error_in_the_middle_is_anthropics() {
        let event = Message.error_event(&ErrorBody {
            message: "it broke off",
            kind: "api_error",
            param: None,
            code: Some("upstream_cut"),
        });
        assert_eq!(
            event,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"it broke off\"}}\n\n"
        );
    }
}
