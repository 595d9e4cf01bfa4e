//! Days and months of UTC, as budgets have them.

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::Millis;

const DAY: Millis = 86_400_000;

/// The time a budget is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// A day of UTC.
    Day,
    /// A month of UTC.
    Month,
}

impl Window {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The start of the one that `now` is in.
    pub fn start(self, now: Millis) -> Millis {
        match self {
            Self::Day => now - now % DAY,
            Self::Month => month(now, 0).unwrap_or(now - now % (31 * DAY)),
        }
    }

    /// The end of the one that `now` is in, which is the start of the next.
    pub fn end(self, now: Millis) -> Millis {
        match self {
            Self::Day => self.start(now).saturating_add(DAY),
            Self::Month => month(now, 1).unwrap_or(self.start(now).saturating_add(31 * DAY)),
        }
    }
}

/// The start of the month that lies so many months after that of `now`; `None` for times
/// that no calendar has.
fn month(now: Millis, later: i32) -> Option<Millis> {
    let at = Timestamp::from_millisecond(i64::try_from(now).ok()?).ok()?;
    let day = at.to_zoned(TimeZone::UTC).date();
    let first = date(day.year(), day.month(), 1)
        .checked_add(later.months())
        .ok()?;
    let first = first.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Millis::try_from(first.as_millisecond()).ok()
}
