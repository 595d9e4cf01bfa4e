//! From records to the ledger: counted in this process, written once a second.
//!
//! Whoever finishes a request leaves its record here and goes on; a task of the
//! journal's own counts them, off the path of any request. What could not be written
//! stays and is added to; a batch of which it is not known whether it was applied is
//! sent again under its own number until the backend says so. So a killed process
//! loses what it counted since the last flush, and nothing is ever counted twice.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::sync::{Notify, broadcast};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::names::Names;
use super::{Call, Event, Subject, measures};
use crate::backend::{BackendError, Ledger};
use crate::ledger::{Batch, BatchId, Caller, Granularity, Labels, Line, Start, Tags, Tally};
use crate::wire::Operation;

/// How long records wait to be written at most.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// How long records wait to be counted, so that many are at once.
const GATHERING: Duration = Duration::from_millis(100);

/// How soon a flush that failed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How long the ledger may take to apply a batch, before that is tried again.
const POST_TIMEOUT: Duration = Duration::from_secs(5);

/// The most lines of a batch: a Redis does nothing else while it adds one up.
const BATCH_LINES_MAX: usize = 250;

/// How many records may wait to be counted; whoever brings one more counts them.
const WAITING_MAX: usize = 16_384;

/// How many lines may wait to be written. While the ledger is away for that long,
/// names that are not waiting yet are counted together.
const LINES_MAX: usize = 50_000;

/// How many of the last requests a watcher is shown first.
const RECENT_MAX: usize = 100;

/// How far a watcher may fall behind before it misses some.
const WATCHED_MAX: usize = 1_024;

const PENDING: &str = "reprise_usage_rows_pending";
const FAILURES: &str = "reprise_usage_flush_failures_total";
const MERGED: &str = "reprise_usage_rows_merged_total";

/// Takes records and sees to it that they are counted. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    /// Ends with the last journal.
    _writer: Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    counted: Mutex<Counted>,
    watched: broadcast::Sender<Arc<Event>>,
    ledger: Arc<dyn Ledger>,
    /// Held while writing: batches go out one after the other.
    outgoing: tokio::sync::Mutex<Outgoing>,
    is_failing: AtomicBool,
}

/// Records that have not been counted.
#[derive(Debug, Default)]
struct Waiting {
    events: Vec<Event>,
    calls: Vec<Call>,
}

/// What has been counted and not been written.
#[derive(Debug, Default)]
struct Counted {
    lines: HashMap<(Start, Labels), Tally>,
    names: Names,
    recent: VecDeque<Arc<Event>>,
}

/// What records have to have in common to be counted under the same.
#[derive(PartialEq, Eq, Hash)]
struct Alike<'a> {
    minute: Start,
    operation: Operation,
    model: &'a str,
    caller: &'a Caller,
    tags: &'a Tags,
    upstream: &'a str,
    outcome: &'static str,
    is_proven: bool,
}

#[derive(Debug)]
struct Outgoing {
    writer: String,
    number: u64,
    /// What was sent and may or may not have been applied.
    in_doubt: Option<Batch>,
}

/// What has been counted and not been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// How many lines.
    pub rows: usize,
    /// Whether they could not be written when that was last tried.
    pub is_failing: bool,
}

/// Sees the requests as they finish.
#[derive(Debug)]
pub struct Watcher {
    /// The last ones before it came, oldest first.
    recent: VecDeque<Arc<Event>>,
    coming: broadcast::Receiver<Arc<Event>>,
}

