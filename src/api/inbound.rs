//! From an HTTP request to what the proxy is asked.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout};

use super::error::ApiError;
use super::layers::RequestId;
use super::options::ServerOptions;
use super::peer::Peer;
use super::{ApiState, admin};
use crate::proxy::{Asked, Reply, ReplyBody};
use crate::upstream::ClientStream;
use crate::wire::Operation;

/// Splits a request into what is asked and the body that comes with it.
pub(super) fn asked(request: Request) -> (Asked, Body) {
    let (mut parts, body) = request.into_parts();
    admin::strip(&mut parts.headers);
    let id = parts.extensions.remove::<RequestId>().unwrap_or_default().0;
    let asked = Asked {
        id,
        at: Instant::now(),
        method: parts.method,
        path_and_query: below_root(parts.uri.path(), parts.uri.query()),
        headers: parts.headers,
        peer: parts.extensions.remove::<Peer>().map(|peer| peer.0),
        span: None,
    };
    (asked, body)
}

/// The path below the API's root: clients are pointed at `/v1` or at the host
/// alone, and the upstream's base URL already names its root.
fn below_root(path: &str, query: Option<&str>) -> String {
    let below = endpoint(path);
    match query {
        Some(query) => format!("{below}?{query}"),
        None => below.to_owned(),
    }
}

/// The path below the API's root.
pub(super) fn endpoint(path: &str) -> &str {
    match path.strip_prefix("/v1") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        Some(_) | None => path,
    }
}

/// Reads a body that has to be whole before it means anything.
///
/// # Errors
/// If it is too large, breaks off or stops coming.
pub(super) async fn whole_body(
    headers: &HeaderMap,
    mut body: Body,
    options: &ServerOptions,
) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::BodyTooLarge(options.request_bytes_max);
    let declared: Option<usize> = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length| length > options.request_bytes_max) {
        return Err(too_large());
    }
    let mut first: Option<Bytes> = None;
    let mut more = BytesMut::new();
    while let Some(chunk) = next_chunk(&mut body, options.body_timeout).await? {
        let length = first.as_ref().map_or(0, Bytes::len) + more.len() + chunk.len();
        if length > options.request_bytes_max {
            return Err(too_large());
        }
        match first.take() {
            None if more.is_empty() => first = Some(chunk),
            None => more.extend_from_slice(&chunk),
            Some(begun) => {
                more.reserve(declared.unwrap_or(length));
                more.extend_from_slice(&begun);
                more.extend_from_slice(&chunk);
            }
        }
    }
    // A small body comes in one piece and is used as it lies.
    Ok(first.unwrap_or_else(|| more.freeze()))
}

/// Passes a body on as it comes.
pub(super) fn passing_body(body: Body, options: &ServerOptions) -> Option<ClientStream> {
    if http_body::Body::is_end_stream(&body) {
        return None;
    }
    let silence = options.body_timeout;
    let pieces = stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match next_chunk(&mut body, silence).await {
            Ok(Some(chunk)) => Some((Ok(chunk), Some(body))),
            Ok(None) => None,
            Err(error) => Some((Err(error.into()), None)),
        }
    });
    Some(pieces.fuse().boxed())
}

async fn next_chunk(body: &mut Body, silence: Duration) -> Result<Option<Bytes>, ApiError> {
    loop {
        let frame = timeout(silence, body.frame())
            .await
            .map_err(|_elapsed| ApiError::BodyTimeout)?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => {
                tracing::debug!(%error, "a request body could not be read");
                return Err(ApiError::BodyBroken);
            }
            Some(Ok(frame)) => {
                if let Ok(chunk) = frame.into_data() {
                    return Ok(Some(chunk));
                }
            }
        }
    }
}

