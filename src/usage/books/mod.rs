//! The reading side of the usage ledger: what was used, over any range and in any
//! grouping.
//!
//! Of a bucket that has not changed since it was last read, nothing is fetched: the
//! ledger tells the revisions of a range, and only buckets that are new or have
//! another revision are read and added up again. So a dashboard that draws a year
//! every minute costs one bucket a minute.

mod grouping;
mod kept;
mod key_statistics;
mod models;
mod query;
pub mod report;
mod series;

use std::fmt::Debug;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use self::kept::{Kept, Of};
use self::key_statistics::KeptStatistics;
use crate::backend::{BackendError, Ledger, Revision};
use crate::clock::Clock;
use crate::ledger::{Granularity, Start};

pub use grouping::{Aggregate, Group, Unpriced};
pub use key_statistics::{DAYS_MAX, Day, KeyStatistics, Seen};
pub use models::{ModelInformation, Status};
pub use query::{Dimension, Dimensions, Filters, Query, Shape};
pub use series::{Bounds, Bucket, Series};

/// The most memory for aggregates that are kept.
const KEPT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The most buckets that are fetched at once: their lines are all in memory then.
const FETCHED_AT_ONCE: usize = 16;

/// The most time for one answer of the backend.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was used, to be asked.
#[derive(Debug)]
pub struct Books {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    kept: Kept,
    statistics: KeptStatistics,
}

/// Why the books do not tell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BooksError {
    /// The ledger cannot be read now.
    #[error("the usage ledger cannot be read now")]
    Ledger(#[from] BackendError),
}

impl Books {
    /// The books of a ledger.
    pub fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self {
            ledger,
            clock,
            kept: Kept::new(KEPT_BYTES_MAX),
            statistics: KeptStatistics::default(),
        }
    }

    /// The time, in seconds since the Unix epoch.
    pub fn now(&self) -> u64 {
        self.clock.unix_millis() / 1000
    }

    /// The beginning of the oldest bucket that is still kept.
    pub fn kept_since(&self, granularity: Granularity) -> Start {
        granularity.oldest_kept(self.clock.unix_millis())
    }

    /// Hands out what each bucket of the range adds up to, in their order, until
    /// `take` has enough. Buckets that hold nothing are left out.
    ///
    /// One at a time, so that never more than a few are in memory.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn each(
        &self,
        query: &Query,
        mut take: impl FnMut(Start, &Aggregate) -> ControlFlow<()>,
    ) -> Result<(), BooksError> {
        let shape = Arc::new(query.shape.clone());
        let revisions = self
            .revisions(query.granularity, query.starts.clone())
            .await?;
        for some in revisions.chunks(FETCHED_AT_ONCE) {
            let aggregates = self.aggregates(&shape, query.granularity, some).await?;
            for ((start, _), aggregate) in some.iter().zip(aggregates) {
                if take(*start, &aggregate).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// What the whole range adds up to.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn sum(&self, query: &Query) -> Result<Aggregate, BooksError> {
        let mut sum = Aggregate::default();
        let take = |_, aggregate: &Aggregate| {
            sum.merge(aggregate);
            ControlFlow::Continue(())
        };
        self.each(query, take).await?;
        Ok(sum)
    }

    /// What some buckets add up to, in their order; only those that have changed are
    /// fetched.
    async fn aggregates(
        &self,
        shape: &Arc<Shape>,
        granularity: Granularity,
        buckets: &[(Start, Revision)],
    ) -> Result<Vec<Arc<Aggregate>>, BooksError> {
        let of = |start| Of {
            shape: Arc::clone(shape),
            granularity,
            start,
        };
        let known: Vec<_> = buckets
            .iter()
            .map(|(start, revision)| self.kept.get(&of(*start), *revision))
            .collect();
        let changed: Vec<Start> = buckets
            .iter()
            .zip(&known)
            .filter(|(_, known)| known.is_none())
            .map(|((start, _), _)| *start)
            .collect();
        let mut fetched = if changed.is_empty() {
            Vec::new()
        } else {
            patiently(self.ledger.buckets(granularity, &changed)).await?
        }
        .into_iter();
        let make = |((start, revision), known): (&(Start, Revision), Option<Arc<Aggregate>>)| {
            known.unwrap_or_else(|| {
                let lines = fetched.next().unwrap_or_default();
                let aggregate = Arc::new(Aggregate::of(&lines, shape));
                self.kept.put(of(*start), *revision, &aggregate);
                aggregate
            })
        };
        Ok(buckets.iter().zip(known).map(make).collect())
    }

    async fn revisions(
        &self,
        granularity: Granularity,
        starts: Range<Start>,
    ) -> Result<Vec<(Start, Revision)>, BooksError> {
        if starts.is_empty() {
            return Ok(Vec::new());
        }
        patiently(self.ledger.revisions(granularity, starts)).await
    }
}

impl Query {
    /// The buckets from the one that `from` lies in to the last that begins before
    /// `until`, both in seconds since the Unix epoch.
    pub fn spanning(granularity: Granularity, span: Range<u64>, shape: Shape) -> Self {
        Self {
            granularity,
            starts: granularity.start_of(span.start)..span.end,
            shape,
        }
    }

    /// Where each bucket of the range begins, those that hold nothing included.
    pub fn every_start(&self) -> impl Iterator<Item = Start> + use<> {
        let step = usize::try_from(self.granularity.seconds()).unwrap_or(usize::MAX);
        self.starts.clone().step_by(step)
    }
}

/// What the backend answers, in good time.
async fn patiently<T>(
    answer: impl Future<Output = Result<T, BackendError>>,
) -> Result<T, BooksError> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_elapsed) => Err(BackendError::Timeout.into()),
    }
}

#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;
