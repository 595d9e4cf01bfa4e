//! Writes behind the reply: bounded, in order for each key, not lost lightly.
//!
//! A key has one waiting change at most, the latest. When there are too many, the
//! oldest are dropped and counted. While the backend is away changes wait, so
//! that an answer that was paid for outlives a restart of Redis. What waits can be
//! looked up, so that nobody misses what was just written, or sees what was just
//! removed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::metrics::{counter, gauge};
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::breaker::Standing;
use super::cached::Cached;
use super::guard::Guard;
use super::tenant_keys::TenantKeys;
use super::{BackendError, Entries as _, Purges, Record, metrics};
use crate::entry;
use crate::key::Key;
use crate::vault::DataKey;

/// How many changes may wait, and how many bytes of answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Changes.
    pub(super) changes: usize,
    /// Bytes of the answers in memory.
    pub(super) bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            // 32 batches of 2,048 embeddings; long answers meet the other bound first.
            changes: 65_536,
            bytes: 256 * 1024 * 1024,
        }
    }
}

/// How many changes are under way at once. The embedded backend commits this many
/// together, Redis has them in one connection's pipeline.
const IN_FLIGHT_MAX: usize = 128;
/// How long to wait before trying again after a failure.
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// Sealing longer answers than this would hold up the thread's other requests.
const SEAL_INLINE_BYTES_MAX: usize = 256 * 1024;

/// What is to become of a key.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// The entry is to be kept until then.
    Put(Arc<Cached>, Instant),
    /// There is to be none.
    Remove,
}

/// Changes on their way to the backend.
#[derive(Debug)]
pub(super) struct WriteQueue {
    shared: Arc<Shared>,
    /// Ends with the queue; what then still waits is lost.
    _worker: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    bounds: Bounds,
    state: Mutex<State>,
    work: Notify,
    idle: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The keys that wait, oldest first, each once.
    order: VecDeque<Key>,
    waiting: HashMap<Key, Change>,
    in_flight: HashMap<Key, Change>,
    bytes: u64,
    dropped: u64,
}

/// What waits in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Depth {
    /// Changes that wait or are under way.
    pub(super) changes: usize,
    /// Bytes of their answers in memory.
    pub(super) bytes: u64,
    /// Changes given up since the start.
    pub(super) dropped: u64,
}

impl WriteQueue {
    /// An empty queue to a backend, which encrypts if `keys` say so. Needs a runtime to
    /// run in.
    pub(super) fn new(
        backend: Arc<Guard>,
        keys: Arc<TenantKeys>,
        purges: Arc<Purges>,
        bounds: Bounds,
    ) -> Self {
        let shared = Arc::new(Shared {
            bounds,
            state: Mutex::default(),
            work: Notify::new(),
            idle: Notify::new(),
        });
        let worker = tokio::spawn(work(Arc::clone(&shared), backend, keys, purges));
        Self {
            shared,
            _worker: AbortOnDropHandle::new(worker),
        }
    }

    /// Has a change written, in the place of any that waits for the same key.
    pub(super) fn push(&self, key: Key, change: Change) {
        self.shared.push(key, change);
    }

    /// Has the entry of a key removed, unless another one is about to be written.
    pub(super) fn remove_damaged(&self, key: Key) {
        if self.pending(&key).is_none() {
            self.push(key, Change::Remove);
        }
    }

    /// Gives up what is to be written for a tenant. What is under way is then written
    /// under a key that is gone.
    pub(super) fn forget_tenant(&self, tenant: &str) {
        let depth = {
            let mut state = self.shared.lock();
            state.forget_tenant(tenant);
            state.depth()
        };
        self.shared.tell(depth);
    }

    /// What is about to become of a key.
    pub(super) fn pending(&self, key: &Key) -> Option<Change> {
        let state = self.shared.lock();
        let change = state
            .waiting
            .get(key)
            .or_else(|| state.in_flight.get(key))
            .cloned();
        drop(state);
        change
    }

    /// How much waits.
    pub(super) fn depth(&self) -> Depth {
        self.shared.lock().depth()
    }

