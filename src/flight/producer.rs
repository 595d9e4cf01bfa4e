//! The writing end of a fill.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::Flights;
use super::log::{End, Failure, Head, ItemAnswers, Log, Piece, WINDOW_BYTES};
use crate::backend::Cached;
use crate::key::Key;

/// Writes one fill. Dropped without [`Producer::complete`], the fill has failed.
#[derive(Debug)]
pub struct Producer {
    flights: Arc<Flights>,
    /// What is being filled: one key, or those of a batch.
    keys: Vec<Key>,
    log: Arc<Log>,
    orphanage: Option<Orphanage>,
}

/// Nobody is left to read this fill, and it may not or need not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alone;

/// What a fill needs that goes on without readers.
#[derive(Debug)]
struct Orphanage {
    _permit: OwnedSemaphorePermit,
    until: Instant,
}

impl Producer {
    pub(super) const fn new(flights: Arc<Flights>, keys: Vec<Key>, log: Arc<Log>) -> Self {
        Self {
            flights,
            keys,
            log,
            orphanage: None,
        }
    }

    /// Counts this call as one that failed although another might not. Nobody joins
    /// it any more.
    pub fn count_failure(&self) {
        for key in &self.keys {
            let failures = self.flights.failures(key).saturating_add(1);
            self.flights.failures.insert(*key, failures);
        }
        self.flights.remove(&self.keys, &self.log);
    }

    /// Publishes the head of the answer.
    pub fn head(&self, head: Head, retry_after: Option<Duration>) {
        self.log.change(|state| {
            state.head = Some(Arc::new(head));
            state.retry_after = retry_after;
        });
    }

    /// Publishes the next part of the body.
    pub fn push(&self, piece: Piece) {
        self.log.change(|state| {
            state.bytes += piece.raw.len();
            state.pieces.push_back(piece);
            if state.windowed {
                state.drop_prefix();
            }
        });
    }

    /// Stops keeping the whole body: it has outgrown what is stored. Nobody can
    /// join any more, and from now on the fastest reader sets the pace.
    pub fn outgrow(&self) {
        self.flights.remove(&self.keys, &self.log);
        self.log.change(|state| {
            state.windowed = true;
            state.drop_prefix();
        });
    }

    /// Remembers that answers to this key cannot be shared, so that the requests
    /// that follow do not wait for each other in vain.
    pub fn unshareable(&self) {
        let now = Instant::now();
        for key in &self.keys {
            self.flights.unshared.insert(*key, now);
        }
    }

    /// Ends the fill: the body is whole.
    pub fn complete(self, answer: Option<Arc<Cached>>) {
        if answer.is_some() {
            self.flights.forget_failures(&self.keys);
        }
        self.end(End::Complete(answer));
    }

    /// Ends the fill of a batch: its items are answered.
    pub fn complete_items(self, answers: ItemAnswers) {
        self.flights.forget_failures(&self.keys);
        self.end(End::Items(Arc::new(answers)));
    }

    /// Ends the fill: there is no whole answer.
    pub fn fail(self, failure: Failure) {
        self.end(End::Failed(failure));
    }

    /// Ends the fill now, for a writer that is only borrowed.
    pub fn fail_now(&self, failure: Failure) {
        self.end(End::Failed(failure));
    }

    /// Runs `step` for as long as somebody reads, or for as long as a fill
    /// without readers may go on.
    ///
    /// # Errors
    /// [`Alone`] if the fill is to be given up; `step` is dropped then.
    pub async fn while_wanted<T>(&mut self, step: impl Future<Output = T>) -> Result<T, Alone> {
        let mut step = pin!(step);
        let mut changed = self.log.subscribe();
        loop {
            changed.mark_unchanged();
            let until = self.patience()?;
            tokio::select! {
                done = &mut step => return Ok(done),
                _ = changed.changed() => {}
                () = sleep_until(until.unwrap_or_else(far_future)), if until.is_some() => {
                    return Err(Alone);
                }
            }
        }
    }

    /// In a body too large to keep, waits until the fastest reader has caught up.
    ///
    /// # Errors
    /// [`Alone`] if nobody is left to catch up.
    pub async fn paced(&mut self) -> Result<(), Alone> {
        let mut changed = self.log.subscribe();
        loop {
            changed.mark_unchanged();
            {
                let state = self.log.state();
                if !state.windowed || state.ahead() < WINDOW_BYTES {
                    return Ok(());
                }
                if state.readers == 0 {
                    return Err(Alone);
                }
            }
            drop(changed.changed().await);
        }
    }

    /// Until when the fill may go on; `None` while somebody reads.
    fn patience(&mut self) -> Result<Option<Instant>, Alone> {
        let (readers, windowed) = {
            let state = self.log.state();
            (state.readers, state.windowed)
        };
        if readers > 0 {
            self.orphanage = None;
            return Ok(None);
        }
        if windowed {
            return Err(Alone);
        }
        if self.orphanage.is_none() {
            let permit = Arc::clone(&self.flights.orphans)
                .try_acquire_owned()
                .map_err(|_none_free| Alone)?;
            self.orphanage = Some(Orphanage {
                _permit: permit,
                until: Instant::now() + self.flights.options.orphan_timeout,
            });
        }
        Ok(self.orphanage.as_ref().map(|orphanage| orphanage.until))
    }

    fn end(&self, end: End) {
        if matches!(end, End::Failed(_)) && self.log.state().end.is_none() {
            self.count_failure();
        }
        // Out of the map first: who joins after the end must find the entry, not
        // the log of a fill that is over.
        self.flights.remove(&self.keys, &self.log);
        self.log.change(|state| {
            if state.end.is_none() {
                state.end = Some(end);
            }
        });
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.end(End::Failed(Failure::Abandoned));
    }
}

fn far_future() -> Instant {
    Instant::now() + Duration::from_hours(24)
}
