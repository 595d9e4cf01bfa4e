//! The only table of status codes.
//!
//! Everything that goes wrong on this side of the provider ends here and leaves
//! as the error envelope the official SDKs read, with a sentence that says what
//! to do. What the provider itself said is never touched.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};

use super::wording::Said;
use crate::access::session::SessionError;
use crate::access::{Denied, Role, TokenFault};
use crate::backend::{BackendError, PurgeError};
use crate::limit::Gauge;
use crate::proxy::{Failed, ProxyError};
use crate::usage::books::BooksError;
use crate::usage::export::{ExportError, SpecError};
use crate::wire::error::ErrorBody;

/// Tells the official SDKs whether trying again can help.
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The wait before another try that the official SDKs read first, in milliseconds.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// The `type` of what the client can do something about.
const INVALID: &str = "invalid_request_error";

/// The `type` of what it cannot.
const OURS: &str = "api_error";

/// An answer of our own that is an error.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The proxy could not get an answer.
    #[error(transparent)]
    Proxy(#[from] Failed),
    /// No such page of ours.
    #[error("there is no {0} here; the API is under /v1, the documentation under /docs")]
    NotFound(String),
    /// A page of the administration was asked for without credentials.
    #[error(
        "this needs the admin key, a key that has a role, or a session, as `Authorization: Bearer …`; the admin key is REPRISE_ADMIN_KEY, or the one that was shown at the first start and is kept in the data folder as admin.key"
    )]
    AdminKeyMissing,
    /// A page of the administration was asked for with other credentials.
    #[error(
        "this is not the admin key, nor a key or a session that is good now; the admin key is REPRISE_ADMIN_KEY, or the one that is kept in the data folder as admin.key"
    )]
    AdminKeyWrong,
    /// A page of the administration was asked for by somebody who may do other things.
    #[error("this needs the role `{}`", .0.as_str())]
    RoleMissing(Role),
    /// A page of the administration was asked for with a key that may do nothing there.
    #[error("this key has no role in the administration")]
    NoRole,
    /// A browser sent a session's cookie with a request that no page of ours made.
    #[error(
        "what changes anything and is signed with a cookie needs the session's token in x-csrf-token, and must come from a page of this server; other clients send the session's token as `Authorization: Bearer …`"
    )]
    Forged,
    /// What opens the administration was sent elsewhere.
    #[error("this opens the administration alone and is not passed on; send an API key")]
    Astray,
    /// A session would open another one, and so never end.
    #[error("a session cannot open another one: send the key itself")]
    OpenedBySession,
    /// A session cannot be opened or closed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// A page of the administration was asked for under a name that is not this server's.
    #[error(
        "this server is not known by the name in the Host header; names it is to answer the administration under are set in REPRISE_ADMIN_HOSTS"
    )]
    Misdirected,
    /// What is administered cannot be read or written now.
    #[error(
        "the store cannot be reached now; requests are answered all the same. Whether what was to be changed has been is not known: look at it again"
    )]
    Store(#[source] BackendError),
    /// A request of our own API that makes no sense.
    #[error("{message}")]
    Invalid {
        /// What to do about it.
        message: String,
        /// The member or parameter at fault.
        param: Option<String>,
    },
    /// A purge is not made.
    #[error(transparent)]
    Purge(#[from] PurgeError),
    /// An export cannot be made, told of or given.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// What is administered was changed by somebody else at the same time.
    #[error("{0} was changed by somebody else at the same time; look at it and try again")]
    Conflict(String),
    /// The page exists, but not for this method.
    #[error("{0} is not allowed here")]
    MethodNotAllowed(String),
    /// The books cannot be read now.
    #[error(
        "the usage ledger cannot be read now, because its store is away or slow; requests are answered all the same, and what they use is counted when it is back"
    )]
    Books(#[source] BooksError),
    /// The request's head is larger than accepted.
    #[error("the request's headers are larger than {0} bytes or more than {1} fields")]
    HeadTooLarge(usize, usize),
    /// The request's body is larger than accepted.
    #[error("the request body is larger than {0} bytes")]
    BodyTooLarge(usize),
    /// The client stopped sending its body.
    #[error("the request body did not arrive in time")]
    BodyTimeout,
    /// The body broke off or was framed wrongly.
    #[error("the request body could not be read")]
    BodyBroken,
    /// The body is compressed, or is not JSON where JSON is meant.
    #[error("{0}")]
    UnsupportedMedia(&'static str),
    /// A bug on our side.
    #[error("the request could not be handled; the log has the details under this request's id")]
    Internal,
}

impl ApiError {
    /// The status it is answered with.
    pub const fn status(&self) -> StatusCode {
        self.kind().0
    }

    /// A request that makes no sense, and where.
    pub(super) fn invalid(param: Option<&str>, message: String) -> Self {
        Self::Invalid {
            message,
            param: param.map(str::to_owned),
        }
    }

    /// The member or parameter at fault.
    pub(super) fn param(&self) -> Option<&str> {
        match self {
            Self::Invalid { param, .. } => param.as_deref(),
            Self::Export(ExportError::Spec(error)) => Some(match error {
                SpecError::NotBuilt(_) => "format",
                SpecError::Empty | SpecError::Forgotten(..) => "end",
            }),
            Self::Proxy(failed) => match failed.error {
                ProxyError::Denied(Denied::Foreign(name)) => Some(name),
                ProxyError::Denied(_)
                | ProxyError::CacheOnlyMiss
                | ProxyError::UpstreamUnreachable
                | ProxyError::UpstreamTimeout
                | ProxyError::UpstreamCut
                | ProxyError::Limited(_)
                | ProxyError::LimitsUnknown
                | ProxyError::Stopping => None,
            },
            Self::NotFound(_)
            | Self::AdminKeyMissing
            | Self::AdminKeyWrong
            | Self::RoleMissing(_)
            | Self::Purge(_)
            | Self::NoRole
            | Self::Forged
            | Self::Astray
            | Self::OpenedBySession
            | Self::Session(_)
            | Self::Misdirected
            | Self::Store(_)
            | Self::Export(_)
            | Self::Conflict(_)
            | Self::Books(_)
            | Self::MethodNotAllowed(_)
            | Self::HeadTooLarge(..)
            | Self::BodyTooLarge(_)
            | Self::BodyTimeout
            | Self::BodyBroken
            | Self::UnsupportedMedia(_)
            | Self::Internal => None,
        }
    }

    /// Status, `type`, `code`.
    const fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Proxy(failed) => proxy_kind(&failed.error),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, INVALID, "not_found"),
            Self::AdminKeyMissing | Self::AdminKeyWrong => {
                (StatusCode::UNAUTHORIZED, INVALID, "invalid_admin_key")
            }
            Self::RoleMissing(_) | Self::NoRole => (StatusCode::FORBIDDEN, INVALID, "role_missing"),
            Self::Forged => (StatusCode::FORBIDDEN, INVALID, "csrf_refused"),
            Self::Astray => (StatusCode::UNAUTHORIZED, INVALID, "not_an_api_key"),
            Self::OpenedBySession => (StatusCode::FORBIDDEN, INVALID, "session_not_allowed"),
            Self::Session(error) => of_session(error),
            Self::Misdirected => (
                StatusCode::MISDIRECTED_REQUEST,
                INVALID,
                "misdirected_request",
            ),
            Self::Store(_) => STORE_UNAVAILABLE,
            Self::Invalid { .. } => (StatusCode::BAD_REQUEST, INVALID, "invalid_parameter"),
            Self::Export(error) => of_export(error),
            Self::Purge(error) => match error {
                PurgeError::TooMany => (StatusCode::TOO_MANY_REQUESTS, OURS, "too_many_purges"),
                PurgeError::Store(_) => {
                    (StatusCode::SERVICE_UNAVAILABLE, OURS, "store_unavailable")
                }
                PurgeError::Random(_) => {
                    (StatusCode::INTERNAL_SERVER_ERROR, OURS, "internal_error")
                }
            },
            Self::Conflict(_) => (StatusCode::CONFLICT, INVALID, "conflict"),
            Self::MethodNotAllowed(_) => (
                StatusCode::METHOD_NOT_ALLOWED,
                INVALID,
                "method_not_allowed",
            ),
            Self::Books(_) => (StatusCode::SERVICE_UNAVAILABLE, OURS, "ledger_unavailable"),
            Self::HeadTooLarge(..) => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                INVALID,
                "headers_too_large",
            ),
            Self::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, INVALID, "request_too_large"),
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, INVALID, "request_timeout"),
            Self::BodyBroken => (StatusCode::BAD_REQUEST, INVALID, "request_incomplete"),
            Self::UnsupportedMedia(_) => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                INVALID,
                "unsupported_media_type",
            ),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, OURS, "internal_error"),
        }
    }

    /// How long to wait before another try, in milliseconds; at least one.
    const fn wait_millis(&self) -> u64 {
        if let Self::Proxy(failed) = self
            && let ProxyError::Limited(exceeded) = failed.error
            && exceeded.wait > 0
        {
            exceeded.wait
        } else {
            1000
        }
    }

    /// Whether the SDKs should leave it at that: their default is to try again
    /// on every status from 500.
    const fn is_final(&self) -> bool {
        match self {
            Self::Proxy(failed) => match failed.error {
                ProxyError::CacheOnlyMiss => true,
                // Money does not come back within the time an SDK tries again.
                ProxyError::Limited(exceeded) => exceeded.is_budget(),
                ProxyError::UpstreamUnreachable
                | ProxyError::UpstreamTimeout
                | ProxyError::UpstreamCut
                | ProxyError::Denied(_)
                | ProxyError::LimitsUnknown
                | ProxyError::Stopping => false,
            },
            // An export that failed stays so; one that is not complete may be soon.
            Self::Export(error) => matches!(error, ExportError::Failed(_)),
            Self::NotFound(_)
            | Self::AdminKeyMissing
            | Self::AdminKeyWrong
            | Self::RoleMissing(_)
            | Self::NoRole
            | Self::Forged
            | Self::Astray
            | Self::OpenedBySession
            | Self::Session(_)
            | Self::Misdirected
            | Self::Store(_)
            | Self::Invalid { .. }
            | Self::Purge(_)
            | Self::MethodNotAllowed(_)
            | Self::Conflict(_)
            | Self::Books(_)
            | Self::HeadTooLarge(..)
            | Self::BodyTooLarge(_)
            | Self::BodyTimeout
            | Self::BodyBroken
            | Self::UnsupportedMedia(_)
            | Self::Internal => false,
        }
    }
}

