//! What is known of an export while it is made and until it expires.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Spec;
use crate::clock::UnixMillis;

/// How long a file can be downloaded after it was finished, and how long what is known
/// of an export is kept.
pub const KEPT_FOR: Duration = Duration::from_hours(24);

/// How long nothing may be heard of an export that is being made.
pub(super) const SILENCE_MAX: Duration = Duration::from_mins(1);

/// What an id begins with.
const PREFIX: &str = "exp_";

/// An export: what it is to hold, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its name: `exp_` and 32 hexadecimal digits.
    pub id: String,
    /// What it is to hold.
    pub spec: Spec,
    /// How far it has come.
    pub status: Status,
    /// When it was asked for.
    pub created_at: UnixMillis,
    /// When the process that makes it last told of it.
    pub told_at: UnixMillis,
    /// When it was complete or failed.
    pub finished_at: Option<UnixMillis>,
    /// The buckets that hold anything; `None` before they are counted.
    pub buckets: Option<u64>,
    /// How many of them are written.
    pub buckets_done: u64,
    /// The rows written.
    pub rows: u64,
    /// The bytes of its file.
    pub bytes: u64,
    /// The parts its file is kept in.
    pub parts: u64,
    /// The SHA-256 of its file in hexadecimal digits, when it is complete.
    pub digest: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// How far an export has come. One that was deleted is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It waits for others to be finished.
    Queued,
    /// It is being made.
    Running,
    /// It can be downloaded.
    Complete,
    /// It could not be made.
    Failed,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Queued, Self::Running, Self::Complete, Self::Failed];

    /// The word for it in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing will change any more.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Complete | Self::Failed => true,
        }
    }
}

impl Job {
    /// An export that was asked for just now.
    pub(super) const fn new(id: String, spec: Spec, now: UnixMillis) -> Self {
        Self {
            id,
            spec,
            status: Status::Queued,
            created_at: now,
            told_at: now,
            finished_at: None,
            buckets: None,
            buckets_done: 0,
            rows: 0,
            bytes: 0,
            parts: 0,
            digest: None,
            error: None,
        }
    }

    /// Which share of its buckets is written, from 0 to 1.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share needs no more than 15 digits"
    )]
    pub fn progress(&self) -> f64 {
        match (self.status, self.buckets) {
            (Status::Complete, _) => 1.0,
            (_, Some(buckets)) if buckets > 0 => self.buckets_done as f64 / buckets as f64,
            (_, _) => 0.0,
        }
    }

    /// When it is forgotten, if that is known.
    pub fn expires_at(&self) -> Option<UnixMillis> {
        let kept_for = u64::try_from(KEPT_FOR.as_millis()).unwrap_or(u64::MAX);
        Some(self.finished_at?.saturating_add(kept_for))
    }

    /// The same as it must look to who asks at `now`: an export that nothing has been
    /// heard of for a minute is not being made any more.
    pub(super) fn seen_at(mut self, now: UnixMillis) -> Self {
        let silence = Duration::from_millis(now.saturating_sub(self.told_at));
        if !self.status.is_final() && SILENCE_MAX < silence {
            self.status = Status::Failed;
            self.error = Some("the process that made it has stopped".to_owned());
            self.finished_at = Some(self.told_at);
        }
        self
    }
}

/// An id that nobody can guess.
///
/// # Errors
/// If the operating system gives no randomness.
pub(super) fn fresh_id() -> Result<String, getrandom::Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    Ok(format!("{PREFIX}{}", hex::encode(random)))
}

/// Whether a text could be an id: only then is the backend asked for it.
pub(super) fn is_id(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|digits| {
        digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Granularity;
    use crate::usage::export::Format;

    fn job() -> Job {
        let spec = Spec::new(Format::Csv, Granularity::Day, 0..1, []);
        Job::new(fresh_id().unwrap(), spec, 1_000)
    }

    #[test]
    fn an_export_that_falls_silent_has_failed() {
        let silent = |status, after: u64| {
            let job = Job { status, ..job() };
            job.seen_at(1_000 + after).status
        };
        assert_eq!(silent(Status::Running, 60_000), Status::Running);
        assert_eq!(silent(Status::Running, 60_001), Status::Failed);
        assert_eq!(silent(Status::Queued, 60_001), Status::Failed);
        assert_eq!(silent(Status::Complete, 60_001), Status::Complete);
        let told = job().seen_at(70_000).error.unwrap();
        assert_eq!(told, "the process that made it has stopped");
    }

    #[test]
    fn progress_is_the_share_of_buckets() {
        let mut job = job();
        assert!(job.progress().abs() < f64::EPSILON);
        job.buckets = Some(4);
        job.buckets_done = 1;
        assert!((job.progress() - 0.25).abs() < f64::EPSILON);
        job.buckets = Some(0);
        job.status = Status::Complete;
        assert!((job.progress() - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn ids_are_told_from_other_text() {
        assert!(is_id(&fresh_id().unwrap()));
        for odd in ["", "exp_", "exp_1/2", &format!("exp_{}", "g".repeat(32))] {
            assert!(!is_id(odd), "{odd}");
        }
    }

    #[test]
    fn what_is_known_survives_being_kept() {
        let job = job();
        let kept = serde_json::to_vec(&job).unwrap();
        assert_eq!(serde_json::from_slice::<Job>(&kept).unwrap(), job);
    }
}
