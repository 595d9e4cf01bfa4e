//! Transcriptions and translations: `POST /v1/audio/transcriptions` and
//! `/v1/audio/translations`, forms that are answered by JSON or by text.

use bytes::Bytes;

use super::media::{self, ErrorsAs};
use super::{Adapter, AnswerFacts, Appraisal, Asking, Question, QuestionFacts, Wanted};
use crate::key::{self, Bypass};
use crate::policy::Refusal;
use crate::wire::multipart::{Multipart, boundary};
use crate::wire::{Json, Operation, Usage};

/// The formats that are not JSON (`OpenAI`, "Create transcription").
const TEXTS: [&str; 3] = ["srt", "text", "vtt"];

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transcription(pub(super) Operation);

impl Adapter for Transcription {
    fn operation(&self) -> Operation {
        self.0
    }

    fn streams(&self) -> bool {
        false
    }

    fn reads_body_alone(&self) -> bool {
        false
    }

    fn read(&self, asking: &Asking<'_>) -> Result<Question, Bypass> {
        if !asking.policy.stores(self.0) {
            return Err(Bypass::NotEnabled);
        }
        let boundary = asking.content_type.and_then(boundary);
        let form = Multipart::read(asking.body, boundary.ok_or(Bypass::Uncanonical)?);
        let form = form.map_err(|_unreadable| Bypass::Uncanonical)?;
        let canonical = key::transcription::identify(&form, asking.rules())?;
        let wants_text = form
            .text("response_format")
            .is_some_and(|format| TEXTS.contains(&format));
        let wanted = if wants_text {
            Wanted::Text
        } else {
            Wanted::Usual
        };
        Ok(Question {
            canonical,
            facts: QuestionFacts::plain(asking.model(form.text("model")), wanted),
        })
    }

    fn media_type(
        &self,
        declared: Option<&str>,
        question: &QuestionFacts,
    ) -> Result<String, Refusal> {
        match (question.wanted, declared) {
            (Wanted::Text, Some(declared)) if media::is_html(declared) => Err(Refusal::WrongShape),
            (Wanted::Text, Some(declared)) => Ok(declared.to_owned()),
            (Wanted::Text, None) => Ok("text/plain; charset=utf-8".to_owned()),
            (Wanted::Usual | Wanted::PerhapsNothing, _) => Ok(media::json(declared)),
        }
    }

    fn appraise(&self, answer: &Bytes, question: &QuestionFacts) -> Appraisal {
        if question.wanted != Wanted::Text {
            return Appraisal::of_json(answer, facts, judge);
        }
        Appraisal {
            facts: AnswerFacts::default(),
            stored: None,
            verdict: media::judge(answer, ErrorsAs::Json),
        }
    }
}

fn facts(answer: &Json<'_>) -> AnswerFacts {
    AnswerFacts {
        model: answer
            .get("model")
            .and_then(Json::as_str)
            .map(str::to_owned),
        usage: answer.get("usage").and_then(Usage::read),
    }
}

/// What has a text, which may be empty: there are silent recordings.
fn judge(answer: &Json<'_>) -> Result<(), Refusal> {
    if answer.get("error").is_some_and(Json::says_something) {
        return Err(Refusal::ErrorObject);
    }
    let text = answer.get("text").and_then(Json::as_str);
    text.map(|_text| ()).ok_or(Refusal::WrongShape)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADAPTER: Transcription = Transcription(Operation::Transcription);

    fn judged(text: &str, wanted: Wanted) -> Result<(), Refusal> {
        let facts = QuestionFacts::plain("m".to_owned(), wanted);
        let text = Bytes::copy_from_slice(text.as_bytes());
        ADAPTER.appraise(&text, &facts).verdict
    }

    #[test]
    fn json_is_what_has_a_text() {
        assert_eq!(judged(r#"{"text":"Hi."}"#, Wanted::Usual), Ok(()));
        assert_eq!(judged(r#"{"text":""}"#, Wanted::Usual), Ok(()));
        assert_eq!(judged("Hi.", Wanted::Usual), Err(Refusal::NotJson));
        assert_eq!(judged("{}", Wanted::Usual), Err(Refusal::WrongShape));
        let error = r#"{"text":"","error":{"message":"x"}}"#;
        assert_eq!(judged(error, Wanted::Usual), Err(Refusal::ErrorObject));
    }

    #[test]
    fn text_is_anything_but_nothing_and_errors() {
        assert_eq!(judged("data: is the word.\n", Wanted::Text), Ok(()));
        assert_eq!(judged("", Wanted::Text), Err(Refusal::Empty));
        assert_eq!(judged(" \n", Wanted::Text), Err(Refusal::Empty));
        let error = r#"{"error":{"message":"x"}}"#;
        assert_eq!(judged(error, Wanted::Text), Err(Refusal::ErrorObject));
        let detail = r#"{"detail":"no such model"}"#;
        assert_eq!(judged(detail, Wanted::Text), Err(Refusal::WrongShape));
    }

    #[test]
    fn tokens_are_read_and_seconds_are_not() {
        let usage = |text: &str| {
            let facts = QuestionFacts::plain("m".to_owned(), Wanted::Usual);
            let text = Bytes::copy_from_slice(text.as_bytes());
            ADAPTER.appraise(&text, &facts).facts.usage
        };
        let tokens = r#"{"text":"Hi.","usage":{"type":"tokens","total_tokens":31,"input_tokens":26,"output_tokens":5}}"#;
        assert_eq!(
            usage(tokens).map(|usage| (usage.input, usage.output)),
            Some((26, 5))
        );
        let seconds = r#"{"text":"Hi.","usage":{"type":"duration","seconds":6}}"#;
        assert_eq!(usage(seconds), None);
    }

    #[test]
    fn text_is_kept_under_its_own_type() {
        let kept = |declared, wanted| {
            let facts = QuestionFacts::plain("m".to_owned(), wanted);
            ADAPTER.media_type(declared, &facts)
        };
        let srt = Some("application/x-subrip");
        assert_eq!(kept(srt, Wanted::Text), Ok("application/x-subrip".into()));
        assert_eq!(
            kept(Some("text/html"), Wanted::Text),
            Err(Refusal::WrongShape)
        );
        let json = Some("application/json; charset=utf-8");
        assert_eq!(
            kept(json, Wanted::Usual),
            Ok("application/json; charset=utf-8".into())
        );
    }
}
