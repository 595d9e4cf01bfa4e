//! What the scripted upstream says when it does not do what it is asked.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use crate::wire::message::Problem;

/// An error, as the real one writes it.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    param: Option<&'static str>,
    code: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        message: impl Into<String>,
        code: Option<&'static str>,
    ) -> Self {
        Self {
            status,
            message: message.into(),
            param: None,
            code,
        }
    }

    /// A request that makes no sense, by the member that is at fault.
    pub(super) fn of(param: &'static str, message: impl Into<String>) -> Self {
        Self {
            param: Some(param),
            ..Self::new(StatusCode::BAD_REQUEST, message, None)
        }
    }

    /// A body that could not be read as what it should be.
    pub(super) fn unread(error: &serde_json::Error) -> Self {
        let message = if error.is_data() {
            format!("Invalid request: {error}.")
        } else {
            "We could not parse the JSON body of your request.".to_owned()
        };
        Self::new(StatusCode::BAD_REQUEST, message, None)
    }

    /// A failure that was asked for.
    pub(super) fn scripted(status: StatusCode) -> Self {
        let code = (status == StatusCode::TOO_MANY_REQUESTS).then_some("rate_limit_exceeded");
        Self::new(status, "The scripted upstream fails, as told.", code)
    }
}

impl Refusal {
    /// The same as Anthropic's API writes it.
    pub(super) fn into_anthropics(self, id: &str) -> Response {
        let problem = Problem {
            kind: Problem::kind_of(self.status.as_u16()),
            message: &self.message,
            request_id: Some(id),
        };
        let body = problem.to_bytes();
        let mut response = self.into_response();
        *response.body_mut() = body.into();
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let kind = if self.status == StatusCode::TOO_MANY_REQUESTS {
            "requests"
        } else if self.status.is_server_error() {
            "server_error"
        } else {
            "invalid_request_error"
        };
        let error = json!({
            "message": self.message, "type": kind, "param": self.param, "code": self.code,
        });
        let body = json!({ "error": error }).to_string();
        let mut response =
            (self.status, [(CONTENT_TYPE, "application/json")], body).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            let millis = HeaderName::from_static("retry-after-ms");
            headers.insert(millis, HeaderValue::from_static("1000"));
        }
        response
    }
}
