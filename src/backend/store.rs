//! The front of the cache: memory before one backend.
//!
//! Looking up never fails and never takes longer than the backend's deadline, which
//! is longer for many keys.
//! Inserting never waits. What cannot be read is a miss, counted and removed.

mod administration;
mod lookup;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::breaker::Standing;
use super::cached::Cached;
use super::embedded::Embedded;
use super::guard::Guard;
use super::in_process::InProcess;
use super::memory::Memory;
use super::memory_catalogue::MemoryCatalogue;
use super::redis::Redis;
use super::redis::books::Books;
use super::redis::limits::Limits;
use super::secret::Secrets;
use super::tenant_keys::{Forgets, TenantKeys};
use super::write_queue::{Bounds, Change, WriteQueue};
use super::{
    BackendChoice, BackendError, BackendOptions, Catalogue, Documents, Entries, Gauges, Ledger,
    Objects, OwnGauges, Purges, Records, Size, Vitals, metrics,
};
use crate::clock::{Clock, UnixMillis};
use crate::entry::Entry;
use crate::key::{CacheSecret, Key};
use crate::purge::Number;

use administration::Counts;
pub use administration::{Held, Hits, Trial};

/// A time further off than any process lives.
const FAR_OFF: Duration = Duration::from_hours(24 * 365 * 10);

/// The cache. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    name: &'static str,
    memory: Arc<Memory>,
    purges: Arc<Purges>,
    counts: Counts,
    backed: Option<Backed>,
    secrets: Secrets,
    tenant_keys: Arc<TenantKeys>,
    rest: Rest,
    clock: Arc<dyn Clock>,
}

/// What there is behind the memory tier.
#[derive(Debug)]
struct Backed {
    queue: WriteQueue,
    guard: Arc<Guard>,
}

/// How the cache is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Which backend is configured: `embedded`, `redis` or `memory`.
    pub backend: &'static str,
    /// Whether it answered when it was last asked. There is nothing to reach
    /// behind `memory`.
    pub reachable: bool,
    /// Whether it is asked for entries.
    pub read_breaker: Standing,
    /// Whether it is given entries.
    pub write_breaker: Standing,
    /// Changes that wait to be written.
    pub queue_depth: usize,
    /// Bytes of their answers in memory.
    pub queue_bytes: u64,
    /// Changes given up since the start.
    pub writes_dropped: u64,
}

/// How the backend answered when it was asked how it is.
#[derive(Clone, Debug)]
pub struct Checkup {
    /// How long it took to say that it is there; `None` if there is nothing to reach.
    pub ping: Option<Result<Duration, BackendError>>,
    /// What it said of itself.
    pub vitals: Result<Vitals, BackendError>,
}

/// The parts of a backend that is there.
#[derive(Debug)]
struct Opened {
    entries: Arc<dyn Entries>,
    records: Arc<dyn Records>,
    rest: Rest,
}

/// What there is besides entries, in whatever is there to keep it.
#[derive(Debug)]
struct Rest {
    ledger: Arc<dyn Ledger>,
    objects: Arc<dyn Objects>,
    documents: Arc<dyn Documents>,
    catalogue: Arc<dyn Catalogue>,
    gauges: Arc<dyn Gauges>,
}

impl Rest {
    fn of<T>(keeper: Arc<T>, catalogue: Arc<dyn Catalogue>, gauges: Arc<dyn Gauges>) -> Self
    where
        T: Ledger + Objects + Documents + 'static,
    {
        Self {
            ledger: Arc::clone(&keeper) as _,
            objects: Arc::clone(&keeper) as _,
            documents: keeper,
            catalogue,
            gauges,
        }
    }
}

impl Store {
    /// Opens the cache, which encrypts nothing: see [`open_with`](Self::open_with).
    ///
    /// # Errors
    /// If the options make no sense, or when called outside of a runtime.
    pub fn open(options: &BackendOptions, clock: Arc<dyn Clock>) -> Result<Self, BackendError> {
        Self::open_with(options, Arc::new(TenantKeys::none()), clock)
    }

