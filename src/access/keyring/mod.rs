//! The API keys this server has given out.
//!
//! All of them are held in memory, by a digest under a secret that is not in the
//! backend: who reads the backend has no key, and who reads the secret has none either.

mod record;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};

use crate::backend::{Changes, Follower};
use crate::vault::{Purpose, Vault};

pub use record::{KeyDigest, KeyRecord};

/// The kind of documents keys are kept as.
pub const KIND: &str = "keys";

/// What keys begin with.
pub const PREFIX: &str = "rpk_";

/// The keys there are.
#[derive(Debug)]
pub struct Keyring {
    vault: Arc<Vault>,
    held: ArcSwap<Held>,
}

#[derive(Clone, Debug, Default)]
struct Held {
    by_digest: HashMap<KeyDigest, Arc<KeyRecord>>,
    by_id: HashMap<String, (u64, Arc<KeyRecord>)>,
}

impl Keyring {
    /// No keys yet: a [`crate::backend::Replica`] brings them.
    pub fn new(vault: Arc<Vault>) -> Self {
        Self {
            vault,
            held: ArcSwap::default(),
        }
    }

    /// The record of a key, whether or not it is good now.
    pub fn find(&self, key: &str) -> Option<Arc<KeyRecord>> {
        let held = self.held.load();
        let digests = self.vault.digests(Purpose::ApiKeys, key.as_bytes());
        let mut found = digests.into_iter().map(KeyDigest);
        found.find_map(|digest| held.by_digest.get(&digest).map(Arc::clone))
    }

    /// The record of an id, with the revision of its document.
    pub fn by_id(&self, id: &str) -> Option<(u64, Arc<KeyRecord>)> {
        self.held.load().by_id.get(id).cloned()
    }

    /// Every record, in the order of their making.
    pub fn all(&self) -> Vec<Arc<KeyRecord>> {
        let held = self.held.load();
        let mut all: Vec<_> = held
            .by_id
            .values()
            .map(|(_, key)| Arc::clone(key))
            .collect();
        all.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        all
    }

    /// The digest a new key is to be found by; `None` without a master key.
    pub fn digest(&self, key: &SecretString) -> Option<KeyDigest> {
        let key = key.expose_secret().as_bytes();
        let digests = self.vault.digests(Purpose::ApiKeys, key);
        digests.into_iter().next().map(KeyDigest)
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
                    held.by_digest.insert(key.digest, Arc::clone(&key));
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
