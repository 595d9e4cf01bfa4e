//! `GET /admin/v1/usage/live`: the requests, as they finish.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::access::Role;
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::schema::ErrorEnvelope;
use crate::price::Usd;
use crate::usage::{Event, Items, Watcher};
use crate::wire::Usage;

/// How often it is looked whether the server is stopping.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// After so many looks without a request a comment is sent, so that nothing on the
/// way takes the connection for dead.
const QUIET_LOOKS: u32 = 15;

/// A request that has been answered. There is no prompt and no answer in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LiveRequest {
    /// When it was finished, in milliseconds since the Unix epoch.
    #[schema(example = 1_763_721_826_123_u64)]
    time: u64,
    /// The id it was answered with.
    request_id: String,
    /// The endpoint family.
    #[schema(example = "chat")]
    operation: &'static str,
    /// The model asked for.
    #[schema(example = "gpt-4o-mini")]
    model: Option<String>,
    /// The model that answered.
    #[schema(example = "gpt-4o-mini-2024-07-18")]
    answered_by: Option<String>,
    /// The id of the key, never the key.
    #[schema(example = "cred_0a1b2c3d4e5f")]
    key: String,
    /// Whose the key is.
    tenant: String,
    /// What the client calls requests like this one.
    tags: Vec<String>,
    /// The upstream provider.
    #[schema(example = "api.openai.com")]
    upstream: String,
    /// What the cache did.
    #[schema(example = "hit")]
    outcome: &'static str,
    /// Why, where there is more to say.
    detail: Option<&'static str>,
    /// The status the client got; null if it left before.
    #[schema(example = 200)]
    status: Option<u16>,
    /// `complete`, `client-left`, or why there was no whole answer.
    #[schema(example = "complete")]
    served: &'static str,
    /// The tokens of the answer.
    tokens: Option<LiveTokens>,
    /// The tokens the upstream did not have to process again.
    saved_tokens: Option<LiveTokens>,
    /// What those would have cost, in US dollars; null where the model has no known price.
    #[schema(example = 0.000_015_9)]
    saved_usd: Option<f64>,
    /// How the items of a list were answered.
    items: Option<LiveItems>,
    /// Bytes of body handed to the client.
    bytes: u64,
    /// Milliseconds from the request's head to the first byte of its answer.
    first_byte_ms: Option<f64>,
    /// Milliseconds from the request's head to the end of its answer.
    total_ms: f64,
}

/// Tokens of one request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LiveTokens {
    /// Of the request, the cached ones included.
    input: u64,
    /// Of those, what the provider read from its prompt cache.
    cached_input: u64,
    /// Of the answer.
    output: u64,
    /// Of those, what was spent on reasoning.
    reasoning: u64,
}

/// How the items of a list were answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LiveItems {
    /// From the store.
    stored: u64,
    /// By a call another request made.
    joined: u64,
    /// By a call of its own.
    called: u64,
}

/// Shows requests as they finish: the last hundred first, then every new one.
///
/// Server-sent events named `request`. Of this instance alone; a reader that is too
/// slow misses some.
#[utoipa::path(
    get,
    path = "/admin/v1/usage/live",
    operation_id = "watchUsage",
    tag = "Usage",
    responses(
        (status = 200, description = "The requests, one event each.", body = LiveRequest, content_type = "text/event-stream"),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
pub(super) async fn live(
    admin: Admin,
    State(state): State<ApiState>,
) -> Result<Response, ApiError> {
    admin.may(Role::ReadUsage)?;
    let watching = Watching {
        watcher: state.journal.watch(),
        stopping: Arc::clone(&state.stopping),
        quiet: 0,
    };
    let events = stream::unfold(watching, Watching::step).fuse();
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}

/// Somebody who watches.
struct Watching {
    watcher: Watcher,
    stopping: Arc<AtomicBool>,
    quiet: u32,
}

type Step = Result<Bytes, std::convert::Infallible>;

impl Watching {
    async fn step(mut self) -> Option<(Step, Self)> {
        loop {
            if self.stopping.load(Ordering::Relaxed) {
                return None;
            }
            match timeout(LOOK_INTERVAL, self.watcher.next()).await {
                Ok(None) => return None,
                Ok(Some(event)) => {
                    self.quiet = 0;
                    return Some((Ok(written(&event)), self));
                }
                Err(_quiet) => {
                    self.quiet += 1;
                    if self.quiet % QUIET_LOOKS == 1 {
                        return Some((Ok(Bytes::from_static(b": still here\n\n")), self));
                    }
                }
            }
        }
    }
}

fn written(event: &Event) -> Bytes {
    let data = serde_json::to_string(&LiveRequest::of(event)).unwrap_or_default();
    format!("event: request\ndata: {data}\n\n").into()
}

impl LiveRequest {
    fn of(event: &Event) -> Self {
        let millis = |time: Duration| (time.as_secs_f64() * 1_000_000.0).round() / 1000.0;
        Self {
            time: event.subject.at,
            request_id: event.subject.request_id.clone(),
            operation: event.subject.operation.as_str(),
            model: event.subject.model.clone(),
            answered_by: event
                .subject
                .resolved_model
                .clone()
                .or_else(|| event.subject.model.clone()),
            key: event.subject.caller.key.as_ref().to_owned(),
            tenant: event.subject.caller.tenant.as_ref().to_owned(),
            tags: event.subject.tags.iter().map(str::to_owned).collect(),
            upstream: event.subject.upstream.as_ref().to_owned(),
            outcome: event.subject.outcome,
            detail: event.detail,
            status: event.status,
            served: event.served.as_str(),
            tokens: event.usage.map(LiveTokens::of),
            saved_tokens: event.saved.map(|saved| LiveTokens::of(saved.usage)),
            saved_usd: event.saved.and_then(|saved| saved.cost).map(Usd::as_f64),
            items: event.items.map(LiveItems::of),
            bytes: event.bytes,
            first_byte_ms: event.first_byte.map(millis),
            total_ms: millis(event.total),
        }
    }
}

impl LiveTokens {
    const fn of(usage: Usage) -> Self {
        Self {
            input: usage.input,
            cached_input: usage.cached_input,
            output: usage.output,
            reasoning: usage.reasoning,
        }
    }
}

impl LiveItems {
    const fn of(items: Items) -> Self {
        Self {
            stored: items.stored,
            joined: items.joined,
            called: items.called,
        }
    }
}