    /// Waits until everything is written, but not longer than `within`. Returns
    /// how many changes are left.
    pub(super) async fn flush(&self, within: Duration) -> usize {
        let deadline = Instant::now() + within;
        loop {
            // Made before looking: it counts those told from now on, polled or not.
            let idle = self.shared.idle.notified();
            let left = self.depth().changes;
            if left == 0 || timeout_at(deadline, idle).await.is_err() {
                return left;
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, key: Key, change: Change) {
        let (depth, dropped) = {
            let mut state = self.lock();
            if state.is_outdated(&key, &change) {
                return;
            }
            state.put_in(key, change);
            let dropped = state.shrink(self.bounds);
            (state.depth(), dropped)
        };
        if dropped > 0 {
            counter!(metrics::WRITES_DROPPED, "reason" => "queue_full").increment(dropped);
        }
        self.tell(depth);
        self.work.notify_one();
    }

    /// The oldest change whose key has none under way.
    fn take(&self) -> Option<(Key, Change)> {
        let mut state = self.lock();
        // Short however many wait: each key waits once, so no more are passed over
        // than are under way, and removing moves the shorter end.
        let place = state
            .order
            .iter()
            .position(|key| !state.in_flight.contains_key(key))?;
        let key = state.order.remove(place)?;
        let change = state.waiting.remove(&key)?;
        state.in_flight.insert(key, change.clone());
        drop(state);
        Some((key, change))
    }

    /// Takes the result of a change; whether the backend is to be left in peace.
    fn settle(&self, key: Key, result: &Result<(), BackendError>) -> bool {
        let mut state = self.lock();
        let change = state.in_flight.remove(&key);
        let failed = result.as_ref().err().filter(|error| error.is_passing());
        if let Some(change) = change {
            let again = failed.is_some() && !state.waiting.contains_key(&key);
            if again {
                state.order.push_front(key);
                state.waiting.insert(key, change);
            } else {
                state.bytes = state.bytes.saturating_sub(weight(&change));
            }
        }
        let depth = state.depth();
        if let Err(error) = result
            && failed.is_none()
        {
            state.dropped = state.dropped.saturating_add(1);
            counter!(metrics::WRITES_DROPPED, "reason" => error.as_str()).increment(1);
        }
        drop(state);
        self.tell(depth);
        failed.is_some()
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float, and near enough"
    )]
    fn tell(&self, depth: Depth) {
        gauge!(metrics::QUEUE_DEPTH).set(depth.changes as f64);
        gauge!(metrics::QUEUE_BYTES).set(depth.bytes as f64);
        if depth.changes == 0 {
            self.idle.notify_waiters();
        }
    }
}

impl State {
    fn depth(&self) -> Depth {
        Depth {
            changes: self.waiting.len() + self.in_flight.len(),
            bytes: self.bytes,
            dropped: self.dropped,
        }
    }

    /// Whether a later answer of the key is already on its way.
    fn is_outdated(&self, key: &Key, change: &Change) -> bool {
        let stored_at = |change: &Change| match change {
            Change::Put(cached, _) => Some(cached.entry.stored_at),
            Change::Remove => None,
        };
        let other = self.waiting.get(key).or_else(|| self.in_flight.get(key));
        match (stored_at(change), other.and_then(stored_at)) {
            (Some(new), Some(waiting)) => waiting > new,
            (None, _) | (_, None) => false,
        }
    }

    fn forget_tenant(&mut self, tenant: &str) {
        let mut gone = 0_u64;
        let mut stays = |_key: &Key, change: &mut Change| match change {
            Change::Put(cached, _) if cached.is_of_tenant(tenant) => {
                gone = gone.saturating_add(cached.stored_weight());
                false
            }
            Change::Put(..) | Change::Remove => true,
        };
        self.waiting.retain(&mut stays);
        self.in_flight.retain(&mut stays);
        self.order.retain(|key| self.waiting.contains_key(key));
        self.bytes = self.bytes.saturating_sub(gone);
    }

