//! The built-in scripted upstream: for the demo, tests and benchmarks.
//!
//! It speaks as much of the `OpenAI` API, and of Anthropic's Messages, as a client
//! notices, needs no network and no key, and answers the same request with the same
//! words. What differs from call to call, as with a real provider, is `id` and
//! `created`: two answers with one id are one answer.
//!
//! The model `mock-refusal` refuses, the key `sk-invalid` is refused. `GET /__calls`
//! tells what was asked, and how many items of embeddings were answered; `POST
//! /__reset` forgets it; neither counts.

mod audio;
mod books;
mod completions;
mod embeddings;
mod fail;
mod messages;
mod moderations;
mod options;
mod refusal;
mod rerank;
mod script;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use futures_util::stream::{self, StreamExt};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, sleep_until};

pub use fail::{Fail, UnknownFail};
pub use options::MockOptions;

use books::{Books, Call};
use completions::Completions;
use messages::Message;
use refusal::Refusal;
use script::{Event, ResponseScript, Script};

/// The key that is refused, so that a refusal can be tried out.
const REFUSED_KEY: &str = "sk-invalid";

const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What is only asked with `POST`.
const ASKED: [&str; 12] = [
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/moderations",
    "/v1/rerank",
    "/v1/responses",
    "/v2/rerank",
];

/// What the addresses of single responses begin with.
const RESPONSES: &str = "/v1/responses/";

const MODELS: [&str; 8] = [
    "demo-model",
    "gpt-5-mini",
    "mock-refusal",
    "text-embedding-3-small",
    "omni-moderation-latest",
    "rerank-v3.5",
    "whisper-1",
    "tts-1",
];

/// What the real one says of its limits, with numbers that never change.
const LIMITS: [(&str, &str); 7] = [
    ("openai-version", "2020-10-01"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-limit-tokens", "2000000"),
    ("x-ratelimit-remaining-requests", "9999"),
    ("x-ratelimit-remaining-tokens", "1999000"),
    ("x-ratelimit-reset-requests", "6ms"),
    ("x-ratelimit-reset-tokens", "30ms"),
];

#[derive(Clone, Debug)]
struct Mock {
    options: Arc<MockOptions>,
    books: Arc<Books>,
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
        books: Arc::new(Books::new()),
    };
    // Events are small and waited for: they are not to be gathered.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    // One handler for all: a router with layers would be work on every call.
    axum::serve(listener, Router::new().fallback(answer).with_state(mock))
        .with_graceful_shutdown(stop)
        .await
}

async fn answer(State(mock): State<Mock>, request: Request) -> Response {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/__calls") => return document(&mock.books.told()),
        (&Method::POST, "/__reset") => {
            mock.books.reset();
            return StatusCode::NO_CONTENT.into_response();
        }
        _ => {}
    }
    let call = mock.books.enter(request.uri().path());
    let id = format!("req_{}", call.name());
    let is_anthropics = request.uri().path().starts_with("/v1/messages");
    let answered = attempt(&mock, request, call).await;
    let mut response = match answered {
        Ok(response) => response,
        Err(refusal) if is_anthropics => refusal.into_anthropics(&id),
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in LIMITS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let took = HeaderValue::try_from(mock.options.ttfb.as_millis().to_string());
    for (name, value) in [
        ("x-request-id", HeaderValue::try_from(&id)),
        ("request-id", HeaderValue::try_from(&id)),
        ("openai-processing-ms", took),
    ] {
        if let Ok(value) = value {
            headers.insert(name, value);
        }
    }
    response
}

/// What every call passes, and then the endpoint it is for.
async fn attempt(mock: &Mock, request: Request, call: Call) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    // Read to the end before anything is said, a failure too, so that the
    // connection can be used again.
    let body = to_bytes(body, REQUEST_BYTES_MAX)
        .await
        .map_err(|error| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string(), None))?;
    if brings_refused_key(&head.headers) {
        let message = "Incorrect API key provided: sk-invalid.";
        let code = Some("invalid_api_key");
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, message, code));
    }
    // The timer is coarse: even a sleep of no time takes up to a millisecond.
    if !mock.options.ttfb.is_zero() {
        sleep(mock.options.ttfb).await;
    }
    if let Some(status) = mock
        .options
        .fail
        .and_then(|fail| fail.status(call.number()))
    {
        return Err(Refusal::scripted(status));
    }
    let path = head.uri.path();
    if head.method == Method::POST {
        return ask(mock, &head, &body, call).await;
    }
    if head.method == Method::GET {
        return look_up(path);
    }
    let id = path.strip_prefix(RESPONSES).filter(|id| !id.is_empty());
    match id {
        Some(id) if head.method == Method::DELETE => {
            let deleted = json!({"id": id, "object": "response", "deleted": true});
            Ok(document(&deleted))
        }
        Some(_) | None if ASKED.contains(&path) => Err(wrong_method(&head.method, path)),
        Some(_) | None => Err(unknown(&head.method, path)),
    }
}

