//! What is read off a chat request besides its meaning.

use crate::wire::Json;

/// A chat request, read only.
#[derive(Clone, Copy, Debug)]
pub struct Request<'j>(&'j Json<'j>);

impl<'j> Request<'j> {
    /// Looks at `request`, which may be anything.
    pub const fn new(request: &'j Json<'j>) -> Self {
        Self(request)
    }

    /// The model asked for.
    pub fn model(&self) -> Option<&'j str> {
        self.0.get("model").and_then(Json::as_str)
    }

    /// Whether the answer is wanted as a stream.
    pub fn wants_stream(&self) -> bool {
        self.is_true("stream")
    }

    /// Whether a stream is to tell its usage.
    pub fn wants_usage(&self) -> bool {
        let options = self.0.get("stream_options");
        options.is_some_and(|options| Request::new(options).is_true("include_usage"))
    }

    /// Whether the request itself limits how long the answer may get.
    pub fn limits_length(&self) -> bool {
        ["max_completion_tokens", "max_tokens"]
            .into_iter()
            .any(|name| self.0.get(name).is_some_and(|limit| !limit.is_null()))
    }

    /// How many choices are wanted: 1 unless it says otherwise.
    pub fn choices(&self) -> u64 {
        self.0.get("n").and_then(Json::as_u64).unwrap_or(1)
    }

    fn is_true(self, name: &str) -> bool {
        self.0.get(name).and_then(Json::as_bool) == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::parse;

    #[test]
    fn a_request_is_read() {
        let json = parse(
            br#"{"model":"m","stream":true,"n":3,"max_tokens":null,"max_completion_tokens":9,
            "stream_options":{"include_usage":true}}"#,
        )
        .unwrap();
        let request = Request::new(&json);
        assert_eq!(request.model(), Some("m"));
        assert!(request.wants_stream());
        assert!(request.wants_usage());
        assert!(request.limits_length());
        assert_eq!(request.choices(), 3);
    }

    #[test]
    fn what_is_not_said_is_not_wanted() {
        for text in [
            "{}",
            r#"{"stream":null,"stream_options":null,"n":null,"max_tokens":null}"#,
            "[]",
        ] {
            let json = parse(text.as_bytes()).unwrap();
            let request = Request::new(&json);
            assert_eq!(request.model(), None);
            assert!(!request.wants_stream());
            assert!(!request.wants_usage());
            assert!(!request.limits_length());
            assert_eq!(request.choices(), 1);
        }
    }
}
