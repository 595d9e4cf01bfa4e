//! What keeps a failing backend from being in anybody's way.
//!
//! Every operation has a deadline. A breaker a direction stops asking a backend
//! that fails: a look-up then costs nothing but reading a flag, while a task of
//! the guard's own asks once a second whether the backend is back. Reads and
//! writes are apart, because a full or read-only server still answers reads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::metrics::{gauge, histogram};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::breaker::{Breaker, PROBE_INTERVAL, Proof, Standing};
use super::{BackendError, Entries, Record, Size, Vitals, metrics};
use crate::key::Key;

/// How long a probe waits for an answer.
const PING_TIMEOUT: Duration = Duration::from_secs(1);
/// Entries that may take as long again to travel as the first: what a list asks for
/// is paid for once more if it is given up.
const KEYS_A_DEADLINE: usize = 32;
/// How long a question about sizes may take: nobody's answer waits for it.
const SIZE_TIMEOUT: Duration = Duration::from_secs(2);

/// A backend behind deadlines and breakers.
#[derive(Debug)]
pub(super) struct Guard {
    shared: Arc<Shared>,
    /// Ends with the guard.
    _watcher: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    inner: Arc<dyn Entries>,
    reads: Direction,
    writes: Direction,
    answers: AtomicBool,
    opened: Notify,
}

/// Reads or writes.
#[derive(Debug)]
struct Direction {
    name: &'static str,
    deadline: Duration,
    breaker: Mutex<Breaker>,
    /// Whether the breaker stands closed, to be read without a lock.
    closed: AtomicBool,
}

impl Guard {
    /// Guards a backend, and begins by asking whether it is there. Needs a
    /// runtime to run in.
    pub(super) fn new(inner: Arc<dyn Entries>, read: Duration, write: Duration) -> Self {
        let shared = Arc::new(Shared {
            inner,
            reads: Direction::new("read", read, Proof::Enough),
            writes: Direction::new("write", write, Proof::NeedsTrial),
            answers: AtomicBool::new(false),
            opened: Notify::new(),
        });
        let watcher = tokio::spawn(watch(Arc::clone(&shared)));
        Self {
            shared,
            _watcher: AbortOnDropHandle::new(watcher),
        }
    }

    /// Whether the backend answered when it was last asked.
    pub(super) fn is_reachable(&self) -> bool {
        self.shared.answers.load(Ordering::Relaxed) && self.reads() != Standing::Open
    }

    /// How reads stand.
    pub(super) fn reads(&self) -> Standing {
        self.shared.reads.standing()
    }

    /// How writes stand.
    pub(super) fn writes(&self) -> Standing {
        self.shared.writes.standing()
    }
}

impl Entries for Guard {
    fn name(&self) -> &'static str {
        self.shared.inner.name()
    }

    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Bytes>, BackendError>> {
        let Shared { inner, reads, .. } = &*self.shared;
        self.shared.run(reads, "get", inner.get(key)).boxed()
    }

    fn get_many(&self, keys: &[Key]) -> BoxFuture<'_, Result<Vec<Option<Bytes>>, BackendError>> {
        let Shared { inner, reads, .. } = &*self.shared;
        let patience = reads.deadline.saturating_mul(1 + many(keys));
        self.shared
            .run_for(patience, reads, "get_many", inner.get_many(keys))
            .boxed()
    }

    fn put(&self, key: Key, record: Record) -> BoxFuture<'_, Result<(), BackendError>> {
        let Shared { inner, writes, .. } = &*self.shared;
        self.shared
            .run(writes, "put", inner.put(key, record))
            .boxed()
    }

    fn remove(&self, key: &Key) -> BoxFuture<'_, Result<(), BackendError>> {
        let Shared { inner, writes, .. } = &*self.shared;
        self.shared.run(writes, "remove", inner.remove(key)).boxed()
    }

    fn size(&self) -> BoxFuture<'_, Result<Size, BackendError>> {
        let size = self.shared.inner.size();
        async move {
            if self.reads() == Standing::Open {
                return Err(BackendError::LeftAlone);
            }
            timeout(SIZE_TIMEOUT, size)
                .await
                .unwrap_or(Err(BackendError::Timeout))
        }
        .boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), BackendError>> {
        self.shared.ping().boxed()
    }

    fn vitals(&self) -> BoxFuture<'_, Result<Vitals, BackendError>> {
        let vitals = self.shared.inner.vitals();
        async move {
            timeout(SIZE_TIMEOUT, vitals)
                .await
                .unwrap_or(Err(BackendError::Timeout))
        }
        .boxed()
    }

    fn touch(&self, key: &Key) {
        if self.shared.writes.closed.load(Ordering::Relaxed) {
            self.shared.inner.touch(key);
        }
    }
}

