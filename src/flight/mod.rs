//! One fill, many readers.
//!
//! Requests for the same key that overlap share one call to the provider. The
//! answer is written once, by a [`Producer`], into a log that only grows; the
//! leader and its followers are [`Cursor`]s over that log, so a follower that
//! comes late still gets the start, and none of them keeps a buffer of its own.
//!
//! The producer outlives its readers: a leader that hangs up does not end the
//! fill. A producer dropped before it finished means the fill failed, and every
//! cursor is told so: nobody sleeps forever and a half answer never looks whole.

mod cursor;
mod items;
mod log;
mod options;
mod producer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::key::Key;

pub use cursor::Cursor;
pub use items::ItemSeats;
pub use log::{End, Failure, Form, Head, ItemAnswers, Piece};
pub use options::FlightOptions;
pub use producer::{Alone, Producer};

use log::Log;

/// How long a key whose answers proved unstorable is filled without company:
/// waiting for another's answer is only worth it while answers can be shared.
const UNSHARED_FOR: Duration = Duration::from_mins(2);

/// How many such keys are remembered.
const UNSHARED_KEYS_MAX: usize = 10_000;

/// How many failing keys are remembered.
const FAILING_KEYS_MAX: usize = 10_000;

/// The fills that are under way in this process.
#[derive(Debug)]
pub struct Flights {
    running: Mutex<HashMap<Key, Arc<Log>>>,
    unshared: Cache<Key, Instant>,
    /// How often calls for a key have failed in a row, while others waited.
    failures: Cache<Key, u32>,
    orphans: Arc<Semaphore>,
    options: FlightOptions,
}

/// A request's place in a fill.
#[derive(Debug)]
pub enum Seat {
    /// The first to ask: it has to make the call, and reads along.
    Leader(Producer, Cursor),
    /// Another makes the call; this one reads along.
    Follower(Cursor),
}

impl Flights {
    /// No fills yet.
    pub fn new(options: FlightOptions) -> Arc<Self> {
        Arc::new(Self {
            running: Mutex::default(),
            unshared: Cache::new(UNSHARED_KEYS_MAX),
            failures: Cache::new(FAILING_KEYS_MAX),
            orphans: Arc::new(Semaphore::new(options.orphans_max)),
            options,
        })
    }

    /// Joins the fill for `key`, or leads a new one.
    pub fn join(self: &Arc<Self>, key: Key) -> Seat {
        if self.is_unshared(&key) {
            return self.lead_alone(key);
        }
        let mut running = self.running();
        let attached = running.get(&key).and_then(Cursor::attach);
        match attached {
            Some(cursor) => Seat::Follower(cursor),
            None => self.lead_in(&mut running, key),
        }
    }

    /// Joins or leads again after a call for `key` has failed. `before` is what
    /// [`Flights::failures`] said when the request came. `None` if by now so many
    /// calls have failed that another is not worth it.
    pub fn join_again(self: &Arc<Self>, key: Key, before: u32) -> Option<Seat> {
        let mut running = self.running();
        let attached = running.get(&key).and_then(Cursor::attach);
        if let Some(cursor) = attached {
            return Some(Seat::Follower(cursor));
        }
        // Under the lock: those who are late see the calls of those who were not.
        let failures = self.failures(&key).saturating_sub(before);
        (failures <= self.options.elections_max).then(|| self.lead_in(&mut running, key))
    }

    /// Leads a new fill that joins none started before; later requests join this one.
    pub fn lead(self: &Arc<Self>, key: Key) -> Seat {
        self.lead_in(&mut self.running(), key)
    }

    /// Leads a fill that nobody can join.
    pub fn lead_alone(self: &Arc<Self>, key: Key) -> Seat {
        let log = Arc::new(Log::new());
        let cursor = Cursor::first(&log);
        Seat::Leader(Producer::new(Arc::clone(self), vec![key], log), cursor)
    }

    /// How often calls for `key` have failed since the last that did not.
    pub fn failures(&self, key: &Key) -> u32 {
        self.failures.get(key).unwrap_or_default()
    }

    /// Whether a fill for `key` is under way.
    pub fn is_running(&self, key: &Key) -> bool {
        self.running().contains_key(key)
    }

    /// How many fills are under way that others may join.
    pub fn len(&self) -> usize {
        self.running().len()
    }

    /// Whether no fill is under way.
    pub fn is_empty(&self) -> bool {
        self.running().is_empty()
    }

    /// Ends every fill that others may join as given up.
    pub fn abandon_all(&self) {
        let running: Vec<_> = self.running().drain().map(|(_, log)| log).collect();
        for log in running {
            log.change(|state| {
                state.end.get_or_insert(End::Failed(Failure::Abandoned));
            });
        }
    }

    /// How patient followers and orphans are.
    pub const fn options(&self) -> &FlightOptions {
        &self.options
    }

    fn lead_in(self: &Arc<Self>, running: &mut HashMap<Key, Arc<Log>>, key: Key) -> Seat {
        let log = Arc::new(Log::new());
        let cursor = Cursor::first(&log);
        running.insert(key, Arc::clone(&log));
        Seat::Leader(Producer::new(Arc::clone(self), vec![key], log), cursor)
    }

    /// Whether answers to this key were found not to be shareable a moment ago.
    fn is_unshared(&self, key: &Key) -> bool {
        self.unshared
            .get(key)
            .is_some_and(|since| since.elapsed() < UNSHARED_FOR)
    }

    fn forget_failures(&self, keys: &[Key]) {
        for key in keys {
            self.failures.remove(key);
        }
    }

    /// Takes `log` out of the running fills, except where a newer one has its place.
    fn remove(&self, keys: &[Key], log: &Arc<Log>) {
        let mut running = self.running();
        for key in keys {
            let is_same = |other: &Arc<Log>| Arc::ptr_eq(other, log);
            if running.get(key).is_some_and(is_same) {
                running.remove(key);
            }
        }
    }

    /// The lock is held for a look-up or an insertion, never over an await, and
    /// no code under it can panic half way: a poisoned map is still whole.
    fn running(&self) -> MutexGuard<'_, HashMap<Key, Arc<Log>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