/// What is asked with a body.
async fn ask(mock: &Mock, head: &Parts, body: &[u8], call: Call) -> Result<Response, Refusal> {
    match head.uri.path() {
        "/v1/chat/completions" => chat(mock, body, call).await,
        "/v1/responses" => response(mock, body, call).await,
        "/v1/messages" => message(mock, body, call).await,
        "/v1/messages/count_tokens" => Ok(document(&messages::count(body)?)),
        "/v1/completions" => Ok(match Completions::of(body, &call)? {
            Completions::Document(answer) => document(&answer),
            Completions::Events(events) => stream_of(stream::iter(events).map(Ok)),
        }),
        "/v1/embeddings" => Ok(json_text(embeddings::answer(body, &call)?)),
        "/v1/moderations" => Ok(document(&moderations::answer(body, &call)?)),
        "/v1/rerank" | "/v2/rerank" => Ok(document(&rerank::answer(body, &call)?)),
        "/v1/audio/transcriptions" | "/v1/audio/translations" => {
            audio::write_down(&head.headers, body)
        }
        "/v1/audio/speech" => audio::speak(body),
        path => Err(unknown(&head.method, path)),
    }
}

/// What is looked up: the models there are.
fn look_up(path: &str) -> Result<Response, Refusal> {
    if path == "/v1/models" {
        let models: Vec<Value> = MODELS.iter().map(|id| model(id)).collect();
        return Ok(document(&json!({"object": "list", "data": models})));
    }
    match path.strip_prefix("/v1/models/") {
        Some(id) if MODELS.contains(&id) => Ok(document(&model(id))),
        Some(id) => {
            let message = format!("The model '{id}' does not exist");
            let code = Some("model_not_found");
            Err(Refusal::new(StatusCode::NOT_FOUND, message, code))
        }
        None if ASKED.contains(&path) => Err(wrong_method(&Method::GET, path)),
        None => Err(unknown(&Method::GET, path)),
    }
}

async fn chat(mock: &Mock, body: &[u8], call: Call) -> Result<Response, Refusal> {
    let script = Script::of(body, &call)?;
    if script.streams() {
        return Ok(streamed(mock, script.events(), call));
    }
    said(mock, script.tokens()).await;
    Ok(json_text(script.document()))
}

async fn message(mock: &Mock, body: &[u8], call: Call) -> Result<Response, Refusal> {
    let message = Message::of(body, &call)?;
    if message.streams() {
        return Ok(streamed(mock, message.events(), call));
    }
    said(mock, message.tokens()).await;
    Ok(document(&message.document()))
}

async fn response(mock: &Mock, body: &[u8], call: Call) -> Result<Response, Refusal> {
    let script = ResponseScript::of(body, &call)?;
    if script.streams() {
        return Ok(streamed(mock, script.events(), call));
    }
    said(mock, script.tokens()).await;
    Ok(json_text(script.document()))
}

/// Waits as long as it takes to say so many tokens.
async fn said(mock: &Mock, tokens: u32) {
    if let Some(pause) = mock.options.pause() {
        sleep(pause * tokens).await;
    }
}

/// Events, each when its tokens have been said.
fn streamed(mock: &Mock, events: Vec<Event>, call: Call) -> Response {
    let pause = mock.options.pause();
    let started = Instant::now();
    let events = stream::iter(events).then(move |event| {
        // The call goes on as long as its stream.
        let _answered = &call;
        // Counted from the start: pauses one by one would add up what each
        // oversleeps.
        let due = pause
            .filter(|_| 0 < event.tokens_so_far)
            .map(|pause| started + pause * event.tokens_so_far);
        async move {
            if let Some(due) = due {
                sleep_until(due).await;
            }
            Ok::<Bytes, Infallible>(event.bytes)
        }
    });
    stream_of(events)
}

fn stream_of(
    events: impl stream::Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
) -> Response {
    let content_type = [(CONTENT_TYPE, "text/event-stream; charset=utf-8")];
    (content_type, Body::from_stream(events)).into_response()
}

/// Whether the key is the refused one, wherever a client puts it.
fn brings_refused_key(headers: &HeaderMap) -> bool {
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    bearer == Some(REFUSED_KEY)
        || headers
            .get("x-api-key")
            .is_some_and(|key| key == REFUSED_KEY)
}

fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "mock"})
}

fn document(value: &Value) -> Response {
    json_text(value.to_string())
}

fn json_text(text: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

fn wrong_method(method: &Method, path: &str) -> Refusal {
    let message = format!(
        "Not allowed to {method} on {path}. (HINT: Perhaps you meant to use a different HTTP method?)"
    );
    let code = Some("method_not_supported");
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message, code)
}

fn unknown(method: &Method, path: &str) -> Refusal {
    let message = format!("Unknown request URL: {method} {path}.");
    Refusal::new(StatusCode::NOT_FOUND, message, Some("unknown_url"))
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
