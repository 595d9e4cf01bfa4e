//! How the scripted upstream behaves.

use std::time::Duration;

use super::Fail;

/// The configuration of this module.
#[derive(Clone, Debug, Default)]
pub struct MockOptions {
    /// How long the first byte of an answer takes. Default: none.
    pub ttfb: Duration,
    /// How many tokens come in a second. Default: all at once.
    pub tokens_per_second: Option<u32>,
    /// Which calls fail. Default: none.
    pub fail: Option<Fail>,
}
