//! `/admin/v1/keys`: the API keys this server gives out.

mod bodies;
mod draft;
mod rights;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, StatusCode};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Denied, KeyRecord, NewKey, Role, keyring};
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::inbound::{require_json, whole_body};
use crate::api::parameters::Parameters;
use crate::api::schema::ErrorEnvelope;
use crate::backend::{Change, Seen};
use crate::clock::{Clock as _, SystemClock};
use crate::proxy::ProxyError;

use bodies::{ApiKey, KeyList, KeyRequest, MadeKey, RevokedKey};
use draft::Draft;

/// How many keys a page has where nothing is said, and the most it may have.
const PAGE: u64 = 100;
const PAGE_MAX: u64 = 1000;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(create_key, list_keys))
        .routes(routes!(retrieve_key, update_key, revoke_key))
}

/// The id in a path; what cannot be read names nothing.
type Id = Result<Path<String>, PathRejection>;

/// Makes an API key.
///
/// The key is in this answer and nowhere else: what is kept of it is a digest under a
/// secret that is not in the store.
#[utoipa::path(
    post,
    path = "/admin/v1/keys",
    operation_id = "createKey",
    tag = "Access",
    request_body = KeyRequest,
    responses(
        (status = 201, description = "The key, shown this once.", body = MadeKey, headers(
            ("location" = String, description = "Where the key is told of."),
            ("cache-control" = String, description = "`no-store`."),
        )),
        (status = 400, description = "The request is wrong; `param` tells where.", body = ErrorEnvelope),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role `manage_keys` is missing, or `owner` for a key with roles.", body = ErrorEnvelope),
        (status = 415, description = "The body is not plain JSON.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["manage_keys"])),
)]
async fn create_key(
    admin: Admin,
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    admin.may(Role::ManageKeys)?;
    let said = said(request, &state).await?;
    let now = SystemClock.unix_millis();
    let draft = Draft::new(said, now)?;
    if !draft.roles.is_empty() {
        admin.may(Role::Owner)?;
    }
    let NewKey {
        key,
        id,
        digest,
        prefix,
        last4,
    } = state.keyring.make().map_err(|error| {
        tracing::error!(%error, "no API key can be made");
        ApiError::Internal
    })?;
    let record = KeyRecord {
        id,
        name: draft.name,
        tenant: draft.tenant,
        digest,
        prefix,
        last4,
        created_at: now,
        expires_at: draft.expires_at,
        disabled: draft.disabled,
        roles: draft.roles,
        rights: Arc::new(draft.rights),
    };
    let revision = write(&state, &record, Seen::Absent).await?;
    state.audit.note(admin.actor(), "key.create", &record.id);
    let location = format!("/admin/v1/keys/{}", record.id);
    let made = MadeKey {
        told: ApiKey::of(&record, revision, now),
        key,
    };
    let mut response = (StatusCode::CREATED, [(LOCATION, location)], Json(made)).into_response();
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    Ok(response)
}

