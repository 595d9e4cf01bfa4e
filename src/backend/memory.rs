//! Answers in memory: the first place to look, bounded by bytes.
//!
//! Reading takes one short lock inside the table. Writing goes through a stripe
//! of locks, each with an epoch: an answer that was read from the backend is only
//! taken in if nothing was written or removed under its key since the reading
//! began, so that what was just removed does not come back.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::metrics::gauge;
use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, Weighter};
use tokio::time::Instant;

use super::cached::Cached;
use super::metrics;
use crate::key::Key;

/// How often the backend is told of an answer that is served from memory.
const TOUCH_INTERVAL: Duration = Duration::from_mins(5);
const STRIPES: usize = 64;
/// An answer must fit one shard of the table, so that shards must not get small.
const SHARD_BYTES_MIN: u64 = 32 * 1024 * 1024;
const SHARDS_MAX: u64 = 16;

/// Answers in memory.
#[derive(Debug)]
pub(super) struct Memory {
    table: Cache<Key, Held, ByBytes>,
    stripes: Vec<Mutex<u64>>,
    hasher: RandomState,
    origin: Instant,
}

/// The state of a key's stripe when a reading from the backend began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch(u64);

#[derive(Clone, Debug)]
struct Held {
    cached: Arc<Cached>,
    until: Instant,
    /// What it weighed when it was put in: the table takes off what it put on.
    weight: u64,
}

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<Key, Held> for ByBytes {
    fn weight(&self, _key: &Key, held: &Held) -> u64 {
        held.weight
    }
}

/// What was found in memory.
pub(super) struct Hit {
    /// The answer.
    pub(super) cached: Arc<Cached>,
    /// Whether it is time to tell the backend that the answer is in use.
    pub(super) touch_due: bool,
}

impl Memory {
    /// A memory tier that holds answers of up to `bytes_max`; of none, if that is 0.
    pub(super) fn new(bytes_max: u64) -> Self {
        /// What an answer takes on average, to size the table's own bookkeeping.
        const ENTRY_BYTES: u64 = 4096;
        let shards = (bytes_max / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX);
        let items = usize::try_from(bytes_max / ENTRY_BYTES).unwrap_or(usize::MAX);
        let mut options = OptionsBuilder::new();
        options
            .shards(usize::try_from(shards).unwrap_or(1))
            .estimated_items_capacity(items.max(1))
            .weight_capacity(bytes_max);
        let table = match options.build() {
            Ok(options) => Cache::with_options(
                options,
                ByBytes,
                quick_cache::DefaultHashBuilder::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            ),
            Err(_incomplete) => Cache::with_weighter(items.max(1), bytes_max, ByBytes),
        };
        metrics::memory_max(bytes_max);
        let memory = Self {
            table,
            stripes: (0..STRIPES).map(|_| Mutex::new(0)).collect(),
            hasher: RandomState::new(),
            origin: Instant::now(),
        };
        memory.measure();
        memory
    }

    /// The answer of a key, unless its time is over.
    pub(super) fn get(&self, key: &Key) -> Option<Hit> {
        let held = self.table.get(key)?;
        let now = Instant::now();
        if held.until <= now {
            self.table.remove_if(key, |held| held.until <= now);
            return None;
        }
        let seconds = now.duration_since(self.origin).as_secs();
        let touched = held.cached.touched.load(Ordering::Relaxed);
        let touch_due = seconds.saturating_sub(touched) >= TOUCH_INTERVAL.as_secs();
        if touch_due {
            held.cached.touched.store(seconds, Ordering::Relaxed);
        }
        Some(Hit {
            cached: held.cached,
            touch_due,
        })
    }

    /// Takes in an answer that was just made; `false` if a newer one is there.
    pub(super) fn put(&self, key: Key, cached: &Arc<Cached>, until: Instant) -> bool {
        self.in_stripe(&key, |epoch| {
            let taken = self.take_in(key, cached, until);
            if taken {
                *epoch = epoch.wrapping_add(1);
            }
            taken
        })
    }

    /// Forgets the answer of a key.
    pub(super) fn remove(&self, key: &Key) {
        self.in_stripe(key, |epoch| {
            *epoch = epoch.wrapping_add(1);
            self.table.remove(key);
        });
    }

