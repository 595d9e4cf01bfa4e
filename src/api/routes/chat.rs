//! `POST /v1/chat/completions`.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::ApiState;
use crate::api::error::ApiError;
use crate::api::inbound::answer_json;
use crate::api::schema::{ChatCompletionRequest, ErrorEnvelope, ServerSentEvent};
use crate::wire::Operation;

const PATH: &str = "/chat/completions";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(create_chat_completion))
}

/// The same under the spellings clients use.
pub(super) fn aliases() -> Router<ApiState> {
    Router::new()
        .route("/v1/chat/completions/", post(create_chat_completion))
        .route("/chat/completions", post(create_chat_completion))
        .route("/chat/completions/", post(create_chat_completion))
}

/// Answers a chat completion: from the cache if the same was answered before.
///
/// The body is the provider's own; whatever it accepts is accepted. `Cache-Control`
/// directs the cache: `no-cache` asks anew, `no-store` keeps it out altogether,
/// `only-if-cached` takes a stored answer or none, `max-age`, `min-fresh`,
/// `max-stale` and `stale-if-error` say how old an answer may be. `x-cache-ttl`
/// sets for how many seconds the answer stays fresh.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    operation_id = "createChatCompletion",
    tag = "Answers",
    request_body = ChatCompletionRequest,
    params(
        ("Cache-Control" = Option<String>, Header, description = "Directives to the cache (RFC 9111 §5.2.1, RFC 5861)."),
        ("x-cache-ttl" = Option<u64>, Header, description = "How long the answer stays fresh, in seconds."),
    ),
    responses(
        (status = 200, description = "The completion, or with `stream: true` its events.", content(
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
async fn create_chat_completion(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    answer_json(&state, Operation::Chat, PATH, request).await
}
