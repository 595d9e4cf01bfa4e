//! Exports as objects of the backend: what is known of each, its file in parts, and a
//! note for those that were deleted while another process made them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::job::KEPT_FOR;
use super::{Job, RUN_MAX};
use crate::backend::{BackendError, ObjectName, Objects};

/// The most time for one answer of the backend.
const PATIENCE: Duration = Duration::from_secs(10);

const JOB: &str = "export";
const PART: &str = "export-part";
const DELETED: &str = "export-deleted";

/// Where exports are kept. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Shelf(Arc<dyn Objects>);

impl Shelf {
    pub(super) fn of(objects: Arc<dyn Objects>) -> Self {
        Self(objects)
    }

    pub(super) async fn put_job(&self, job: &Job) -> Result<(), BackendError> {
        let text = serde_json::to_vec(job).map_err(|error| unreadable(&error))?;
        patiently(self.0.put(name(JOB, &job.id), text.into(), KEPT_FOR)).await
    }

    pub(super) async fn job(&self, id: &str) -> Result<Option<Job>, BackendError> {
        let kept = patiently(self.0.get(&name(JOB, id))).await?;
        kept.map(|text| serde_json::from_slice(&text).map_err(|error| unreadable(&error)))
            .transpose()
    }

    /// Every export, in no order.
    pub(super) async fn jobs(&self) -> Result<Vec<Job>, BackendError> {
        let kept = patiently(self.0.list(JOB)).await?;
        // Another version of the program may have left what this one cannot read: no
        // reason to show none at all.
        let jobs = kept.iter().filter_map(|(id, text)| {
            serde_json::from_slice(text)
                .inspect_err(|error| tracing::debug!(%id, %error, "an export cannot be read"))
                .ok()
        });
        Ok(jobs.collect())
    }

    pub(super) async fn put_part(
        &self,
        id: &str,
        number: u64,
        content: Bytes,
    ) -> Result<(), BackendError> {
        // Its time begins before that of the whole, and must not end before it.
        let keep_for = KEPT_FOR + RUN_MAX;
        patiently(self.0.put(part(id, number), content, keep_for)).await
    }

    pub(super) async fn part(&self, id: &str, number: u64) -> Result<Option<Bytes>, BackendError> {
        patiently(self.0.get(&part(id, number))).await
    }

    /// Forgets an export, so that nobody begins to read it, and then its file.
    /// `parts` are known to have been written; there may be more.
    pub(super) async fn remove(&self, id: &str, parts: u64) -> Result<(), BackendError> {
        patiently(self.0.remove(&name(JOB, id))).await?;
        self.remove_parts(id, parts).await
    }

    /// Forgets the file of an export.
    pub(super) async fn remove_parts(&self, id: &str, parts: u64) -> Result<(), BackendError> {
        let mut number = 0;
        while patiently(self.0.remove(&part(id, number))).await? || number < parts {
            number += 1;
        }
        Ok(())
    }

    /// Tells the process that makes an export to leave off.
    pub(super) async fn note_deleted(&self, id: &str) -> Result<(), BackendError> {
        let note = Bytes::from_static(b"deleted");
        patiently(self.0.put(name(DELETED, id), note, RUN_MAX * 2)).await
    }

    pub(super) async fn is_noted_deleted(&self, id: &str) -> Result<bool, BackendError> {
        let note = patiently(self.0.get(&name(DELETED, id))).await?;
        Ok(note.is_some())
    }
}

/// What the backend answers, in good time.
pub(super) async fn patiently<T>(
    answer: impl Future<Output = Result<T, BackendError>>,
) -> Result<T, BackendError> {
    timeout(PATIENCE, answer)
        .await
        .unwrap_or(Err(BackendError::Timeout))
}

fn name(kind: &'static str, id: &str) -> ObjectName {
    let id = id.to_owned();
    ObjectName { kind, id }
}

fn part(id: &str, number: u64) -> ObjectName {
    let id = format!("{id}/{number}");
    ObjectName { kind: PART, id }
}

fn unreadable(error: &serde_json::Error) -> BackendError {
    BackendError::Corrupt(error.to_string())
}
