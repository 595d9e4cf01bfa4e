//! Exports from the asking to the download.
//!
//! Everything about an export is in the backend, so that any process that uses it can
//! tell of one, give its file and delete it. The process that was asked makes the
//! file, tells of it at least every [`TOLD_EVERY`], and looks for a note that it was
//! deleted elsewhere; one that falls silent is seen as failed by all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::job::{fresh_id, is_id};
use super::making::{Failure, Making, RUN_MAX};
use super::shelf::Shelf;
use super::{Job, Rows, Spec, SpecError, Status};
use crate::backend::{BackendError, Objects};
use crate::clock::Clock;

/// The most files that are made at once.
const AT_ONCE: usize = 2;

/// The most exports that wait for their turn.
const WAITING_MAX: usize = 16;

/// How often what changed is told, and a note of a deletion looked for.
const TOLD_AFTER: Duration = Duration::from_secs(1);

/// How often it is told that an export is still being made when nothing changed.
const TOLD_EVERY: Duration = Duration::from_secs(15);

/// How often it is tried to tell how an export ended.
const LAST_TRIES: u32 = 5;

/// Files of usage. Shared by all who ask for them.
#[derive(Debug)]
pub struct Exports {
    rows: Arc<dyn Rows>,
    shelf: Shelf,
    clock: Arc<dyn Clock>,
    making: Mutex<HashMap<String, Arc<Making>>>,
    turns: Semaphore,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

/// Why an export cannot be made, told of or given.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExportError {
    /// There is no such export.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Too many wait for their turn.
    #[error("{WAITING_MAX} exports wait to be made already; ask again when some are complete")]
    Busy,
    /// It is not there: it never was, was deleted, or its time is over.
    #[error("there is no such export; files are kept for 24 hours")]
    Missing,
    /// It has no file yet.
    #[error("the export is not complete yet; its progress is {0:.2}")]
    Unfinished(f64),
    /// It has no file, and will have none.
    #[error("the export failed: {0}")]
    Failed(String),
    /// The backend does not answer.
    #[error("exports cannot be reached now: {0}")]
    Store(#[from] BackendError),
}

/// The file of an export.
#[derive(Debug)]
pub struct Content {
    /// What is known of it.
    pub job: Job,
    first: Bytes,
    shelf: Shelf,
}

/// How the work on an export ended.
enum End {
    Made(Result<(), Failure>),
    Deleted,
}

impl Exports {
    /// Exports of these rows, kept among these objects.
    pub fn new(rows: Arc<dyn Rows>, objects: Arc<dyn Objects>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            rows,
            shelf: Shelf::of(objects),
            clock,
            making: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        })
    }

    /// The time, in seconds since the Unix epoch.
    pub fn now(&self) -> u64 {
        self.clock.unix_millis() / 1000
    }

    /// Begins an export, and does not wait for it.
    ///
    /// # Errors
    /// If there can be no such export, too many wait, or the backend is away.
    pub async fn create(self: &Arc<Self>, spec: Spec) -> Result<Job, ExportError> {
        let now = self.clock.unix_millis();
        spec.check(now)?;
        let id = fresh_id().map_err(|error| BackendError::Other(error.to_string()))?;
        let job = Job::new(id.clone(), spec, now);
        let making = Arc::new(Making::new(job.clone()));
        {
            let mut all = self.making();
            if self.stopping.is_cancelled() || AT_ONCE + WAITING_MAX <= all.len() {
                return Err(ExportError::Busy);
            }
            all.insert(id.clone(), Arc::clone(&making));
        }
        // In a task, so that a client that hangs up here leaves no half of an export.
        let exports = Arc::clone(self);
        let put = self.tasks.spawn(async move {
            let queued = making.job().clone();
            let put = exports.shelf.put_job(&queued).await;
            match &put {
                Ok(()) => {
                    let work = Arc::clone(&exports).work(Arc::clone(&making));
                    exports.tasks.spawn(work);
                }
                Err(_) => exports.leave(&making),
            }
            put
        });
        put.await
            .map_err(|error| BackendError::Other(error.to_string()))??;
        Ok(job)
    }

    /// All exports, the newest first.
    ///
    /// # Errors
    /// If the backend is away.
    pub async fn list(&self) -> Result<Vec<Job>, ExportError> {
        let now = self.clock.unix_millis();
        let jobs = self.shelf.jobs().await?.into_iter();
        let mut jobs: Vec<_> = jobs.map(|job| job.seen_at(now)).collect();
        jobs.sort_by(|one, other| {
            let age = other.created_at.cmp(&one.created_at);
            age.then_with(|| one.id.cmp(&other.id))
        });
        Ok(jobs)
    }

    /// What is known of an export.
    ///
    /// # Errors
    /// If there is none, or the backend is away.
    pub async fn get(&self, id: &str) -> Result<Job, ExportError> {
        if !is_id(id) {
            return Err(ExportError::Missing);
        }
        let job = self.shelf.job(id).await?.ok_or(ExportError::Missing)?;
        Ok(job.seen_at(self.clock.unix_millis()))
    }

    /// The file of an export.
    ///
    /// # Errors
    /// If there is none yet, or not any more, or the backend is away.
    pub async fn content(&self, id: &str) -> Result<Content, ExportError> {
        let job = self.get(id).await?;
        match job.status {
            Status::Queued | Status::Running => Err(ExportError::Unfinished(job.progress())),
            Status::Failed => Err(ExportError::Failed(job.error.unwrap_or_default())),
            Status::Complete => {
                let first = match job.parts {
                    0 => Bytes::new(),
                    _ => self.shelf.part(id, 0).await?.ok_or(ExportError::Missing)?,
                };
                Ok(Content {
                    job,
                    first,
                    shelf: self.shelf.clone(),
                })
            }
        }
    }

    /// Deletes an export and its file; one that is being made is given up.
    ///
    /// # Errors
    /// If there is none, or the backend is away.
    pub async fn delete(&self, id: &str) -> Result<(), ExportError> {
        let job = self.get(id).await?;
        let making = self.making().get(id).cloned();
        match making {
            Some(making) => {
                making.deleted.cancel();
                making.over.cancelled().await;
            }
            // Another process may be at it, also if nothing was heard of it for a while.
            None if job.digest.is_none() => self.shelf.note_deleted(id).await?,
            None => {}
        }
        Ok(self.shelf.remove(id, job.parts).await?)
    }

    /// Gives up what is being made, and waits until that is told.
    pub async fn stop(&self, patience: Duration) {
        self.stopping.cancel();
        self.tasks.close();
        if timeout(patience, self.tasks.wait()).await.is_err() {
            tracing::warn!("stopping before it was told that exports were given up");
        }
    }

    /// Makes one export, from its turn to its end.
    async fn work(self: Arc<Self>, making: Arc<Making>) {
        let end = tokio::select! {
            biased;
            () = making.deleted.cancelled() => End::Deleted,
            () = self.stopping.cancelled() => End::Made(Err(Failure::Stopped)),
            () = self.tell_until_deleted(&making) => End::Deleted,
            made = self.make(&making) => End::Made(made),
        };
        if let Err(error) = self.conclude(&making, end).await {
            let id = making.job().id.clone();
            tracing::warn!(%id, %error, "how an export ended could not be told");
        }
        self.leave(&making);
    }

    async fn make(&self, making: &Making) -> Result<(), Failure> {
        // The semaphore is never closed; without a turn there would be no limit.
        let Ok(_turn) = self.turns.acquire().await else {
            return Err(Failure::Stopped);
        };
        timeout(RUN_MAX, making.run(&*self.rows, &self.shelf))
            .await
            .unwrap_or(Err(Failure::TooLong))
    }

    /// Tells how far it has come, until a note says that it was deleted elsewhere. A
    /// backend that is away for a moment is no reason to give up.
    async fn tell_until_deleted(&self, making: &Making) {
        let mut told = making.job().clone();
        let mut ticks = interval(TOLD_AFTER);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            match self.shelf.is_noted_deleted(&told.id).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(_) => continue,
            }
            let now = self.clock.unix_millis();
            let silence = Duration::from_millis(now.saturating_sub(told.told_at));
            let mut job = making.job().clone();
            job.told_at = told.told_at;
            if job == told && silence < TOLD_EVERY {
                continue;
            }
            job.told_at = now;
            if self.shelf.put_job(&job).await.is_ok() {
                told = job;
            }
        }
    }

    /// Tells how an export ended, and forgets what is of no use any more.
    async fn conclude(&self, making: &Making, end: End) -> Result<(), BackendError> {
        let now = self.clock.unix_millis();
        let job = {
            let mut job = making.job();
            job.told_at = now;
            job.finished_at = Some(now);
            match &end {
                End::Made(Ok(())) => job.status = Status::Complete,
                End::Made(Err(failure)) => {
                    tracing::warn!(id = %job.id, error = %failure, "an export failed");
                    job.status = Status::Failed;
                    job.error = Some(failure.to_string());
                    job.bytes = 0;
                }
                End::Deleted => {}
            }
            job.clone()
        };
        match end {
            End::Deleted => self.shelf.remove(&job.id, job.parts).await,
            End::Made(made) => {
                self.put_at_last(&job).await?;
                // It may have been deleted elsewhere since that was last looked for.
                if self.shelf.is_noted_deleted(&job.id).await? {
                    self.shelf.remove(&job.id, job.parts).await?;
                } else if made.is_err() {
                    self.shelf.remove_parts(&job.id, job.parts).await?;
                }
                Ok(())
            }
        }
    }

    /// Tells how an export ended, more than once if need be: what was made is lost if
    /// nobody knows of it.
    async fn put_at_last(&self, job: &Job) -> Result<(), BackendError> {
        for _ in 1..LAST_TRIES {
            if self.shelf.put_job(job).await.is_ok() {
                return Ok(());
            }
            sleep(TOLD_AFTER).await;
        }
        self.shelf.put_job(job).await
    }

    /// Notes that nothing more is done for an export.
    fn leave(&self, making: &Making) {
        let id = making.job().id.clone();
        self.making().remove(&id);
        making.over.cancel();
    }

    fn making(&self) -> MutexGuard<'_, HashMap<String, Arc<Making>>> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    /// The file, part by part: no more than one of them is in memory.
    pub fn pieces(self) -> impl Stream<Item = Result<Bytes, ExportError>> + Send + 'static {
        let Self {
            job,
            first,
            shelf: kept,
        } = self;
        stream::try_unfold((0, first), move |(number, first)| {
            let (id, parts, kept) = (job.id.clone(), job.parts, kept.clone());
            async move {
                if parts <= number {
                    return Ok(None);
                }
                let part = match number {
                    0 => first,
                    _ => kept.part(&id, number).await?.ok_or(ExportError::Missing)?,
                };
                Ok(Some((part, (number + 1, Bytes::new()))))
            }
        })
    }
}

#[cfg(test)]
#[path = "exports_tests.rs"]
mod tests;
