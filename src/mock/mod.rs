//! The built-in scripted upstream: for the demo, tests and benchmarks.
//!
//! It speaks as much of the `OpenAI` API as a client notices, needs no network and
//! no key, and answers the same request with the same words. What differs from
//! call to call, as with a real provider, is `id` and `created`: two answers with
//! one id are one answer.

mod fail;
mod options;
mod script;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream::{self, StreamExt};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub use fail::{Fail, UnknownFail};
pub use options::MockOptions;

use script::Script;

/// The key that is refused, so that a refusal can be tried out.
const REFUSED_KEY: &str = "Bearer sk-invalid";

const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Clone, Debug)]
struct Mock {
    options: Arc<MockOptions>,
    books: Arc<Books>,
}

/// What was asked, for tests to compare with.
#[derive(Debug, Default)]
struct Books {
    calls: AtomicU64,
    by_path: Mutex<BTreeMap<String, u64>>,
}

/// Serves on `listener` until `stop` completes.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    options: MockOptions,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let mock = Mock {
        options: Arc::new(options),
        books: Arc::default(),
    };
    let api = Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/models", get(models))
        .fallback(unknown)
        .layer(from_fn_with_state(mock.clone(), door))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX));
    let router = Router::new()
        .route("/__calls", get(calls))
        .route("/__reset", post(reset))
        .merge(api)
        .with_state(mock);
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await
}

/// What every call passes: the books, the scripted failure, the key.
async fn door(State(mock): State<Mock>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let number = mock.books.enter(path);
    let refused = request
        .headers()
        .get(AUTHORIZATION)
        .is_some_and(|key| key == REFUSED_KEY);
    let mut response = if refused {
        let message = "Incorrect API key provided: sk-invalid.";
        error(StatusCode::UNAUTHORIZED, message, Some("invalid_api_key"))
    } else if let Some(status) = mock.options.fail.and_then(|fail| fail.status(number)) {
        tokio::time::sleep(mock.options.ttfb).await;
        let mut response = error(status, "The scripted upstream fails, as told.", None);
        if status == StatusCode::TOO_MANY_REQUESTS {
            let wait = HeaderValue::from_static("1");
            response.headers_mut().insert(RETRY_AFTER, wait);
        }
        response
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(format!("req_mock_{number}")) {
        headers.insert("x-request-id", id);
    }
    headers.insert("openai-processing-ms", HeaderValue::from_static("1"));
    response
}

async fn chat(State(mock): State<Mock>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return error(
            StatusCode::BAD_REQUEST,
            "We could not parse the JSON body of your request.",
            None,
        );
    };
    let Some(script) = Script::of(&request, mock.books.calls.load(Ordering::Relaxed)) else {
        let message = "you must provide a model parameter and messages";
        return error(StatusCode::BAD_REQUEST, message, None);
    };
    drop(headers);
    tokio::time::sleep(mock.options.ttfb).await;
    if script.streams() {
        let pause = mock.options.pause();
        let events = stream::iter(script.events()).then(move |event| async move {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            Ok::<_, Infallible>(event)
        });
        let content_type = [(CONTENT_TYPE, "text/event-stream; charset=utf-8")];
        return (content_type, Body::from_stream(events)).into_response();
    }
    if let Some(pause) = mock.options.pause() {
        tokio::time::sleep(pause * script.length()).await;
    }
    ([(CONTENT_TYPE, "application/json")], script.document()).into_response()
}

async fn embeddings(State(mock): State<Mock>, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    tokio::time::sleep(mock.options.ttfb).await;
    match script::embeddings(&request) {
        Some(answer) => Json(answer).into_response(),
        None => error(
            StatusCode::BAD_REQUEST,
            "you must provide a model and an input",
            None,
        ),
    }
}

async fn models() -> Json<Value> {
    let model = |id: &str| json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "mock"});
    Json(json!({"object": "list", "data": [model("demo-model"), model("mock-embedding")]}))
}

async fn unknown(request: Request) -> Response {
    let message = format!(
        "Unknown request URL: {} {}.",
        request.method(),
        request.uri().path()
    );
    error(StatusCode::NOT_FOUND, &message, Some("unknown_url"))
}

async fn calls(State(mock): State<Mock>) -> Json<Value> {
    let by_path = mock
        .books
        .by_path
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let total: u64 = by_path.values().sum();
    Json(json!({"total": total, "by_path": &*by_path}))
}

async fn reset(State(mock): State<Mock>) {
    mock.books
        .by_path
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
}

fn error(status: StatusCode, message: &str, code: Option<&str>) -> Response {
    let kind = if status.is_server_error() {
        "server_error"
    } else {
        "invalid_request_error"
    };
    let body = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    (status, Json(body)).into_response()
}

impl Books {
    /// Writes a call down and gives its number, from 1.
    fn enter(&self, path: String) -> u64 {
        let mut by_path = self.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        *by_path.entry(path).or_default() += 1;
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl MockOptions {
    /// The time between two tokens.
    fn pause(&self) -> Option<Duration> {
        self.tokens_per_second
            .filter(|rate| *rate > 0)
            .map(|rate| Duration::from_secs(1) / rate)
    }
}

#[cfg(test)]
mod tests;
