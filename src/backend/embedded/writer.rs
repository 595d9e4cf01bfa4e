//! The thread that writes: batches, the bound on bytes, and a file gone bad.

use std::mem;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use ::metrics::counter;
use bytes::Bytes;
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use super::reader::live_bytes;
use super::{Shared, file, millis};
use crate::backend::{BackendError, Record, metrics};

/// A batch is committed when it has this many jobs,
const BATCH_JOBS_MAX: usize = 100;
/// or this many bytes,
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// or is this old.
const BATCH_WAIT: Duration = Duration::from_millis(10);
/// How often the file is tended without being asked to.
const TICK: Duration = Duration::from_secs(1);
/// Expired entries swept in a tick.
const SWEPT_MAX: i64 = 500;
/// Entries looked at in one go for making room.
const EVICTED_MAX: i64 = 256;
/// How full the file is left after making room, in percent of the bound.
const ROOM_MADE_PERCENT: u64 = 95;
/// How much is written between two looks at the bound.
const UNWATCHED_BYTES_MAX: usize = 1024 * 1024;
/// Free pages given back to the file system in a tick.
const VACUUMED_PAGES_MAX: u32 = 2048;

/// Something to be written.
#[derive(Debug)]
pub(super) struct Job {
    /// What.
    pub(super) work: Work,
    /// Told after it was committed.
    pub(super) done: oneshot::Sender<Result<Option<Bytes>, BackendError>>,
}

