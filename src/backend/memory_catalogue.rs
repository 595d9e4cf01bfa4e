//! The entries in memory, gone through in the order of their ids: for `backend = memory`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};

use super::cached::Cached;
use super::memory::Memory;
use super::{BackendError, Catalogue, Listed, Place, Report, Walked};
use crate::entry::{self, Entry};
use crate::key::Key;

/// Goes through the memory tier.
#[derive(Debug)]
pub(super) struct MemoryCatalogue(pub(super) Arc<Memory>);

impl MemoryCatalogue {
    fn walked(&self, behind: Option<&Place>, most: usize) -> Result<Walked, BackendError> {
        let behind = match behind {
            Some(place) => Some(id_of(place)?),
            None => None,
        };
        let is_behind = |id: &[u8; 32]| behind.is_none_or(|behind| behind < *id);
        let mut keys = self.0.keys();
        keys.retain(|key| is_behind(key.id()));
        keys.sort_unstable_by(|a, b| a.id().cmp(b.id()));
        let is_last = keys.len() <= most.max(1);
        keys.truncate(most.max(1));
        let next = keys.last().map(|key| hex::encode(key.id()));
        let entries = keys.iter().filter_map(|key| {
            let (cached, _) = self.0.peek(key)?;
            Some(listed(key, &cached))
        });
        Ok(Walked {
            entries: entries.collect(),
            next: next.filter(|_| !is_last),
        })
    }

    /// The key of an id: held keys alone can be told by it.
    fn key_of(&self, id: &[u8; 32]) -> Option<Key> {
        self.0.keys().into_iter().find(|key| key.id() == id)
    }
}

impl Catalogue for MemoryCatalogue {
    fn walk(
        &self,
        behind: Option<Place>,
        most: usize,
    ) -> BoxFuture<'_, Result<Walked, BackendError>> {
        ready(self.walked(behind.as_ref(), most)).boxed()
    }

    fn find(
        &self,
        id: [u8; 32],
    ) -> BoxFuture<'_, Result<Option<(Listed, Option<Duration>)>, BackendError>> {
        let found = self.key_of(&id).and_then(|key| {
            let (cached, left) = self.0.peek(&key)?;
            Some((listed(&key, &cached), Some(left)))
        });
        ready(Ok(found)).boxed()
    }

    fn remove_all(&self, ids: Vec<[u8; 32]>) -> BoxFuture<'_, Result<u64, BackendError>> {
        let wanted: std::collections::HashSet<_> = ids.into_iter().collect();
        let mut keys = self.0.keys();
        keys.retain(|key| wanted.contains(key.id()));
        for key in &keys {
            self.0.remove(key);
        }
        ready(Ok(u64::try_from(keys.len()).unwrap_or(u64::MAX))).boxed()
    }

    fn wipe(&self) -> BoxFuture<'_, Result<bool, BackendError>> {
        ready(Ok(true)).boxed()
    }

    fn report(&self) -> BoxFuture<'_, Result<Report, BackendError>> {
        let report = Report {
            is_own: true,
            ..Report::default()
        };
        ready(Ok(report)).boxed()
    }
}

/// An entry as a backend would list it. Its body is left out of the sealing, which would
/// compress it for nothing.
fn listed(key: &Key, cached: &Cached) -> Listed {
    let entry = &cached.entry;
    let without_body = Entry {
        body: Bytes::new(),
        meta: entry.meta.clone(),
        ..*entry
    };
    Listed {
        id: *key.id(),
        head: entry::seal(&without_body, key).unwrap_or_default().into(),
        bytes: cached.weight(),
        body_bytes: Some(u64::try_from(entry.body.len()).unwrap_or(u64::MAX)),
    }
}

fn id_of(place: &Place) -> Result<[u8; 32], BackendError> {
    let mut id = [0; 32];
    hex::decode_to_slice(place, &mut id)
        .map_err(|_odd| BackendError::Invalid("there is no such place".to_owned()))?;
    Ok(id)
}