/// Makes sure that a body is not compressed.
///
/// # Errors
/// If it is said to be.
fn require_plain(headers: &HeaderMap) -> Result<(), ApiError> {
    let encoding = headers.get(CONTENT_ENCODING);
    let encoding = encoding.map_or("identity", |value| value.to_str().unwrap_or_default());
    if encoding.eq_ignore_ascii_case("identity") {
        Ok(())
    } else {
        Err(ApiError::UnsupportedMedia(
            "the request body is compressed; send it without content-encoding",
        ))
    }
}

/// Makes sure that a body meant as JSON is said to be plain JSON.
///
/// # Errors
/// If it is said to be something else, or compressed.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    require_plain(headers)?;
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // Some clients say nothing at all, and mean JSON.
    let declared = text(&CONTENT_TYPE).unwrap_or("application/json");
    let essence = declared.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(ApiError::UnsupportedMedia(
            "the request body must be JSON, sent with content-type: application/json",
        ))
    }
}

/// Answers a request whose body is JSON, at the one spelling of its path that the
/// provider knows.
///
/// # Errors
/// If the body cannot be taken, or there is no answer.
pub(super) async fn answer_json(
    state: &ApiState,
    operation: Operation,
    path: &str,
    request: Request,
) -> Result<Response, ApiError> {
    answer_body(state, operation, (path, require_json), request).await
}

/// Answers a request whose body is a form, or what else the provider takes in its place.
///
/// # Errors
/// If the body cannot be taken, or there is no answer.
pub(super) async fn answer_form(
    state: &ApiState,
    operation: Operation,
    path: &str,
    request: Request,
) -> Result<Response, ApiError> {
    answer_body(state, operation, (path, require_plain), request).await
}

/// Forwards a request of a family that is not stored, as it comes.
///
/// # Errors
/// If there is no answer.
pub(super) async fn pass_unread(
    state: &ApiState,
    operation: Operation,
    request: Request,
) -> Result<Response, ApiError> {
    let (asked, body) = asked(request);
    let body = passing_body(body, &state.options);
    let reply = state.proxy.pass_unread(operation, asked, body).await?;
    Ok(respond(reply))
}

/// What a head must say of its body.
type Check = fn(&HeaderMap) -> Result<(), ApiError>;

/// Answers a request with a body that is read whole.
async fn answer_body(
    state: &ApiState,
    operation: Operation,
    (path, check): (&str, Check),
    request: Request,
) -> Result<Response, ApiError> {
    let (mut asked, body) = asked(request);
    let body = match checked_body(&asked.headers, check, body, &state.options).await {
        Ok(body) => body,
        Err(error) => {
            let status = error.status().as_u16();
            state.proxy.turn_away(operation, &asked, status);
            return Err(error);
        }
    };
    let query = asked.path_and_query.split_once('?').map(|(_, query)| query);
    asked.path_and_query = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let reply = state.proxy.answer(operation, asked, body).await?;
    Ok(respond(reply))
}

/// Reads a body of which its head says what it must.
///
/// # Errors
/// If it says something else, or the body cannot be taken.
async fn checked_body(
    headers: &HeaderMap,
    check: Check,
    body: Body,
    options: &ServerOptions,
) -> Result<Bytes, ApiError> {
    check(headers)?;
    whole_body(headers, body, options).await
}

/// The proxy's reply as a response.
pub(super) fn respond(reply: Reply) -> Response {
    let body = match reply.body {
        ReplyBody::Full(bytes) => Body::from(bytes),
        ReplyBody::Stream(pieces) => Body::from_stream(pieces),
    };
    let mut response = body.into_response();
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_may_point_at_the_root_or_at_v1() {
        assert_eq!(
            below_root("/v1/chat/completions", None),
            "/chat/completions"
        );
        assert_eq!(below_root("/chat/completions", None), "/chat/completions");
        assert_eq!(below_root("/v1/models", Some("a=b")), "/models?a=b");
        assert_eq!(below_root("/v1beta/models", None), "/v1beta/models");
        assert_eq!(below_root("/v1", None), "");
    }
}
