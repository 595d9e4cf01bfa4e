//! `/admin/v1/cache/entries`: what is stored, and the end of it.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;

use super::bodies::{EntryDetail, EntryList, EntryTold, PurgeTold};
use super::{accepted, asked, begin, held_to, may_purge};
use crate::access::Role;
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::parameters::{Parameters, bad};
use crate::api::schema::ErrorEnvelope;
use crate::backend::{BackendError, Listed};
use crate::entry::Peeked;
use crate::purge::{Cause, Facts, Selector, Target};
use crate::wire::Operation;

/// Entries of a page, where it is not said.
const LIMIT: u64 = 50;
/// Entries of a page at most.
const LIMIT_MAX: u64 = 200;
/// Entries looked at for a page at most.
const SCANNED_MAX: u64 = 2_000;
/// Entries looked at in one go.
const AT_ONCE: usize = 100;

/// The key in a path; what cannot be read is none.
type Key = Result<Path<String>, PathRejection>;

/// Lists what is stored, without the answers.
///
/// In no order, and a page may be short or empty while there is more: each looks at a
/// bounded number of entries. Ask on with `after` until `has_more` is false. What the
/// memory tiers alone hold, because the store is away, is not listed.
#[utoipa::path(
    get,
    path = "/admin/v1/cache/entries",
    operation_id = "listCacheEntries",
    tag = "Cache",
    params(
        ("operation" = Option<Vec<String>>, Query, description = "Endpoint families: `chat`, `embedding`, `moderation`, `models`."),
        ("model" = Option<Vec<String>>, Query, description = "Models asked for or answered by; `*` stands for any text."),
        ("tenant" = Option<Vec<String>>, Query, description = "Tenants."),
        ("tag" = Option<Vec<String>>, Query, description = "Tags; of several one is enough."),
        ("key" = Option<Vec<String>>, Query, description = "The digits keys begin with."),
        ("min_age" = Option<u64>, Query, description = "So many seconds old at least."),
        ("max_age" = Option<u64>, Query, description = "So many seconds old at most."),
        ("created_before" = Option<String>, Query, description = "Stored before: seconds since the Unix epoch, or RFC 3339."),
        ("created_after" = Option<String>, Query, description = "Stored since, the same ways."),
        ("limit" = Option<u64>, Query, description = "About how many; 50 where it is not said, at most 200.", minimum = 1, maximum = 200),
        ("after" = Option<String>, Query, description = "`next` of the page before."),
    ),
    responses(
        (status = 200, description = "The entries.", body = EntryList),
        (status = 400, description = "A parameter makes no sense; `param` tells which.", body = ErrorEnvelope),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role is missing.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
pub(super) async fn list_entries(
    admin: Admin,
    State(state): State<ApiState>,
    parameters: Result<Parameters, ApiError>,
) -> Result<Json<EntryList>, ApiError> {
    admin.may(Role::ReadUsage)?;
    let parameters = parameters?;
    let now = state.store.now();
    let filters = asked::filters(&parameters, now)?;
    let limit = parameters.number("limit")?.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(bad("limit", format!("limit is from 1 to {LIMIT_MAX}")));
    }
    let mut place = match parameters.one("after")? {
        Some(after) => Some(place_of(after)?),
        None => None,
    };
    let (mut data, mut scanned) = (Vec::new(), 0);
    let catalogue = state.purging.catalogue().ok_or_else(missing)?;
    loop {
        let walked = catalogue.walk(place, AT_ONCE).await;
        let walked = walked.map_err(|error| {
            if matches!(error, BackendError::Invalid(_)) {
                bad("after", "after is `next` of the page before")
            } else {
                error.into()
            }
        })?;
        for listed in &walked.entries {
            scanned += 1;
            let Some(peeked) = in_use(&state, listed) else {
                continue;
            };
            let is_young = filters
                .created_after
                .is_none_or(|from| from <= peeked.stored_at);
            let selector = &filters.selector;
            let is_meant = selector.is_empty() || selector.matches(&facts(listed, &peeked));
            if is_young && is_meant {
                data.push(EntryTold::of(listed, peeked, now));
            }
        }
        place = walked.next;
        let met = u64::try_from(data.len()).unwrap_or(u64::MAX);
        if place.is_none() || limit <= met || SCANNED_MAX <= scanned {
            break;
        }
    }
    Ok(Json(EntryList {
        object: "list",
        data,
        scanned,
        has_more: place.is_some(),
        next: place.map(hex::encode),
    }))
}

