//! How patient fills and their readers are.

use std::time::Duration;

/// The configuration of this module.
#[derive(Clone, Debug)]
pub struct FlightOptions {
    /// How long a request waits for the answer to another's call to begin before
    /// it makes one of its own. Default: 120 s.
    pub follow_timeout: Duration,
    /// How long a fill goes on that nobody reads. Default: 120 s.
    pub orphan_timeout: Duration,
    /// How many fills may go on that nobody reads. Default: 64.
    pub orphans_max: usize,
    /// How often followers elect a new leader after a failed call. Default: 2.
    pub elections_max: u32,
}
