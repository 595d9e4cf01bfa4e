//! `POST /v1/completions`, of the time before chat.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::ApiState;
use crate::api::error::ApiError;
use crate::api::inbound::answer_json;
use crate::api::schema::{CompletionRequest, ErrorEnvelope, ServerSentEvent};
use crate::wire::Operation;

const PATH: &str = "/completions";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(create_completion))
}

/// The same under the spellings clients use.
pub(super) fn aliases() -> Router<ApiState> {
    Router::new()
        .route("/v1/completions/", post(create_completion))
        .route("/completions", post(create_completion))
        .route("/completions/", post(create_completion))
}

/// Completes a text, as models did before chat: from the cache if the same was asked
/// before.
///
/// The prompt is a text, a list of texts, a list of tokens or a list of those; one alone
/// is the same as a list of one. The body is otherwise the provider's own, and
/// `Cache-Control` and `x-cache-ttl` direct the cache as they do for chat completions.
#[utoipa::path(
    post,
    path = "/v1/completions",
    operation_id = "createCompletion",
    tag = "Answers",
    request_body = CompletionRequest,
    params(
        ("Cache-Control" = Option<String>, Header, description = "Directives to the cache (RFC 9111 §5.2.1, RFC 5861)."),
        ("x-cache-ttl" = Option<u64>, Header, description = "How long the answer stays fresh, in seconds."),
    ),
    responses(
        (status = 200, description = "The completions, or with `stream: true` its events.", content(
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
async fn create_completion(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    answer_json(&state, Operation::Completion, PATH, request).await
}
