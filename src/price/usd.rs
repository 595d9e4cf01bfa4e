//! An amount of money.

use std::fmt;

/// A billionth of a dollar is the unit: an integer, so that sums are exact.
const NANOS_PER_DOLLAR: u64 = 1_000_000_000;

/// An amount in US dollars, in billionths. The most there can be is 18 billion
/// dollars; what would be more stays there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(u64);

impl Usd {
    /// The amount of so many billionths of a dollar.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The amount in billionths of a dollar.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The amount in dollars, for JSON and metrics: as near as a float can be.
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact up to nine million dollars, and near enough beyond"
    )]
    pub const fn as_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_DOLLAR as f64
    }

    /// Two amounts together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// In dollars, with as many decimals as there are: `0.000123`.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, nanos) = (self.0 / NANOS_PER_DOLLAR, self.0 % NANOS_PER_DOLLAR);
        let decimals = format!("{nanos:09}");
        match decimals.trim_end_matches('0') {
            "" => f.pad(&format!("{dollars}")),
            decimals => f.pad(&format!("{dollars}.{decimals}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_as_they_are() {
        for (nanos, shown) in [
            (0, "0"),
            (1, "0.000000001"),
            (123_000, "0.000123"),
            (1_500_000_000, "1.5"),
            (20_000_000_000, "20"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            assert_eq!(Usd::from_nanos(nanos).to_string(), shown);
        }
        assert_eq!(format!("{:>6}", Usd::from_nanos(500_000_000)), "   0.5");
        assert!((Usd::from_nanos(123_000).as_f64() - 0.000_123).abs() < f64::EPSILON);
    }

    #[test]
    fn sums_stop_at_the_most_there_can_be() {
        let most = Usd::from_nanos(u64::MAX);
        assert_eq!(most.plus(Usd::from_nanos(1)), most);
        assert_eq!(
            Usd::from_nanos(2).plus(Usd::from_nanos(3)),
            Usd::from_nanos(5)
        );
    }
}