impl Journal {
    /// Opens a journal that is posted to `ledger`. Needs a runtime to run in.
    ///
    /// # Errors
    /// If the system has no randomness to name this writer with.
    pub fn open(ledger: Arc<dyn Ledger>) -> std::io::Result<Self> {
        describe();
        let writer = getrandom::u64().map_err(std::io::Error::other)?;
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            arrived: Notify::new(),
            counted: Mutex::default(),
            watched: broadcast::Sender::new(WATCHED_MAX),
            ledger,
            outgoing: tokio::sync::Mutex::new(Outgoing {
                writer: format!("{writer:016x}"),
                number: 0,
                in_doubt: None,
            }),
            is_failing: AtomicBool::new(false),
        });
        let writer = tokio::spawn(write(Arc::clone(&shared)));
        Ok(Self {
            shared,
            _writer: Arc::new(AbortOnDropHandle::new(writer)),
        })
    }

    /// Takes the record of a request. Waits for nothing.
    pub fn request(&self, event: Event) {
        self.shared.take(|waiting| waiting.events.push(event));
    }

    /// Takes the record of a call. Waits for nothing.
    pub fn call(&self, call: Call) {
        self.shared.take(|waiting| waiting.calls.push(call));
    }

    /// Counts what has been recorded up to now; it is written in its time.
    pub fn count(&self) {
        self.shared.count();
    }

    /// Sees the last requests and those that finish from now on.
    pub fn watch(&self) -> Watcher {
        self.shared.count();
        let counted = self.shared.counted();
        Watcher {
            recent: counted.recent.clone(),
            coming: self.shared.watched.subscribe(),
        }
    }

    /// What has been counted and not been written. Waits for nothing.
    pub fn pending(&self) -> Pending {
        self.shared.count();
        Pending {
            rows: self.shared.counted().lines.len(),
            is_failing: self.shared.is_failing.load(Ordering::Relaxed),
        }
    }

    /// Writes what has been recorded, for at most `patience`; whether nothing is left.
    pub async fn flush(&self, patience: Duration) -> bool {
        self.shared.count();
        matches!(timeout(patience, self.shared.flush()).await, Ok(Ok(())))
    }
}

