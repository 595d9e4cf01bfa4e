//! `GET /admin/v1/models`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::filters;
use super::described::{self, ModelsQuery};
use super::numbers::milliseconds;
use crate::access::Role;
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::schema::ErrorEnvelope;
use crate::usage::books::{Dimension, ModelInformation};

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(models))
}

/// How the models are doing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelStates {
    /// Always `list`.
    #[schema(example = "list")]
    object: &'static str,
    /// The models, by provider and name.
    data: Vec<ModelState>,
}

/// How one model of one provider is doing, over all instances.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelState {
    /// Always `model_information`.
    #[schema(example = "model_information")]
    object: &'static str,
    /// The upstream provider; null if it is not known.
    upstream: Option<String>,
    /// The model; null if it is not known.
    model: Option<String>,
    /// `ok`: less than 5 % of the calls failed; `degraded`: less than half; `failing`:
    /// half or more; `idle`: it was not called within the last hour.
    #[schema(example = "ok")]
    status: &'static str,
    /// The beginning of the bucket of its last call, in seconds since the Unix epoch.
    last_seen: u64,
    /// How wide that bucket is: `minute`, `hour` or `day`.
    #[schema(example = "minute")]
    last_seen_granularity: &'static str,
    /// How long calls took, in milliseconds: a moving average over the last hour, in
    /// which a call counts half after ten minutes. Null without calls.
    latency_ms: Option<f64>,
    /// Which share of the calls failed, from 0 to 1; null without calls.
    error_rate: Option<f64>,
    /// Calls within the time it is judged by.
    calls: u64,
    /// Those of them that failed.
    failed: u64,
    /// The time it is judged by, in seconds: the last 15 minutes if it was called in
    /// them, otherwise the last hour.
    judged_seconds: u64,
}

/// Tells how the models are doing: status, last call, latency, errors.
///
/// Models that were called within 400 days, over all instances that share a store. What
/// the cache answered says nothing about a model and does not count.
#[utoipa::path(
    get,
    path = "/admin/v1/models",
    operation_id = "modelStates",
    tag = "Usage",
    params(ModelsQuery),
    responses(
        (status = 200, description = "The models.", body = ModelStates, example = json!(described::models_example())),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
        (status = 503, description = "The usage ledger cannot be read now.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
async fn models(
    admin: Admin,
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<ModelStates>, ApiError> {
    admin.may(Role::ReadUsage)?;
    let filters = filters(&parameters, &[Dimension::Model, Dimension::Upstream]);
    let models = state.books_now().await.models(filters).await?;
    Ok(Json(ModelStates {
        object: "list",
        data: models.into_iter().map(ModelState::from).collect(),
    }))
}

impl From<ModelInformation> for ModelState {
    fn from(model: ModelInformation) -> Self {
        let known = |name: String| (!name.is_empty()).then_some(name);
        Self {
            object: "model_information",
            status: model.status.as_str(),
            last_seen: model.last_seen,
            last_seen_granularity: model.precision.as_str(),
            latency_ms: model.latency.map(milliseconds),
            error_rate: model.error_rate(),
            calls: model.calls,
            failed: model.failed,
            judged_seconds: model.judged_seconds,
            upstream: known(model.upstream),
            model: known(model.model),
        }
    }
}