/// Status, `type`, `code`.
type Kind = (StatusCode, &'static str, &'static str);

const STORE_UNAVAILABLE: Kind = (StatusCode::SERVICE_UNAVAILABLE, OURS, "store_unavailable");

const fn of_export(error: &ExportError) -> Kind {
    match error {
        ExportError::Spec(_) => (StatusCode::BAD_REQUEST, INVALID, "invalid_parameter"),
        ExportError::Busy => (StatusCode::TOO_MANY_REQUESTS, OURS, "too_many_exports"),
        ExportError::Missing => (StatusCode::NOT_FOUND, INVALID, "not_found"),
        ExportError::Unfinished(_) => (StatusCode::CONFLICT, INVALID, "export_not_complete"),
        ExportError::Failed(_) => (StatusCode::CONFLICT, INVALID, "export_failed"),
        ExportError::Store(_) => STORE_UNAVAILABLE,
    }
}

const fn of_session(error: &SessionError) -> Kind {
    match error {
        SessionError::Missing => (StatusCode::NOT_FOUND, INVALID, "not_found"),
        SessionError::NoMasterKey | SessionError::NoRandomness(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, OURS, "internal_error")
        }
        SessionError::Store(_) => STORE_UNAVAILABLE,
    }
}

/// Status, `type`, `code` of a caller who is turned away.
const fn denied_kind(denied: Denied) -> Kind {
    let (status, kind) = match denied {
        Denied::NotReady | Denied::Token(TokenFault::NoKeys) => {
            (StatusCode::SERVICE_UNAVAILABLE, OURS)
        }
        Denied::Foreign(_) => (StatusCode::BAD_REQUEST, INVALID),
        Denied::Operation | Denied::Model | Denied::ModelUnread | Denied::ForeignPage => {
            (StatusCode::FORBIDDEN, INVALID)
        }
        Denied::NoKey
        | Denied::UnknownKey
        | Denied::Disabled
        | Denied::Expired
        | Denied::Token(_)
        | Denied::WrongMode => (StatusCode::UNAUTHORIZED, INVALID),
    };
    (status, kind, denied.code())
}

