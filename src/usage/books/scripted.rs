//! A ledger in memory for tests, which counts what is fetched of it and can break.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};

use super::Books;
use crate::backend::{
    BackendChoice, BackendError, BackendOptions, Ledger, Lines, Posted, Revision, Store,
};
use crate::clock::{Clock, UnixMillis};
use crate::ledger::{Batch, BatchId, Counter, Granularity, Labels, Line, Start, Tags, Tally};

/// 2026-01-02T10:30:30Z.
pub(crate) const NOW: u64 = 1_767_349_830;

/// A clock that stands until it is set.
#[derive(Debug)]
pub(crate) struct StandingClock(AtomicU64);

impl StandingClock {
    pub(crate) fn set(&self, second: u64) {
        self.0.store(second * 1000, Ordering::Relaxed);
    }
}

impl Clock for StandingClock {
    fn unix_millis(&self) -> UnixMillis {
        self.0.load(Ordering::Relaxed)
    }
}

/// Books with a ledger and a clock to turn.
#[derive(Debug)]
pub(crate) struct Office {
    pub(crate) books: Arc<Books>,
    pub(crate) ledger: Arc<Scripted>,
    pub(crate) clock: Arc<StandingClock>,
}

/// The ledger.
#[derive(Debug)]
pub(crate) struct Scripted {
    kept: Arc<dyn Ledger>,
    posted: AtomicU64,
    fetched: Mutex<Vec<(Granularity, Start)>>,
    pub(crate) broken: AtomicBool,
}

impl Office {
    /// Opens at [`NOW`]. Needs a runtime.
    pub(crate) fn open() -> Self {
        let clock = Arc::new(StandingClock(AtomicU64::new(NOW * 1000)));
        let options = BackendOptions {
            choice: BackendChoice::Memory,
            data_dir: "unused".into(),
            cache_bytes_max: 0,
            memory_bytes_max: 0,
            read_timeout: Duration::from_secs(1),
            write_timeout: Duration::from_secs(1),
            redis_prefix: "unused".to_owned(),
            cache_secret: None,
        };
        let store = Store::open(&options, Arc::clone(&clock) as _).unwrap();
        let ledger = Arc::new(Scripted {
            kept: store.ledger(),
            posted: AtomicU64::new(0),
            fetched: Mutex::default(),
            broken: AtomicBool::new(false),
        });
        let books = Books::new(Arc::clone(&ledger) as _, Arc::clone(&clock) as _);
        Self {
            books: Arc::new(books),
            ledger,
            clock,
        }
    }

    /// Counts something under these labels.
    pub(crate) async fn count(&self, second: u64, labels: &Labels, counts: &[(Counter, u64)]) {
        let mut tally = Tally::default();
        for (counter, count) in counts {
            tally.add(*counter, *count);
        }
        let line = Line {
            minute: Granularity::Minute.start_of(second),
            labels: labels.clone(),
            tally,
        };
        self.ledger.write(vec![line]).await;
    }
}

impl Scripted {
    pub(crate) async fn write(&self, lines: Vec<Line>) {
        let id = BatchId {
            writer: "test".to_owned(),
            number: self.posted.fetch_add(1, Ordering::Relaxed) + 1,
        };
        self.post(&Batch { id, lines }).await.unwrap();
    }

    /// Which buckets were fetched since this was last asked.
    pub(crate) fn take_fetched(&self) -> Vec<(Granularity, Start)> {
        std::mem::take(&mut *self.fetched.lock().unwrap())
    }

    fn refusal(&self) -> Option<BackendError> {
        let broken = self.broken.load(Ordering::Relaxed);
        broken.then(|| BackendError::Unavailable("it was switched off".to_owned()))
    }
}

impl Ledger for Scripted {
    fn post<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Posted, BackendError>> {
        self.kept.post(batch)
    }

    fn revisions(
        &self,
        granularity: Granularity,
        starts: Range<Start>,
    ) -> BoxFuture<'_, Result<Vec<(Start, Revision)>, BackendError>> {
        match self.refusal() {
            Some(error) => Box::pin(ready(Err(error))),
            None => self.kept.revisions(granularity, starts),
        }
    }

    fn buckets<'a>(
        &'a self,
        granularity: Granularity,
        starts: &'a [Start],
    ) -> BoxFuture<'a, Result<Vec<Lines>, BackendError>> {
        let mut fetched = self.fetched.lock().unwrap();
        fetched.extend(starts.iter().map(|start| (granularity, *start)));
        self.kept.buckets(granularity, starts)
    }
}

/// Labels of a chat with a model and a key.
pub(crate) fn chat(model: &str, key: &str) -> Labels {
    Labels {
        operation: "chat".to_owned(),
        model: model.to_owned(),
        key: key.to_owned(),
        tenant: "acme".to_owned(),
        upstream: "openai".to_owned(),
        outcome: "miss".to_owned(),
        tags: Tags::default(),
    }
}
