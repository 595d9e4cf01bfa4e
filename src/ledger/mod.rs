//! The usage ledger as data: who used what, counted in buckets of time.
//!
//! A [`Line`] is what was counted under one set of [`Labels`] in one bucket. Lines
//! only ever add up, so that they can be merged in any order: in this process until
//! they are written, in the backend over all processes, and again when they are
//! read. Three kinds of count are kept apart: what was spent upstream, what was
//! served to clients, and what the cache saved.

mod batch;
mod caller;
mod labels;
mod latency;
mod period;
mod tally;

pub use batch::{Batch, BatchId, Line};
pub use caller::Caller;
pub use labels::{LABEL_BYTES_MAX, Labels, OTHER, TAGS_MAX, Tags, cut};
pub use latency::Latencies;
pub use period::{Granularity, Start};
pub use tally::{Counter, Tally};
