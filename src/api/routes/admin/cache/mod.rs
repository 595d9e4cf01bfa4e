//! What is cached: looked at, tried out, removed.

mod asked;
mod bodies;
mod entries;
mod purges;
mod stats;
mod trial;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::LOCATION;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Role;
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::purge::{Cause, Selector, Target};

pub(super) use bodies::PurgeTold;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(stats::cache_stats))
        .routes(routes!(trial::test_cache))
        .routes(routes!(entries::list_entries, entries::delete_all_entries))
        .routes(routes!(entries::retrieve_entry, entries::delete_entry))
        .routes(routes!(purges::invalidate))
        .routes(routes!(purges::list_purges))
        .routes(routes!(purges::retrieve_purge))
}

/// The tenant whose entries alone may be removed; `None` for those of all.
///
/// # Errors
/// If nothing may be removed.
fn may_purge(admin: &Admin) -> Result<Option<String>, ApiError> {
    if admin.actor().may(Role::PurgeAll) {
        return Ok(None);
    }
    admin.may(Role::PurgeOwn)?;
    match &admin.actor().tenant {
        Some(tenant) => Ok(Some(tenant.clone())),
        None => Err(ApiError::RoleMissing(Role::PurgeAll)),
    }
}

/// A selector held to what may be removed.
///
/// # Errors
/// If it asks for the entries of another tenant.
fn held_to(mut selector: Selector, own: Option<String>) -> Result<Selector, ApiError> {
    let Some(own) = own else {
        return Ok(selector);
    };
    if selector.tenants.iter().any(|tenant| *tenant != own) {
        return Err(ApiError::RoleMissing(Role::PurgeAll));
    }
    selector.tenants = vec![own];
    Ok(selector)
}

/// Makes a purge and tells of it.
pub(super) async fn begin(
    admin: &Admin,
    state: &ApiState,
    target: Target,
    cause: Cause,
) -> Result<PurgeTold, ApiError> {
    let actor = admin.actor();
    let (id, purge) = state.purging.begin(target, cause, &actor.id).await?;
    Ok(PurgeTold::of(id, &purge))
}

/// A purge that was made, and where to ask how far it is.
fn accepted(purge: PurgeTold) -> Response {
    let location = format!("/admin/v1/cache/purges/{}", purge.id());
    (StatusCode::ACCEPTED, [(LOCATION, location)], Json(purge)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tenants: &[&str]) -> Selector {
        Selector {
            tenants: tenants.iter().map(|name| (*name).to_owned()).collect(),
            tags: vec!["t".to_owned()],
            ..Selector::default()
        }
    }

    #[test]
    fn who_may_remove_what_is_the_own_removes_no_more() {
        let own = || Some("acme".to_owned());
        for given in [of(&[]), of(&["acme"])] {
            let held = held_to(given, own()).ok();
            assert_eq!(held, Some(of(&["acme"])));
        }
        for given in [of(&["other"]), of(&["acme", "other"]), of(&["acme*"])] {
            let refused = held_to(given, own());
            assert!(matches!(
                refused,
                Err(ApiError::RoleMissing(Role::PurgeAll))
            ));
        }
        let all = held_to(of(&["other"]), None).ok();
        assert_eq!(all, Some(of(&["other"])));
    }
}
