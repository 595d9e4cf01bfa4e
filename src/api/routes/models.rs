//! `GET /v1/models` and `GET /v1/models/{model}`.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::Method;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::passthrough;
use crate::api::ApiState;
use crate::api::conditional::answer_if_changed;
use crate::api::error::ApiError;
use crate::api::inbound::{asked, passing_body, respond};
use crate::api::schema::{ErrorEnvelope, Model, ModelList};
use crate::wire::Operation;

/// Where the list is, below the API's root.
const LIST: &str = "/models";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list_models))
        .routes(routes!(retrieve_model, delete_model))
}

/// The same under the spellings clients use. Some providers have names with slashes.
pub(super) fn aliases() -> Router<ApiState> {
    Router::new()
        .route("/v1/models/", get(list_models))
        .route("/models", get(list_models))
        .route("/models/", get(list_models))
        .route("/v1/models/{model}/{*rest}", get(retrieve_model))
        .route("/models/{model}", get(retrieve_model).delete(delete_model))
        .route("/models/{model}/{*rest}", get(retrieve_model))
}

/// Lists the models that the caller's key may use.
///
/// The list is kept for a minute for each key, and stands in for a day if the
/// upstream fails. A caller that has it already and says so with `If-None-Match`
/// gets 304.
#[utoipa::path(
    get,
    path = "/v1/models",
    operation_id = "listModels",
    tag = "Answers",
    params(
        ("If-None-Match" = Option<String>, Header, description = "The ETags of what the caller has (RFC 9110 §13.1.2)."),
        ("Cache-Control" = Option<String>, Header, description = "Directives to the cache (RFC 9111 §5.2.1, RFC 5861)."),
    ),
    responses(
        (status = 200, description = "The models.", body = ModelList, headers(
            ("etag" = String, description = "Names this list, for `If-None-Match`."),
            ("x-cache" = String, description = "HIT, MISS, STALE, COALESCED, REFRESH or BYPASS."),
            ("cache-status" = String, description = "What the cache did (RFC 9211)."),
        )),
        (status = 304, description = "The caller has it already."),
        (status = 502, description = "The upstream cannot be reached, or its answer broke off.", body = ErrorEnvelope),
        (status = 504, description = "The upstream did not answer in time, or `only-if-cached` found nothing.", body = ErrorEnvelope),
        (status = "4XX", description = "The upstream's own error, as it came.", body = ErrorEnvelope),
    ),
    security((), ("upstream_key" = [])),
)]
async fn list_models(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    answer(state, request).await
}

/// Describes one model, if the caller's key may use it.
#[utoipa::path(
    get,
    path = "/v1/models/{model}",
    operation_id = "retrieveModel",
    tag = "Answers",
    params(
        ("model" = String, Path, description = "The model's name."),
        ("If-None-Match" = Option<String>, Header, description = "The ETags of what the caller has (RFC 9110 §13.1.2)."),
        ("Cache-Control" = Option<String>, Header, description = "Directives to the cache (RFC 9111 §5.2.1, RFC 5861)."),
    ),
    responses(
        (status = 200, description = "The model.", body = Model, headers(
            ("etag" = String, description = "Names this answer, for `If-None-Match`."),
            ("x-cache" = String, description = "HIT, MISS, STALE, COALESCED, REFRESH or BYPASS."),
            ("cache-status" = String, description = "What the cache did (RFC 9211)."),
        )),
        (status = 304, description = "The caller has it already."),
        (status = 502, description = "The upstream cannot be reached, or its answer broke off.", body = ErrorEnvelope),
        (status = 504, description = "The upstream did not answer in time, or `only-if-cached` found nothing.", body = ErrorEnvelope),
        (status = "4XX", description = "The upstream's own error, as it came.", body = ErrorEnvelope),
    ),
    security((), ("upstream_key" = [])),
)]
async fn retrieve_model(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    answer(state, request).await
}

/// Deletes a model of the caller's own. What is known of it is forgotten.
#[utoipa::path(
    delete,
    path = "/v1/models/{model}",
    operation_id = "deleteModel",
    tag = "Answers",
    params(("model" = String, Path, description = "The model's name.")),
    responses(
        (status = 200, description = "The model is deleted.", body = serde_json::Value),
        (status = 502, description = "The upstream cannot be reached, or its answer broke off.", body = ErrorEnvelope),
        (status = 504, description = "The upstream did not answer in time.", body = ErrorEnvelope),
        (status = "4XX", description = "The upstream's own error, as it came.", body = ErrorEnvelope),
    ),
    security((), ("upstream_key" = [])),
)]
async fn delete_model(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    let (asked, body) = asked(request);
    let path = asked.path_and_query.split('?').next().unwrap_or_default();
    let path = path.trim_end_matches('/').to_owned();
    let body = passing_body(body, &state.options);
    let reply = state
        .proxy
        .change(asked, body, Operation::Models, &[&path, LIST])
        .await?;
    Ok(respond(reply))
}

async fn answer(state: ApiState, request: Request) -> Result<Response, ApiError> {
    // A router that knows GET sends HEAD the same way; there is nothing to store of it.
    if request.method() != Method::GET {
        return Ok(passthrough::forward(State(state), request)
            .await
            .into_response());
    }
    let (mut asked, _body) = asked(request);
    let (path, query) = match asked.path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (asked.path_and_query.as_str(), None),
    };
    let path = path.trim_end_matches('/');
    asked.path_and_query = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let conditions = asked.headers.clone();
    let reply = state
        .proxy
        .answer(Operation::Models, asked, Bytes::new())
        .await?;
    answer_if_changed(&conditions, reply).await
}
