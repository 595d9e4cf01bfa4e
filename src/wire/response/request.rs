//! What is read off a request for a response besides its meaning.

use crate::wire::Json;

/// A request for a response, read only.
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
        self.0.get("stream").and_then(Json::as_bool) == Some(true)
    }

    /// Whether the request itself limits how long the answer may get.
    pub fn limits_length(&self) -> bool {
        let limit = self.0.get("max_output_tokens");
        limit.is_some_and(|limit| !limit.is_null())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::parse;

    #[test]
    fn a_request_is_read() {
        let json = parse(br#"{"model":"m","stream":true,"max_output_tokens":9}"#).unwrap();
        let request = Request::new(&json);
        assert_eq!(request.model(), Some("m"));
        assert!(request.wants_stream() && request.limits_length());
        for text in ["{}", r#"{"stream":null,"max_output_tokens":null}"#, "[]"] {
            let json = parse(text.as_bytes()).unwrap();
            let request = Request::new(&json);
            assert_eq!(request.model(), None);
            assert!(
                !request.wants_stream() && !request.limits_length(),
                "{text}"
            );
        }
    }
}
