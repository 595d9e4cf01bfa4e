//! The thread that writes: batches, what is tended, and a file gone bad.

use std::mem;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use super::room::{self, Room};
use super::{Shared, catalogue, documents, file, ledger, objects, signed};
use crate::backend::{BackendError, Change, ObjectName, Posted, Record, Revision};
use crate::ledger::Batch;

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

/// Stands for what a wipe will tell, until it is done.
const WIPE_IS_DUE: u64 = u64::MAX;

/// Something to be written.
#[derive(Debug)]
pub(super) struct Job {
    /// What.
    pub(super) work: Work,
    /// Told after it was committed.
    pub(super) done: oneshot::Sender<Result<Done, BackendError>>,
}

/// What is to be written.
#[derive(Debug)]
pub(super) enum Work {
    /// An entry.
    Put([u8; 32], Record),
    /// That there is no entry.
    Remove([u8; 32]),
    /// That there are no entries of many ids.
    RemoveMany(Vec<[u8; 32]>),
    /// That nothing is left of what was removed, in the write-ahead log as well.
    Wipe,
    /// A record, unless there is one of the name; the answer is what is kept.
    GetOrCreate(&'static str, Bytes),
    /// Usage.
    Post(Batch),
    /// An object, kept for a time.
    PutObject(ObjectName, Bytes, Duration),
    /// That there is no object.
    RemoveObject(ObjectName),
    /// A change of a document.
    Change(Change),
}

/// What became of it.
#[derive(Clone, Debug)]
pub(super) enum Done {
    /// It is written.
    Written,
    /// The record that is kept.
    Kept(Bytes),
    /// Whether usage was counted now.
    Posted(Posted),
    /// Whether there was an object.
    Removed(bool),
    /// The revision a change got; `None` if the document was not as it had been seen.
    Changed(Option<Revision>),
    /// How many there were of what was removed; 0 or 1 for whether nothing is left of it.
    Counted(u64),
}

/// The one who writes.
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// `None` while there is no file that can be used.
    connection: Option<Connection>,
    room: Room,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, connection: Connection, bytes_max: u64) -> Self {
        Self {
            shared,
            connection: Some(connection),
            room: Room::new(bytes_max),
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
        let wipes = works.iter().any(|work| matches!(work, Work::Wipe));
        let mut results = self.transaction(works);
        if let (true, Ok(results)) = (wipes, &mut results) {
            // Not possible within a transaction.
            let file = self.connection.as_ref().ok_or_else(missing);
            let outcome = file.and_then(catalogue::wipe).map(Done::Counted);
            for result in results.iter_mut() {
                if matches!(result, Ok(Done::Counted(WIPE_IS_DUE))) {
                    result.clone_from(&outcome);
                }
            }
        }
        if let Err(error) = &results {
            self.note(error);
        }
        let evicted = self.room.evicted();
        self.shared.evicted.store(evicted, Ordering::Relaxed);
        for (place, done) in waiting.into_iter().enumerate() {
            let result = match &results {
                Ok(results) => results.get(place).cloned().unwrap_or(Ok(Done::Written)),
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
    ) -> Result<Vec<Result<Done, BackendError>>, BackendError> {
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
            self.room.make(&transaction, self.shared.now())?;
            transaction.commit()?;
            Ok(results)
        })();
        self.connection = Some(connection);
        result
    }

    fn apply(&mut self, connection: &Connection, work: Work) -> Result<Done, BackendError> {
        match work {
            Work::Put(id, record) => self.put(connection, &id, &record).map(|()| Done::Written),
            Work::Remove(id) => {
                connection
                    .prepare_cached("DELETE FROM entries WHERE key = ?1")?
                    .execute([id])?;
                Ok(Done::Written)
            }
            Work::RemoveMany(ids) => catalogue::remove_all(connection, &ids).map(Done::Counted),
            Work::Wipe => Ok(Done::Counted(WIPE_IS_DUE)),
            Work::GetOrCreate(name, fresh) => {
                connection
                    .prepare_cached(
                        "INSERT INTO records (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                    )?
                    .execute(params![name, &*fresh])?;
                let kept: Vec<u8> = connection
                    .prepare_cached("SELECT value FROM records WHERE name = ?1")?
                    .query_row([name], |row| row.get(0))?;
                Ok(Done::Kept(kept.into()))
            }
            Work::Post(batch) => {
                let now = self.shared.clock.unix_millis();
                ledger::post(connection, now, &batch).map(Done::Posted)
            }
            Work::PutObject(name, content, keep_for) => {
                self.room.add_beside(content.len());
                objects::put(connection, self.shared.now(), &name, (&content, keep_for))?;
                Ok(Done::Written)
            }
            Work::RemoveObject(name) => {
                objects::remove(connection, self.shared.now(), &name).map(Done::Removed)
            }
            Work::Change(change) => {
                documents::change(connection, self.shared.now(), &change).map(Done::Changed)
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
        if !self.room.takes(bytes_stored) {
            let reason = "the entry takes more than a quarter of the cache".to_owned();
            return Err(BackendError::Invalid(reason));
        }
        let now = self.shared.now();
        self.room.watch(connection, now, bytes)?;
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
                signed(record.stored_at),
                now.saturating_add(signed(keep_for)),
                now,
                signed(bytes_stored),
                &*record.sealed,
            ])?;
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
            room::sweep(&transaction, now, SWEPT_MAX)?;
            ledger::sweep(&transaction, self.shared.clock.unix_millis())?;
            objects::sweep(&transaction, now)?;
            documents::sweep(&transaction, now)?;
            self.room.measure(&transaction)?;
            self.room.make(&transaction, now)?;
            transaction.commit()?;
            self.room.give_back(&connection)
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
            | BackendError::NoKeyYet
            | BackendError::NoKey(_)
            | BackendError::Other(_) => {
                tracing::debug!(%error, "the file could not be written");
            }
        }
    }

    fn replace_file(&mut self) {
        self.connection = None;
        self.room.forget();
        match file::move_aside(&self.shared.path, &*self.shared.clock) {
            Ok(aside) => {
                let aside = aside.display();
                tracing::error!(%aside, "the file was damaged while in use: moved aside, with the usage in it");
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
            Work::PutObject(_, content, _) => content.len(),
            Work::Remove(_)
            | Work::RemoveMany(_)
            | Work::Wipe
            | Work::GetOrCreate(..)
            | Work::Post(_)
            | Work::RemoveObject(_)
            | Work::Change(_) => 0,
        }
    }
}

fn missing() -> BackendError {
    BackendError::Unavailable("there is no file to write to".to_owned())
}