/// Status, `type`, `code` of what the proxy could not get an answer for.
const fn proxy_kind(error: &ProxyError) -> Kind {
    match error {
        ProxyError::CacheOnlyMiss => (StatusCode::GATEWAY_TIMEOUT, OURS, "cache_only_miss"),
        ProxyError::UpstreamUnreachable => (StatusCode::BAD_GATEWAY, OURS, "upstream_unreachable"),
        ProxyError::UpstreamTimeout => (StatusCode::GATEWAY_TIMEOUT, OURS, "upstream_timeout"),
        ProxyError::UpstreamCut => (StatusCode::BAD_GATEWAY, OURS, "upstream_cut"),
        ProxyError::Denied(denied) => denied_kind(*denied),
        ProxyError::Limited(exceeded) => {
            let kind = match exceeded.gauge {
                Gauge::Tokens(..) => "tokens",
                Gauge::Spent(..) => "insufficient_quota",
                Gauge::Requests(..)
                | Gauge::UnderWay(_)
                | Gauge::Address(_)
                | Gauge::Refused(_) => "requests",
            };
            (StatusCode::TOO_MANY_REQUESTS, kind, error.code())
        }
        ProxyError::LimitsUnknown => (StatusCode::SERVICE_UNAVAILABLE, OURS, "limits_unavailable"),
        ProxyError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, OURS, "overloaded"),
    }
}

impl From<ProxyError> for ApiError {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(error.into())
    }
}

impl From<BooksError> for ApiError {
    fn from(error: BooksError) -> Self {
        // The answer does not say what the backend said, so the log has to.
        let BooksError::Ledger(cause) = &error;
        tracing::warn!(error = %cause, "the usage ledger cannot be read");
        Self::Books(error)
    }
}

impl From<BackendError> for ApiError {
    fn from(error: BackendError) -> Self {
        tracing::warn!(%error, "what is administered cannot be read or written");
        Self::Store(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, kind, code) = self.kind();
        let message = self.to_string();
        let body = ErrorBody {
            message: &message,
            kind,
            param: self.param(),
            code: Some(code),
        };
        let mut response = (
            status,
            [(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            body.to_bytes(),
        )
            .into_response();
        response.extensions_mut().insert(Said { message, code });
        let headers = response.headers_mut();
        if self.is_final() {
            headers.insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(
            status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        ) {
            let wait = self.wait_millis();
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.div_ceil(1000)));
            headers.insert(RETRY_AFTER_MS, HeaderValue::from(wait));
        }
        if let Self::Proxy(failed) = &self
            && let Some(limits) = &failed.limits
        {
            limits.write(headers);
        }
        response
    }
}