/// Lists API keys in the order of their making. None of them can be read here.
#[utoipa::path(
    get,
    path = "/admin/v1/keys",
    operation_id = "listKeys",
    tag = "Access",
    params(
        ("limit" = Option<u64>, Query, description = "How many, from 1 to 1000; 100 where it is not said.", minimum = 1, maximum = 1000),
        ("after" = Option<String>, Query, description = "The id of the last key of the page before."),
        ("tenant" = Option<String>, Query, description = "Only keys of this tenant."),
    ),
    responses(
        (status = 200, description = "The keys.", body = KeyList),
        (status = 400, description = "A parameter is wrong.", body = ErrorEnvelope),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role `manage_keys` is missing.", body = ErrorEnvelope),
        (status = 503, description = "The keys have not been read from the store yet.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["manage_keys"])),
)]
async fn list_keys(
    admin: Admin,
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<KeyList>, ApiError> {
    admin.may(Role::ManageKeys)?;
    require_read(&state)?;
    let limit = parameters.read("limit", "a whole number from 1 to 1000", |text| {
        let limit = text.parse().ok()?;
        (1..=PAGE_MAX).contains(&limit).then_some(limit)
    })?;
    let limit = usize::try_from(limit.unwrap_or(PAGE)).unwrap_or(usize::MAX);
    let tenant = parameters.one("tenant")?;
    let mut keys = state.keyring.revisions();
    if let Some(after) = parameters.one("after")? {
        let place = keys.iter().position(|(_, key)| key.id == after);
        let place = place.ok_or_else(|| {
            ApiError::invalid(Some("after"), format!("there is no key `{after}`"))
        })?;
        keys.drain(..=place);
    }
    keys.retain(|(_, key)| tenant.is_none_or(|tenant| key.tenant == tenant));
    let has_more = limit < keys.len();
    keys.truncate(limit);
    let now = SystemClock.unix_millis();
    let told = keys
        .iter()
        .map(|(revision, key)| ApiKey::of(key, *revision, now));
    Ok(Json(KeyList::of(told.collect(), has_more)))
}

/// Tells of an API key; the key itself is not known any more.
#[utoipa::path(
    get,
    path = "/admin/v1/keys/{id}",
    operation_id = "retrieveKey",
    tag = "Access",
    params(("id" = String, Path, description = "The key's id.")),
    responses(
        (status = 200, description = "The key.", body = ApiKey),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role `manage_keys` is missing.", body = ErrorEnvelope),
        (status = 404, description = "There is no such key.", body = ErrorEnvelope),
        (status = 503, description = "The keys have not been read from the store yet.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["manage_keys"])),
)]
async fn retrieve_key(
    admin: Admin,
    State(state): State<ApiState>,
    id: Id,
) -> Result<Json<ApiKey>, ApiError> {
    admin.may(Role::ManageKeys)?;
    let (revision, key) = find(&state, id)?;
    Ok(Json(ApiKey::of(&key, revision, SystemClock.unix_millis())))
}

/// Changes an API key.
///
/// What is not said stays, `null` takes a member back to its default, and objects are
/// merged (RFC 7396). With `revision` the change is only made to that state of the key.
#[utoipa::path(
    patch,
    path = "/admin/v1/keys/{id}",
    operation_id = "updateKey",
    tag = "Access",
    params(("id" = String, Path, description = "The key's id.")),
    request_body = KeyRequest,
    responses(
        (status = 200, description = "The key as it is now.", body = ApiKey),
        (status = 400, description = "The request is wrong; `param` tells where.", body = ErrorEnvelope),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role `manage_keys` is missing, or `owner` for a key with roles.", body = ErrorEnvelope),
        (status = 404, description = "There is no such key.", body = ErrorEnvelope),
        (status = 409, description = "Somebody else has changed the key in the meantime.", body = ErrorEnvelope),
        (status = 415, description = "The body is not plain JSON.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["manage_keys"])),
)]
async fn update_key(
    admin: Admin,
    State(state): State<ApiState>,
    id: Id,
    request: Request,
) -> Result<Json<ApiKey>, ApiError> {
    admin.may(Role::ManageKeys)?;
    let (revision, old) = find(&state, id)?;
    let said = said(request, &state).await?;
    let now = SystemClock.unix_millis();
    let draft = Draft::changed(&old, said, now)?;
    if !(old.roles.is_empty() && draft.roles.is_empty()) {
        admin.may(Role::Owner)?;
    }
    let seen = draft.revision.unwrap_or(revision);
    let record = KeyRecord {
        name: draft.name,
        tenant: draft.tenant,
        expires_at: draft.expires_at,
        disabled: draft.disabled,
        roles: draft.roles,
        rights: Arc::new(draft.rights),
        ..KeyRecord::clone(&old)
    };
    let revision = write(&state, &record, Seen::At(seen)).await?;
    state.audit.note(admin.actor(), "key.update", &record.id);
    Ok(Json(ApiKey::of(&record, revision, now)))
}

/// Revokes an API key, for good. It opens nothing from now on, here at once and on every
/// other instance within a second.
#[utoipa::path(
    delete,
    path = "/admin/v1/keys/{id}",
    operation_id = "revokeKey",
    tag = "Access",
    params(("id" = String, Path, description = "The key's id.")),
    responses(
        (status = 200, description = "It is revoked.", body = RevokedKey),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role `manage_keys` is missing, or `owner` for a key with roles.", body = ErrorEnvelope),
        (status = 404, description = "There is no such key.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["manage_keys"])),
)]
async fn revoke_key(
    admin: Admin,
    State(state): State<ApiState>,
    id: Id,
) -> Result<Json<RevokedKey>, ApiError> {
    admin.may(Role::ManageKeys)?;
    let (_, key) = find(&state, id)?;
    if !key.roles.is_empty() {
        admin.may(Role::Owner)?;
    }
    let change = Change {
        kind: keyring::KIND,
        id: key.id.clone(),
        // Whatever somebody else makes of it meanwhile.
        seen: Seen::Anything,
        content: None,
        keep_for: None,
    };
    state.replica.change(change).await?;
    state.audit.note(admin.actor(), "key.revoke", &key.id);
    Ok(Json(RevokedKey::of(&key.id)))
}

/// The body of a request, as the members of an object.
async fn said(
    request: Request,
    state: &ApiState,
) -> Result<serde_json::Map<String, Value>, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body: Bytes = whole_body(&parts.headers, body, &state.options).await?;
    serde_json::from_slice(&body)
        .map_err(|error| ApiError::invalid(None, format!("the body must be an object: {error}")))
}

fn find(state: &ApiState, id: Id) -> Result<(u64, Arc<KeyRecord>), ApiError> {
    require_read(state)?;
    let id = id.map_or_else(|_| String::new(), |Path(id)| id);
    let found = state.keyring.by_id(&id);
    found.ok_or_else(|| ApiError::NotFound(format!("key `{id}`")))
}

/// Before the keys have been read nothing can be said of them.
fn require_read(state: &ApiState) -> Result<(), ApiError> {
    if state.keyring.is_read() {
        Ok(())
    } else {
        Err(ProxyError::Denied(Denied::NotReady).into())
    }
}

async fn write(state: &ApiState, key: &KeyRecord, seen: Seen) -> Result<u64, ApiError> {
    let content = serde_json::to_vec(key).map_err(|error| {
        tracing::error!(%error, "an API key cannot be written down");
        ApiError::Internal
    })?;
    let change = Change {
        kind: keyring::KIND,
        id: key.id.clone(),
        seen,
        content: Some(content.into()),
        keep_for: None,
    };
    let made = state.replica.change(change).await?;
    made.ok_or_else(|| ApiError::Conflict(format!("key `{}`", key.id)))
}
