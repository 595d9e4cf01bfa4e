//! `POST /v1/rerank`, as Cohere, Jina, Voyage and vLLM have it.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::ApiState;
use crate::api::error::ApiError;
use crate::api::inbound::{answer_json, pass_unread};
use crate::api::schema::{ErrorEnvelope, RerankRequest, RerankResponse};
use crate::wire::Operation;

const PATH: &str = "/rerank";

/// Where Cohere's second version has it.
const PATH_V2: &str = "/v2/rerank";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(create_rerank))
}

/// The same under the spellings clients use.
pub(super) fn aliases() -> Router<ApiState> {
    Router::new()
        .route("/v1/rerank/", post(create_rerank))
        .route("/rerank", post(create_rerank))
        .route("/rerank/", post(create_rerank))
        .route("/v2/rerank", post(create_rerank_v2))
        .route("/v2/rerank/", post(create_rerank_v2))
}

/// Ranks documents by how well they fit a query.
///
/// Rankings are stored only with `REPRISE_CACHE_RERANK=true`; otherwise requests are
/// forwarded as they come. The order of the documents is part of what is asked.
/// `Cache-Control` and `x-cache-ttl` direct the cache as they do for completions.
#[utoipa::path(
    post,
    path = "/v1/rerank",
    operation_id = "createRerank",
    tag = "Answers",
    request_body = RerankRequest,
    params(
        ("Cache-Control" = Option<String>, Header, description = "Directives to the cache (RFC 9111 §5.2.1, RFC 5861)."),
        ("x-cache-ttl" = Option<u64>, Header, description = "How long the answer stays fresh, in seconds."),
    ),
    responses(
        (status = 200, description = "The ranking.", body = RerankResponse, headers(
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
async fn create_rerank(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    answer(&state, PATH, request).await
}

async fn create_rerank_v2(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    answer(&state, PATH_V2, request).await
}

async fn answer(state: &ApiState, path: &str, request: Request) -> Result<Response, ApiError> {
    if state.proxy.stores(Operation::Rerank) {
        answer_json(state, Operation::Rerank, path, request).await
    } else {
        pass_unread(state, Operation::Rerank, request).await
    }
}
