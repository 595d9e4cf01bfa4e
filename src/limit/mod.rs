//! How much may be used: gauges, and the arithmetic of them.
//!
//! A gauge is a limit somebody is held to. What is known of it is a [`State`] of two
//! whole numbers, wherever that is kept: in this process, on a [`Board`], or in Redis,
//! where a script does the same arithmetic. Times are milliseconds since 1970, and told.
//!
//! - A *rate* is a generic cell rate algorithm: "60 a minute" lets 60 pass at once after a
//!   minute of rest, and then one more each second. In any time T it lets no more pass than
//!   60 + T / 1 s, exactly: nothing is rounded.
//! - A *budget* is a sum within a day or a month of UTC.
//! - What is *under way* is a set of leases, which end by themselves if they are not kept.

mod board;
mod gauge;
mod rate;
mod readings;
mod window;

pub use board::Board;
pub use gauge::{AMOUNT_MAX, Form, Gauge, LIMIT_MAX, MONEY_MAX, Period, State};
pub use readings::{Exceeded, Readings, Shown};
pub use window::Window;

use std::sync::Arc;

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = u64;

/// How long a lease holds unless it is kept.
pub const LEASE_MILLIS: Millis = 30_000;

/// What is wanted of a gauge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    /// Who is held to it.
    pub holder: Arc<str>,
    /// The gauge.
    pub gauge: Gauge,
    /// How much has to be left.
    pub need: u64,
    /// How much of that is used up now.
    pub cost: u64,
}

/// What a request wants before it may go on: all of it or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// The id under which it is under way.
    pub lease: String,
    /// Leases that have ended and may not have been told as such yet.
    pub ended: Vec<String>,
    /// What is wanted.
    pub takes: Vec<Take>,
}

/// What became of an [`Ask`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether all was taken.
    pub is_taken: bool,
    /// When that was, by whoever keeps the gauges.
    pub now: Millis,
    /// Each gauge asked for, as it is now.
    pub states: Vec<State>,
}

/// What turned out to be used only later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// Who used it.
    pub holder: Arc<str>,
    /// What it is counted in.
    pub gauge: Gauge,
    /// How much it is.
    pub amount: u64,
    /// When it was.
    pub at: Millis,
}

/// A lease and who holds it.
pub type Lease = (Arc<str>, String);

/// What is told of requests that were let through before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// What they used.
    pub adds: Vec<Add>,
    /// Leases of those that have ended.
    pub ended: Vec<Lease>,
    /// Leases of those that go on.
    pub kept: Vec<Lease>,
}

impl Settlement {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.adds.is_empty() && self.ended.is_empty() && self.kept.is_empty()
    }
}
