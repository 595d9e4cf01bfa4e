//! Looking entries up behind the memory tier, one or many at once.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::counter;
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::Instant;

use super::{Backed, FAR_OFF, Store};
use crate::backend::memory::Epoch;
use crate::backend::tenant_keys::TenantKeys;
use crate::backend::write_queue::Change;
use crate::backend::{BackendError, Cached, Entries as _, metrics};
use crate::entry::{self, Entry, Limits, OpenError};
use crate::key::Key;
use crate::policy::cache_status::Tier;

/// Opening longer values than this would hold up the thread's other requests.
const OPEN_INLINE_BYTES_MAX: usize = 128 * 1024;
/// How long an entry that was read from the backend is at least held in memory.
/// The backend alone knows when a stale one is to be forgotten.
const HOLD_MIN: Duration = Duration::from_mins(1);
/// How many keys the backend is asked for at once. Each chunk has a deadline of
/// its own, so that a large batch over a slow network is not one large timeout.
const CHUNK_KEYS_MAX: usize = 128;
/// How many chunks are under way at once: while one is opened, the next travels,
/// and a large batch leaves room for the questions of others.
const CHUNKS_IN_FLIGHT_MAX: usize = 2;

/// What is known of a key without asking the backend.
enum Near<'a> {
    /// All there is to know.
    Known(Option<Arc<Cached>>),
    /// Nothing: this is to be asked, and the answer held unless the key has
    /// changed since then.
    Ask(&'a Backed, Epoch),
}

/// A key that the backend is to be asked for.
#[derive(Clone, Copy)]
struct Sought {
    /// The key's place among those looked up.
    place: usize,
    key: Key,
    since: Epoch,
}

impl Store {
    /// Looks in memory, then in the backend. The tier says where the looking
    /// ended. Never fails: what cannot be read is a miss.
    pub async fn lookup(&self, key: &Key) -> (Option<Arc<Cached>>, Tier) {
        let found = self.find(key).await;
        self.0.counts.count(found.0.is_some(), found.1);
        found
    }

    /// The same for what no request asked for: it is not counted.
    pub async fn find(&self, key: &Key) -> (Option<Arc<Cached>>, Tier) {
        match self.look_near(key) {
            Near::Known(cached) => (cached, Tier::Memory),
            Near::Ask(backed, since) => (self.read(backed, key, since).await, Tier::Backend),
        }
    }

    /// Looks many keys up, each as [`lookup`](Self::lookup) does, in the order of
    /// the keys. The backend is asked for many at once; when it fails to answer it
    /// is not asked on, and what it has not told by then are misses.
    pub async fn lookup_many(&self, keys: &[Key]) -> Vec<(Option<Arc<Cached>>, Tier)> {
        let found = self.find_many(keys).await;
        for (cached, tier) in &found {
            self.0.counts.count(cached.is_some(), *tier);
        }
        found
    }