/// What is to be written.
#[derive(Debug)]
pub(super) enum Work {
    /// An entry.
    Put([u8; 32], Record),
    /// That there is no entry.
    Remove([u8; 32]),
    /// A record, unless there is one of the name; the answer is what is kept.
    GetOrCreate(&'static str, Bytes),
}

/// The one who writes.
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// `None` while there is no file that can be used.
    connection: Option<Connection>,
    bytes_max: u64,
    unwatched: usize,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, connection: Connection, bytes_max: u64) -> Self {
        Self {
            shared,
            connection: Some(connection),
            bytes_max,
            unwatched: 0,
        }
    }

    /// Writes until nobody can ask any more.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        // A bound lowered since the last start holds from now on.
        self.tend();
        let mut tended = Instant::now();
        loop {
            match jobs.recv_timeout(TICK) {
                Ok(first) => self.commit(gather(first, jobs)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if tended.elapsed() >= TICK {
                self.tend();
                tended = Instant::now();
            }
        }
    }

    /// Does the jobs in one transaction and tells their results.
    fn commit(&mut self, batch: Vec<Job>) {
        let (works, waiting): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|job| (job.work, job.done)).unzip();
        let results = self.transaction(works);
        if let Err(error) = &results {
            self.note(error);
        }
        for (place, done) in waiting.into_iter().enumerate() {
            let result = match &results {
                Ok(results) => results.get(place).cloned().unwrap_or(Ok(None)),
                Err(error) => Err(error.clone()),
            };
            // If nobody waits for it any more, it is written all the same.
            drop(done.send(result));
        }
    }

    /// All of the works, or none of them.
    fn transaction(
        &mut self,
        works: Vec<Work>,
    ) -> Result<Vec<Result<Option<Bytes>, BackendError>>, BackendError> {
        let mut connection = self.connection.take().ok_or_else(missing)?;
        let result = (|| {
            let transaction = connection.transaction()?;
            let mut results = Vec::with_capacity(works.len());
            for work in works {
                match self.apply(&transaction, work) {
                    Err(error) if !matches!(error, BackendError::Invalid(_)) => return Err(error),
                    result => results.push(result),
                }
            }
            self.make_room(&transaction)?;
            transaction.commit()?;
            Ok(results)
        })();
        self.connection = Some(connection);
        result
    }

    fn apply(
        &mut self,
        connection: &Connection,
        work: Work,
    ) -> Result<Option<Bytes>, BackendError> {
        match work {
            Work::Put(id, record) => self.put(connection, &id, &record).map(|()| None),
            Work::Remove(id) => {
                connection
                    .prepare_cached("DELETE FROM entries WHERE key = ?1")?
                    .execute([id])?;
                Ok(None)
            }
            Work::GetOrCreate(name, fresh) => {
                connection
                    .prepare_cached(
                        "INSERT INTO records (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                    )?
                    .execute(params![name, &*fresh])?;
                let kept: Vec<u8> = connection
                    .prepare_cached("SELECT value FROM records WHERE name = ?1")?
                    .query_row([name], |row| row.get(0))?;
                Ok(Some(kept.into()))
            }
        }
    }

    fn put(
        &mut self,
        connection: &Connection,
        id: &[u8; 32],
        record: &Record,
    ) -> Result<(), BackendError> {
        let bytes = record.sealed.len();
        let bytes_stored = u64::try_from(bytes).unwrap_or(u64::MAX);
        if bytes_stored > self.bytes_max / 4 {
            let reason = "the entry takes more than a quarter of the cache".to_owned();
            return Err(BackendError::Invalid(reason));
        }
        self.unwatched = self.unwatched.saturating_add(bytes);
        if self.unwatched > UNWATCHED_BYTES_MAX {
            self.make_room(connection)?;
        }
        let now = self.shared.now();
        let keep_for = u64::try_from(record.keep_for.as_millis()).unwrap_or(u64::MAX);
        connection
            .prepare_cached(
                "INSERT INTO entries
                    (key, operation, model, stored_at, expires_at, used_at, bytes, sealed)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                ON CONFLICT (key) DO UPDATE SET
                    operation = excluded.operation, model = excluded.model,
                    stored_at = excluded.stored_at, expires_at = excluded.expires_at,
                    used_at = excluded.used_at, bytes = excluded.bytes,
                    sealed = excluded.sealed",
            )?
            .execute(params![
                id,
                record.operation.as_str(),
                record.model,
                millis(record.stored_at),
                now.saturating_add(millis(keep_for)),
                now,
                millis(bytes_stored),
                &*record.sealed,
            ])?;
        Ok(())
    }

    /// Keeps the bound: what has expired goes first, then what was not used for
    /// longest.
    fn make_room(&mut self, connection: &Connection) -> Result<(), BackendError> {
        self.unwatched = 0;
        if live_bytes(connection)? <= self.bytes_max {
            return Ok(());
        }
        let target = self.bytes_max / 100 * ROOM_MADE_PERCENT;
        let mut removed = 0;
        loop {
            let excess = live_bytes(connection)?.saturating_sub(target);
            if excess == 0 {
                break;
            }
            let count = match sweep(connection, self.shared.now(), EVICTED_MAX)? {
                0 => evict(connection, excess)?,
                swept => swept,
            };
            if count == 0 {
                break;
            }
            removed += count;
        }
        counter!(metrics::EVICTED).increment(removed);
        Ok(())
    }

    /// What is done about the file without being asked.
    fn tend(&mut self) {
        if self.shared.damaged.swap(false, Ordering::AcqRel) {
            self.replace_file();
        }
        if self.connection.is_none() {
            self.reopen();
        }
        if let Err(error) = self.tidy() {
            self.note(&error);
        }
    }

    fn tidy(&mut self) -> Result<(), BackendError> {
        let touched = mem::take(
            &mut *self
                .shared
                .touches
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let Some(mut connection) = self.connection.take() else {
            return Ok(());
        };
        let now = self.shared.now();
        let result = (|| {
            let transaction = connection.transaction()?;
            for id in touched {
                transaction
                    .prepare_cached("UPDATE entries SET used_at = ?2 WHERE key = ?1")?
                    .execute(params![id, now])?;
            }
            sweep(&transaction, now, SWEPT_MAX)?;
            self.make_room(&transaction)?;
            transaction.commit()?;
            give_back(&connection, self.bytes_max)
        })();
        self.connection = Some(connection);
        result
    }

    /// Has a damaged file replaced at the next opportunity.
    fn note(&self, error: &BackendError) {
        match error {
            BackendError::Corrupt(_) => self.shared.damaged.store(true, Ordering::Release),
            BackendError::Timeout
            | BackendError::LeftAlone
            | BackendError::Unavailable(_)
            | BackendError::OutOfSpace(_)
            | BackendError::ReadOnly(_)
            | BackendError::Unauthorized(_)
            | BackendError::Overloaded
            | BackendError::Invalid(_)
            | BackendError::Other(_) => {
                tracing::debug!(%error, "the file could not be written");
            }
        }
    }

    fn replace_file(&mut self) {
        self.connection = None;
        match file::move_aside(&self.shared.path, &*self.shared.clock) {
            Ok(aside) => {
                let aside = aside.display();
                tracing::error!(%aside, "the file was damaged while in use: moved aside");
            }
            Err(error) => tracing::error!(%error, "the damaged file cannot be moved aside"),
        }
    }

    fn reopen(&mut self) {
        match file::open(&self.shared.path, &*self.shared.clock) {
            Ok(connection) => {
                self.connection = Some(connection);
                self.shared.generation.fetch_add(1, Ordering::AcqRel);
            }
            Err(error) => tracing::debug!(%error, "the file cannot be opened"),
        }
    }
}

/// The first job and those that come soon after it.
fn gather(first: Job, jobs: &Receiver<Job>) -> Vec<Job> {
    let deadline = Instant::now() + BATCH_WAIT;
    let mut bytes = first.bytes();
    let mut batch = vec![first];
    while batch.len() < BATCH_JOBS_MAX && bytes < BATCH_BYTES_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(job) = jobs.recv_timeout(left) else {
            break;
        };
        bytes = bytes.saturating_add(job.bytes());
        batch.push(job);
    }
    batch
}

