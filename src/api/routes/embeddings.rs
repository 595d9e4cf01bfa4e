//! `POST /v1/embeddings`.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::ApiState;
use crate::api::error::ApiError;
use crate::api::inbound::answer_json;
use crate::api::schema::{EmbeddingList, EmbeddingRequest, ErrorEnvelope};
use crate::wire::Operation;

const PATH: &str = "/embeddings";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(create_embedding))
}

/// The same under the spellings clients use.
pub(super) fn aliases() -> Router<ApiState> {
    Router::new()
        .route("/v1/embeddings/", post(create_embedding))
        .route("/embeddings", post(create_embedding))
        .route("/embeddings/", post(create_embedding))
}

/// Answers with a vector for each input, from the cache where the input was
/// embedded before.
///
/// Every input of a list is stored by itself: only those that are not known are
/// asked for, each once, and the answer is in the order and the encoding that was
/// asked for. The tokens are those of all inputs, whenever they were paid for.
/// `Cache-Control` and `x-cache-ttl` direct the cache as they do for completions.
#[utoipa::path(
    post,
    path = "/v1/embeddings",
    operation_id = "createEmbedding",
    tag = "Answers",
    request_body = EmbeddingRequest,
    params(
        ("Cache-Control" = Option<String>, Header, description = "Directives to the cache (RFC 9111 §5.2.1, RFC 5861)."),
        ("x-cache-ttl" = Option<u64>, Header, description = "How long the vectors stay fresh, in seconds."),
    ),
    responses(
        (status = 200, description = "The vectors.", body = EmbeddingList, headers(
            ("x-cache" = String, description = "HIT, PARTIAL, MISS, STALE, COALESCED, REFRESH or BYPASS."),
            ("x-cache-hits" = u64, description = "How many inputs were answered from the cache."),
            ("x-cache-misses" = u64, description = "How many inputs were not."),
            ("x-cache-usage" = String, description = "`estimated` if the tokens of some inputs are shares of what the upstream counted for several."),
            ("cache-status" = String, description = "What the cache did (RFC 9211)."),
            ("age" = u64, description = "The age of the oldest vector, in seconds, if all were stored (RFC 9111 §5.1)."),
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
async fn create_embedding(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    answer_json(&state, Operation::Embedding, PATH, request).await
}
