//! SSE to JSON: the chunks of a stream, folded into the completions they spell.

use crate::wire::Json;
use crate::wire::choices::members::{Field, Joins, Members, add_extra, collect, set_reason};
use crate::wire::choices::{self, Fold, FoldError, Incomplete};
use crate::wire::json::Member;

/// A stream being read.
pub type CompletionFold = Fold<Choice>;

/// A completion being put together.
#[derive(Debug)]
pub struct Choice {
    text: Field,
    logprobs: Members<Field>,
    finish_reason: Option<String>,
    extra: Members<Json<'static>>,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            text: Field::Null,
            logprobs: Members::default(),
            finish_reason: None,
            extra: Members::default(),
        }
    }
}

impl choices::Choice for Choice {
    const OBJECT: &'static str = "text_completion";

    /// Each prompt of a request has choices of its own, and they need not begin together.
    const NEEDS_MARK: bool = true;

    fn take(&mut self, members: Vec<Member<'_>>) -> Result<(), FoldError> {
        for (name, value) in members {
            match name.as_ref() {
                "text" => self.text.add(value, Joins::Never)?,
                "finish_reason" => set_reason(&mut self.finish_reason, value)?,
                // Tokens, what they weigh, the likeliest others and where they stand: all
                // lists, and all go on from chunk to chunk.
                "logprobs" => collect(&mut self.logprobs, value, |_name| true)?,
                name => add_extra(&mut self.extra, name, value)?,
            }
        }
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.finish_reason.is_none()
    }

    fn finish(self, index: u64) -> Result<Json<'static>, Incomplete> {
        let logprobs = if self.logprobs.is_empty() {
            Json::Null
        } else {
            Json::Object(self.logprobs.into_iter().collect())
        };
        let finish_reason = self.finish_reason.map_or(Json::Null, Json::string);
        let mut choice = vec![
            ("text".into(), self.text.into()),
            ("index".into(), Json::number(index)),
            ("logprobs".into(), logprobs),
            ("finish_reason".into(), finish_reason),
        ];
        choice.extend(self.extra.into_iter());
        Ok(Json::Object(choice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::choices::{Ending, Seen};

    fn fold(events: &[&str], ending: Ending) -> Result<String, Incomplete> {
        let mut fold = CompletionFold::new();
        for event in events {
            let _unreadable_spoils_it = fold.event(event);
        }
        let answer = fold.finish(ending)?;
        Ok(String::from_utf8(answer.to_bytes()).unwrap())
    }

    #[test]
    fn texts_and_probabilities_of_all_choices_go_on_where_they_ended() {
        let chunk = |choice: &str| {
            format!(
                r#"{{"id":"c","object":"text_completion","created":1,"choices":[{choice}],"model":"m"}}"#
            )
        };
        let events = [
            chunk(r#"{"text":"b","index":1,"logprobs":null,"finish_reason":null}"#),
            chunk(
                r#"{"text":"Hi","index":0,"logprobs":{"tokens":["Hi"],"token_logprobs":[null],"top_logprobs":null,"text_offset":[0]},"finish_reason":null}"#,
            ),
            chunk(
                r#"{"text":" you","index":0,"logprobs":{"tokens":[" you"],"token_logprobs":[-0.50],"top_logprobs":[{" you":-0.50}],"text_offset":[2]},"finish_reason":null}"#,
            ),
            chunk(r#"{"text":"","index":1,"logprobs":null,"finish_reason":"stop"}"#),
            chunk(
                r#"{"text":"","index":0,"logprobs":null,"finish_reason":"length","stop_reason":null}"#,
            ),
            r#"{"id":"c","object":"text_completion","created":1,"choices":[],"model":"m","usage":{"prompt_tokens":1}}"#.to_owned(),
        ];
        let mut events: Vec<&str> = events.iter().map(String::as_str).collect();
        let expected = concat!(
            r#"{"id":"c","object":"text_completion","created":1,"model":"m","choices":["#,
            r#"{"text":"Hi you","index":0,"logprobs":{"tokens":["Hi"," you"],"token_logprobs":[null,-0.50],"top_logprobs":[{" you":-0.50}],"text_offset":[0,2]},"finish_reason":"length","stop_reason":null},"#,
            r#"{"text":"b","index":1,"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#,
        );
        assert_eq!(fold(&events, Ending::Done).unwrap(), expected);
        // Another prompt's choice may have been to come.
        assert_eq!(fold(&events, Ending::CleanEof), Err(Incomplete::NoMark));
        events.push("[DONE]");
        assert_eq!(fold(&events, Ending::CleanEof).unwrap(), expected);
        assert_eq!(
            fold(&events[..3], Ending::CleanEof),
            Err(Incomplete::EndedEarly)
        );
    }

    #[test]
    fn a_stream_of_another_kind_is_not_taken_for_one_that_was_cut() {
        let events = [r#"{"value":" it"}"#, r#"{"value":"!"}"#];
        for ending in [Ending::CleanEof, Ending::Done] {
            assert_eq!(fold(&events, ending), Err(Incomplete::Foreign));
        }
        assert!(!Incomplete::Foreign.is_cut());
        let begun = [r#"{"id":"c","choices":[]}"#, r#"{"value":"!"}"#];
        assert_eq!(fold(&begun, Ending::CleanEof), Err(Incomplete::EndedEarly));
        assert_eq!(fold(&[], Ending::CleanEof), Err(Incomplete::EndedEarly));
    }

    #[test]
    fn what_is_no_completion_is_none() {
        let finished = r#"{"choices":[{"index":1,"text":"x","finish_reason":"stop"}]}"#;
        assert_eq!(fold(&[finished], Ending::Done), Err(Incomplete::ChoiceGap));
        assert_eq!(fold(&[], Ending::Done), Err(Incomplete::NoChoices));
        for odd in [
            r#"{"choices":[{"text":["x"],"finish_reason":"stop"},{"text":1}]}"#,
            r#"{"choices":[{"text":"a"},{"index":0,"text":{"b":1}}]}"#,
            r#"{"choices":[{"text":"x","finish_reason":7}]}"#,
            r#"{"choices":[{"text":"x","logprobs":[1]}]}"#,
        ] {
            let mut fold = CompletionFold::new();
            let seen = fold.event(odd);
            if seen == Ok(Seen::Chunk) {
                // Another shape is for the gate to refuse.
                continue;
            }
            assert_eq!(
                fold.finish(Ending::Done),
                Err(Incomplete::Unreadable),
                "{odd}"
            );
        }
        let error = r#"{"error":{"message":"overloaded"}}"#;
        assert_eq!(fold(&[error], Ending::Done), Err(Incomplete::ErrorEvent));
    }
}
