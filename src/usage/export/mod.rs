//! Usage as files: what was counted in a range of time, a row for each bucket and
//! group, as CSV, NDJSON or Parquet.

mod csv;
mod exports;
mod job;
mod making;
mod ndjson;
#[cfg(feature = "parquet")]
mod parquet;
mod rows;
mod shelf;
mod spec;
mod table;
mod writer;

pub use exports::{Content, ExportError, Exports};
pub use job::{Job, KEPT_FOR, Status};
pub use making::FILE_BYTES_MAX;
pub use rows::{LedgerRows, Rows};
pub use spec::{Format, Spec, SpecError};
pub use table::{Column, Kind, Row, Value, columns};
pub use writer::{WriteError, Writer};

use making::RUN_MAX;
