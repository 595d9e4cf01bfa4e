//! `POST /admin/v1/cache/test`: whether the store works, now.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Role;
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::schema::ErrorEnvelope;
use crate::backend::Trial;

/// How a trial of the store went.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrialTold {
    /// Always `cache_test`.
    #[schema(example = "cache_test")]
    object: &'static str,
    /// Whether every step went well.
    #[schema(example = true)]
    ok: bool,
    /// Which backend was tried: `embedded`, `redis` or `memory`.
    #[schema(example = "redis")]
    backend: &'static str,
    /// How long writing an entry took, in milliseconds; null if it failed.
    #[schema(example = 0.42)]
    write_ms: Option<f64>,
    /// How long reading it took.
    #[schema(example = 0.21)]
    read_ms: Option<f64>,
    /// How long removing it took.
    #[schema(example = 0.2)]
    remove_ms: Option<f64>,
    /// What went wrong, by a word: `timeout`, `unavailable`, `out_of_space` and so on.
    #[schema(example = json!(null))]
    error: Option<&'static str>,
}

/// Tries the store out: writes, reads and removes an entry.
///
/// On the way every entry goes, with the same deadlines, under a name that is nobody's.
#[utoipa::path(
    post,
    path = "/admin/v1/cache/test",
    operation_id = "testCache",
    tag = "Cache",
    responses(
        (status = 200, description = "How it went, well or not.", body = TrialTold),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role is missing.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
pub(super) async fn test_cache(
    admin: Admin,
    State(state): State<ApiState>,
) -> Result<Json<TrialTold>, ApiError> {
    admin.may(Role::ReadUsage)?;
    let Trial {
        write,
        read,
        remove,
        error,
    } = state.proxy.try_store().await;
    if let Some(error) = &error {
        tracing::warn!(%error, "the store was tried out and does not work");
    }
    let millis = |took: Duration| took.as_secs_f64() * 1000.0;
    Ok(Json(TrialTold {
        object: "cache_test",
        ok: error.is_none(),
        backend: state.store.health().backend,
        write_ms: write.map(millis),
        read_ms: read.map(millis),
        remove_ms: remove.map(millis),
        error: error.as_ref().map(crate::backend::BackendError::as_str),
    }))
}