/// Tells of one entry, without the answer.
#[utoipa::path(
    get,
    path = "/admin/v1/cache/entries/{key}",
    operation_id = "retrieveCacheEntry",
    tag = "Cache",
    params(("key" = String, Path, description = "The entry's key: 64 hexadecimal digits, as `x-cache-key` and the list tell it.", pattern = "^[0-9a-fA-F]{64}$")),
    responses(
        (status = 200, description = "The entry.", body = EntryDetail),
        (status = 400, description = "This is no key.", body = ErrorEnvelope),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role is missing.", body = ErrorEnvelope),
        (status = 404, description = "Nothing is stored under it.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
pub(super) async fn retrieve_entry(
    admin: Admin,
    State(state): State<ApiState>,
    key: Key,
) -> Result<Json<EntryDetail>, ApiError> {
    admin.may(Role::ReadUsage)?;
    let id = id_of(&key)?;
    let catalogue = state.purging.catalogue().ok_or_else(missing)?;
    let found = catalogue.find(id).await?;
    let told = found.and_then(|(listed, left)| {
        let peeked = in_use(&state, &listed)?;
        Some(EntryDetail {
            in_memory: state.store.is_in_memory(&id),
            kept_for: left.map(|left| left.as_secs()),
            entry: EntryTold::of(&listed, peeked, state.store.now()),
        })
    });
    told.map(Json).ok_or_else(missing)
}

/// Removes one entry, everywhere.
///
/// It is not served any more when this is answered, and by other instances not a second
/// later. There need not be one: an answer that is under way is not kept either.
#[utoipa::path(
    delete,
    path = "/admin/v1/cache/entries/{key}",
    operation_id = "deleteCacheEntry",
    tag = "Cache",
    params(("key" = String, Path, description = "The entry's key: 64 hexadecimal digits.", pattern = "^[0-9a-fA-F]{64}$")),
    responses(
        (status = 202, description = "The purge.", body = PurgeTold),
        (status = 400, description = "This is no key.", body = ErrorEnvelope),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role is missing.", body = ErrorEnvelope),
        (status = 429, description = "Too many purges are in force.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["purge_own"])),
)]
pub(super) async fn delete_entry(
    admin: Admin,
    State(state): State<ApiState>,
    key: Key,
) -> Result<Response, ApiError> {
    let own = may_purge(&admin)?;
    let id = id_of(&key)?;
    let selector = held_to(Selector::key(&id), own)?;
    let target = Target::Selected(selector);
    let told = begin(&admin, &state, target, Cause::Entry).await?;
    let subject = hex::encode(id);
    state
        .audit
        .note(admin.actor(), "cache.delete_entry", &subject);
    Ok(accepted(told))
}

/// Removes every entry of this cache, everywhere.
///
/// What others keep in the same Redis stays, and so do usage, keys and settings.
#[utoipa::path(
    delete,
    path = "/admin/v1/cache/entries",
    operation_id = "deleteAllCacheEntries",
    tag = "Cache",
    params(("confirm" = String, Query, description = "Has to be `all`.", pattern = "^all$", example = "all")),
    responses(
        (status = 202, description = "The purge.", body = PurgeTold),
        (status = 400, description = "It is not confirmed.", body = ErrorEnvelope),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role is missing.", body = ErrorEnvelope),
        (status = 429, description = "Too many purges are in force.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["purge_all"])),
)]
pub(super) async fn delete_all_entries(
    admin: Admin,
    State(state): State<ApiState>,
    parameters: Result<Parameters, ApiError>,
) -> Result<Response, ApiError> {
    admin.may(Role::PurgeAll)?;
    if parameters?.one("confirm")? != Some("all") {
        let message = "this removes every entry: say so with ?confirm=all";
        return Err(bad("confirm", message));
    }
    let told = begin(&admin, &state, Target::Everything, Cause::Everything).await?;
    state
        .audit
        .note(admin.actor(), "cache.delete_all", &told.id());
    Ok(accepted(told))
}

/// What is known of an entry that is not purged; `None` for one of another version, and
/// for what is no answer but leads to one.
fn in_use(state: &ApiState, listed: &Listed) -> Option<Peeked> {
    let peeked = listed.inspect().ok()?;
    let is_gone = state.store.purges().mean_listed(&facts(listed, &peeked));
    let is_answer = peeked.operation != Operation::Passthrough;
    (!is_gone && is_answer).then_some(peeked)
}

fn facts<'a>(listed: &'a Listed, peeked: &'a Peeked) -> Facts<'a> {
    Facts {
        id: &listed.id,
        operation: peeked.operation,
        stored_at: peeked.stored_at,
        meta: &peeked.meta,
    }
}

fn id_of(key: &Key) -> Result<[u8; 32], ApiError> {
    match key {
        Ok(Path(key)) => asked::id_of(key),
        Err(_) => Err(bad("key", "a key is 64 hexadecimal digits")),
    }
}

fn place_of(after: &str) -> Result<String, ApiError> {
    let bytes = hex::decode(after).ok();
    let place = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    place.ok_or_else(|| bad("after", "after is `next` of the page before"))
}

fn missing() -> ApiError {
    ApiError::NotFound("entry under this key".to_owned())
}
