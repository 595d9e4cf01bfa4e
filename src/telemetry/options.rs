//! What is logged, and how.

/// The configuration of this module.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// What to log, as `tracing` filters are written. Default: `info`.
    pub filter: String,
    /// The form of a line. Default: text.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
