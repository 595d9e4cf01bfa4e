//! The buckets of time: minutes, hours and days of UTC.

use std::time::Duration;

use crate::clock::UnixMillis;

/// The beginning of a bucket, in seconds since the Unix epoch.
pub type Start = u64;

/// How wide a bucket is. Buckets begin at multiples of their width since the Unix
/// epoch, which are whole minutes, hours and days of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Granularity {
    /// A minute; kept for 48 hours.
    Minute,
    /// An hour; kept for 35 days.
    Hour,
    /// A day; kept for 400 days.
    Day,
}

impl Granularity {
    /// All of them, narrow to wide.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// The name used in keys, columns and queries.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The width of a bucket, in seconds.
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// How long a bucket is kept after it began.
    pub const fn kept_for(self) -> Duration {
        match self {
            Self::Minute => Duration::from_hours(48),
            Self::Hour => Duration::from_hours(35 * 24),
            Self::Day => Duration::from_hours(400 * 24),
        }
    }

    /// The beginning of the bucket that `second` lies in, in seconds since the epoch.
    pub const fn start_of(self, second: u64) -> Start {
        second - second % self.seconds()
    }

    /// The beginning of the bucket that a time of day lies in.
    pub const fn start_at(self, millis: UnixMillis) -> Start {
        self.start_of(millis / 1000)
    }

    /// The beginning of the oldest bucket that is still kept at `now`.
    pub const fn oldest_kept(self, now: UnixMillis) -> Start {
        self.start_of((now / 1000).saturating_sub(self.kept_for().as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_begin_at_whole_minutes_hours_and_days_of_utc() {
        // 2025-11-21T10:43:46Z
        let second = 1_763_721_826;
        let starts = Granularity::ALL.map(|granularity| granularity.start_of(second));
        assert_eq!(starts, [1_763_721_780, 1_763_719_200, 1_763_683_200]);
        let again = Granularity::ALL.map(|granularity| granularity.start_at(second * 1000 + 999));
        assert_eq!(again, starts);
    }

    #[test]
    fn what_is_kept_reaches_back_two_days_five_weeks_and_four_hundred_days() {
        let now = 1_763_721_826_000;
        assert_eq!(
            Granularity::Minute.oldest_kept(now),
            1_763_721_780 - 48 * 3_600
        );
        assert_eq!(
            Granularity::Day.oldest_kept(now),
            1_763_683_200 - 400 * 86_400
        );
        assert_eq!(Granularity::Hour.oldest_kept(0), 0);
    }
}
