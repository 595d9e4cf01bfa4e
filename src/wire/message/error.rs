//! The envelope every error of Anthropic's API comes in.

use bytes::Bytes;

use crate::wire::Json;

/// What an error says. See <https://docs.claude.com/en/api/errors>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem<'a> {
    /// The class, `type` on the wire: `invalid_request_error`, `api_error`, …
    pub kind: &'a str,
    /// A sentence for a person.
    pub message: &'a str,
    /// The id the request is logged under; in the middle of a stream nobody tells it.
    pub request_id: Option<&'a str>,
}

impl Problem<'_> {
    /// The class of an error that is answered with this status, as the API documents
    /// them. Statuses it does not name are classed with their like.
    pub const fn kind_of(status: u16) -> &'static str {
        match status {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            408 | 504 => "timeout_error",
            503 | 529 => "overloaded_error",
            400..=499 => "invalid_request_error",
            _ => "api_error",
        }
    }

    /// `{"type":"error","error":{"type","message"},"request_id"}`, compact.
    pub fn to_bytes(&self) -> Vec<u8> {
        let error = Json::Object(vec![
            ("type".into(), Json::string(self.kind)),
            ("message".into(), Json::string(self.message)),
        ]);
        let mut envelope = vec![
            ("type".into(), Json::string("error")),
            ("error".into(), error),
        ];
        if let Some(id) = self.request_id {
            envelope.push(("request_id".into(), Json::string(id)));
        }
        Json::Object(envelope).to_bytes()
    }

    /// The error as an event in the middle of a stream.
    pub fn to_event(&self) -> Bytes {
        [b"event: error\ndata: ", &*self.to_bytes(), b"\n\n"]
            .concat()
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_is_anthropics() {
        let mut problem = Problem {
            kind: Problem::kind_of(404),
            message: "no \"such\" model",
            request_id: Some("req_1"),
        };
        assert_eq!(
            problem.to_bytes(),
            br#"{"type":"error","error":{"type":"not_found_error","message":"no \"such\" model"},"request_id":"req_1"}"#
        );
        problem.request_id = None;
        let event = problem.to_event();
        assert!(event.starts_with(b"event: error\ndata: {\"type\":\"error\","));
        assert!(event.ends_with(b"model\"}}\n\n"));
    }

    #[test]
    fn every_status_has_a_documented_class() {
        for (status, kind) in [
            (400, "invalid_request_error"),
            (401, "authentication_error"),
            (403, "permission_error"),
            (405, "invalid_request_error"),
            (408, "timeout_error"),
            (413, "request_too_large"),
            (415, "invalid_request_error"),
            (429, "rate_limit_error"),
            (500, "api_error"),
            (502, "api_error"),
            (503, "overloaded_error"),
            (504, "timeout_error"),
            (529, "overloaded_error"),
        ] {
            assert_eq!(Problem::kind_of(status), kind, "{status}");
        }
    }
}
