//! Removing what a selector means, and how far that is.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};

use super::asked::{self, InvalidateRequest};
use super::bodies::{DryRun, PurgeList, PurgeTold};
use super::{accepted, begin, held_to, may_purge};
use crate::access::Role;
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::inbound::{require_json, whole_body};
use crate::api::schema::ErrorEnvelope;
use crate::purge::{Cause, Target};

/// Removes the entries a selector means, everywhere.
///
/// None of them is served any more when this is answered, and by other instances not a
/// second later; they are removed from the store behind it. Answers that are under way
/// are not kept. Whoever may only remove what is the own tenant's removes no more.
#[utoipa::path(
    post,
    path = "/admin/v1/cache/invalidate",
    operation_id = "invalidateCache",
    tag = "Cache",
    request_body = InvalidateRequest,
    responses(
        (status = 200, description = "What would be removed, where `dry_run` is true.", body = DryRun),
        (status = 202, description = "The purge.", body = PurgeTold, headers(
            ("location" = String, description = "Where to ask how far it is."),
        )),
        (status = 400, description = "The selector makes no sense, or is empty; `param` tells where.", body = ErrorEnvelope),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role is missing, or the tenant is another.", body = ErrorEnvelope),
        (status = 415, description = "The body is not plain JSON.", body = ErrorEnvelope),
        (status = 429, description = "Too many purges are in force.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["purge_own"])),
)]
pub(super) async fn invalidate(
    admin: Admin,
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    let own = may_purge(&admin)?;
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = whole_body(&parts.headers, body, &state.options).await?;
    let (selector, is_dry) = asked::read(&body)?;
    let target = Target::Selected(held_to(selector, own)?);
    if is_dry {
        let counted = state.purging.count(&target).await;
        let counted = counted?;
        return Ok(Json(DryRun::of(counted)).into_response());
    }
    let told = begin(&admin, &state, target, Cause::Selector).await?;
    state
        .audit
        .note(admin.actor(), "cache.invalidate", &told.id());
    Ok(accepted(told))
}

/// Lists the purges in force, the latest first.
///
/// One stays in force for a day after everything was removed, for instances that were
/// cut off and did not know of it.
#[utoipa::path(
    get,
    path = "/admin/v1/cache/purges",
    operation_id = "listCachePurges",
    tag = "Cache",
    responses(
        (status = 200, description = "The purges.", body = PurgeList),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role is missing.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
pub(super) async fn list_purges(
    admin: Admin,
    State(state): State<ApiState>,
) -> Result<Json<PurgeList>, ApiError> {
    admin.may(Role::ReadUsage)?;
    let all = state.purging.all().into_iter();
    let told = all.map(|(id, purge)| PurgeTold::of(id, &purge));
    Ok(Json(PurgeList::of(told.collect())))
}

/// Tells how far a purge is.
#[utoipa::path(
    get,
    path = "/admin/v1/cache/purges/{id}",
    operation_id = "retrieveCachePurge",
    tag = "Cache",
    params(("id" = String, Path, description = "The purge's id.")),
    responses(
        (status = 200, description = "The purge.", body = PurgeTold),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role is missing.", body = ErrorEnvelope),
        (status = 404, description = "No such purge is in force.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
pub(super) async fn retrieve_purge(
    admin: Admin,
    State(state): State<ApiState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<PurgeTold>, ApiError> {
    admin.may(Role::ReadUsage)?;
    let told = id.ok().and_then(|Path(id)| {
        let purge = state.purging.get(&id)?;
        Some(PurgeTold::of(id, &purge))
    });
    told.map(Json)
        .ok_or_else(|| ApiError::NotFound("such purge in force".to_owned()))
}
