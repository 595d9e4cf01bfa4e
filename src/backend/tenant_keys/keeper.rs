//! Making the keys that are wanted, and sealing those there are under the master key in
//! force: one task, behind everything else.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::record::{self, TenantKey};
use super::{KIND, Slot, TenantKeys};
use crate::backend::documents::{Change, Seen};
use crate::backend::{BackendError, Replica};
use crate::vault::{DataKeyId, Vault};

/// How long to wait before trying again what failed.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// The tenants that need a key.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    tenants: Mutex<BTreeSet<String>>,
    more: Notify,
}

impl Wanted {
    /// Has a key made.
    pub(super) fn want(&self, tenant: &str) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.insert(tenant.to_owned()) {
            self.more.notify_one();
        }
    }

    fn any(&self) -> Option<String> {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.first().cloned()
    }

    fn done(&self, tenant: &str) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.remove(tenant);
    }
}

impl TenantKeys {
    /// Makes keys as they are wanted, and brings those there are under the master key in
    /// force, as long as what is returned is held. Needs a runtime to run in.
    pub fn keep(self: Arc<Self>, replica: Replica) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(async move {
            let Some(vault) = self.vault.clone() else {
                return;
            };
            let mut keeper = Keeper {
                keys: self,
                vault,
                replica,
                moved: HashSet::new(),
            };
            keeper.run().await;
        }))
    }
}

struct Keeper {
    keys: Arc<TenantKeys>,
    vault: Arc<Vault>,
    replica: Replica,
    /// The keys that were sealed anew. Each once, so that two processes that hold
    /// different master keys in force for a while do not do nothing else.
    moved: HashSet<DataKeyId>,
}

impl Keeper {
    async fn run(&mut self) {
        let mut changed = self.keys.changed.subscribe();
        changed.mark_changed();
        let mut told = false;
        loop {
            tokio::select! {
                () = self.keys.wanted.more.notified() => {}
                // The sender is in `keys`, which is held here.
                _ = changed.changed() => {}
            }
            while let Err(error) = self.catch_up().await {
                if !told {
                    tracing::warn!(%error, "the keys of tenants cannot be kept: trying on");
                    told = true;
                }
                sleep(RETRY_DELAY).await;
            }
            told = false;
        }
    }

    async fn catch_up(&mut self) -> Result<(), BackendError> {
        while let Some(tenant) = self.keys.wanted.any() {
            self.make(&tenant).await?;
            self.keys.wanted.done(&tenant);
        }
        while let Some(slot) = self.outdated() {
            self.move_over(&slot).await?;
            self.moved.insert(slot.id);
        }
        Ok(())
    }

    async fn make(&self, tenant: &str) -> Result<(), BackendError> {
        let document = record::document_id(tenant);
        if self.keys.held.load().by_document.contains_key(&document) {
            return Ok(());
        }
        let made = self.vault.make_data_key(tenant);
        let (id, sealed) = made.map_err(|vault| BackendError::NoKey(vault.to_string()))?;
        // If another process was faster, what it made is seen when this returns.
        self.write(tenant, id, sealed, Seen::Absent).await
    }

    /// A key that is not sealed under the master key in force.
    fn outdated(&self) -> Option<Slot> {
        let in_force = self.vault.in_force()?;
        let held = self.keys.held.load();
        let mut slots = held.by_document.values();
        slots
            .find(|slot| {
                let sealed_before = slot.key.as_ref().is_ok_and(|key| key.master() != in_force);
                sealed_before && !self.moved.contains(&slot.id)
            })
            .cloned()
    }

    async fn move_over(&self, slot: &Slot) -> Result<(), BackendError> {
        let Slot { tenant, id, .. } = slot;
        let moved = self.vault.reseal_data_key(tenant, *id, &slot.sealed);
        let sealed = moved.map_err(|vault| BackendError::NoKey(vault.to_string()))?;
        self.write(tenant, *id, sealed, Seen::At(slot.revision))
            .await
    }

    async fn write(
        &self,
        tenant: &str,
        id: DataKeyId,
        sealed: Vec<u8>,
        seen: Seen,
    ) -> Result<(), BackendError> {
        let key = TenantKey {
            tenant: tenant.to_owned(),
            id,
            sealed,
        };
        let content = key
            .write()
            .map_err(|error| BackendError::Other(error.to_string()))?;
        let change = Change {
            kind: KIND,
            id: record::document_id(tenant),
            seen,
            content: Some(Bytes::from(content)),
            keep_for: None,
        };
        self.replica.change(change).await.map(drop)
    }
}
