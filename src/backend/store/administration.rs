//! What administrators see of the store, and have it try.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::Store;
use crate::backend::breaker::Standing;
use crate::backend::cached::Cached;
use crate::backend::{BackendError, Entries as _, Record};
use crate::entry::{self, Entry, Limits};
use crate::key::Key;
use crate::policy::cache_status::Tier;

/// How long what a trial writes is kept, should it not come to remove it.
const TRIAL_KEPT_FOR: Duration = Duration::from_mins(1);

/// What look-ups came to.
#[derive(Debug, Default)]
pub(super) struct Counts {
    memory: AtomicU64,
    backend: AtomicU64,
    misses: AtomicU64,
}

/// What look-ups of this process came to since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Found in memory.
    pub memory: u64,
    /// Found in the backend.
    pub backend: u64,
    /// Not found.
    pub misses: u64,
}

/// What the memory tier holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Answers.
    pub entries: u64,
    /// Their bytes in memory.
    pub bytes: u64,
    /// How many there may be.
    pub bytes_max: u64,
}

/// How a trial went: how long each step took, up to the one that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// Writing an entry.
    pub write: Option<Duration>,
    /// Reading it.
    pub read: Option<Duration>,
    /// Removing it.
    pub remove: Option<Duration>,
    /// What went wrong.
    pub error: Option<BackendError>,
}

impl Counts {
    pub(super) fn count(&self, is_found: bool, tier: Tier) {
        let count = match (is_found, tier) {
            (true, Tier::Memory) => &self.memory,
            (true, Tier::Backend) => &self.backend,
            (false, Tier::Memory | Tier::Backend) => &self.misses,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Store {
    /// What look-ups came to since the start.
    pub fn hits(&self) -> Hits {
        let counts = &self.0.counts;
        Hits {
            memory: counts.memory.load(Ordering::Relaxed),
            backend: counts.backend.load(Ordering::Relaxed),
            misses: counts.misses.load(Ordering::Relaxed),
        }
    }

    /// What the memory tier holds.
    pub fn held(&self) -> Held {
        Held {
            entries: self.0.memory.entries(),
            bytes: self.0.memory.bytes(),
            bytes_max: self.0.memory.bytes_max(),
        }
    }

    /// Whether memory holds an answer under this id. Goes through all it holds.
    pub fn is_in_memory(&self, id: &[u8; 32]) -> bool {
        self.0.memory.keys().iter().any(|key| key.id() == id)
    }

    /// Has memory let go of what is purged, or of everything. May take some milliseconds.
    pub fn drop_from_memory(&self, everything: bool) {
        if everything {
            self.0.memory.clear();
        } else {
            let purges = &self.0.purges;
            self.0
                .memory
                .retain(|key, cached| !purges.mean(key, cached));
        }
    }

    /// Writes, reads and removes an entry under a key that is nobody's, on the way every
    /// entry goes: with its deadlines, and past no breaker that is open.
    pub async fn try_out(&self, key: Key, entry: Entry) -> Trial {
        let mut trial = Trial::default();
        if let Err(error) = self.try_steps(key, entry, &mut trial).await {
            trial.error = Some(error);
        }
        trial
    }

    async fn try_steps(
        &self,
        key: Key,
        entry: Entry,
        trial: &mut Trial,
    ) -> Result<(), BackendError> {
        let Some(backed) = &self.0.backed else {
            return self.try_memory(key, entry, trial);
        };
        if backed.guard.reads() == Standing::Open {
            return Err(BackendError::LeftAlone);
        }
        let sealed = entry::seal(&entry, &key).map_err(|odd| other(&odd))?;
        let record = Record {
            sealed: sealed.into(),
            keep_for: TRIAL_KEPT_FOR,
            operation: entry.operation,
            model: entry.meta.model.clone(),
            stored_at: entry.stored_at,
        };
        let began = Instant::now();
        backed.guard.put(key, record).await?;
        trial.write = Some(began.elapsed());
        let began = Instant::now();
        let read = backed.guard.get(&key).await?;
        trial.read = Some(began.elapsed());
        let read = read.ok_or_else(|| other(&"what was written is not there"))?;
        let opened = entry::open(&read, &key, Limits::default()).map_err(|odd| other(&odd))?;
        if opened != entry {
            return Err(other(&"what was written is not what is read"));
        }
        let began = Instant::now();
        backed.guard.remove(&key).await?;
        trial.remove = Some(began.elapsed());
        match backed.guard.get(&key).await? {
            None => Ok(()),
            Some(_) => Err(other(&"what was removed is still there")),
        }
    }

    fn try_memory(&self, key: Key, entry: Entry, trial: &mut Trial) -> Result<(), BackendError> {
        let memory = &self.0.memory;
        let began = Instant::now();
        let cached = Arc::new(Cached::new(entry));
        memory.put(key, &cached, began + TRIAL_KEPT_FOR);
        trial.write = Some(began.elapsed());
        let began = Instant::now();
        let is_there = memory.peek(&key).is_some();
        trial.read = Some(began.elapsed());
        let began = Instant::now();
        memory.remove(&key);
        trial.remove = Some(began.elapsed());
        if is_there {
            Ok(())
        } else {
            Err(other(&"memory has no room for it"))
        }
    }
}

fn other(what: &dyn std::fmt::Display) -> BackendError {
    BackendError::Other(what.to_string())
}
