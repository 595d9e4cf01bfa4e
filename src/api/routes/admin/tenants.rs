//! `DELETE /admin/v1/tenants/{id}`: everything that is kept of a tenant's content.

use axum::Json;
use axum::extract::Path;
use axum::extract::State;
use axum::extract::rejection::PathRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::cache::{self, PurgeTold};
use crate::access::{Role, keyring};
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::parameters::bad;
use crate::api::schema::ErrorEnvelope;
use crate::backend::{Change, Seen};
use crate::purge::{Cause, Selector, Target};

/// The erasure of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Erasure {
    /// Always `erasure`.
    #[schema(example = "erasure")]
    object: &'static str,
    /// The tenant.
    #[schema(example = "acme")]
    tenant: String,
    /// The purge that removes its answers. When it is complete none of them is left.
    purge: PurgeTold,
    /// Keys of it that were removed.
    #[schema(example = 2)]
    keys_removed: u64,
    /// What is kept: `usage`, which has its name and numbers and nothing it asked.
    #[schema(example = json!(["usage"]))]
    kept: [&'static str; 1],
}

/// Erases a tenant: its stored answers and its keys.
///
/// Its answers are not served any more when this is answered, and by other instances not
/// a second later. They are removed from the store behind it, so that no byte of them is
/// left when the purge is complete. What was counted under its name stays counted.
#[utoipa::path(
    delete,
    path = "/admin/v1/tenants/{id}",
    operation_id = "eraseTenant",
    tag = "Cache",
    params(("id" = String, Path, description = "The tenant, as usage names it.")),
    responses(
        (status = 202, description = "The erasure. Erasing again changes nothing.", body = Erasure),
        (status = 400, description = "This names no tenant.", body = ErrorEnvelope),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role is missing.", body = ErrorEnvelope),
        (status = 429, description = "Too many purges are in force.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["owner"])),
)]
pub(super) async fn erase_tenant(
    admin: Admin,
    State(state): State<ApiState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    admin.may(Role::Owner)?;
    let tenant = match id {
        Ok(Path(tenant)) if !tenant.is_empty() => tenant,
        Ok(_) | Err(_) => return Err(bad("id", "this is no name of a tenant")),
    };
    // First the keys, so that nothing new comes in under them.
    let keys_removed = remove_keys(&state, &tenant).await?;
    let target = Target::Selected(Selector {
        tenants: vec![tenant.clone()],
        ..Selector::default()
    });
    let purge = cache::begin(&admin, &state, target, Cause::Tenant).await?;
    // What was encrypted cannot be read from here on, backups of the entries included.
    let tenant_keys = state.store.tenant_keys();
    tenant_keys.forget(&state.replica, &tenant).await?;
    state.audit.note(admin.actor(), "tenant.erase", &tenant);
    let erasure = Erasure {
        object: "erasure",
        tenant,
        purge,
        keys_removed,
        kept: ["usage"],
    };
    Ok((StatusCode::ACCEPTED, Json(erasure)).into_response())
}

async fn remove_keys(state: &ApiState, tenant: &str) -> Result<u64, ApiError> {
    let all = state.keyring.all();
    let mut removed = 0;
    for key in all.iter().filter(|key| key.tenant == tenant) {
        let change = Change {
            kind: keyring::KIND,
            id: key.id.clone(),
            seen: Seen::Anything,
            content: None,
            keep_for: None,
        };
        state.replica.change(change).await?;
        removed += 1;
    }
    Ok(removed)
}
