//! Which prices count.

use super::Overrides;

/// The configuration of this module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceOptions {
    /// Prices that count before those of the table. Default: none.
    pub overrides: Overrides,
    /// The provider whose prices of the table count; `None` where nobody knows it, and
    /// then only the overrides do. Default: the one the upstream's host belongs to.
    pub provider: Option<String>,
}
