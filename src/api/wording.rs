//! In which words a path's clients are told of errors, and under which name they look
//! for the id of a request.
//!
//! They belong to the path and to nothing else, so they are chosen in one place: an
//! error leaves its handler in the envelope of the `OpenAI` API, and is worded anew on
//! the paths of another API on its way out. What the provider itself said is no error of
//! this server and stays as it came.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};

use super::inbound::endpoint;
use crate::wire::message::Problem;

/// Where the clients of Anthropic's API look for the id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// The words of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wording {
    /// Those of the `OpenAI` API, which all paths have but for some.
    OpenAi,
    /// Those of Anthropic's.
    Anthropic,
}

/// What an error of this server says, beside its status. It travels with the response.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// A sentence for a person.
    pub(super) message: String,
    /// The word a program switches on.
    pub(super) code: &'static str,
}

impl Wording {
    /// Those of a path, as a client sends it.
    pub(super) fn at(path: &str) -> Self {
        match endpoint(path).strip_prefix("/messages") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self::Anthropic,
            Some(_) | None => Self::OpenAi,
        }
    }

    /// Words the response to the request of this id as it is told.
    pub(super) fn tell(self, response: &mut Response, id: &HeaderValue) {
        match self {
            Self::OpenAi => return,
            Self::Anthropic => {}
        }
        response.headers_mut().insert(REQUEST_ID, id.clone());
        let Some(said) = response.extensions_mut().remove::<Said>() else {
            return;
        };
        let problem = Problem {
            kind: kind_of(response.status().as_u16(), said.code),
            message: &said.message,
            request_id: id.to_str().ok(),
        };
        *response.body_mut() = Body::from(problem.to_bytes());
        let headers = response.headers_mut();
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
}

/// The class of an error. That nothing is stored is no time-out, whatever its status.
fn kind_of(status: u16, code: &str) -> &'static str {
    if code == "cache_only_miss" {
        Problem::kind_of(500)
    } else {
        Problem::kind_of(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_its_words() {
        for path in [
            "/v1/messages",
            "/messages",
            "/v1/messages/",
            "/v1/messages/count_tokens",
            "/v1/messages/batches/b_1",
        ] {
            assert_eq!(Wording::at(path), Wording::Anthropic, "{path}");
        }
        for path in ["/v1/chat/completions", "/v1/messagesx", "/x/messages", "/"] {
            assert_eq!(Wording::at(path), Wording::OpenAi, "{path}");
        }
    }

    #[test]
    fn the_classes_follow_the_status() {
        assert_eq!(kind_of(504, "upstream_timeout"), "timeout_error");
        assert_eq!(kind_of(504, "cache_only_miss"), "api_error");
        assert_eq!(kind_of(413, "request_too_large"), "request_too_large");
    }
}
