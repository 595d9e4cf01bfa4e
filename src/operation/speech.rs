//! Speech: `POST /v1/audio/speech`, JSON that is answered by sound.

use bytes::Bytes;

use super::media::{self, ErrorsAs};
use super::{Adapter, AnswerFacts, Appraisal, Asking, Question, QuestionFacts, Wanted};
use crate::key::{self, Bypass};
use crate::policy::Refusal;
use crate::wire::{Json, Operation};

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speech;

impl Adapter for Speech {
    fn operation(&self) -> Operation {
        Operation::Speech
    }

    fn streams(&self) -> bool {
        false
    }

    fn read(&self, asking: &Asking<'_>) -> Result<Question, Bypass> {
        if !asking.policy.stores(Operation::Speech) {
            return Err(Bypass::NotEnabled);
        }
        let request = asking.json()?;
        key::refuse_control_fields(&request)?;
        let canonical = key::speech::identify(&request, asking.rules())?;
        let model = request.get("model").and_then(Json::as_str);
        Ok(Question {
            canonical,
            facts: QuestionFacts::plain(asking.model(model), Wanted::Usual),
        })
    }

    fn media_type(
        &self,
        declared: Option<&str>,
        _question: &QuestionFacts,
    ) -> Result<String, Refusal> {
        let declared = declared.ok_or(Refusal::WrongShape)?;
        if media::is_sound(declared) {
            Ok(declared.to_owned())
        } else {
            Err(Refusal::WrongShape)
        }
    }

    fn appraise(&self, answer: &Bytes, _question: &QuestionFacts) -> Appraisal {
        Appraisal {
            facts: AnswerFacts::default(),
            stored: None,
            verdict: media::judge(answer, ErrorsAs::Text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_is_sound_and_nothing_else() {
        let facts = QuestionFacts::plain("m".to_owned(), Wanted::Usual);
        let judged = |bytes: &'static [u8]| {
            let bytes = Bytes::from_static(bytes);
            Speech.appraise(&bytes, &facts).verdict
        };
        assert_eq!(judged(b"RIFF\0\xff"), Ok(()));
        assert_eq!(judged(b""), Err(Refusal::Empty));
        assert_eq!(
            judged(br#"{"error":{"message":"x"}}"#),
            Err(Refusal::ErrorObject)
        );
        assert_eq!(judged(br#"{"audio":"x"}"#), Err(Refusal::WrongShape));
        assert_eq!(
            judged(b"<!DOCTYPE html><html></html>"),
            Err(Refusal::WrongShape)
        );
        let kept = |declared| Speech.media_type(declared, &facts);
        assert_eq!(kept(Some("audio/mpeg")), Ok("audio/mpeg".to_owned()));
        for other in [None, Some("text/html"), Some("application/json")] {
            assert_eq!(kept(other), Err(Refusal::WrongShape), "{other:?}");
        }
    }
}
