//! Which entries are meant.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::UnixMillis;
use crate::entry::Meta;
use crate::policy::Pattern;
use crate::wire::Operation;

/// What a selector looks at in an entry.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The id of its key.
    pub id: &'a [u8; 32],
    /// Its endpoint family.
    pub operation: Operation,
    /// When the call that got it began.
    pub stored_at: UnixMillis,
    /// What else is known of it.
    pub meta: &'a Meta,
}

/// Which entries are meant: those that every member given holds for, and of the values
/// of a member at least one. One without any member means nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selector {
    /// The names of endpoint families.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
    /// Models, asked for or answered by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<Pattern>,
    /// Tenants, to the letter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<String>,
    /// Tags, to the letter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Keys, whole or by their beginnings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyPrefix>,
    /// Stored before, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_before: Option<UnixMillis>,
}

impl Selector {
    /// One key and nothing else.
    pub fn key(id: &[u8; 32]) -> Self {
        Self {
            keys: vec![KeyPrefix(hex::encode(id))],
            ..Self::default()
        }
    }

    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.is_only_keys() && self.created_before.is_none()
    }

    /// The ids of its keys, if it names whole keys: then nothing else has to be looked at.
    pub fn ids(&self) -> Option<Vec<[u8; 32]>> {
        let ids: Option<Vec<_>> = self.keys.iter().map(KeyPrefix::whole).collect();
        ids.filter(|ids| !ids.is_empty())
    }

    /// Whether it says nothing but keys.
    pub fn is_only_keys(&self) -> bool {
        self.operations.is_empty()
            && self.models.is_empty()
            && self.tenants.is_empty()
            && self.tags.is_empty()
            && self.created_before.is_none()
    }

    /// Whether it means this entry.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        let Facts {
            id,
            operation,
            stored_at,
            meta,
        } = *facts;
        let is_model =
            |pattern: &Pattern| pattern.matches(&meta.model) || pattern.matches(meta.answered_by());
        let tenant = meta.tenant.as_deref();
        !self.is_empty()
            && any(&self.operations, |word| word == operation.as_str())
            && any(&self.models, is_model)
            && any(&self.tenants, |name| tenant == Some(name.as_str()))
            && any(&self.tags, |tag| meta.tags.contains(tag))
            && any(&self.keys, |key| key.begins(id))
            && self.created_before.is_none_or(|end| stored_at < end)
    }
}

/// Whether one of the values fits; a member without values holds for everything.
fn any<T>(values: &[T], fits: impl Fn(&T) -> bool) -> bool {
    values.is_empty() || values.iter().any(fits)
}

/// A key by the hexadecimal digits it begins with, 64 for a whole one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyPrefix(String);

/// Why a text names no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is 64 hexadecimal digits, or the first of them")]
pub struct NotAKey;

impl KeyPrefix {
    /// The digits of a key a text is.
    ///
    /// # Errors
    /// If it is none, or too long.
    pub fn new(text: &str) -> Result<Self, NotAKey> {
        let is_hex = text.bytes().all(|digit| digit.is_ascii_hexdigit());
        if text.is_empty() || text.len() > 64 || !is_hex {
            return Err(NotAKey);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The id, if the key is whole.
    pub fn whole(&self) -> Option<[u8; 32]> {
        let mut id = [0; 32];
        hex::decode_to_slice(&self.0, &mut id).ok()?;
        Some(id)
    }

    /// Whether an id begins so.
    pub fn begins(&self, id: &[u8; 32]) -> bool {
        let digits = id
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|digit| char::from_digit(u32::from(digit), 16));
        self.0.chars().map(Some).zip(digits).all(|(a, b)| a == b)
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[path = "selector_tests.rs"]
mod tests;
