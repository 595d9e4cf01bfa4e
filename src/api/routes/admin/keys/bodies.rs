//! What is said of API keys, as the OpenAPI document tells it.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::rights::KeyRights;
use crate::access::{KeyRecord, Rights, Role};
use crate::clock::UnixMillis;

/// An API key to be made, or a change of one. Times are in seconds since 1970.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(in crate::api) struct KeyRequest {
    /// What people call it, of at most 128 bytes. Needed to make one.
    #[schema(example = "search team, production")]
    name: Option<String>,
    /// Whose it is: any text of at most 128 bytes without control characters. Keys of
    /// one tenant share answers. Needed to make one.
    #[schema(example = "acme")]
    tenant: Option<String>,
    /// When it ends; never where neither this nor the next is said.
    expires_at: Option<u64>,
    /// In how many seconds it ends.
    #[schema(example = 7_776_000)]
    expires_in_seconds: Option<u64>,
    /// Whether it is switched off.
    disabled: Option<bool>,
    /// What it may do in the administration: `read_usage`, `purge_own`, `purge_all`,
    /// `manage_keys`, `owner`. Only an owner may give any.
    roles: Option<Vec<String>>,
    /// What it may do besides.
    rights: Option<KeyRights>,
    /// Of a change: the revision of the key that it is made to.
    revision: Option<u64>,
}

/// An API key, without the key.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ApiKey {
    /// Always `api_key`.
    #[schema(example = "api_key")]
    object: &'static str,
    /// Its id, under which usage is counted.
    #[schema(example = "key_0123456789abcdef")]
    id: String,
    /// What people call it.
    name: String,
    /// Whose it is.
    tenant: String,
    /// How it begins.
    #[schema(example = "rpk_Ab3d")]
    prefix: String,
    /// How it ends.
    #[schema(example = "x9Yz")]
    last4: String,
    /// `active`, `disabled` or `expired`.
    #[schema(example = "active")]
    status: &'static str,
    /// When it was made, in seconds since 1970.
    created_at: u64,
    /// When it ends, in seconds since 1970; null if it does not.
    expires_at: Option<u64>,
    /// Whether it is switched off.
    disabled: bool,
    /// What it may do in the administration.
    roles: Vec<&'static str>,
    /// What it may do besides.
    #[schema(value_type = KeyRights)]
    rights: Rights,
    /// The number of its last change.
    revision: u64,
}

/// An API key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct MadeKey {
    /// What is kept of it.
    #[serde(flatten)]
    pub(super) told: ApiKey,
    /// The key itself. It is not shown again.
    #[serde(serialize_with = "shown_once")]
    #[schema(value_type = String, example = "rpk_…")]
    pub(super) key: SecretString,
}

/// API keys, in the order of their making.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct KeyList {
    /// Always `list`.
    #[schema(example = "list")]
    object: &'static str,
    /// The keys.
    data: Vec<ApiKey>,
    /// The id of the first one.
    first_id: Option<String>,
    /// The id of the last one, to ask for what comes `after`.
    last_id: Option<String>,
    /// Whether there are more.
    has_more: bool,
}

/// That an API key is revoked.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct RevokedKey {
    /// Its id.
    id: String,
    /// Always `api_key.deleted`.
    #[schema(example = "api_key.deleted")]
    object: &'static str,
    /// Always true.
    #[schema(example = true)]
    deleted: bool,
}

impl ApiKey {
    pub(super) fn of(key: &KeyRecord, revision: u64, now: UnixMillis) -> Self {
        Self {
            object: "api_key",
            id: key.id.clone(),
            name: key.name.clone(),
            tenant: key.tenant.clone(),
            prefix: key.prefix.clone(),
            last4: key.last4.clone(),
            status: match (key.disabled, key.is_good(now)) {
                (true, _) => "disabled",
                (false, true) => "active",
                (false, false) => "expired",
            },
            created_at: key.created_at / 1000,
            expires_at: key.expires_at.map(|end| end / 1000),
            disabled: key.disabled,
            roles: key.roles.iter().map(|role| Role::as_str(*role)).collect(),
            rights: Rights::clone(&key.rights),
            revision,
        }
    }
}

impl KeyList {
    pub(super) fn of(data: Vec<ApiKey>, has_more: bool) -> Self {
        Self {
            object: "list",
            first_id: data.first().map(|key| key.id.clone()),
            last_id: data.last().map(|key| key.id.clone()),
            data,
            has_more,
        }
    }
}

impl RevokedKey {
    pub(super) fn of(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            object: "api_key.deleted",
            deleted: true,
        }
    }
}

/// The one place where a key is written out.
fn shown_once<S: Serializer>(key: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.expose_secret())
}
