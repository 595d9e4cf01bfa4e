//! `POST /v1/moderations`.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::ApiState;
use crate::api::error::ApiError;
use crate::api::inbound::answer_json;
use crate::api::schema::{ErrorEnvelope, ModerationList, ModerationRequest};
use crate::wire::Operation;

const PATH: &str = "/moderations";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(create_moderation))
}

/// The same under the spellings clients use.
pub(super) fn aliases() -> Router<ApiState> {
    Router::new()
        .route("/v1/moderations/", post(create_moderation))
        .route("/moderations", post(create_moderation))
        .route("/moderations/", post(create_moderation))
}

/// Answers with a judgement of each input, from the cache where the input was
/// judged before.
///
/// Texts in a list are stored one by one; the parts of one message, texts and
/// images, are judged and stored together. `Cache-Control` and `x-cache-ttl` direct
/// the cache as they do for completions.
#[utoipa::path(
    post,
    path = "/v1/moderations",
    operation_id = "createModeration",
    tag = "Answers",
    request_body = ModerationRequest,
    params(
        ("Cache-Control" = Option<String>, Header, description = "Directives to the cache (RFC 9111 §5.2.1, RFC 5861)."),
        ("x-cache-ttl" = Option<u64>, Header, description = "How long the judgements stay fresh, in seconds."),
    ),
    responses(
        (status = 200, description = "The judgements.", body = ModerationList, headers(
            ("x-cache" = String, description = "HIT, PARTIAL, MISS, STALE, COALESCED, REFRESH or BYPASS."),
            ("x-cache-hits" = u64, description = "How many inputs were answered from the cache."),
            ("x-cache-misses" = u64, description = "How many inputs were not."),
            ("cache-status" = String, description = "What the cache did (RFC 9211)."),
            ("x-request-id" = String, description = "The id this request is logged under."),
        )),
        (status = 413, description = "The body is too large.", body = ErrorEnvelope),
        (status = 415, description = "The body is not plain JSON.", body = ErrorEnvelope),
        (status = 502, description = "The upstream cannot be reached, or its answer broke off.", body = ErrorEnvelope),
        (status = 504, description = "The upstream did not answer in time, or `only-if-cached` found an input that is not stored.", body = ErrorEnvelope),
        (status = "4XX", description = "The upstream's own error, as it came.", body = ErrorEnvelope),
    ),
    security((), ("upstream_key" = [])),
)]
async fn create_moderation(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    answer_json(&state, Operation::Moderation, PATH, request).await
}