impl Watcher {
    /// The next request: first the last ones, then as they finish. `None` once there
    /// will be no more.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        if let Some(event) = self.recent.pop_front() {
            return Some(event);
        }
        loop {
            match self.coming.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl Shared {
    fn take(&self, push: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.waiting();
        let was_empty = waiting.is_empty();
        push(&mut waiting);
        let is_full = waiting.events.len() + waiting.calls.len() > WAITING_MAX;
        drop(waiting);
        if was_empty {
            self.arrived.notify_one();
        }
        if is_full {
            self.count();
        }
    }

    /// Counts what waits.
    fn count(&self) {
        let mut counted = self.counted();
        // Taken while holding what it goes to, so that nothing is seen in neither.
        let waiting = mem::take(&mut *self.waiting());
        counted.add(&waiting);
        let events = waiting.events;
        let is_watched = self.watched.receiver_count() > 0;
        let seen_by_nobody = events.len().saturating_sub(RECENT_MAX);
        let first = if is_watched { 0 } else { seen_by_nobody };
        for event in events.into_iter().skip(first) {
            let event = Arc::new(event);
            if counted.recent.len() >= RECENT_MAX {
                counted.recent.pop_front();
            }
            counted.recent.push_back(Arc::clone(&event));
            // Whoever was watching may have gone.
            drop(self.watched.send(event));
        }
        counted.tell_pending();
    }

    /// Writes all that has been counted.
    async fn flush(&self) -> Result<(), BackendError> {
        let mut outgoing = self.outgoing.lock().await;
        loop {
            if outgoing.in_doubt.is_none() {
                let lines = self.counted().take_lines();
                if lines.is_empty() {
                    if self.is_failing.swap(false, Ordering::Relaxed) {
                        tracing::info!("usage is written again, and all that was kept");
                    }
                    return Ok(());
                }
                outgoing.number += 1;
                let id = BatchId {
                    writer: outgoing.writer.clone(),
                    number: outgoing.number,
                };
                outgoing.in_doubt = Some(Batch { id, lines });
            }
            if let Some(batch) = &outgoing.in_doubt {
                let posted = timeout(POST_TIMEOUT, self.ledger.post(batch)).await;
                posted.map_err(|_elapsed| BackendError::Timeout)??;
            }
            outgoing.in_doubt = None;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a flush failed; says so once.
    fn note_failure(&self, error: &BackendError) {
        counter!(FAILURES).increment(1);
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "usage cannot be written; it is kept and will be");
        }
    }
}

impl<'a> Alike<'a> {
    fn of(subject: &'a Subject, is_proven: bool) -> Self {
        Self {
            minute: Granularity::Minute.start_at(subject.at),
            operation: subject.operation,
            model: subject.answered_by(),
            caller: &subject.caller,
            tags: &subject.tags,
            upstream: &subject.upstream,
            outcome: subject.outcome,
            is_proven,
        }
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.calls.is_empty()
    }
}

impl Counted {
    /// Counts records. Those that are counted under the same are added up first, so that
    /// their names are looked up once for all of them.
    fn add(&mut self, waiting: &Waiting) {
        let mut alike: HashMap<Alike<'_>, (&Subject, Tally)> = HashMap::new();
        for call in &waiting.calls {
            let subject = &call.subject;
            let place = alike.entry(Alike::of(subject, call.succeeded()));
            let (_, tally) = place.or_insert_with(|| (subject, Tally::default()));
            call.count_in(tally);
        }
        for event in &waiting.events {
            let subject = &event.subject;
            let place = alike.entry(Alike::of(subject, !event.is_failure()));
            let (_, tally) = place.or_insert_with(|| (subject, Tally::default()));
            event.count_in(tally);
        }
        for (alike, (subject, tally)) in alike {
            measures::measure(alike.operation, &tally);
            self.tally_of(subject, alike.is_proven).merge(&tally);
        }
    }

    /// What a record is to be added to. `is_proven` says that the upstream answered
    /// with success.
    fn tally_of(&mut self, subject: &Subject, is_proven: bool) -> &mut Tally {
        let mut line = Line {
            minute: Granularity::Minute.start_at(subject.at),
            labels: subject.labels(),
            tally: Tally::default(),
        };
        let mut merged = self.names.bound(&mut line, is_proven);
        let key = (line.minute, line.labels);
        let key = if self.lines.len() < LINES_MAX || self.lines.contains_key(&key) {
            key
        } else {
            merged = true;
            (key.0, key.1.among_others())
        };
        if merged {
            counter!(MERGED).increment(1);
        }
        self.lines.entry(key).or_default()
    }

    /// As many lines as one batch may have, the oldest first.
    fn take_lines(&mut self) -> Vec<Line> {
        let mut lines: Vec<Line> = self
            .lines
            .drain()
            .map(|((minute, labels), tally)| Line {
                minute,
                labels,
                tally,
            })
            .collect();
        if lines.len() > BATCH_LINES_MAX {
            lines.sort_unstable_by_key(|line| line.minute);
            let rest = lines.split_off(BATCH_LINES_MAX);
            let keyed = |line: Line| ((line.minute, line.labels), line.tally);
            self.lines.extend(rest.into_iter().map(keyed));
        }
        self.tell_pending();
        lines
    }

    fn tell_pending(&self) {
        let pending = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
        gauge!(PENDING).set(pending);
    }
}

/// Describes the metrics of journals, and has them be there before anything happens.
fn describe() {
    measures::describe();
    describe_gauge!(
        PENDING,
        "Lines that wait to be written to the usage ledger."
    );
    describe_counter!(
        FAILURES,
        "Writes to the usage ledger that failed; they are tried again."
    );
    describe_counter!(
        MERGED,
        "Records counted together with others, because there were too many names."
    );
    gauge!(PENDING).set(0);
    counter!(FAILURES).increment(0);
    counter!(MERGED).increment(0);
}

/// Counts and writes whatever comes, until it is aborted.
async fn write(shared: Arc<Shared>) {
    let mut due: Option<Instant> = None;
    loop {
        match due {
            None => shared.arrived.notified().await,
            Some(due) => drop(timeout_at(due, shared.arrived.notified()).await),
        }
        sleep(GATHERING).await;
        shared.count();
        let now = Instant::now();
        if now < *due.get_or_insert(now + FLUSH_INTERVAL - 2 * GATHERING) {
            continue;
        }
        due = match shared.flush().await {
            Ok(()) => None,
            Err(error) => {
                shared.note_failure(&error);
                Some(Instant::now() + RETRY_INTERVAL)
            }
        };
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
