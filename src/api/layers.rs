//! What every request passes, whatever its route: an id, a look at the size of
//! its head, and a net below the handlers.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue};
use tower_http::catch_panic::CatchPanicLayer;

use super::error::ApiError;
use super::wording::Wording;
use super::{ApiState, admin, routes};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The most bytes of header fields that are accepted, as at `OpenAI`.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The most header fields that are accepted.
const HEAD_FIELDS_MAX: usize = 100;

/// The id of a request, fresh for each.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestId(pub(super) String);

/// Gives ids that do not repeat: a number drawn at the start, and a count.
#[derive(Debug)]
struct RequestIds {
    process: u64,
    count: AtomicU64,
}

impl RequestIds {
    fn new() -> Self {
        Self {
            // Without randomness the ids would still differ within the process.
            process: getrandom::u64().unwrap_or_default(),
            count: AtomicU64::new(1),
        }
    }

    fn next(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        format!("req_{:016x}{count:012x}", self.process)
    }
}

/// Puts the layers around `router`. A request runs through them from the last to
/// the first.
pub(super) fn wrap(router: Router<ApiState>) -> Router<ApiState> {
    let ids = Arc::new(RequestIds::new());
    router
        .layer(from_fn(check_head))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(move |request, next| {
            identify(Arc::clone(&ids), request, next)
        }))
}

/// Gives the request an id and the response the same, and sees to it that an error is
/// told in the words of its path, wherever it comes from.
async fn identify(ids: Arc<RequestIds>, mut request: Request, next: Next) -> Response {
    let id = ids.next();
    let wording = Wording::at(request.uri().path());
    let header = HeaderValue::try_from(&id);
    request.extensions_mut().insert(RequestId(id));
    let mut response = next.run(request).await;
    if let Ok(header) = header {
        wording.tell(&mut response, &header);
        response.headers_mut().insert(X_REQUEST_ID, header);
    }
    response
}

async fn check_head(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if head_bytes(headers) > HEAD_BYTES_MAX || headers.len() > HEAD_FIELDS_MAX {
        return ApiError::HeadTooLarge(HEAD_BYTES_MAX, HEAD_FIELDS_MAX).into_response();
    }
    let path = request.uri().path();
    let is_administration =
        admin::is_below_prefix(path) || routes::organization::is_administration(path);
    if !is_administration && admin::is_astray(headers) {
        return ApiError::Astray.into_response();
    }
    next.run(request).await
}

fn head_bytes(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum()
}

/// A panic is a bug, and one request's bug is not the next one's.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the layer hands the cause over"
)]
fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response {
    let message = cause
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| cause.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(message, "a handler panicked");
    ApiError::Internal.into_response()
}
