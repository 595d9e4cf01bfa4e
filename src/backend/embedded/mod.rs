//! The backend that needs no server: one `SQLite` file in the data folder.
//!
//! Crash-safe (WAL), bounded by bytes, and open to anyone with `sqlite3`. One
//! thread writes, in batches; two read entries, and a third one reads what takes
//! longer: usage and objects. `SQLite` was measured against three
//! key-value stores: it keeps the smallest file, gives space back, loses nothing
//! on `kill -9`, and the same file holds what has to be queried.

mod catalogue;
mod documents;
mod error;
mod file;
mod ledger;
mod objects;
mod reader;
mod room;
mod writer;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::reader::Question;
use self::writer::{Done, Job, Work, Writer};
use super::{BackendError, Entries, Record, Records, Size, Vitals};
use crate::clock::Clock;
use crate::key::Key;

/// The name of the file in the data folder.
pub const FILE_NAME: &str = "reprise.db";

const READERS: usize = 2;
/// How long usage and objects are waited for, written or read. Nobody's answer waits
/// for them.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests that wait for a thread; more than that are refused at once.
const WAITING_MAX: usize = 1024;
/// The smallest bound that leaves room for the tables themselves.
const BYTES_MAX_MIN: u64 = 1024 * 1024;
/// Uses noted and not yet written down; more are forgotten.
const TOUCHES_MAX: usize = 10_000;

/// Entries and records in a file.
#[derive(Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    jobs: SyncSender<Job>,
    questions: SyncSender<Question>,
    /// Questions that take longer.
    inquiries: SyncSender<Question>,
}

/// What the threads have in common.
#[derive(Debug)]
struct Shared {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    bytes_max: u64,
    /// Counts the files opened under the path, for readers to follow.
    generation: AtomicU64,
    /// Set by whoever finds the file damaged, for the writer to replace it.
    damaged: AtomicBool,
    /// Entries removed to make room.
    evicted: AtomicU64,
    /// Entries used since this was last written down.
    touches: Mutex<HashSet<[u8; 32]>>,
}

impl Embedded {
    /// The name used in health reports and metric labels.
    pub const NAME: &'static str = "embedded";

    /// Opens the file in `directory`, or makes it, readable by this user alone.
    /// One that is damaged or no database is moved aside first.
    ///
    /// # Errors
    /// [`BackendError::Invalid`] if `bytes_max` is below 1 MiB; others if the
    /// folder or the file cannot be used.
    pub fn open(
        directory: &Path,
        bytes_max: u64,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BackendError> {
        if bytes_max < BYTES_MAX_MIN {
            let reason = format!("the cache needs at least {BYTES_MAX_MIN} bytes");
            return Err(BackendError::Invalid(reason));
        }
        file::make_directory(directory)?;
        let path = directory.join(FILE_NAME);
        let connection = file::open(&path, &*clock)?;
        let shared = Arc::new(Shared {
            path,
            clock,
            bytes_max,
            generation: AtomicU64::new(0),
            damaged: AtomicBool::new(false),
            evicted: AtomicU64::new(0),
            touches: Mutex::default(),
        });
        let (jobs, receiver) = sync_channel(WAITING_MAX);
        let writer = Writer::new(Arc::clone(&shared), connection, bytes_max);
        spawn("reprise-db-write", move || writer.run(&receiver))?;
        let questions = read_with(&shared, "reprise-db-read", READERS)?;
        let inquiries = read_with(&shared, "reprise-db-inquire", 1)?;
        Ok(Self {
            shared,
            jobs,
            questions,
            inquiries,
        })
    }

    fn write(&self, work: Work) -> BoxFuture<'_, Result<Done, BackendError>> {
        let (done, result) = oneshot::channel();
        let sent = send(&self.jobs, Job { work, done });
        async move {
            sent?;
            result.await.unwrap_or_else(|_ended| Err(ended()))
        }
        .boxed()
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(oneshot::Sender<Result<T, BackendError>>) -> Question,
    ) -> BoxFuture<'_, Result<T, BackendError>> {
        ask(&self.questions, question)
    }

    /// Asks what may take long, for as long as there is patience.
    fn inquire<T: Send + 'static>(
        &self,
        question: impl FnOnce(oneshot::Sender<Result<T, BackendError>>) -> Question,
    ) -> BoxFuture<'_, Result<T, BackendError>> {
        patiently(ask(&self.inquiries, question))
    }
}

