//! What one process writes to the ledger at once.

use super::{Labels, Start, Tally};

/// What was counted under one set of labels in one minute. A backend adds it to the
/// minute, to the hour and to the day it lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The beginning of the minute.
    pub minute: Start,
    /// Under what it was counted.
    pub labels: Labels,
    /// What was counted.
    pub tally: Tally,
}

/// The name of a batch.
///
/// A writer sends its batches one after the other and does not begin the next before
/// it knows that the last was applied. So a backend need only remember the number of
/// the last one it applied of each writer: a batch that comes again, because the
/// answer to the first attempt was lost, has a number that is not higher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchId {
    /// The process that writes; another one after each start.
    pub writer: String,
    /// 1 for the first batch of a writer, then one more for each.
    pub number: u64,
}

/// Lines that are applied together, and once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its name.
    pub id: BatchId,
    /// Its lines: one for each minute and labels.
    pub lines: Vec<Line>,
}
