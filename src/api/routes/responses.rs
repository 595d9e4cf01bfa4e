//! `POST /v1/responses` and `DELETE /v1/responses/{response_id}`.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{delete, post};
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::ApiState;
use crate::api::error::ApiError;
use crate::api::inbound::{answer_json, asked, passing_body, respond};
use crate::api::schema::{ErrorEnvelope, ResponseRequest, ServerSentEvent};
use crate::key::Key;
use crate::purge::{Cause, Selector, Target};
use crate::wire::Operation;

const PATH: &str = "/responses";

/// How long a client that has deleted a response waits until the other processes know.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many purges in force leave room for those of administrators.
const PURGES_MAX: usize = 5_000;

/// Who is said to have made a purge that a client's deletion led to.
const ACTOR: &str = "client";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(create_response))
        .routes(routes!(delete_response))
}

/// The same under the spellings clients use.
pub(super) fn aliases() -> Router<ApiState> {
    Router::new()
        .route("/v1/responses/", post(create_response))
        .route("/responses", post(create_response))
        .route("/responses/", post(create_response))
        .route("/v1/responses/{response_id}/", delete(delete_response))
        .route("/responses/{response_id}", delete(delete_response))
        .route("/responses/{response_id}/", delete(delete_response))
}

/// Answers with a response: from the cache if the same was answered before.
///
/// The body is the provider's own; whatever it accepts is accepted. What depends on the
/// provider's memory (`previous_response_id`, `conversation`, `background`) or on tools
/// that it runs is forwarded and not stored. `metadata`, `user` and the like are no part
/// of the question; a stored answer repeats those of who asks. `Cache-Control` and
/// `x-cache-ttl` direct the cache as they do for completions.
#[utoipa::path(
    post,
    path = "/v1/responses",
    operation_id = "createResponse",
    tag = "Answers",
    request_body = ResponseRequest,
    params(
        ("Cache-Control" = Option<String>, Header, description = "Directives to the cache (RFC 9111 §5.2.1, RFC 5861)."),
        ("x-cache-ttl" = Option<u64>, Header, description = "How long the answer stays fresh, in seconds."),
    ),
    responses(
        (status = 200, description = "The response, or with `stream: true` its events.", content(
            (serde_json::Value = "application/json"), (ServerSentEvent = "text/event-stream"),
        ), headers(
            ("x-cache" = String, description = "HIT, MISS, STALE, COALESCED, REFRESH or BYPASS."),
            ("cache-status" = String, description = "What the cache did (RFC 9211)."),
            ("age" = u64, description = "The age of a stored answer, in seconds (RFC 9111 §5.1)."),
            ("x-request-id" = String, description = "The id this request is logged under."),
        )),
        (status = 413, description = "The body is too large.", body = ErrorEnvelope),
        (status = 415, description = "The body is not plain JSON.", body = ErrorEnvelope),
        (status = 502, description = "The upstream cannot be reached, or its answer broke off.", body = ErrorEnvelope),
        (status = 504, description = "The upstream did not answer in time, or `only-if-cached` found nothing.", body = ErrorEnvelope),
        (status = "4XX", description = "The upstream's own error, as it came.", body = ErrorEnvelope),
    ),
    security((), ("upstream_key" = [])),
)]
async fn create_response(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    answer_json(&state, Operation::Response, PATH, request).await
}

/// Deletes a response at the provider. The stored answer that carries it is forgotten,
/// by all instances.
#[utoipa::path(
    delete,
    path = "/v1/responses/{response_id}",
    operation_id = "deleteResponse",
    tag = "Answers",
    params(("response_id" = String, Path, description = "The response's id.")),
    responses(
        (status = 200, description = "The response is deleted.", body = serde_json::Value),
        (status = 502, description = "The upstream cannot be reached, or its answer broke off.", body = ErrorEnvelope),
        (status = 504, description = "The upstream did not answer in time.", body = ErrorEnvelope),
        (status = "4XX", description = "The upstream's own error, as it came.", body = ErrorEnvelope),
    ),
    security((), ("upstream_key" = [])),
)]
pub(super) async fn delete_response(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    let (asked, body) = asked(request);
    let path = asked.path().trim_end_matches('/');
    let id = path.rsplit('/').next().unwrap_or_default().to_owned();
    let body = passing_body(body, &state.options);
    let (reply, gone) = state
        .proxy
        .take_back(asked, body, Operation::Response, &id)
        .await?;
    if let Some(key) = gone {
        tell_others(&state, key).await;
    }
    Ok(respond(reply))
}

/// Whether an address, of whichever provider, is that of one response.
pub(super) fn is_one(path: &str) -> bool {
    let above = path.trim_end_matches('/').rsplit_once('/');
    above.is_some_and(|(above, _id)| Operation::at(above) == Operation::Response)
}

/// Has the other processes of a shared store forget an answer, which this one and the
/// store have forgotten already.
async fn tell_others(state: &ApiState, key: Key) {
    if !state.store.is_shared() || state.purging.all().len() >= PURGES_MAX {
        return;
    }
    let purging = state.purging.clone();
    // It goes on if the client does not wait for it.
    let told = tokio::spawn(async move {
        let target = Target::Selected(Selector::key(key.id()));
        if let Err(error) = purging.begin(target, Cause::Entry, ACTOR).await {
            tracing::warn!(%error, "other processes are not told of a response that was deleted");
        }
    });
    drop(timeout(PATIENCE, told).await);
}
