//! What is read off an answer in its JSON form.

use crate::wire::{Json, Usage};

/// A message, read only.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'j>(&'j Json<'j>);

impl<'j> Answer<'j> {
    /// Looks at `answer`, which may be anything.
    pub const fn new(answer: &'j Json<'j>) -> Self {
        Self(answer)
    }

    /// The model that answered, which need not be called as the one asked for.
    pub fn model(&self) -> Option<&'j str> {
        self.text("model")
    }

    /// Why it ended; `None` if it does not say.
    pub fn stop_reason(&self) -> Option<&'j str> {
        self.text("stop_reason")
    }

    /// The tokens it took, those read from and written to the provider's prompt cache
    /// included.
    pub fn usage(&self) -> Option<Usage> {
        Usage::read(self.0.get("usage")?)
    }

    /// Whether it is, or comes with, an error. `"error":null` is none.
    pub fn has_error(&self) -> bool {
        self.text("type") == Some("error") || self.0.get("error").is_some_and(Json::says_something)
    }

    fn text(self, name: &str) -> Option<&'j str> {
        let text = self.0.get(name).and_then(Json::as_str);
        text.filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::parse;

    #[test]
    fn a_message_is_read() {
        let json = parse(
            br#"{"id":"msg_1","type":"message","model":"claude","stop_reason":"end_turn",
            "usage":{"input_tokens":3,"cache_read_input_tokens":4,"output_tokens":5},"error":null}"#,
        )
        .unwrap();
        let answer = Answer::new(&json);
        assert_eq!(answer.model(), Some("claude"));
        assert_eq!(answer.stop_reason(), Some("end_turn"));
        let usage = answer.usage().unwrap();
        assert_eq!((usage.input, usage.cached_input, usage.output), (7, 4, 5));
        assert!(!answer.has_error());
    }

    #[test]
    fn an_error_is_told_apart() {
        for text in [
            r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
            r#"{"type":"message","error":"oops"}"#,
        ] {
            let json = parse(text.as_bytes()).unwrap();
            assert!(Answer::new(&json).has_error(), "{text}");
            assert_eq!(Answer::new(&json).stop_reason(), None);
        }
    }
}