    async fn find_many(&self, keys: &[Key]) -> Vec<(Option<Arc<Cached>>, Tier)> {
        let mut found = Vec::with_capacity(keys.len());
        let mut sought: Vec<Sought> = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            match self.look_near(key) {
                Near::Known(cached) => found.push((cached, Tier::Memory)),
                Near::Ask(_backed, since) => {
                    found.push((None, Tier::Backend));
                    let key = *key;
                    sought.push(Sought { place, key, since });
                }
            }
        }
        let Some(backed) = &self.0.backed else {
            return found;
        };
        let mut chunks = sought.chunks(CHUNK_KEYS_MAX);
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < CHUNKS_IN_FLIGHT_MAX
                && let Some(chunk) = chunks.next()
            {
                under_way.push(self.read_many(backed, chunk));
            }
            // No chunk is left, or one failed: the next would as likely.
            let Some(Some(read)) = under_way.next().await else {
                return found;
            };
            for (place, cached) in read {
                if let Some((slot, _tier)) = found.get_mut(place) {
                    *slot = Some(cached);
                }
            }
        }
    }

    fn look_near(&self, key: &Key) -> Near<'_> {
        if let Some(cached) = self.lookup_memory(key) {
            return Near::Known(Some(cached));
        }
        let Some(backed) = &self.0.backed else {
            return Near::Known(None);
        };
        // First what a removal changes last, so that one that is not seen waiting
        // keeps what it removes from coming back, however late the backend is asked.
        let since = self.0.memory.epoch(key);
        match backed.queue.pending(key) {
            Some(Change::Put(cached, until))
                if until > Instant::now() && !self.0.purges.mean(key, &cached) =>
            {
                Near::Known(Some(cached))
            }
            Some(Change::Put(..) | Change::Remove) => Near::Known(None),
            None => Near::Ask(backed, since),
        }
    }

    async fn read(&self, backed: &Backed, key: &Key, since: Epoch) -> Option<Arc<Cached>> {
        let sealed = match backed.guard.get(key).await {
            Ok(sealed) => sealed?,
            Err(BackendError::Corrupt(cause)) => {
                tracing::warn!(?key, cause, "a stored value is damaged and removed");
                discard(backed, *key, "corrupt");
                return None;
            }
            // Counted, timed and, when it opens the breaker, logged by the guard.
            Err(_counted) => return None,
        };
        let (of, keys) = (*key, Arc::clone(&self.0.tenant_keys));
        let opened =
            where_it_holds_up_nobody(sealed.len(), move || open(&sealed, &of, &keys)).await;
        self.take_in(backed, *key, opened?, since)
    }

    /// The entries of a chunk, by their places; `None` if the backend failed.
    async fn read_many(
        &self,
        backed: &Backed,
        chunk: &[Sought],
    ) -> Option<Vec<(usize, Arc<Cached>)>> {
        let keys: Vec<Key> = chunk.iter().map(|sought| sought.key).collect();
        // Counted, timed and, when it opens the breaker, logged by the guard.
        let told = backed.guard.get_many(&keys).await.ok()?;
        let sealed: Vec<(Sought, Bytes)> = chunk
            .iter()
            .zip(told)
            .filter_map(|(sought, sealed)| Some((*sought, sealed?)))
            .collect();
        let bytes = sealed.iter().map(|(_sought, sealed)| sealed.len()).sum();
        let data_keys = Arc::clone(&self.0.tenant_keys);
        let open_all = move || -> Vec<_> {
            sealed
                .into_iter()
                .map(|(sought, sealed)| (sought, open(&sealed, &sought.key, &data_keys)))
                .collect()
        };
        let opened = where_it_holds_up_nobody(bytes, open_all).await?;
        let taken_in = opened.into_iter().filter_map(|(sought, opened)| {
            let cached = self.take_in(backed, sought.key, opened, sought.since)?;
            Some((sought.place, cached))
        });
        Some(taken_in.collect())
    }

    /// Holds what was opened in memory; counts, and if it is of no use to anyone
    /// removes, what could not be.
    fn take_in(
        &self,
        backed: &Backed,
        key: Key,
        opened: Result<Entry, OpenError>,
        since: Epoch,
    ) -> Option<Arc<Cached>> {
        match opened {
            Ok(entry) => {
                let until = Instant::now() + self.hold(&entry);
                let cached = Arc::new(Cached::new(entry));
                if self.0.purges.mean(&key, &cached) {
                    backed.queue.remove_damaged(key);
                    return None;
                }
                self.0.memory.admit(key, &cached, until, since);
                Some(cached)
            }
            Err(error) if error.is_damage() => {
                tracing::warn!(?key, %error, "a stored value is damaged and removed");
                discard(backed, key, error.as_str());
                None
            }
            Err(error) => {
                tracing::debug!(?key, %error, "a stored value is of no use here, and left alone");
                counter!(metrics::CORRUPT, "reason" => error.as_str()).increment(1);
                None
            }
        }
    }

    /// How long an entry from the backend is held in memory: while it is fresh.
    fn hold(&self, entry: &Entry) -> Duration {
        let age = self.0.clock.unix_millis().saturating_sub(entry.stored_at);
        entry
            .fresh_for
            .saturating_sub(Duration::from_millis(age))
            .clamp(HOLD_MIN, FAR_OFF)
    }
}

fn open(sealed: &Bytes, key: &Key, keys: &TenantKeys) -> Result<Entry, OpenError> {
    entry::open_with(sealed, key, keys, Limits::default())
}

/// Does work over so many bytes here or, if they are many, on a thread that may
/// block; `None` if that was stopped, which says nothing about the bytes.
async fn where_it_holds_up_nobody<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if bytes > OPEN_INLINE_BYTES_MAX {
        tokio::task::spawn_blocking(work).await.ok()
    } else {
        Some(work())
    }
}

fn discard(backed: &Backed, key: Key, reason: &'static str) {
    counter!(metrics::CORRUPT, "reason" => reason).increment(1);
    backed.queue.remove_damaged(key);
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
