//! `/admin/v1/providers`: where requests are answered.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use secrecy::SecretString;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::provider_bodies::{
    CredentialSaid, ProviderList, ProviderRequest, ProviderState, ProviderTest, note, read,
};
use crate::access::Role;
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::inbound::{require_json, whole_body};
use crate::api::schema::ErrorEnvelope;
use crate::backend::{Change, Seen};
use crate::upstream::{KIND, Provider, ProviderRecord, RecordError, name};

/// What the provider of the settings is called.
pub(super) const DEFAULT: &str = "default";

/// How many providers there may be besides the default one.
const PROVIDERS_MAX: usize = 100;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list_providers))
        .routes(routes!(retrieve_provider, put_provider, delete_provider))
        .routes(routes!(test_provider))
}

/// The name in a path; what cannot be read names nothing.
type Named = Result<Path<String>, PathRejection>;

/// Lists the providers.
///
/// The one of the settings comes first, as `default`. Credentials are never told.
#[utoipa::path(
    get,
    path = "/admin/v1/providers",
    operation_id = "listProviders",
    tag = "Providers",
    responses(
        (status = 200, description = "The providers.", body = ProviderList),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role is missing.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
async fn list_providers(
    admin: Admin,
    State(state): State<ApiState>,
) -> Result<Json<ProviderList>, ApiError> {
    admin.may(Role::ReadUsage)?;
    let upstreams = &state.upstreams;
    Ok(Json(ProviderList::of(
        upstreams.default(),
        &upstreams.all(),
    )))
}

/// Tells of a provider.
#[utoipa::path(
    get,
    path = "/admin/v1/providers/{name}",
    operation_id = "retrieveProvider",
    tag = "Providers",
    params(("name" = String, Path, description = "The provider's name.")),
    responses(
        (status = 200, description = "The provider.", body = ProviderState),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role is missing.", body = ErrorEnvelope),
        (status = 404, description = "There is no such provider.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
async fn retrieve_provider(
    admin: Admin,
    State(state): State<ApiState>,
    named: Named,
) -> Result<Json<ProviderState>, ApiError> {
    admin.may(Role::ReadUsage)?;
    let name = text(named)?;
    if name == DEFAULT {
        return Ok(Json(ProviderState::of_default(state.upstreams.default())));
    }
    let provider = state.upstreams.find(&name).ok_or_else(|| missing(&name))?;
    Ok(Json(ProviderState::of(&provider)))
}

/// Sets a provider up, or another way.
///
/// What is there is replaced as a whole, but for the credential: left out, it stays, as
/// long as scheme, host and port of the base URL do. Every instance follows within a
/// second. A new base URL, kind or header begins with nothing cached.
#[utoipa::path(
    put,
    path = "/admin/v1/providers/{name}",
    operation_id = "putProvider",
    tag = "Providers",
    params(("name" = String, Path, description = "The provider's name: 1 to 63 small letters, digits and hyphens.")),
    request_body = ProviderRequest,
    responses(
        (status = 200, description = "The provider, which was there before.", body = ProviderState),
        (status = 201, description = "The provider, which is new.", body = ProviderState),
        (status = 400, description = "The request is wrong; `param` tells where.", body = ErrorEnvelope),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role is missing.", body = ErrorEnvelope),
        (status = 409, description = "Somebody else changed it at the same time.", body = ErrorEnvelope),
        (status = 415, description = "The body is not plain JSON.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["owner"])),
)]
async fn put_provider(
    admin: Admin,
    State(state): State<ApiState>,
    named: Named,
    request: Request,
) -> Result<Response, ApiError> {
    admin.may(Role::Owner)?;
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = whole_body(&parts.headers, body, &state.options).await?;
    let name = changeable(named)?;
    let (request, said) = read(&body)?;
    let record = request.into_record(name.clone());
    record.check().map_err(|error| invalid(&error))?;
    // What was changed elsewhere a moment ago is to be seen before it is replaced.
    state.replica.refresh().await?;
    let before = state.upstreams.find(&name);
    if before.is_none() && state.upstreams.all().len() >= PROVIDERS_MAX {
        let message = format!("there are {PROVIDERS_MAX} providers already");
        return Err(ApiError::invalid(None, message));
    }
    write(&state, record, said, before.as_deref()).await?;
    state.audit.note(admin.actor(), "provider.put", &name);
    let provider = state.upstreams.find(&name).ok_or_else(|| missing(&name))?;
    let status = match before {
        Some(_) => StatusCode::OK,
        None => StatusCode::CREATED,
    };
    Ok((status, Json(ProviderState::of(&provider))).into_response())
}

/// Takes a provider away.
///
/// What it answers now is finished; its models go where the others say, or to the
/// default one. Every instance follows within a second.
#[utoipa::path(
    delete,
    path = "/admin/v1/providers/{name}",
    operation_id = "deleteProvider",
    tag = "Providers",
    params(("name" = String, Path, description = "The provider's name.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 400, description = "It is the one of the settings.", body = ErrorEnvelope),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role is missing.", body = ErrorEnvelope),
        (status = 404, description = "There is no such provider.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["owner"])),
)]
async fn delete_provider(
    admin: Admin,
    State(state): State<ApiState>,
    named: Named,
) -> Result<StatusCode, ApiError> {
    admin.may(Role::Owner)?;
    let name = changeable(named)?;
    state.replica.refresh().await?;
    state.upstreams.find(&name).ok_or_else(|| missing(&name))?;
    let change = Change {
        kind: KIND,
        id: name.clone(),
        seen: Seen::Anything,
        content: None,
        keep_for: None,
    };
    state.replica.change(change).await?;
    state.audit.note(admin.actor(), "provider.delete", &name);
    Ok(StatusCode::NO_CONTENT)
}

/// Asks a provider for its models, with its own credential.
///
/// Takes five seconds at most, and costs nothing.
#[utoipa::path(
    post,
    path = "/admin/v1/providers/{name}/test",
    operation_id = "testProvider",
    tag = "Providers",
    params(("name" = String, Path, description = "The provider's name, or `default`.")),
    responses(
        (status = 200, description = "What was found.", body = ProviderTest),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role is missing.", body = ErrorEnvelope),
        (status = 404, description = "There is no such provider.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["owner"])),
)]
async fn test_provider(
    admin: Admin,
    State(state): State<ApiState>,
    named: Named,
) -> Result<Json<ProviderTest>, ApiError> {
    admin.may(Role::Owner)?;
    let name = text(named)?;
    state.audit.note(admin.actor(), "provider.test", &name);
    if name == DEFAULT {
        let checked = state.upstreams.default().check().await;
        return Ok(Json(ProviderTest::of(name, checked)));
    }
    let provider = state.upstreams.find(&name).ok_or_else(|| missing(&name))?;
    Ok(Json(match &provider.upstream {
        Ok(upstream) => ProviderTest::of(name, upstream.check().await),
        Err(_) => ProviderTest::unusable(name),
    }))
}

/// Writes a provider down in the place of what was there before.
async fn write(
    state: &ApiState,
    mut record: ProviderRecord,
    said: CredentialSaid,
    before: Option<&Provider>,
) -> Result<(), ApiError> {
    let credential = match said {
        CredentialSaid::Set(credential) => Some(credential),
        CredentialSaid::Cleared => None,
        CredentialSaid::Nothing => kept(&record, before)?,
    };
    note(&mut record, credential.as_ref());
    let document = state.upstreams.document(&record, credential.as_ref());
    let content = document.map_err(|error| {
        tracing::error!(%error, "a provider cannot be sealed");
        ApiError::Internal
    })?;
    let change = Change {
        kind: KIND,
        id: record.name.clone(),
        seen: before.map_or(Seen::Absent, |before| Seen::At(before.revision)),
        content: Some(content),
        keep_for: None,
    };
    let made = state.replica.change(change).await;
    let made = made?;
    made.map(|_revision| ())
        .ok_or_else(|| ApiError::Conflict(format!("the provider {}", record.name)))
}

/// The credential that stays. It was given for one place, and is not sent to another
/// because of a request that does not know it.
fn kept(
    record: &ProviderRecord,
    before: Option<&Provider>,
) -> Result<Option<SecretString>, ApiError> {
    let Some(before) = before.filter(|before| before.record.credential.is_some()) else {
        return Ok(None);
    };
    let refused = |why: &str| {
        let message = format!("{why}: send the credential again, or null for none");
        Err(ApiError::invalid(Some("credential"), message))
    };
    if before.record.origin() != record.origin() {
        return refused("the credential that is kept is for another scheme, host or port");
    }
    match before.credential() {
        Some(credential) => Ok(Some(credential.clone())),
        None => refused("the credential that is kept cannot be read here"),
    }
}

/// The name of a provider that can be changed here.
fn changeable(named: Named) -> Result<String, ApiError> {
    let text = text(named)?;
    if text == DEFAULT {
        let message = "the default provider is that of the settings, and is changed there";
        return Err(ApiError::invalid(Some("name"), message.to_owned()));
    }
    name(text).map_err(|error| invalid(&error))
}

fn text(named: Named) -> Result<String, ApiError> {
    match named {
        Ok(Path(name)) => Ok(name),
        Err(_) => Err(missing("of that name")),
    }
}

fn missing(name: &str) -> ApiError {
    ApiError::NotFound(format!("provider {name}"))
}

fn invalid(error: &RecordError) -> ApiError {
    ApiError::invalid(Some(error.member()), error.to_string())
}