    /// Forgets this very answer of a key, and none that came in its place.
    pub(super) fn remove_this(&self, key: &Key, cached: &Arc<Cached>) {
        self.in_stripe(key, |epoch| {
            *epoch = epoch.wrapping_add(1);
            self.table
                .remove_if(key, |held| Arc::ptr_eq(&held.cached, cached));
        });
        self.measure();
    }

    /// Forgets every answer that is not worth keeping. Those who look something up
    /// meanwhile wait a little.
    pub(super) fn retain(&self, is_kept: impl Fn(&Key, &Cached) -> bool) {
        self.table.retain(|key, held| is_kept(key, &held.cached));
        self.measure();
    }

    /// Forgets every answer.
    pub(super) fn clear(&self) {
        self.table.clear();
        self.measure();
    }

    /// The keys of what is held.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.table.iter().map(|(key, _)| key).collect()
    }

    /// The answer of a key, with how long it is held from now on; without a trace of
    /// having been asked for.
    pub(super) fn peek(&self, key: &Key) -> Option<(Arc<Cached>, Duration)> {
        let held = self.table.peek(key)?;
        let left = held.until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some((held.cached, left))
    }

    /// Forgets the answers of a tenant, those that are being read meanwhile included.
    pub(super) fn forget_tenant(&self, tenant: &str) {
        for stripe in &self.stripes {
            let mut epoch = stripe.lock().unwrap_or_else(PoisonError::into_inner);
            *epoch = epoch.wrapping_add(1);
        }
        self.table
            .retain(|_key, held| !held.cached.is_of_tenant(tenant));
        self.measure();
    }

    /// Weighs an answer again that has grown, if it is still held.
    pub(super) fn weigh_again(&self, key: &Key, cached: &Arc<Cached>) {
        self.in_stripe(key, |_epoch| {
            let held = self.table.peek(key);
            if let Some(held) = held.filter(|held| Arc::ptr_eq(&held.cached, cached)) {
                let weight = cached.weight();
                self.table.insert(*key, Held { weight, ..held });
            }
        });
    }

    /// To be asked for before reading from the backend.
    pub(super) fn epoch(&self, key: &Key) -> Epoch {
        Epoch(self.in_stripe(key, |epoch| *epoch))
    }

    /// Takes in an answer that was read from the backend, if it cannot be outdated.
    pub(super) fn admit(&self, key: Key, cached: &Arc<Cached>, until: Instant, since: Epoch) {
        self.in_stripe(&key, |epoch| {
            if *epoch == since.0 {
                self.take_in(key, cached, until);
            }
        });
    }

    /// Answers held.
    pub(super) fn entries(&self) -> u64 {
        u64::try_from(self.table.len()).unwrap_or(u64::MAX)
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> u64 {
        self.table.weight()
    }

    /// How many may be held.
    pub(super) fn bytes_max(&self) -> u64 {
        self.table.capacity()
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float, and near enough"
    )]
    fn measure(&self) {
        gauge!(metrics::MEMORY_BYTES).set(self.bytes() as f64);
        gauge!(metrics::MEMORY_ENTRIES).set(self.entries() as f64);
    }

    fn take_in(&self, key: Key, cached: &Arc<Cached>, until: Instant) -> bool {
        let newer = self
            .table
            .peek(&key)
            .is_some_and(|held| held.cached.entry.stored_at > cached.entry.stored_at);
        if newer {
            return false;
        }
        let seconds = self.origin.elapsed().as_secs();
        cached.touched.store(seconds, Ordering::Relaxed);
        let held = Held {
            cached: Arc::clone(cached),
            until,
            weight: cached.weight(),
        };
        self.table.insert(key, held);
        self.measure();
        true
    }

    fn in_stripe<T>(&self, key: &Key, work: impl FnOnce(&mut u64) -> T) -> T {
        let hash = usize::try_from(self.hasher.hash_one(key) % 64).unwrap_or(0);
        match self.stripes.get(hash) {
            Some(stripe) => work(&mut stripe.lock().unwrap_or_else(PoisonError::into_inner)),
            None => work(&mut 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::backend::Rendition;
    use crate::backend::contract::entry_of;

    const MINUTE: Duration = Duration::from_mins(1);

    fn cached(stored_at: u64, body: &[u8]) -> Arc<Cached> {
        Arc::new(Cached::new(entry_of(stored_at, body)))
    }

    fn body_of(memory: &Memory, key: &Key) -> Option<Vec<u8>> {
        memory.get(key).map(|hit| hit.cached.entry.body.to_vec())
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_there_until_its_time_is_over() {
        let memory = Memory::new(1 << 20);
        let key = Key::for_tests(1);
        memory.put(key, &cached(1, b"a"), Instant::now() + MINUTE);
        assert_eq!(body_of(&memory, &key), Some(b"a".to_vec()));
        tokio::time::advance(MINUTE).await;
        assert_eq!(body_of(&memory, &key), None);
        assert_eq!(memory.entries(), 0, "it is not only hidden");
    }

    #[tokio::test]
    async fn a_newer_answer_is_not_replaced() {
        let memory = Memory::new(1 << 20);
        let key = Key::for_tests(1);
        let until = Instant::now() + MINUTE;
        assert!(memory.put(key, &cached(2, b"newer"), until));
        assert!(!memory.put(key, &cached(1, b"older"), until));
        assert_eq!(body_of(&memory, &key), Some(b"newer".to_vec()));
    }

    #[tokio::test]
    async fn what_was_removed_while_it_was_read_stays_removed() {
        let memory = Memory::new(1 << 20);
        let key = Key::for_tests(1);
        let until = Instant::now() + MINUTE;
        let before = memory.epoch(&key);
        memory.remove(&key);
        memory.admit(key, &cached(1, b"old"), until, before);
        assert_eq!(body_of(&memory, &key), None);
        let since = memory.epoch(&key);
        memory.admit(key, &cached(1, b"old"), until, since);
        assert_eq!(body_of(&memory, &key), Some(b"old".to_vec()));
    }

    #[tokio::test]
    async fn the_bound_holds_under_churn() {
        let bytes_max = 4 << 20;
        let memory = Memory::new(bytes_max);
        let until = Instant::now() + MINUTE;
        for seed in 0..=255 {
            memory.put(
                Key::for_tests(seed),
                &cached(1, &vec![seed; 100_000]),
                until,
            );
            assert!(memory.bytes() <= bytes_max);
        }
        assert!(memory.bytes() > bytes_max / 2, "and is made use of");
    }

    #[tokio::test]
    async fn what_is_rendered_counts_and_the_bound_holds() {
        let bytes_max = 4 << 20;
        let memory = Memory::new(bytes_max);
        let until = Instant::now() + MINUTE;
        for seed in 0..=255 {
            let key = Key::for_tests(seed);
            let cached = cached(1, &[seed; 1000]);
            memory.put(key, &cached, until);
            let before = memory.bytes();
            let rendered = Bytes::from(vec![seed; 50_000]);
            cached.rendition(Rendition::Numbers, || Some(rendered));
            memory.weigh_again(&key, &cached);
            let grown = memory.bytes() >= before + 50_000;
            assert!(grown || memory.bytes() > bytes_max / 2, "{before}");
            assert!(memory.bytes() <= bytes_max);
        }
        for seed in 0..=255 {
            memory.remove(&Key::for_tests(seed));
        }
        assert_eq!((memory.bytes(), memory.entries()), (0, 0));
    }

    #[tokio::test]
    async fn what_is_gone_does_not_come_back_by_being_weighed() {
        let memory = Memory::new(1 << 20);
        let (key, until) = (Key::for_tests(1), Instant::now() + MINUTE);
        let (old, new) = (cached(1, b"old"), cached(2, b"new"));
        memory.put(key, &old, until);
        memory.put(key, &new, until);
        memory.weigh_again(&key, &old);
        assert_eq!(body_of(&memory, &key), Some(b"new".to_vec()));
        memory.remove(&key);
        memory.weigh_again(&key, &new);
        assert_eq!(body_of(&memory, &key), None);
    }

    #[tokio::test]
    async fn without_room_nothing_is_held() {
        let memory = Memory::new(0);
        let key = Key::for_tests(1);
        memory.put(key, &cached(1, b"a"), Instant::now() + MINUTE);
        assert_eq!(body_of(&memory, &key), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_backend_is_told_of_use_now_and_then() {
        let memory = Memory::new(1 << 20);
        let key = Key::for_tests(1);
        memory.put(key, &cached(1, b"a"), Instant::now() + MINUTE * 60);
        let due = || memory.get(&key).map(|hit| hit.touch_due);
        assert_eq!(due(), Some(false));
        tokio::time::advance(TOUCH_INTERVAL).await;
        assert_eq!((due(), due()), (Some(true), Some(false)));
    }
}
