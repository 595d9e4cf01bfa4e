//! What is read off a chat answer in its JSON form.

use crate::wire::{Json, Usage};

/// A chat answer, read only.
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

    /// The tokens it took.
    pub fn usage(&self) -> Option<Usage> {
        let groq = || self.0.get("x_groq")?.get("usage");
        let usage = self.0.get("usage").filter(|usage| !usage.is_null());
        Usage::read(usage.or_else(groq)?)
    }

    /// Whether it is, or comes with, an error. `"error":null` is none.
    pub fn has_error(&self) -> bool {
        self.0.get("error").is_some_and(Json::says_something)
    }

    /// The choices in the order they are listed.
    pub fn choices(&self) -> impl Iterator<Item = &'j Json<'j>> {
        let choices = self.0.get("choices").and_then(Json::as_array);
        choices.unwrap_or_default().iter()
    }

    /// Why each choice ended; `None` for one that does not say.
    pub fn finish_reasons(&self) -> impl Iterator<Item = Option<&'j str>> {
        self.choices().map(|choice| {
            let reason = choice.get("finish_reason").and_then(Json::as_str);
            reason.filter(|reason| !reason.is_empty())
        })
    }

    /// Whether there is nothing in it: no choices, or one without text, call,
    /// refusal, reasoning or anything else but a role.
    pub fn is_empty(&self) -> bool {
        let mut choices = self.choices().peekable();
        choices.peek().is_none()
            || choices.any(|choice| {
                let message = choice.get("message").and_then(Json::as_object);
                !message
                    .unwrap_or_default()
                    .iter()
                    .any(|(name, value)| name != "role" && value.says_something())
            })
    }

    /// What each function is called with, which should be JSON. The input of
    /// custom tools is free text and not among them.
    pub fn call_arguments(&self) -> impl Iterator<Item = &'j Json<'j>> {
        self.choices()
            .filter_map(|choice| choice.get("message"))
            .flat_map(|message| {
                let calls = message.get("tool_calls").and_then(Json::as_array);
                let tools = calls.unwrap_or_default().iter();
                tools
                    .filter_map(|call| call.get("function"))
                    .chain(message.get("function_call"))
            })
            .filter_map(|function| function.get("arguments"))
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
    fn an_answer_is_read() {
        let json = parse(
            br#"{"id":"c","model":"m","choices":[
            {"finish_reason":"tool_calls","message":{"tool_calls":[
                {"function":{"arguments":"{}"}},{"custom":{"input":"x"}}],
                "function_call":{"name":"f","arguments":{"a":1}}}},
            {"finish_reason":"","message":{"role":"assistant","content":"hi"}}],
            "usage":{"prompt_tokens":2,"completion_tokens":1},"error":null}"#,
        )
        .unwrap();
        let answer = Answer::new(&json);
        assert_eq!(answer.model(), Some("m"));
        assert_eq!(answer.usage().map(|usage| usage.input), Some(2));
        assert!(!answer.has_error());
        assert!(!answer.is_empty());
        let reasons: Vec<_> = answer.finish_reasons().collect();
        assert_eq!(reasons, [Some("tool_calls"), None]);
        let arguments: Vec<_> = answer.call_arguments().map(Json::to_bytes).collect();
        assert_eq!(arguments, [b"\"{}\"".to_vec(), b"{\"a\":1}".to_vec()]);
    }

    #[test]
    fn an_answer_that_says_nothing_is_empty() {
        for (text, expected) in [
            ("{}", true),
            (r#"{"choices":[]}"#, true),
            (r#"{"choices":[{}]}"#, true),
            (
                r#"{"choices":[{"message":{"role":"assistant","content":"","refusal":null}}]}"#,
                true,
            ),
            (
                r#"{"choices":[{"message":{"content":"a"}},{"message":{"content":null}}]}"#,
                true,
            ),
            (
                r#"{"choices":[{"message":{"content":null,"reasoning":"r"}}]}"#,
                false,
            ),
        ] {
            let json = parse(text.as_bytes()).unwrap();
            assert_eq!(Answer::new(&json).is_empty(), expected, "{text}");
        }
    }

    #[test]
    fn errors_and_groqs_usage_are_found() {
        let json =
            parse(br#"{"error":"oops","usage":null,"x_groq":{"usage":{"prompt_tokens":3}}}"#);
        let json = json.unwrap();
        assert!(Answer::new(&json).has_error());
        assert_eq!(Answer::new(&json).usage().map(|usage| usage.input), Some(3));
    }
}
