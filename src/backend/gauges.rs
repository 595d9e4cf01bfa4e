//! Gauges: how much of what is limited has been used, where all who are to share a limit
//! see the same.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use tokio_util::task::AbortOnDropHandle;

use super::{BackendError, ObjectName, Objects};
use crate::clock::Clock;
use crate::limit::{Ask, Board, Gauge, Period, Settlement, State, Taken, Window};

/// How often what has changed is written down. A killed process loses no more.
const WRITTEN_EVERY: Duration = Duration::from_millis(900);

/// How long it is kept: no gauge counts in a longer time than a month.
const KEPT: Duration = Duration::from_hours(32 * 24);

/// A backend that keeps gauges.
pub trait Gauges: Send + Sync + Debug {
    /// Takes all that a request wants, or nothing of it.
    ///
    /// If this fails, all or nothing was taken.
    fn take<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Taken, BackendError>>;

    /// Notes what was used besides, and which leases have ended or go on: once, also if
    /// it is given again under the same number. Numbers rise by one.
    fn settle<'a>(
        &'a self,
        number: u64,
        settlement: &'a Settlement,
    ) -> BoxFuture<'a, Result<(), BackendError>>;

    /// Whether every answer is there at once, and none is an error.
    fn is_at_once(&self) -> bool {
        false
    }

    /// Reads what was written down before, where that has to be done.
    fn load(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }

    /// Writes down what has not been yet, where that has to be done.
    fn save(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}

/// The gauges of one process: in its memory, and written down behind if there is a place
/// for that.
#[derive(Debug)]
pub struct OwnGauges {
    kept: Arc<Kept>,
    /// Writes behind.
    _writer: Option<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Kept {
    board: Mutex<Board>,
    clock: Arc<dyn Clock>,
    objects: Option<Arc<dyn Objects>>,
    /// Whether what was written before has been read: until then nothing is written over it.
    is_loaded: AtomicBool,
}

/// What is written down: by holder, and by the names of its gauges.
type Written = BTreeMap<String, BTreeMap<String, (u64, u64)>>;

/// The gauges that last, by their names. The limits do not matter here.
const LASTING: [Gauge; 6] = [
    Gauge::Requests(Period::Hour, u64::MAX),
    Gauge::Requests(Period::Day, u64::MAX),
    Gauge::Tokens(Period::Hour, u64::MAX),
    Gauge::Tokens(Period::Day, u64::MAX),
    Gauge::Spent(Window::Day, u64::MAX),
    Gauge::Spent(Window::Month, u64::MAX),
];

impl OwnGauges {
    /// Gauges that end with the process.
    pub fn passing(clock: Arc<dyn Clock>) -> Self {
        Self {
            kept: Arc::new(Kept::new(clock, None)),
            _writer: None,
        }
    }

    /// Gauges of which those that count in more than a minute are written down. Needs a
    /// runtime to run in.
    pub fn lasting(clock: Arc<dyn Clock>, objects: Arc<dyn Objects>) -> Self {
        let kept = Arc::new(Kept::new(clock, Some(objects)));
        let writer = Arc::clone(&kept);
        let writer = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(WRITTEN_EVERY);
            loop {
                ticks.tick().await;
                writer.load().await;
                writer.save().await;
            }
        });
        Self {
            kept,
            _writer: Some(AbortOnDropHandle::new(writer)),
        }
    }
}

impl Kept {
    fn new(clock: Arc<dyn Clock>, objects: Option<Arc<dyn Objects>>) -> Self {
        Self {
            board: Mutex::default(),
            clock,
            objects,
            is_loaded: AtomicBool::new(false),
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn load(&self) {
        let Some(objects) = &self.objects else { return };
        if self.is_loaded.load(Ordering::Acquire) {
            return;
        }
        let found = match objects.get(&name()).await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(%error, "what was used of limits cannot be read yet");
                return;
            }
        };
        let written = found.map(|found| serde_json::from_slice::<Written>(&found));
        match written {
            Some(Ok(written)) => self.restore(written),
            Some(Err(error)) => {
                tracing::warn!(%error, "what was used of limits cannot be read: counting anew");
            }
            None => {}
        }
        self.is_loaded.store(true, Ordering::Release);
    }

    fn restore(&self, written: Written) {
        let mut board = self.board();
        for (holder, gauges) in written {
            for (name, (first, second)) in gauges {
                let gauge = LASTING.into_iter().find(|gauge| gauge.name() == name);
                if let Some(gauge) = gauge {
                    board.restore(&holder, gauge, State(first, second));
                }
            }
        }
    }

    async fn save(&self) {
        let Some(objects) = &self.objects else { return };
        if !self.is_loaded.load(Ordering::Acquire) {
            return;
        }
        let lasting = self.board().lasting(self.clock.unix_millis());
        let Some(lasting) = lasting else { return };
        let mut written = Written::new();
        for (holder, gauge, State(first, second)) in lasting {
            let gauges = written.entry(holder.as_ref().to_owned()).or_default();
            gauges.insert(gauge.to_owned(), (first, second));
        }
        let Ok(content) = serde_json::to_vec(&written) else {
            return;
        };
        if let Err(error) = objects.put(name(), Bytes::from(content), KEPT).await {
            tracing::debug!(%error, "what was used of limits cannot be written: trying on");
            self.board().is_changed();
        }
    }
}

fn name() -> ObjectName {
    ObjectName {
        kind: "limits",
        id: "board".to_owned(),
    }
}

impl Gauges for OwnGauges {
    fn take<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Taken, BackendError>> {
        let now = self.kept.clock.unix_millis();
        ready(Ok(self.kept.board().take(ask, now))).boxed()
    }

    fn settle<'a>(
        &'a self,
        _number: u64,
        settlement: &'a Settlement,
    ) -> BoxFuture<'a, Result<(), BackendError>> {
        // It is never given again: there is no answer that could be lost.
        let now = self.kept.clock.unix_millis();
        self.kept.board().settle(settlement, now);
        ready(Ok(())).boxed()
    }

    fn is_at_once(&self) -> bool {
        true
    }

    fn load(&self) -> BoxFuture<'_, ()> {
        self.kept.load().boxed()
    }

    fn save(&self) -> BoxFuture<'_, ()> {
        self.kept.save().boxed()
    }
}

#[cfg(test)]
#[path = "gauges_tests.rs"]
mod tests;
