//! `GET /v1/organization/usage/…` and `GET /v1/organization/costs`: usage and costs as
//! the provider tells them, for dashboards that know no others.
//!
//! The numbers are what the upstream counted, so that they add up to its invoice; what
//! the cache did stands beside them under names of its own.

mod asked;
mod cursor;
mod described;
mod told;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::asked::{Asked, Kind};
use self::described::{CompletionsQuery, CostsQuery, ItemsQuery, Referred};
use self::told::{CompletionsResult, CostsResult, ItemsResult, Page, Tell};
use crate::access::Role;
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::schema::ErrorEnvelope;
use crate::usage::books::Bounds;

/// What is answered here, below the API's root.
const PATHS: [&str; 4] = [
    "/organization/usage/completions",
    "/organization/usage/embeddings",
    "/organization/usage/moderations",
    "/organization/costs",
];

/// What is told at once: a page that has more ends early, and the next one goes on.
const BOUNDS: Bounds = Bounds {
    named_max: 1_000,
    groups_enough: 10_000,
};

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Referred::openapi())
        .routes(routes!(usage_completions))
        .routes(routes!(usage_embeddings))
        .routes(routes!(usage_moderations))
        .routes(routes!(costs))
}

/// The same under the spellings clients use.
pub(super) fn aliases() -> Router<ApiState> {
    let [completions, embeddings, moderations, spent] = PATHS;
    let spelled = |router: Router<ApiState>, path: &str, answer| {
        let method: axum::routing::MethodRouter<ApiState> = answer;
        router
            .route(&format!("/v1{path}/"), method.clone())
            .route(path, method.clone())
            .route(&format!("{path}/"), method)
    };
    let router = spelled(Router::new(), completions, get(usage_completions));
    let router = spelled(router, embeddings, get(usage_embeddings));
    let router = spelled(router, moderations, get(usage_moderations));
    spelled(router, spent, get(costs))
}

/// Whether a path is answered here, in whichever spelling.
pub(super) fn is_ours(path: &str) -> bool {
    let path = path.strip_prefix("/v1").unwrap_or(path);
    PATHS.contains(&path.strip_suffix('/').unwrap_or(path))
}

/// Whether a path is of the organization's administration, ours or the provider's.
pub(in crate::api) fn is_administration(path: &str) -> bool {
    let path = path.strip_prefix("/v1").unwrap_or(path);
    path.strip_prefix("/organization")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Tells what completions used, over time.
///
/// `input_tokens`, `output_tokens` and `num_model_requests` are what was called and
/// counted upstream; what the cache answered is in `cache_hits`, `cache_misses` and
/// `cache_saved_…`. The bucket that `start_time` lies in is told whole. Minutes are
/// kept for 48 hours, hours for 35 days, days for 400 days.
#[utoipa::path(
    get,
    path = "/v1/organization/usage/completions",
    operation_id = "usageCompletions",
    tag = "Usage",
    params(CompletionsQuery),
    responses(
        (status = 200, description = "A page of buckets.", body = Page<CompletionsResult>, example = json!(described::completions_example())),
        (status = 400, description = "A parameter is missing or means nothing; `param` names it.", body = ErrorEnvelope),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
        (status = 503, description = "The usage ledger cannot be read now.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
async fn usage_completions(
    admin: Admin,
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<Page<CompletionsResult>>, ApiError> {
    admin.may(Role::ReadUsage)?;
    page(&state, Kind::Completions, &parameters, told::completions).await
}

/// Tells what embeddings used, over time.
///
/// As for completions; there is no output to count.
#[utoipa::path(
    get,
    path = "/v1/organization/usage/embeddings",
    operation_id = "usageEmbeddings",
    tag = "Usage",
    params(ItemsQuery),
    responses(
        (status = 200, description = "A page of buckets.", body = Page<ItemsResult>, example = json!(described::embeddings_example())),
        (status = 400, description = "A parameter is missing or means nothing; `param` names it.", body = ErrorEnvelope),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
        (status = 503, description = "The usage ledger cannot be read now.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
async fn usage_embeddings(
    admin: Admin,
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<Page<ItemsResult>>, ApiError> {
    admin.may(Role::ReadUsage)?;
    page(&state, Kind::Embeddings, &parameters, told::embeddings).await
}

/// Tells what moderations used, over time.
///
/// As for completions; there is no output to count, and most providers count no input.
#[utoipa::path(
    get,
    path = "/v1/organization/usage/moderations",
    operation_id = "usageModerations",
    tag = "Usage",
    params(ItemsQuery),
    responses(
        (status = 200, description = "A page of buckets.", body = Page<ItemsResult>, example = json!(described::moderations_example())),
        (status = 400, description = "A parameter is missing or means nothing; `param` names it.", body = ErrorEnvelope),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
        (status = 503, description = "The usage ledger cannot be read now.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
async fn usage_moderations(
    admin: Admin,
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<Page<ItemsResult>>, ApiError> {
    admin.may(Role::ReadUsage)?;
    page(&state, Kind::Moderations, &parameters, told::moderations).await
}

/// Tells what all calls to the upstream cost, day by day.
///
/// A line item is a model. What was called of models without a known price is in no
/// amount: `unpriced_models` names them, and `unpriced_requests` counts the calls.
#[utoipa::path(
    get,
    path = "/v1/organization/costs",
    operation_id = "costs",
    tag = "Usage",
    params(CostsQuery),
    responses(
        (status = 200, description = "A page of buckets.", body = Page<CostsResult>, example = json!(described::costs_example())),
        (status = 400, description = "A parameter is missing or means nothing; `param` names it.", body = ErrorEnvelope),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
        (status = 503, description = "The usage ledger cannot be read now.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
async fn costs(
    admin: Admin,
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<Page<CostsResult>>, ApiError> {
    admin.may(Role::ReadUsage)?;
    page(&state, Kind::Costs, &parameters, told::costs).await
}

async fn page<R>(
    state: &ApiState,
    kind: Kind,
    parameters: &Parameters,
    tell: Tell<R>,
) -> Result<Json<Page<R>>, ApiError> {
    let books = state.books_now().await;
    let asked = Asked::read(kind, parameters, books.now())?;
    let series = books.series(&asked.query, BOUNDS).await?;
    Ok(Json(Page::of(&asked, &series, tell)))
}

#[cfg(test)]
mod tests;
