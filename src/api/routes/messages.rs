//! `POST /v1/messages` and `POST /v1/messages/count_tokens`, of Anthropic's API.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::ApiState;
use crate::api::error::ApiError;
use crate::api::inbound::answer_json;
use crate::api::schema::ServerSentEvent;
use crate::api::schema::messages::{AnthropicError, MessageRequest, TokenCount, TokenCountRequest};
use crate::wire::Operation;

const PATH: &str = "/messages";
const COUNT_PATH: &str = "/messages/count_tokens";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(create_message))
        .routes(routes!(count_message_tokens))
}

/// The same under the spellings clients use.
pub(super) fn aliases() -> Router<ApiState> {
    Router::new()
        .route("/v1/messages/", post(create_message))
        .route("/messages", post(create_message))
        .route("/messages/", post(create_message))
        .route("/v1/messages/count_tokens/", post(count_message_tokens))
        .route("/messages/count_tokens", post(count_message_tokens))
        .route("/messages/count_tokens/", post(count_message_tokens))
}

/// Answers a message of Anthropic's API: from the cache if the same was answered before.
///
/// The body is the provider's own; whatever it accepts is accepted. `anthropic-version`
/// and `anthropic-beta` are part of what is asked. The cache is directed as that of chat
/// completions is. Errors are in Anthropic's envelope.
#[utoipa::path(
    post,
    path = "/v1/messages",
    operation_id = "createMessage",
    tag = "Answers",
    request_body = MessageRequest,
    params(
        ("anthropic-version" = Option<String>, Header, description = "The version of the API, as the provider wants it."),
        ("anthropic-beta" = Option<String>, Header, description = "What else of the API is asked for."),
        ("Cache-Control" = Option<String>, Header, description = "Directives to the cache (RFC 9111 §5.2.1, RFC 5861)."),
        ("x-cache-ttl" = Option<u64>, Header, description = "How long the answer stays fresh, in seconds."),
    ),
    responses(
        (status = 200, description = "The message, or with `stream: true` its events.", content(
            (serde_json::Value = "application/json"), (ServerSentEvent = "text/event-stream"),
        ), headers(
            ("x-cache" = String, description = "HIT, MISS, STALE, COALESCED, REFRESH or BYPASS."),
            ("cache-status" = String, description = "What the cache did (RFC 9211)."),
            ("age" = u64, description = "The age of a stored answer, in seconds (RFC 9111 §5.1)."),
            ("request-id" = String, description = "The id this request is logged under."),
        )),
        (status = 413, description = "The body is too large.", body = AnthropicError),
        (status = 415, description = "The body is not plain JSON.", body = AnthropicError),
        (status = 502, description = "The upstream cannot be reached, or its answer broke off.", body = AnthropicError),
        (status = 504, description = "The upstream did not answer in time, or `only-if-cached` found nothing.", body = AnthropicError),
        (status = "4XX", description = "The upstream's own error, as it came.", body = AnthropicError),
    ),
    security((), ("upstream_key" = [])),
)]
async fn create_message(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    answer_json(&state, Operation::Message, PATH, request).await
}

/// Tells how many tokens the request of a message has: from the cache if the same was
/// counted before.
#[utoipa::path(
    post,
    path = "/v1/messages/count_tokens",
    operation_id = "countMessageTokens",
    tag = "Answers",
    request_body = TokenCountRequest,
    params(
        ("anthropic-version" = Option<String>, Header, description = "The version of the API, as the provider wants it."),
        ("anthropic-beta" = Option<String>, Header, description = "What else of the API is asked for."),
        ("Cache-Control" = Option<String>, Header, description = "Directives to the cache (RFC 9111 §5.2.1, RFC 5861)."),
    ),
    responses(
        (status = 200, description = "The count.", body = TokenCount, headers(
            ("x-cache" = String, description = "HIT, MISS, STALE, COALESCED, REFRESH or BYPASS."),
            ("request-id" = String, description = "The id this request is logged under."),
        )),
        (status = 413, description = "The body is too large.", body = AnthropicError),
        (status = 415, description = "The body is not plain JSON.", body = AnthropicError),
        (status = 502, description = "The upstream cannot be reached, or its answer broke off.", body = AnthropicError),
        (status = 504, description = "The upstream did not answer in time, or `only-if-cached` found nothing.", body = AnthropicError),
        (status = "4XX", description = "The upstream's own error, as it came.", body = AnthropicError),
    ),
    security((), ("upstream_key" = [])),
)]
async fn count_message_tokens(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    answer_json(&state, Operation::TokenCount, COUNT_PATH, request).await
}
