//! The data keys of tenants: held in memory, kept as documents, followed everywhere.
//!
//! A tenant's key is made when its first entry is about to be written, behind the reply.
//! Two processes that make one at once get the same: the one whose document was there
//! first. A key that is dropped takes every entry of its tenant with it, wherever a copy
//! of the backend may lie; a key made later is another one.

mod keeper;
mod record;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::timeout;

use super::documents::{Change, Changes, Document, Revision, Seen};
use super::{BackendError, Follower, Replica};
use crate::vault::{DataKey, DataKeyId, DataKeys, Vault, VaultError};
use keeper::Wanted;
use record::TenantKey;

/// The kind of documents tenants' keys are kept as.
const KIND: &str = "tenant-keys";

/// How long a write waits for its tenant's key before it is put back.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who is told that all of a tenant is to be forgotten.
pub(super) trait Forgets: Send + Sync + fmt::Debug {
    /// Forgets what is held of a tenant's answers. Must not wait.
    fn forget_tenant(&self, tenant: &str);
}

/// The keys of tenants.
#[derive(Debug)]
pub struct TenantKeys {
    /// `None` where nothing is ever encrypted or opened.
    vault: Option<Arc<Vault>>,
    encrypts: bool,
    held: ArcSwap<Held>,
    /// Told after every change of what is held.
    changed: watch::Sender<()>,
    wanted: Wanted,
    forgets: OnceLock<Weak<dyn Forgets>>,
}

#[derive(Clone, Debug, Default)]
struct Held {
    by_document: HashMap<String, Slot>,
    by_id: HashMap<DataKeyId, Arc<DataKey>>,
}

/// What is held of a tenant.
#[derive(Clone, Debug)]
struct Slot {
    tenant: String,
    revision: Revision,
    id: DataKeyId,
    sealed: Vec<u8>,
    /// The key, or why it cannot be opened.
    key: Result<Arc<DataKey>, VaultError>,
}

impl TenantKeys {
    /// No keys yet: a [`Replica`] brings them. With `encrypts`, entries are encrypted
    /// from now on; what is encrypted is opened in any case.
    pub fn new(vault: Arc<Vault>, encrypts: bool) -> Self {
        Self {
            vault: Some(vault),
            encrypts,
            ..Self::none()
        }
    }

    /// Encrypts nothing and opens nothing that is encrypted.
    pub fn none() -> Self {
        Self {
            vault: None,
            encrypts: false,
            held: ArcSwap::default(),
            changed: watch::Sender::new(()),
            wanted: Wanted::default(),
            forgets: OnceLock::new(),
        }
    }

    /// Drops a tenant's key, so that none of its entries can be opened any more: here
    /// when this returns, elsewhere within a second. What is held of them in memory is
    /// forgotten with it. Whether there was a key.
    ///
    /// # Errors
    /// If the backend does not take it. Whether it did is then not known.
    pub async fn forget(&self, replica: &Replica, tenant: &str) -> Result<bool, BackendError> {
        let id = record::document_id(tenant);
        let was_there = self.held.load().by_document.contains_key(&id);
        let change = Change {
            kind: KIND,
            id,
            seen: Seen::Anything,
            content: None,
            keep_for: None,
        };
        replica.change(change).await?;
        Ok(was_there)
    }

    /// The key a tenant's entries are to be encrypted with, waited for if it is being
    /// made; `None` if they are not to be encrypted.
    ///
    /// # Errors
    /// If there is none, or not yet.
    pub(super) async fn obtain(&self, tenant: &str) -> Result<Option<Arc<DataKey>>, BackendError> {
        if !self.encrypts {
            return Ok(None);
        }
        let id = record::document_id(tenant);
        let mut changed = self.changed.subscribe();
        let there = async {
            loop {
                changed.borrow_and_update();
                if let Some(slot) = self.held.load().by_document.get(&id) {
                    return slot.key.clone();
                }
                self.wanted.want(tenant);
                if changed.changed().await.is_err() {
                    return Err(VaultError::NoKey);
                }
            }
        };
        match timeout(PATIENCE, there).await {
            Ok(Ok(key)) => Ok(Some(key)),
            Ok(Err(cause)) => Err(BackendError::NoKey(cause.to_string())),
            Err(_elapsed) => Err(BackendError::NoKeyYet),
        }
    }

    /// Says who is to be told when a tenant is forgotten.
    pub(super) fn tell(&self, forgets: Weak<dyn Forgets>) {
        // There is one store to a process.
        _ = self.forgets.set(forgets);
    }

    fn slot(&self, document: &Document) -> Option<Slot> {
        let vault = self.vault.as_ref()?;
        let record = match TenantKey::read(document.content.as_deref()?) {
            Ok(record) => record,
            Err(error) => {
                tracing::warn!(id = document.id, %error, "a tenant's key cannot be read");
                return Some(Slot::unreadable(document.revision));
            }
        };
        let key = vault.open_data_key(&record.tenant, record.id, &record.sealed);
        if let Err(error) = &key {
            tracing::warn!(
                tenant = record.tenant,
                %error,
                "a tenant's key cannot be opened: its encrypted answers are misses, and none are stored"
            );
        }
        Some(Slot {
            tenant: record.tenant,
            revision: document.revision,
            id: record.id,
            sealed: record.sealed,
            key: key.map(Arc::new),
        })
    }
}

impl Slot {
    /// Holds the place, so that nobody waits for what will not come.
    const fn unreadable(revision: Revision) -> Self {
        Self {
            tenant: String::new(),
            revision,
            id: DataKeyId([0; DataKeyId::BYTES]),
            sealed: Vec::new(),
            key: Err(VaultError::Broken),
        }
    }
}

impl Held {
    fn take_out(&mut self, document: &str) -> Option<Slot> {
        let slot = self.by_document.remove(document)?;
        self.by_id.remove(&slot.id);
        Some(slot)
    }

    fn put_in(&mut self, document: &str, slot: Slot) {
        if let Ok(key) = &slot.key {
            self.by_id.insert(slot.id, Arc::clone(key));
        }
        self.by_document.insert(document.to_owned(), slot);
    }

    /// The tenants whose key is not the same in `new`.
    fn lost<'a>(&'a self, new: &'a Self) -> impl Iterator<Item = &'a str> {
        self.by_document
            .iter()
            .filter(|(document, slot)| {
                let still = new.by_document.get(*document);
                still.is_none_or(|still| still.id != slot.id)
            })
            .map(|(_, slot)| slot.tenant.as_str())
    }
}

impl DataKeys for TenantKeys {
    fn data_key(&self, id: &DataKeyId) -> Option<Arc<DataKey>> {
        self.held.load().by_id.get(id).map(Arc::clone)
    }
}

impl Follower for TenantKeys {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn follow(&self, changes: &Changes) {
        let old = self.held.load_full();
        let mut new = if changes.whole {
            Held::default()
        } else {
            Held::clone(&old)
        };
        for document in &changes.documents {
            new.take_out(&document.id);
            if let Some(slot) = self.slot(document) {
                new.put_in(&document.id, slot);
            }
        }
        let new = Arc::new(new);
        self.held.store(Arc::clone(&new));
        // Only now: what is read from the backend from here on cannot be opened any more.
        if let Some(forgets) = self.forgets.get().and_then(Weak::upgrade) {
            for tenant in old.lost(&new) {
                tracing::info!(
                    tenant,
                    "the key of a tenant was dropped: its answers are forgotten"
                );
                forgets.forget_tenant(tenant);
            }
        }
        self.changed.send_replace(());
    }
}

#[cfg(test)]
#[path = "../tenant_keys_tests.rs"]
mod tests;
