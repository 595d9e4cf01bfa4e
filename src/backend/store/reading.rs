//! Looking up: in memory, then in the backend, one key or many.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::counter;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use tokio::time::Instant;

use super::{Backed, FAR_OFF, Store};
use crate::backend::cached::Cached;
use crate::backend::memory::Epoch;
use crate::backend::write_queue::Change;
use crate::backend::{BackendError, Entries as _, metrics};
use crate::entry::{self, Entry, Limits, OpenError};
use crate::key::Key;
use crate::policy::cache_status::Tier;

/// Opening longer values than this would hold up the thread's other requests.
const OPEN_INLINE_BYTES_MAX: usize = 128 * 1024;
/// How many keys the backend is asked for at once. It has its deadline for each
/// such read, so that many long entries over a slow network are not one timeout.
const READ_KEYS_MAX: usize = 128;
/// How many such reads are under way.
const READS_AT_ONCE_MAX: usize = 2;
/// How long an entry that was read from the backend is at least held in memory.
/// The backend alone knows when a stale one is to be forgotten.
const HOLD_MIN: Duration = Duration::from_mins(1);

/// What a key is known to have: an answer, or none.
struct Known(Option<Arc<Cached>>);

impl Store {
    /// Looks in memory only. Waits for nothing.
    pub fn lookup_memory(&self, key: &Key) -> Option<Arc<Cached>> {
        let hit = self.0.memory.get(key)?;
        if hit.touch_due
            && let Some(backed) = &self.0.backed
        {
            backed.guard.touch(key);
        }
        Some(hit.cached)
    }

    /// Looks in memory, then in the backend. The tier says where the looking
    /// ended. Never fails: what cannot be read is a miss.
    pub async fn lookup(&self, key: &Key) -> (Option<Arc<Cached>>, Tier) {
        match (self.lookup_here(key), &self.0.backed) {
            (Some(Known(known)), _) => (known, Tier::Memory),
            (None, Some(backed)) => (self.read(backed, key).await, Tier::Backend),
            (None, None) => (None, Tier::Memory),
        }
    }

    /// Looks several keys up, each as [`Store::lookup`] does it, in their order. The
    /// backend is asked for many at once; once it fails it is not asked on, and what
    /// was found stays found.
    pub async fn lookup_many(&self, keys: &[Key]) -> Vec<(Option<Arc<Cached>>, Tier)> {
        let here = |key| self.lookup_here(key).map(|known| (known.0, Tier::Memory));
        let mut found: Vec<_> = keys.iter().map(here).collect();
        if let Some(backed) = &self.0.backed {
            let unknown: Vec<(usize, Key)> = keys
                .iter()
                .copied()
                .enumerate()
                .filter(|(at, _)| found.get(*at).is_some_and(Option::is_none))
                .collect();
            let parts: Vec<_> = unknown.chunks(READ_KEYS_MAX).map(<[_]>::to_vec).collect();
            let mut reads = stream::iter(parts)
                .map(|part| self.read_many(backed, part))
                .buffered(READS_AT_ONCE_MAX);
            while let Some(Some(read)) = reads.next().await {
                for (at, cached) in read {
                    if let Some(place) = found.get_mut(at) {
                        *place = Some((cached, Tier::Backend));
                    }
                }
            }
        }
        let tier = self
            .0
            .backed
            .as_ref()
            .map_or(Tier::Memory, |_| Tier::Backend);
        found
            .into_iter()
            .map(|found| found.unwrap_or((None, tier)))
            .collect()
    }

    /// What is known of a key without asking the backend; `None` if it has to be asked.
    fn lookup_here(&self, key: &Key) -> Option<Known> {
        if let Some(cached) = self.lookup_memory(key) {
            return Some(Known(Some(cached)));
        }
        match self.0.backed.as_ref()?.queue.pending(key)? {
            Change::Put(cached, until) if until > Instant::now() => Some(Known(Some(cached))),
            Change::Put(..) | Change::Remove => Some(Known(None)),
        }
    }

    async fn read(&self, backed: &Backed, key: &Key) -> Option<Arc<Cached>> {
        let since = self.0.memory.epoch(key);
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
        let opened = if sealed.len() > OPEN_INLINE_BYTES_MAX {
            let opened = open_entries(vec![(*key, sealed)]).await;
            opened.into_iter().next()?
        } else {
            entry::open(&sealed, key, Limits::default())
        };
        self.take_in(backed, *key, opened, since)
    }

    /// Reads several keys and gives what was found back with their places; `None` if
    /// the backend fails.
    async fn read_many(
        &self,
        backed: &Backed,
        places: Vec<(usize, Key)>,
    ) -> Option<Vec<(usize, Option<Arc<Cached>>)>> {
        let keys: Vec<Key> = places.iter().map(|(_, key)| *key).collect();
        let since: Vec<Epoch> = keys.iter().map(|key| self.0.memory.epoch(key)).collect();
        let read = backed.guard.get_many(&keys).await.ok()?;
        let sealed: Vec<(Key, Bytes)> = keys
            .iter()
            .zip(&read)
            .filter_map(|(key, sealed)| Some((*key, sealed.clone()?)))
            .collect();
        let mut opened = open_entries(sealed).await.into_iter();
        let found = places.into_iter().zip(read).zip(since);
        let found = found.map(|(((at, key), sealed), since)| {
            let cached = sealed.and_then(|_| self.take_in(backed, key, opened.next()?, since));
            (at, cached)
        });
        Some(found.collect())
    }

    /// Takes an entry that was read into memory, or gets rid of one that is damaged.
    fn take_in(
        &self,
        backed: &Backed,
        key: Key,
        opened: Result<Entry, OpenError>,
        since: Epoch,
    ) -> Option<Arc<Cached>> {
        match opened {
            Ok(entry) => {
                let hold = self.hold(&entry);
                let cached = Arc::new(Cached::new(entry));
                self.0
                    .memory
                    .admit(key, &cached, Instant::now() + hold, since);
                Some(cached)
            }
            Err(error) if error.is_damage() => {
                tracing::warn!(?key, %error, "a stored value is damaged and removed");
                discard(backed, key, error.as_str());
                None
            }
            Err(error) => {
                tracing::debug!(?key, %error, "a stored value is of another version");
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

/// Opens what was read, in its order, elsewhere if that takes long.
async fn open_entries(sealed: Vec<(Key, Bytes)>) -> Vec<Result<Entry, OpenError>> {
    let count = sealed.len();
    let bytes: usize = sealed.iter().map(|(_, sealed)| sealed.len()).sum();
    let open = move || {
        let open = |(key, sealed): (Key, Bytes)| entry::open(&sealed, &key, Limits::default());
        sealed.into_iter().map(open).collect()
    };
    if bytes > OPEN_INLINE_BYTES_MAX {
        tokio::task::spawn_blocking(open)
            .await
            .unwrap_or_else(|_stopped| vec![Err(OpenError::Undecodable); count])
    } else {
        open()
    }
}

fn discard(backed: &Backed, key: Key, reason: &'static str) {
    counter!(metrics::CORRUPT, "reason" => reason).increment(1);
    backed.queue.remove_damaged(key);
}