    /// Opens the cache. Waits for no server; a backend that is away, or a disk
    /// that cannot be written, is logged and done without.
    ///
    /// # Errors
    /// If the options make no sense, or when called outside of a runtime.
    pub fn open_with(
        options: &BackendOptions,
        tenant_keys: Arc<TenantKeys>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BackendError> {
        if Handle::try_current().is_err() {
            return Err(BackendError::Invalid("there is no runtime".to_owned()));
        }
        metrics::describe();
        let (name, opened) = open_backend(options, &clock)?;
        let records = opened.as_ref().map(|opened| Arc::clone(&opened.records));
        let secrets = Secrets::new(options.cache_secret.as_ref(), records)?;
        let memory = Arc::new(Memory::new(options.memory_bytes_max));
        let purges = Arc::new(Purges::new(Arc::clone(&clock)));
        let (backed, rest) = if let Some(opened) = opened {
            let keys = Arc::clone(&tenant_keys);
            let backed = Backed::new(opened.entries, keys, &purges, options);
            (Some(backed), opened.rest)
        } else {
            let catalogue = Arc::new(MemoryCatalogue(Arc::clone(&memory)));
            let gauges = OwnGauges::passing(Arc::clone(&clock));
            let in_process = Arc::new(InProcess::new(Arc::clone(&clock)));
            (None, Rest::of(in_process, catalogue, Arc::new(gauges)))
        };
        let parts = Arc::new(Parts {
            name,
            memory,
            purges,
            counts: Counts::default(),
            backed,
            secrets,
            tenant_keys,
            rest,
            clock,
        });
        let told: Arc<dyn Forgets> = Arc::clone(&parts) as _;
        parts.tenant_keys.tell(Arc::downgrade(&told));
        Ok(Self(parts))
    }

    /// Looks in memory only. Waits for nothing.
    pub fn lookup_memory(&self, key: &Key) -> Option<Arc<Cached>> {
        let hit = self.0.memory.get(key)?;
        if self.0.purges.mean(key, &hit.cached) {
            self.0.memory.remove_this(key, &hit.cached);
            return None;
        }
        if hit.touch_due
            && let Some(backed) = &self.0.backed
        {
            backed.guard.touch(key);
        }
        Some(hit.cached)
    }

    /// Takes note that an answer has grown by a form that was rendered of it.
    pub fn weigh_again(&self, key: &Key, cached: &Arc<Cached>) {
        self.0.memory.weigh_again(key, cached);
    }

    /// Keeps an answer: in memory at once, in the backend behind the reply. If one
    /// that began later is there, that one stays, and if it was purged while it was on
    /// its way, it is not kept. Returns the answer either way.
    pub fn insert(&self, key: Key, entry: Entry, keep_for: Duration) -> Arc<Cached> {
        let cached = Arc::new(Cached::new(entry));
        let until = Instant::now() + keep_for.min(FAR_OFF);
        if !keep_for.is_zero()
            && !self.0.purges.mean(&key, &cached)
            && self.0.memory.put(key, &cached, until)
            && let Some(backed) = &self.0.backed
        {
            let change = Change::Put(Arc::clone(&cached), until);
            backed.queue.push(key, change);
        }
        cached
    }

    /// Forgets an answer: in memory at once, in the backend behind the reply.
    pub fn remove(&self, key: &Key) {
        // First what is asked last, so that nobody finds it in between.
        if let Some(backed) = &self.0.backed {
            backed.queue.push(*key, Change::Remove);
        }
        self.0.memory.remove(key);
    }

    /// Whether other processes may have the same entries.
    pub fn is_shared(&self) -> bool {
        self.0.name == Redis::NAME
    }

    /// The secret that lasts, or one that stands in for it if the backend does
    /// not tell it within `patience`.
    pub async fn secret(&self, patience: Duration) -> Arc<CacheSecret> {
        self.0.secrets.lasting(patience).await
    }

    /// The secret in force, now and after each change.
    pub fn secrets(&self) -> watch::Receiver<Arc<CacheSecret>> {
        self.0.secrets.subscribe()
    }

    /// Where usage is kept: in the backend, or in this process where there is none.
    /// Every question is answered within some seconds, if only by an error.
    pub fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.0.rest.ledger)
    }

    /// Where objects are kept for a time, with the same promise.
    pub fn objects(&self) -> Arc<dyn Objects> {
        Arc::clone(&self.0.rest.objects)
    }

    /// What is kept, to be gone through; `None` if that cannot be done here.
    pub fn catalogue(&self) -> Option<Arc<dyn Catalogue>> {
        Some(Arc::clone(&self.0.rest.catalogue))
    }

    /// The time of day.
    pub fn now(&self) -> UnixMillis {
        self.0.clock.unix_millis()
    }

    /// The purges that are known here. A [`super::Replica`] has to follow for them.
    pub fn purges(&self) -> Arc<Purges> {
        Arc::clone(&self.0.purges)
    }

    /// The number of the last purge that is known, for a call that begins now.
    pub fn generation(&self) -> Number {
        self.0.purges.generation()
    }

    /// Where documents are kept, with the same promise.
    pub fn documents(&self) -> Arc<dyn Documents> {
        Arc::clone(&self.0.rest.documents)
    }

    /// What entries are encrypted with, tenant by tenant.
    pub fn tenant_keys(&self) -> &Arc<TenantKeys> {
        &self.0.tenant_keys
    }

    /// Where it is kept how much of limits has been used: by all processes together where
    /// they share a backend, by each for itself otherwise.
    pub fn gauges(&self) -> Arc<dyn Gauges> {
        Arc::clone(&self.0.rest.gauges)
    }

    /// How the cache is doing. Waits for nothing.
    pub fn health(&self) -> Health {
        let depth = self.0.backed.as_ref().map(|backed| backed.queue.depth());
        let guard = self.0.backed.as_ref().map(|backed| &backed.guard);
        let missing = if self.0.name == MEMORY {
            Standing::Closed
        } else {
            Standing::Open
        };
        Health {
            backend: self.0.name,
            reachable: guard.map_or(self.0.name == MEMORY, |guard| guard.is_reachable()),
            read_breaker: guard.map_or(missing, |guard| guard.reads()),
            write_breaker: guard.map_or(missing, |guard| guard.writes()),
            queue_depth: depth.map_or(0, |depth| depth.changes),
            queue_bytes: depth.map_or(0, |depth| depth.bytes),
            writes_dropped: depth.map_or(0, |depth| depth.dropped),
        }
    }

    /// Asks the backend how it is, also while it is left alone. Takes some seconds at most.
    pub async fn examine(&self) -> Checkup {
        let Some(backed) = &self.0.backed else {
            let memory = &self.0.memory;
            return Checkup {
                ping: None,
                vitals: Ok(Vitals {
                    used: Some(memory.bytes()),
                    max: Some(memory.bytes_max()),
                    ..Vitals::default()
                }),
            };
        };
        let began = Instant::now();
        let ping = backed.guard.ping().await.map(|()| began.elapsed());
        let vitals = match &ping {
            Ok(_) => backed.guard.vitals().await,
            Err(error) => Err(error.clone()),
        };
        Checkup {
            ping: Some(ping),
            vitals,
        }
    }

    /// How much the backend keeps; without one, how much memory does.
    ///
    /// # Errors
    /// If the backend does not tell.
    pub async fn size(&self) -> Result<Size, BackendError> {
        match &self.0.backed {
            Some(backed) => backed.guard.size().await,
            None => Ok(Size {
                entries: self.0.memory.entries(),
                bytes: self.0.memory.bytes(),
                used: self.0.memory.bytes(),
                max: Some(self.0.memory.bytes_max()),
            }),
        }
    }

    /// Writes what waits, for at most `deadline`.
    pub async fn close(self, deadline: Duration) {
        let Some(backed) = &self.0.backed else {
            return;
        };
        let left = backed.queue.flush(deadline).await;
        if left > 0 {
            tracing::warn!(left, "stopping before all answers were written");
        }
    }
}

