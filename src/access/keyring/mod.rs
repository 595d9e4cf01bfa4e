//! The API keys this server has given out.
//!
//! All of them are held in memory, by a digest under a secret that is not in the
//! backend: who reads the backend has no key, and who reads the secret has none either.

mod new_key;
mod record;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};

use crate::backend::{Changes, Follower};
use crate::ledger::Caller;
use crate::vault::{Finder, Purpose, Vault};

pub use new_key::{MakeError, NewKey};
pub use record::{KeyDigest, KeyRecord};

/// The kind of documents keys are kept as.
pub const KIND: &str = "keys";

/// What keys begin with.
pub const PREFIX: &str = "rpk_";

/// The letters of a key behind its prefix: 256 random bits as base64url.
const LETTERS: usize = 43;

/// The keys there are.
#[derive(Debug)]
pub struct Keyring {
    finder: Finder,
    held: ArcSwap<Held>,
}

/// A key as it is held: its record, and the names its requests are counted under.
#[derive(Clone, Debug)]
pub struct Known {
    /// What is kept of it.
    pub key: Arc<KeyRecord>,
    /// Its id and its tenant.
    pub caller: Caller,
}

#[derive(Clone, Debug, Default)]
struct Held {
    /// Whether the keys have been read at all since the start.
    is_read: bool,
    by_digest: HashMap<KeyDigest, Known>,
    by_id: HashMap<String, (u64, Arc<KeyRecord>)>,
}

impl Keyring {
    /// No keys yet: a [`crate::backend::Replica`] brings them.
    pub fn new(vault: &Vault) -> Self {
        Self {
            finder: vault.finder(Purpose::ApiKeys),
            held: ArcSwap::default(),
        }
    }

    /// Whether the keys have been read since the start. Before that, one that is not
    /// found may be a good one.
    pub fn is_read(&self) -> bool {
        self.held.load().is_read
    }

    /// A key, whether or not it is good now: one digest and one look into a map.
    pub fn known(&self, key: &str) -> Option<Known> {
        if key.len() != PREFIX.len() + LETTERS || !key.starts_with(PREFIX) {
            return None;
        }
        let held = self.held.load();
        let mut found = self.finder.digests(key.as_bytes()).map(KeyDigest);
        found.find_map(|digest| held.by_digest.get(&digest).cloned())
    }

    /// The record of a key, whether or not it is good now.
    pub fn find(&self, key: &str) -> Option<Arc<KeyRecord>> {
        self.known(key).map(|known| known.key)
    }

    /// The record of an id, with the revision of its document.
    pub fn by_id(&self, id: &str) -> Option<(u64, Arc<KeyRecord>)> {
        self.held.load().by_id.get(id).cloned()
    }

    /// Every record with the revision of its document, in the order of their making.
    pub fn revisions(&self) -> Vec<(u64, Arc<KeyRecord>)> {
        let held = self.held.load();
        let mut all: Vec<_> = held.by_id.values().cloned().collect();
        all.sort_by(|(_, a), (_, b)| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        all
    }

    /// Every record, in the order of their making.
    pub fn all(&self) -> Vec<Arc<KeyRecord>> {
        let all = self.revisions().into_iter();
        all.map(|(_, key)| key).collect()
    }

    /// The digest a new key is to be found by; `None` without a master key.
    pub fn digest(&self, key: &SecretString) -> Option<KeyDigest> {
        let key = key.expose_secret().as_bytes();
        let mut digests = self.finder.digests(key);
        digests.next().map(KeyDigest)
    }
}

impl Known {
    fn of(key: &Arc<KeyRecord>) -> Self {
        Self {
            caller: Caller {
                key: key.id.as_str().into(),
                tenant: key.tenant.as_str().into(),
            },
            key: Arc::clone(key),
        }
    }
}

impl Follower for Keyring {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn follow(&self, changes: &Changes) {
        let mut held = if changes.whole {
            Held::default()
        } else {
            Held::clone(&self.held.load())
        };
        held.is_read = true;
        for document in &changes.documents {
            if let Some((_, gone)) = held.by_id.remove(&document.id) {
                held.by_digest.remove(&gone.digest);
            }
            let Some(content) = &document.content else {
                continue;
            };
            match serde_json::from_slice::<KeyRecord>(content) {
                Ok(key) => {
                    let key = Arc::new(key);
                    held.by_digest.insert(key.digest, Known::of(&key));
                    held.by_id
                        .insert(document.id.clone(), (document.revision, key));
                }
                Err(error) => {
                    tracing::warn!(id = document.id, %error, "an API key cannot be read: it opens nothing");
                }
            }
        }
        self.held.store(Arc::new(held));
    }
}
