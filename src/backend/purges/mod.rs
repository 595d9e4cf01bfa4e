//! The purges that are known here, and whether they mean an entry.
//!
//! A purge is a document. As soon as it is seen no entry it means is served any more:
//! that takes no time, however many there are, and outlives every process. Removing
//! them is done behind, by [`Purging`].
//!
//! The number of a purge is the revision its document was made at, so that two who make
//! one at the same time are in order. Should the backend lose its documents, their
//! revisions begin anew: numbers are then counted from the greatest that was known
//! (`Purges::above`), and whoever still knows of a purge puts it back.

mod purging;
mod removal;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::cached::Cached;
use super::documents::{Changes, Document, Revision};
use super::replica::Follower;
use crate::clock::Clock;
use crate::key::Key;
use crate::purge::{Facts, InForce, Number, Purge, Target};

pub use purging::{Counted, PurgeError, Purging};

/// The kind of documents purges are kept as.
const KIND: &str = "purges";

/// The document that tells what numbers are counted from.
const ABOVE: &str = "above";

/// What the ids of purges begin with.
const PREFIX: &str = "purge_";

/// The purges that are known here.
#[derive(Debug)]
pub struct Purges {
    /// The number of the latest in force; what is asked on every hit.
    latest: AtomicU64,
    /// The greatest number that was ever known here.
    generation: AtomicU64,
    in_force: ArcSwap<InForce>,
    known: Mutex<Known>,
    /// Told when there are purges that memory has not been gone through for.
    is_new: Notify,
    /// Whether all of memory is to be forgotten.
    forget: AtomicBool,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Known {
    revision: Revision,
    above: Number,
    /// What the backend says of the same.
    above_kept: Number,
    purges: BTreeMap<String, (Revision, Arc<Purge>)>,
    /// Those that the backend has lost, and that are to be put back.
    lost: BTreeMap<String, Arc<Purge>>,
}

impl Purges {
    /// None yet: a [`crate::backend::Replica`] brings them.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            latest: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            in_force: ArcSwap::default(),
            known: Mutex::default(),
            is_new: Notify::new(),
            forget: AtomicBool::new(false),
            clock,
        }
    }

    /// The number of the last purge that is known. To be asked when a call begins, and
    /// kept with what it gets.
    pub fn generation(&self) -> Number {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether an answer is gone.
    pub(super) fn mean(&self, key: &Key, cached: &Cached) -> bool {
        let judged = cached.judged.load(Ordering::Relaxed);
        if self.latest.load(Ordering::Acquire) <= judged {
            return false;
        }
        let entry = &cached.entry;
        let facts = Facts {
            id: key.id(),
            operation: entry.operation,
            stored_at: entry.stored_at,
            meta: &entry.meta,
        };
        let in_force = self.in_force.load();
        let is_gone = in_force.means(&facts, judged);
        if !is_gone {
            cached
                .judged
                .fetch_max(in_force.latest(), Ordering::Relaxed);
        }
        is_gone
    }

    /// Whether an entry of which this is known is gone.
    pub fn mean_listed(&self, facts: &Facts<'_>) -> bool {
        self.in_force.load().means(facts, 0)
    }

    /// The purges in force, the latest first.
    pub fn all(&self) -> Vec<(String, Arc<Purge>)> {
        let known = self.known();
        let all = known.purges.iter().map(|(id, (_, purge))| (id, purge));
        let mut all: Vec<_> = all
            .chain(&known.lost)
            .map(|(id, purge)| (id.clone(), Arc::clone(purge)))
            .collect();
        drop(known);
        all.sort_by_key(|(_, purge)| std::cmp::Reverse(purge.number));
        all
    }

    /// The purge of an id, with the revision of its document.
    pub fn get(&self, id: &str) -> Option<(Revision, Arc<Purge>)> {
        self.known().purges.get(id).cloned()
    }

    /// What the numbers of new purges are counted from.
    fn above(&self) -> Number {
        self.known().above
    }

    /// Those something is to be done about by this process now.
    fn due(&self, holder: &str) -> Vec<(String, Revision, Arc<Purge>)> {
        let now = self.clock.unix_millis();
        let known = self.known();
        let due = known
            .purges
            .iter()
            .filter(|(_, (_, purge))| purge.is_due(now, holder));
        due.map(|(id, (revision, purge))| (id.clone(), *revision, Arc::clone(purge)))
            .collect()
    }

    /// Those the backend has lost.
    fn lost(&self) -> Vec<(String, Arc<Purge>)> {
        let known = self.known();
        let lost = known.lost.iter();
        lost.map(|(id, purge)| (id.clone(), Arc::clone(purge)))
            .collect()
    }

    /// What numbers are counted from, if the backend does not know it.
    fn above_unkept(&self) -> Option<Number> {
        let known = self.known();
        (known.above_kept < known.above).then_some(known.above)
    }

    /// Whether all of memory is to be forgotten, which is asked once.
    fn take_forget(&self) -> bool {
        self.forget.swap(false, Ordering::AcqRel)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in one document; whether it is a purge that was not known.
    fn take_in(&self, known: &mut Known, before: Option<&Purge>, document: &Document) -> bool {
        let Some(content) = &document.content else {
            known.lost.remove(&document.id);
            return false;
        };
        if document.id == ABOVE {
            known.above_kept = serde_json::from_slice(content).unwrap_or_default();
            known.above = known.above.max(known.above_kept);
            return false;
        }
        let mut purge: Purge = match serde_json::from_slice(content) {
            Ok(purge) => purge,
            Err(error) => {
                tracing::warn!(id = document.id, %error, "a purge cannot be read: it removes nothing here");
                return false;
            }
        };
        let number = before
            .and_then(|before| before.number)
            .unwrap_or_else(|| purge.number_at(document.revision));
        purge.number = Some(number);
        let was_lost = known.lost.remove(&document.id).is_some();
        let generation = self.generation();
        let is_new = before.is_none() && !was_lost;
        if is_new && 0 < generation && number <= generation {
            // It was put back by somebody else, and what was judged was so without it.
            self.forget.store(true, Ordering::Release);
        }
        let purge = Arc::new(purge);
        let kept = (document.revision, purge);
        known.purges.insert(document.id.clone(), kept);
        is_new
    }
}

impl Follower for Purges {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn follow(&self, changes: &Changes) {
        let now = self.clock.unix_millis();
        let mut known = self.known();
        if changes.revision < known.revision {
            known.above = known.above.max(self.generation());
        }
        known.revision = changes.revision;
        let mut gone = BTreeMap::new();
        if changes.whole {
            known.above_kept = 0;
            gone = std::mem::take(&mut known.purges);
        }
        let mut is_new = false;
        for document in &changes.documents {
            let before = known.purges.remove(&document.id);
            let before = before.or_else(|| gone.remove(&document.id));
            let before = before.as_ref().map(|(_, purge)| &**purge);
            is_new |= self.take_in(&mut known, before, document);
        }
        for (id, (_, purge)) in gone {
            if !purge.is_over(now) {
                known.lost.insert(id, purge);
            }
        }
        let known = &*known;
        let purges = known.purges.values().map(|(_, purge)| purge);
        let targets = purges.chain(known.lost.values()).map(|purge| {
            let target: &Target = &purge.target;
            (purge.number.unwrap_or_default(), target)
        });
        let in_force = InForce::of(targets);
        let latest = in_force.latest();
        self.in_force.store(Arc::new(in_force));
        self.latest.store(latest, Ordering::Release);
        self.generation.fetch_max(latest, Ordering::AcqRel);
        if is_new || self.forget.load(Ordering::Acquire) {
            self.is_new.notify_one();
        }
    }

    fn missed(&self) {
        self.forget.store(true, Ordering::Release);
        self.is_new.notify_one();
    }
}

#[cfg(test)]
#[path = "../purges_tests.rs"]
mod tests;
