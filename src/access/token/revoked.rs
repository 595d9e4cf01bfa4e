//! Tokens that were revoked before their end.
//!
//! A token is revoked under the digest of what was signed, which nobody can write in
//! another way, or under its id. Both are kept until it would have ended.

use std::collections::HashMap;

use arc_swap::ArcSwap;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::backend::Changes;
use crate::clock::UnixMillis;

/// The kind of documents revocations are kept as.
pub const KIND: &str = "revoked-tokens";

/// That a token is not accepted any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What names the token: the id of the document.
    pub name: String,
    /// From when on it would not be accepted anyway.
    pub until: UnixMillis,
}

#[derive(Serialize, Deserialize)]
struct Content {
    until: UnixMillis,
}

/// The revocations that are in force.
#[derive(Debug, Default)]
pub(super) struct Revocations(ArcSwap<Held>);

#[derive(Clone, Debug, Default)]
struct Held {
    is_read: bool,
    until: HashMap<String, UnixMillis>,
}

impl Revocation {
    pub(super) fn of(name: &str, until: UnixMillis) -> Self {
        Self {
            name: name.to_owned(),
            until,
        }
    }

    /// The content of its document.
    pub fn content(&self) -> Bytes {
        let content = Content { until: self.until };
        serde_json::to_vec(&content).unwrap_or_default().into()
    }
}

impl Revocations {
    pub(super) fn is_read(&self) -> bool {
        self.0.load().is_read
    }

    pub(super) fn has_any(&self, names: &[String]) -> bool {
        let held = self.0.load();
        names.iter().any(|name| held.until.contains_key(name))
    }

    pub(super) fn follow(&self, changes: &Changes, now: UnixMillis) {
        let mut held = if changes.whole {
            Held::default()
        } else {
            Held::clone(&self.0.load())
        };
        held.is_read = true;
        for document in &changes.documents {
            let content = document.content.as_deref();
            let content = content.map(serde_json::from_slice::<Content>);
            match content {
                Some(Ok(content)) => {
                    held.until.insert(document.id.clone(), content.until);
                }
                // Better one too many than one too few.
                Some(Err(_unreadable)) => {
                    held.until.insert(document.id.clone(), UnixMillis::MAX);
                }
                None => {
                    held.until.remove(&document.id);
                }
            }
        }
        held.until.retain(|_, until| now < *until);
        self.0.store(held.into());
    }
}

/// The name of a token by what was signed. Its signature is left out: some can be
/// written in more than one way.
pub(super) fn name_of_signed(signed: &str) -> String {
    format!("sig_{}", hex::encode(Sha256::digest(signed)))
}

/// The name of a token by its id (`jti`).
pub(super) fn name_of_id(id: &str) -> String {
    format!("jti_{}", hex::encode(Sha256::digest(id)))
}
