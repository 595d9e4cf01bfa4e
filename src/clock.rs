//! The one door for the time of day, so that tests can move it.
//!
//! Durations are measured with the monotonic `Instant`; only what is written
//! down (an entry's age, a usage bucket) uses the time of day.

use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type UnixMillis = u64;

/// Tells the time of day.
pub trait Clock: Send + Sync + Debug {
    /// Milliseconds since the Unix epoch; 0 if the machine's clock stands before it.
    fn unix_millis(&self) -> UnixMillis;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The time of day as exactly as the machine has it, for what is read beside
    /// the times of other machines.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the door the rule points to"
    )]
    pub fn time_of_day() -> SystemTime {
        SystemTime::now()
    }
}

impl Clock for SystemClock {
    fn unix_millis(&self) -> UnixMillis {
        Self::time_of_day()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                UnixMillis::try_from(since.as_millis()).unwrap_or(UnixMillis::MAX)
            })
    }
}
