//! What is read off a request besides its meaning.

use crate::wire::Json;

/// A request for a message, or for a count of its tokens; read only.
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::parse;

    #[test]
    fn a_request_is_read() {
        let json = parse(br#"{"model":"claude","stream":true}"#).unwrap();
        let request = Request::new(&json);
        assert_eq!(request.model(), Some("claude"));
        assert!(request.wants_stream());
        for text in ["{}", "[]", r#"{"stream":null,"model":1}"#] {
            let json = parse(text.as_bytes()).unwrap();
            let request = Request::new(&json);
            assert_eq!((request.model(), request.wants_stream()), (None, false));
        }
    }
}