    fn put_in(&mut self, key: Key, change: Change) {
        self.bytes = self.bytes.saturating_add(weight(&change));
        match self.waiting.insert(key, change) {
            Some(before) => self.bytes = self.bytes.saturating_sub(weight(&before)),
            None => self.order.push_back(key),
        }
    }

    /// Drops the oldest changes that wait until the rest is within the bounds.
    fn shrink(&mut self, bounds: Bounds) -> u64 {
        let mut dropped = 0;
        while self.depth().changes > bounds.changes || self.bytes > bounds.bytes {
            let Some(change) = self
                .order
                .pop_front()
                .and_then(|oldest| self.waiting.remove(&oldest))
            else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(weight(&change));
            dropped += 1;
        }
        self.dropped = self.dropped.saturating_add(dropped);
        dropped
    }
}

/// What is added to the books and later taken away: forms rendered in between are
/// not written, and not counted.
fn weight(change: &Change) -> u64 {
    match change {
        Change::Put(cached, _) => cached.stored_weight(),
        Change::Remove => 0,
    }
}

/// Writes what waits: many at once, one at a time after a failure, and none while
/// the backend is left alone.
async fn work(
    shared: Arc<Shared>,
    backend: Arc<Guard>,
    keys: Arc<TenantKeys>,
    purges: Arc<Purges>,
) {
    let mut under_way = FuturesUnordered::new();
    let mut failing = false;
    let mut not_before = Instant::now();
    loop {
        let limit = if backend.writes() == Standing::Open || Instant::now() < not_before {
            0
        } else if failing {
            1
        } else {
            IN_FLIGHT_MAX
        };
        while under_way.len() < limit
            && let Some((key, change)) = shared.take()
        {
            let (backend, keys, purges) = (&backend, &keys, &purges);
            under_way.push(async move {
                // What was purged while it waited is not brought back to life.
                let written = match &change {
                    Change::Put(cached, _) if purges.mean(&key, cached) => Ok(()),
                    Change::Put(..) | Change::Remove => write(backend, keys, key, change).await,
                };
                (key, written)
            });
        }
        tokio::select! {
            Some((key, result)) = under_way.next() => {
                failing = shared.settle(key, &result);
                if failing {
                    not_before = Instant::now() + RETRY_DELAY;
                }
            }
            () = shared.work.notified() => {}
            () = sleep(RETRY_DELAY), if limit < IN_FLIGHT_MAX => {}
        }
    }
}

async fn write(
    backend: &Guard,
    keys: &TenantKeys,
    key: Key,
    change: Change,
) -> Result<(), BackendError> {
    let (cached, until) = match change {
        Change::Put(cached, until) => (cached, until),
        Change::Remove => return backend.remove(&key).await,
    };
    let data_key = keys.obtain(cached.tenant()).await?;
    let sealed = seal(key, Arc::clone(&cached), data_key).await?;
    let keep_for = until.saturating_duration_since(Instant::now());
    if keep_for.is_zero() {
        return Ok(());
    }
    let record = Record {
        sealed,
        keep_for,
        operation: cached.entry.operation,
        model: cached.entry.meta.model.clone(),
        stored_at: cached.entry.stored_at,
    };
    backend.put(key, record).await
}

async fn seal(
    key: Key,
    cached: Arc<Cached>,
    data_key: Option<Arc<DataKey>>,
) -> Result<Bytes, BackendError> {
    let is_long = cached.entry.body.len() > SEAL_INLINE_BYTES_MAX;
    let seal = move || match data_key {
        Some(data_key) => entry::seal_with(&cached.entry, &key, &data_key),
        None => entry::seal(&cached.entry, &key),
    };
    let sealed = if is_long {
        tokio::task::spawn_blocking(seal)
            .await
            .map_err(|stopped| BackendError::Other(stopped.to_string()))?
    } else {
        seal()
    };
    sealed
        .map(Bytes::from)
        .map_err(|error| BackendError::Other(error.to_string()))
}

#[cfg(test)]
#[path = "write_queue_tests.rs"]
mod tests;
