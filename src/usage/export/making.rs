//! How a file is made: buckets are read a few at a time, written, and put away part
//! by part, so that no file is ever whole in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::shelf::{Shelf, patiently};
use super::writer::{WriteError, Writer};
use super::{Job, Rows, Status};
use crate::backend::BackendError;

/// The most bytes of a file.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How much of a file is kept as one object.
pub(super) const PART_BYTES: usize = 1024 * 1024;

/// The most buckets that are read at once: their lines are all in memory then.
pub(super) const READ_AT_ONCE: usize = 16;

/// The most time that making a file may take.
pub(super) const RUN_MAX: Duration = Duration::from_mins(15);

/// An export that this process makes.
#[derive(Debug)]
pub(super) struct Making {
    job: Mutex<Job>,
    /// Set when it was deleted.
    pub(super) deleted: CancellationToken,
    /// Set when nothing more is done for it.
    pub(super) over: CancellationToken,
}

/// Why a file could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the store failed: {0}")]
    Store(#[from] BackendError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(
        "the file would be larger than {} MiB: ask for a shorter range, a wider granularity or fewer groups",
        FILE_BYTES_MAX / 1024 / 1024
    )]
    TooLarge,
    #[error(
        "it took longer than {} minutes: ask for a shorter range, a wider granularity or fewer groups",
        RUN_MAX.as_secs() / 60
    )]
    TooLong,
    #[error("the server was stopped")]
    Stopped,
    #[error("a bug: {0}")]
    Bug(#[from] tokio::task::JoinError),
}

impl Making {
    pub(super) fn new(job: Job) -> Self {
        Self {
            job: Mutex::new(job),
            deleted: CancellationToken::new(),
            over: CancellationToken::new(),
        }
    }

    /// What is known of it.
    pub(super) fn job(&self) -> MutexGuard<'_, Job> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the file.
    pub(super) async fn run(&self, rows: &dyn Rows, kept: &Shelf) -> Result<(), Failure> {
        let spec = self.job().spec.clone();
        self.job().status = Status::Running;
        let starts = patiently(rows.starts(spec.granularity, spec.span.clone())).await?;
        self.job().buckets = u64::try_from(starts.len()).ok();
        let mut writer = Writer::begin(spec.format, &spec.group_by)?;
        let mut file = File::new(self, kept);
        for some in starts.chunks(READ_AT_ONCE) {
            let read = patiently(rows.rows(spec.granularity, some, &spec.group_by)).await?;
            let count = read.len();
            // Work for the processor: not on a thread that also answers clients.
            let write = move || writer.add(&read).map(|()| writer);
            writer = tokio::task::spawn_blocking(write).await??;
            file.add(writer.take()).await?;
            let mut job = self.job();
            job.buckets_done += u64::try_from(some.len()).unwrap_or_default();
            job.rows += u64::try_from(count).unwrap_or_default();
        }
        let rest = tokio::task::spawn_blocking(|| writer.end()).await??;
        file.add(rest).await?;
        file.end().await
    }
}

/// The file of an export, on its way to the backend.
struct File<'a> {
    making: &'a Making,
    shelf: &'a Shelf,
    id: String,
    pending: Vec<u8>,
    digest: Sha256,
}

impl<'a> File<'a> {
    fn new(making: &'a Making, shelf: &'a Shelf) -> Self {
        Self {
            id: making.job().id.clone(),
            making,
            shelf,
            pending: Vec::new(),
            digest: Sha256::new(),
        }
    }

    /// Appends bytes; puts away what makes whole parts.
    async fn add(&mut self, mut bytes: Vec<u8>) -> Result<(), Failure> {
        self.digest.update(&bytes);
        {
            let mut job = self.making.job();
            job.bytes += u64::try_from(bytes.len()).unwrap_or_default();
            if FILE_BYTES_MAX < job.bytes {
                return Err(Failure::TooLarge);
            }
        }
        self.pending.append(&mut bytes);
        while PART_BYTES <= self.pending.len() {
            let rest = self.pending.split_off(PART_BYTES);
            let part = std::mem::replace(&mut self.pending, rest);
            self.put(part).await?;
        }
        Ok(())
    }

    /// Puts away what is left.
    async fn end(mut self) -> Result<(), Failure> {
        let last = std::mem::take(&mut self.pending);
        if !last.is_empty() {
            self.put(last).await?;
        }
        self.making.job().digest = Some(hex::encode(self.digest.finalize()));
        Ok(())
    }

    async fn put(&self, part: Vec<u8>) -> Result<(), Failure> {
        let number = self.making.job().parts;
        let part = Bytes::from(part);
        self.shelf.put_part(&self.id, number, part).await?;
        self.making.job().parts = number + 1;
        Ok(())
    }
}