impl Forgets for Parts {
    fn forget_tenant(&self, tenant: &str) {
        // First what is asked last, so that nobody finds it in between.
        if let Some(backed) = &self.backed {
            backed.queue.forget_tenant(tenant);
        }
        self.memory.forget_tenant(tenant);
    }
}

impl Backed {
    fn new(
        entries: Arc<dyn Entries>,
        keys: Arc<TenantKeys>,
        purges: &Arc<Purges>,
        options: &BackendOptions,
    ) -> Self {
        let guard = Guard::new(entries, options.read_timeout, options.write_timeout);
        let guard = Arc::new(guard);
        let purges = Arc::clone(purges);
        let queue = WriteQueue::new(Arc::clone(&guard), keys, purges, Bounds::default());
        Self { queue, guard }
    }
}

const MEMORY: &str = "memory";

/// The configured backend, and its name even if it cannot be opened.
fn open_backend(
    options: &BackendOptions,
    clock: &Arc<dyn Clock>,
) -> Result<(&'static str, Option<Opened>), BackendError> {
    match &options.choice {
        BackendChoice::Memory => Ok((MEMORY, None)),
        BackendChoice::Redis { url, database } => {
            let prefix = &options.redis_prefix;
            let redis = Arc::new(Redis::new(url, *database, prefix)?);
            let books = Books::new(url, *database, prefix, Arc::clone(clock))?;
            let books = Arc::new(books);
            let limits = Limits::new(url, *database, prefix, Arc::clone(clock))?;
            let opened = Opened {
                entries: Arc::clone(&redis) as _,
                records: redis,
                rest: Rest::of(Arc::clone(&books), books, Arc::new(limits)),
            };
            Ok((Redis::NAME, Some(opened)))
        }
        BackendChoice::Embedded => Ok((Embedded::NAME, open_embedded(options, clock)?)),
    }
}

/// The file; `None` if only this machine's disk is in the way of using it.
fn open_embedded(
    options: &BackendOptions,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Opened>, BackendError> {
    let directory: &Path = &options.data_dir;
    match Embedded::open(directory, options.cache_bytes_max, Arc::clone(clock)) {
        Ok(embedded) => {
            let embedded = Arc::new(embedded);
            let objects = Arc::clone(&embedded) as _;
            let gauges = OwnGauges::lasting(Arc::clone(clock), objects);
            Ok(Some(Opened {
                entries: Arc::clone(&embedded) as _,
                records: Arc::clone(&embedded) as _,
                rest: Rest::of(Arc::clone(&embedded), embedded, Arc::new(gauges)),
            }))
        }
        Err(nonsense @ BackendError::Invalid(_)) => Err(nonsense),
        Err(error) => {
            let directory = directory.display();
            tracing::error!(%directory, %error, "the data folder cannot be used: caching in memory only");
            Ok(None)
        }
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
