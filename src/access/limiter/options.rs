//! What callers are held to that have no limits of their own, and what becomes of limits
//! while nobody knows what was used.

use std::time::Duration;

use crate::access::Allowance;

/// The configuration of the limits.
#[derive(Clone, Debug)]
pub struct LimitOptions {
    /// What those may use who have no allowance of their own.
    pub default: Allowance,
    /// How many requests an address may make in a minute; `None` for any number.
    pub address_per_minute: Option<u64>,
    /// What becomes of limits while their store is away.
    pub on_outage: OnOutage,
    /// How long a request waits for that store: as long as for a look-up. Default: 50 ms.
    pub patience: Duration,
}

/// What becomes of limits while their store is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnOutage {
    /// Each process holds callers to the limits by itself.
    #[default]
    Local,
    /// Nobody is held to any.
    Open,
    /// Callers with limits are not served.
    Closed,
}