impl Job {
    fn bytes(&self) -> usize {
        match &self.work {
            Work::Put(_, record) => record.sealed.len(),
            Work::Remove(_) | Work::GetOrCreate(..) => 0,
        }
    }
}

/// Removes entries whose time is over.
fn sweep(connection: &Connection, now: i64, count_max: i64) -> Result<u64, BackendError> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM entries WHERE id IN
                (SELECT id FROM entries WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        )?
        .execute([now, count_max])?;
    Ok(u64::try_from(removed).unwrap_or(0))
}

/// Removes entries that were not used for longest, about `excess` bytes of them.
fn evict(connection: &Connection, excess: u64) -> Result<u64, BackendError> {
    let mut statement =
        connection.prepare_cached("SELECT id, bytes FROM entries ORDER BY used_at LIMIT ?1")?;
    let mut rows = statement.query([EVICTED_MAX])?;
    let mut chosen = Vec::new();
    let mut freed = 0;
    while freed < excess
        && let Some(row) = rows.next()?
    {
        let (id, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
        freed = freed.saturating_add(u64::try_from(bytes).unwrap_or(0));
        chosen.push(id);
    }
    let mut delete = connection.prepare_cached("DELETE FROM entries WHERE id = ?1")?;
    for id in &chosen {
        delete.execute([id])?;
    }
    Ok(u64::try_from(chosen.len()).unwrap_or(0))
}

/// Shrinks the file if it is larger than it may be, or mostly empty.
fn give_back(connection: &Connection, bytes_max: u64) -> Result<(), BackendError> {
    let live = live_bytes(connection)?;
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    let file = u64::try_from(pages)
        .unwrap_or(0)
        .saturating_mul(file::PAGE_BYTES);
    if file > bytes_max || file / 2 > live {
        connection.execute_batch(&format!("PRAGMA incremental_vacuum({VACUUMED_PAGES_MAX})"))?;
    }
    Ok(())
}

fn missing() -> BackendError {
    BackendError::Unavailable("there is no file to write to".to_owned())
}
