//! From what is said of a key to what is kept of it.
//!
//! A change is merged into what is said of the key now (RFC 7396), and the whole is read
//! as if it had been said so from the start: a key cannot become by changes what it could
//! not have been made as.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::rights;
use crate::access::{KeyRecord, NAME_BYTES_MAX, Rights, Role, is_name};
use crate::api::error::ApiError;
use crate::clock::UnixMillis;

/// The last second there is, that of the year 9999.
const SECOND_MAX: u64 = 253_402_300_799;

const MEMBERS: [&str; 7] = [
    "name",
    "tenant",
    "expires_at",
    "disabled",
    "roles",
    "rights",
    "revision",
];

/// What a key is to be.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) tenant: String,
    pub(super) expires_at: Option<UnixMillis>,
    pub(super) disabled: bool,
    pub(super) roles: BTreeSet<Role>,
    pub(super) rights: Rights,
    pub(super) revision: Option<u64>,
}

impl Draft {
    /// A key that is to be made.
    pub(super) fn new(said: Map<String, Value>, now: UnixMillis) -> Result<Self, ApiError> {
        let said = with_moment(said, now)?;
        let mut whole = Value::Object(Map::new());
        merge(&mut whole, Value::Object(said));
        Self::read(&whole)
    }

    /// A key that is to be changed.
    pub(super) fn changed(
        old: &KeyRecord,
        said: Map<String, Value>,
        now: UnixMillis,
    ) -> Result<Self, ApiError> {
        let said = with_moment(said, now)?;
        let mut whole = json!({
            "name": old.name,
            "tenant": old.tenant,
            "expires_at": old.expires_at.map(|end| end / 1000),
            "disabled": old.disabled,
            "roles": old.roles,
            "rights": *old.rights,
        });
        merge(&mut whole, Value::Object(said));
        Self::read(&whole)
    }

    fn read(whole: &Value) -> Result<Self, ApiError> {
        let whole = whole.as_object().cloned().unwrap_or_default();
        only(&whole, &MEMBERS, "")?;
        let name = |member: &str| {
            let wanted = format!(
                "a text of 1 to {NAME_BYTES_MAX} bytes without control characters or blanks at its ends"
            );
            let text: Option<String> = member_of(&whole, member, "", &wanted)?;
            let text = text.filter(|text| is_name(text));
            text.ok_or_else(|| refused(member, &wanted))
        };
        let wanted = "a whole number of seconds since 1970";
        let expires_at: Option<u64> = member_of(&whole, "expires_at", "", wanted)?;
        Ok(Self {
            name: name("name")?,
            tenant: name("tenant")?,
            expires_at: expires_at.map(|second| second.saturating_mul(1000)),
            disabled: member_of(&whole, "disabled", "", "`true` or `false`")?.unwrap_or_default(),
            roles: roles(&whole)?,
            rights: rights::read(whole.get("rights"))?,
            revision: member_of(&whole, "revision", "", "a whole number")?,
        })
    }
}

/// What is said, with the moment a key ends at instead of the time until then.
fn with_moment(
    mut said: Map<String, Value>,
    now: UnixMillis,
) -> Result<Map<String, Value>, ApiError> {
    const IN: &str = "expires_in_seconds";
    const AT: &str = "expires_at";
    let now = now / 1000;
    let wanted = "a whole number of seconds, from 1 on";
    let time: Option<u64> = member_of(&said, IN, "", wanted)?;
    said.remove(IN);
    if let Some(time) = time {
        if said.contains_key(AT) {
            return Err(refused(IN, "left out where `expires_at` is said"));
        }
        if !(1..=SECOND_MAX - now).contains(&time) {
            return Err(refused(IN, wanted));
        }
        said.insert(AT.to_owned(), Value::from(now + time));
    }
    let wanted = "a second to come, counted from 1970";
    let moment: Option<u64> = member_of(&said, AT, "", wanted)?;
    if moment.is_some_and(|moment| moment <= now || SECOND_MAX < moment) {
        return Err(refused(AT, wanted));
    }
    Ok(said)
}

fn roles(whole: &Map<String, Value>) -> Result<BTreeSet<Role>, ApiError> {
    let all = Role::ALL
        .map(|role| format!("`{}`", role.as_str()))
        .join(", ");
    let roles = member_of(whole, "roles", "", &format!("a list of {all}"))?;
    Ok(roles.unwrap_or_default())
}

/// Merges a change into what it changes (RFC 7396 §2).
fn merge(into: &mut Value, change: Value) {
    let Value::Object(change) = change else {
        *into = change;
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let Value::Object(members) = into else {
        return;
    };
    for (name, value) in change {
        if value.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Makes sure that an object has no other members.
pub(super) fn only(
    object: &Map<String, Value>,
    members: &[&str],
    below: &str,
) -> Result<(), ApiError> {
    match object.keys().find(|name| !members.contains(&name.as_str())) {
        None => Ok(()),
        Some(odd) => {
            let known = members.join(", ");
            let param = format!("{below}{odd}");
            let message = format!("there is no `{param}`; there are {known}");
            Err(ApiError::invalid(Some(&param), message))
        }
    }
}

/// A member of an object; `None` if it is not there, or null.
pub(super) fn member_of<T: DeserializeOwned>(
    object: &Map<String, Value>,
    name: &str,
    below: &str,
    wanted: &str,
) -> Result<Option<T>, ApiError> {
    let Some(value) = object.get(name) else {
        return Ok(None);
    };
    serde_json::from_value(value.clone()).map_err(|error| {
        let param = format!("{below}{name}");
        let message = format!("`{param}` must be {wanted}: {error}");
        ApiError::invalid(Some(&param), message)
    })
}

/// What is wrong with a member.
pub(super) fn refused(param: &str, wanted: &str) -> ApiError {
    ApiError::invalid(Some(param), format!("`{param}` must be {wanted}"))
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