impl Entries for Embedded {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Bytes>, BackendError>> {
        let id = *key.id();
        self.ask(|reply| Question::Get(id, reply))
    }

    fn get_many(&self, keys: &[Key]) -> BoxFuture<'_, Result<Vec<Option<Bytes>>, BackendError>> {
        let ids = keys.iter().map(|key| *key.id()).collect();
        self.ask(|reply| Question::GetMany(ids, reply))
    }

    fn put(&self, key: Key, record: Record) -> BoxFuture<'_, Result<(), BackendError>> {
        let write = self.write(Work::Put(*key.id(), record));
        async move { write.await.map(drop) }.boxed()
    }

    fn remove(&self, key: &Key) -> BoxFuture<'_, Result<(), BackendError>> {
        let write = self.write(Work::Remove(*key.id()));
        async move { write.await.map(drop) }.boxed()
    }

    fn size(&self) -> BoxFuture<'_, Result<Size, BackendError>> {
        self.ask(Question::Size)
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), BackendError>> {
        self.ask(Question::Ping)
    }

    fn vitals(&self) -> BoxFuture<'_, Result<Vitals, BackendError>> {
        self.ask(Question::Vitals)
    }

    fn touch(&self, key: &Key) {
        self.shared.touch(*key.id());
    }
}

impl Records for Embedded {
    fn get_or_create(
        &self,
        name: &'static str,
        fresh: Bytes,
    ) -> BoxFuture<'_, Result<Bytes, BackendError>> {
        let write = self.write(Work::GetOrCreate(name, fresh));
        async move {
            match write.await? {
                Done::Kept(record) => Ok(record),
                Done::Written
                | Done::Posted(_)
                | Done::Removed(_)
                | Done::Changed(_)
                | Done::Counted(_) => Err(mistaken()),
            }
        }
        .boxed()
    }
}

impl Shared {
    fn touch(&self, id: [u8; 32]) {
        let mut touches = self.touches.lock().unwrap_or_else(PoisonError::into_inner);
        if touches.len() < TOUCHES_MAX {
            touches.insert(id);
        }
    }

    fn now(&self) -> i64 {
        signed(self.clock.unix_millis())
    }
}

/// `SQLite` has signed integers only.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Starts threads that answer the questions sent to them.
fn read_with(
    shared: &Arc<Shared>,
    name: &str,
    threads: usize,
) -> Result<SyncSender<Question>, BackendError> {
    let (questions, receiver) = sync_channel(WAITING_MAX);
    let receiver = Arc::new(Mutex::new(receiver));
    for _reader in 0..threads {
        let (shared, receiver) = (Arc::clone(shared), Arc::clone(&receiver));
        spawn(name, move || reader::run(&shared, &receiver))?;
    }
    Ok(questions)
}

fn ask<'a, T: Send + 'static>(
    channel: &SyncSender<Question>,
    question: impl FnOnce(oneshot::Sender<Result<T, BackendError>>) -> Question,
) -> BoxFuture<'a, Result<T, BackendError>> {
    let (reply, result) = oneshot::channel();
    let sent = send(channel, question(reply));
    async move {
        sent?;
        result.await.unwrap_or_else(|_ended| Err(ended()))
    }
    .boxed()
}

/// What nobody's answer waits for.
fn patiently<'a, T: Send + 'a>(
    work: BoxFuture<'a, Result<T, BackendError>>,
) -> BoxFuture<'a, Result<T, BackendError>> {
    async move {
        timeout(PATIENCE, work)
            .await
            .unwrap_or(Err(BackendError::Timeout))
    }
    .boxed()
}

/// The answer is one to something else.
fn mistaken() -> BackendError {
    BackendError::Other("the thread of the file answered something else".to_owned())
}

fn send<T>(channel: &SyncSender<T>, message: T) -> Result<(), BackendError> {
    channel.try_send(message).map_err(|error| match error {
        TrySendError::Full(_) => BackendError::Overloaded,
        TrySendError::Disconnected(_) => ended(),
    })
}

fn ended() -> BackendError {
    BackendError::Unavailable("the thread of the file has ended".to_owned())
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), BackendError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(|_detached| ())
        .map_err(|error| BackendError::Unavailable(error.to_string()))
}

/// The next message; `None` once nobody can send one.
fn receive<T>(channel: &Mutex<Receiver<T>>) -> Option<T> {
    channel
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv()
        .ok()
}

#[cfg(test)]
mod books_tests;
#[cfg(test)]
mod tests;