impl Shared {
    async fn run<T>(
        &self,
        direction: &Direction,
        operation: &'static str,
        work: BoxFuture<'_, Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        self.run_for(direction.deadline, direction, operation, work)
            .await
    }

    async fn run_for<T>(
        &self,
        patience: Duration,
        direction: &Direction,
        operation: &'static str,
        work: BoxFuture<'_, Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        let started = Instant::now();
        if !direction.admits(started) {
            return Err(BackendError::LeftAlone);
        }
        let result = timeout(patience, work)
            .await
            .unwrap_or(Err(BackendError::Timeout));
        let now = Instant::now();
        let name = result.as_ref().err().map_or("ok", BackendError::as_str);
        histogram!(metrics::DURATION, "operation" => operation, "result" => name)
            .record(now.duration_since(started));
        let outcome = result.as_ref().map(|_done| ());
        if direction.record(outcome, now) == Standing::Open {
            self.opened.notify_one();
        }
        result
    }

    async fn ping(&self) -> Result<(), BackendError> {
        let result = timeout(PING_TIMEOUT, self.inner.ping())
            .await
            .unwrap_or(Err(BackendError::Timeout));
        self.answers.store(result.is_ok(), Ordering::Relaxed);
        result
    }

    /// Probes for the directions that are due.
    async fn probe_due(&self) {
        let now = Instant::now();
        let due: Vec<&Direction> = [&self.reads, &self.writes]
            .into_iter()
            .filter(|direction| direction.lock().take_probe(now))
            .collect();
        if due.is_empty() {
            return;
        }
        let result = self.ping().await;
        for direction in due {
            direction.probed(result.as_ref().copied());
        }
    }

    fn is_closed(&self) -> bool {
        [&self.reads, &self.writes]
            .iter()
            .all(|direction| direction.standing() != Standing::Open)
    }
}

/// How many deadlines more than one a read of many keys gets.
fn many(keys: &[Key]) -> u32 {
    u32::try_from(keys.len() / KEYS_A_DEADLINE).unwrap_or(u32::MAX)
}

/// Asks whether the backend is there: at once, and while a breaker is open.
async fn watch(shared: Arc<Shared>) {
    /// Finer than the interval of probes, which two directions do not share.
    const TICK: Duration = Duration::from_millis(100);
    let first = shared.ping().await;
    for direction in [&shared.reads, &shared.writes] {
        direction.probed(first.as_ref().copied());
    }
    loop {
        while !shared.is_closed() {
            sleep(TICK.min(PROBE_INTERVAL)).await;
            shared.probe_due().await;
        }
        shared.opened.notified().await;
    }
}

impl Direction {
    fn new(name: &'static str, deadline: Duration, proof: Proof) -> Self {
        gauge!(metrics::BREAKER_OPEN, "direction" => name).set(0.0);
        Self {
            name,
            deadline,
            breaker: Mutex::new(Breaker::new(proof, Instant::now())),
            closed: AtomicBool::new(true),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> Standing {
        if self.closed.load(Ordering::Relaxed) {
            Standing::Closed
        } else {
            self.lock().standing()
        }
    }

    fn admits(&self, now: Instant) -> bool {
        self.closed.load(Ordering::Relaxed) || self.lock().admit(now)
    }

    fn record(&self, outcome: Result<(), &BackendError>, now: Instant) -> Standing {
        self.change(outcome, |breaker| {
            breaker.record(outcome.map_err(BackendError::severity), now);
        })
    }

    fn probed(&self, outcome: Result<(), &BackendError>) {
        self.change(outcome, |breaker| {
            breaker.probed(outcome.is_ok(), Instant::now());
        });
    }

    /// Changes the breaker, and tells of it if that changed how it stands.
    fn change(
        &self,
        outcome: Result<(), &BackendError>,
        work: impl FnOnce(&mut Breaker),
    ) -> Standing {
        let (before, after) = {
            let mut breaker = self.lock();
            let before = breaker.standing();
            work(&mut breaker);
            let after = breaker.standing();
            self.closed
                .store(after == Standing::Closed, Ordering::Relaxed);
            (before, after)
        };
        if before != after {
            self.tell(before, after, outcome);
        }
        after
    }

    /// Each outage is told once, however often it is tried in between.
    fn tell(&self, before: Standing, now: Standing, outcome: Result<(), &BackendError>) {
        let direction = self.name;
        let open = match (before, now) {
            (Standing::Closed, _) => {
                let cause = outcome.err().map(tracing::field::display);
                tracing::warn!(direction, cause, "the backend fails and is left alone");
                1.0
            }
            (_, Standing::Open | Standing::HalfOpen) => {
                tracing::debug!(direction, standing = now.as_str(), "the backend is tried");
                1.0
            }
            (_, Standing::Closed) => {
                tracing::info!(direction, "the backend is used again");
                0.0
            }
        };
        gauge!(metrics::BREAKER_OPEN, "direction" => direction).set(open);
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
