//! The sessions of people: what a browser holds instead of a key.
//!
//! A session is opened with a key and ends after a day, when it is signed out, or when
//! its key is no longer good. It may do what its key may do at the moment it is used, so
//! that revoking the key, or taking a role from it, needs no second act. Like keys,
//! sessions are held in memory by a digest of their token.

mod desk;
mod record;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::backend::{Changes, Follower};
use crate::clock::UnixMillis;
use crate::vault::{Purpose, Vault};

pub use desk::{Opened, SessionDesk, SessionError, Signed};
pub use record::{Opener, PREFIX, SessionDigest, SessionRecord, csrf, is_csrf};

/// The kind of documents sessions are kept as.
pub const KIND: &str = "sessions";

/// The sessions there are.
#[derive(Debug)]
pub struct Sessions {
    vault: Arc<Vault>,
    held: ArcSwap<Held>,
}

#[derive(Clone, Debug, Default)]
struct Held {
    by_digest: HashMap<SessionDigest, Arc<Session>>,
    by_id: HashMap<String, Arc<Session>>,
}

/// A session, as this process holds it.
#[derive(Debug)]
pub struct Session {
    /// What is kept of it.
    pub record: SessionRecord,
    /// The revision of its document.
    revision: u64,
    /// When it was last used here, or noted by another process to be.
    used_at: AtomicU64,
}

impl Session {
    /// When it was last used, in milliseconds since 1970: here exactly, elsewhere to the
    /// minute.
    pub fn used_at(&self) -> UnixMillis {
        self.used_at.load(Ordering::Relaxed)
    }
}

impl Sessions {
    /// No sessions yet: a [`crate::backend::Replica`] brings them.
    pub fn new(vault: Arc<Vault>) -> Self {
        Self {
            vault,
            held: ArcSwap::default(),
        }
    }

    /// The session of a token, whether or not it is good now.
    fn find(&self, token: &str) -> Option<Arc<Session>> {
        let held = self.held.load();
        let mut digests = self.digests(token.as_bytes());
        digests.find_map(|digest| held.by_digest.get(&digest).map(Arc::clone))
    }

    fn by_id(&self, id: &str) -> Option<Arc<Session>> {
        self.held.load().by_id.get(id).map(Arc::clone)
    }

    /// Every session, the oldest first.
    fn all(&self) -> Vec<Arc<Session>> {
        let held = self.held.load();
        let mut all: Vec<_> = held.by_id.values().map(Arc::clone).collect();
        all.sort_by(|a, b| {
            let age = |one: &Session| (one.record.created_at, one.record.id.clone());
            age(a).cmp(&age(b))
        });
        all
    }

    /// The digests a secret may be known by, the one in force first.
    fn digests(&self, secret: &[u8]) -> impl Iterator<Item = SessionDigest> + use<> {
        let digests = self.vault.digests(Purpose::Sessions, secret);
        digests.into_iter().map(SessionDigest)
    }
}

impl Follower for Sessions {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn follow(&self, changes: &Changes) {
        let mut held = if changes.whole {
            Held::default()
        } else {
            Held::clone(&self.held.load())
        };
        for document in &changes.documents {
            let before = held.by_id.remove(&document.id);
            if let Some(gone) = &before {
                held.by_digest.remove(&gone.record.digest);
            }
            let Some(content) = &document.content else {
                continue;
            };
            match serde_json::from_slice::<SessionRecord>(content) {
                Ok(record) => {
                    let used_here = before.map_or(0, |before| before.used_at());
                    let session = Arc::new(Session {
                        revision: document.revision,
                        used_at: AtomicU64::new(record.used_at.max(used_here)),
                        record,
                    });
                    held.by_digest
                        .insert(session.record.digest, Arc::clone(&session));
                    held.by_id.insert(document.id.clone(), session);
                }
                Err(error) => {
                    tracing::warn!(id = document.id, %error, "a session cannot be read: it opens nothing");
                }
            }
        }
        self.held.store(Arc::new(held));
    }
}

#[cfg(test)]
mod tests;
