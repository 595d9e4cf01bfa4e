//! Whether an entry may still answer: RFC 9111 §4.2 and RFC 5861, on plain durations.

use std::time::Duration;

use crate::clock::UnixMillis;
use crate::wire::Operation;

use super::{Directives, Lookup, PolicyOptions};

/// What an entry is good for.
///
/// `ttl` is how many seconds it is still fresh, rounded down; negative once stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It answers.
    Fresh {
        /// Seconds left, at least 0.
        ttl: i64,
    },
    /// It answers, because the client accepts it as stale as it is.
    Stale {
        /// Seconds past its freshness, as a negative number.
        ttl: i64,
    },
    /// It answers, and a refresh is due behind the answer.
    StaleWhileRevalidate {
        /// Seconds past its freshness, as a negative number.
        ttl: i64,
    },
    /// It answers only if the upstream fails.
    StaleIfErrorOnly {
        /// Seconds left; not negative if it is fresh but not as fresh as demanded.
        ttl: i64,
    },
    /// It does not answer.
    Unusable,
}

/// How old an entry is. A clock set back makes it new, never negative.
pub const fn age(stored_at: UnixMillis, now: UnixMillis) -> Duration {
    Duration::from_millis(now.saturating_sub(stored_at))
}

/// How long an answer shall be fresh.
pub fn fresh_for(
    directives: &Directives,
    operation: Operation,
    options: &PolicyOptions,
) -> Duration {
    directives
        .ttl
        .unwrap_or(options.ttl(operation))
        .min(options.ttl_max)
}

/// How long a backend keeps an entry: while it is fresh, and as long after that
/// as it may stand in. Its own expiry does the forgetting, not a comparison of clocks.
pub fn keep_for(fresh_for: Duration, options: &PolicyOptions) -> Duration {
    fresh_for.saturating_add(options.stale_while_revalidate.max(options.stale_if_error))
}

/// What an entry of this age, meant to be fresh so long, is good for.
///
/// The limit on freshness in force now holds also for entries stored under
/// another one. A client that demands freshness (`max-age`, `min-fresh`) gets an
/// entry that is less fresh only on an error, and only if it says so itself; one
/// that accepts staleness may combine that with a limit on age.
pub fn judge(
    age: Duration,
    fresh_for: Duration,
    directives: &Directives,
    options: &PolicyOptions,
) -> Freshness {
    match directives.lookup {
        Lookup::Allowed => {}
        Lookup::Refresh | Lookup::Bypass => return Freshness::Unusable,
    }
    let fresh_for = fresh_for.min(options.ttl_max);
    let ttl = seconds_left(age, fresh_for);
    let left = fresh_for.saturating_sub(age);
    let past = age.saturating_sub(fresh_for);
    let is_fresh = !left.is_zero();
    let young_enough = directives.max_age.is_none_or(|limit| age <= limit);
    let demands = directives.max_age.is_some() || directives.min_fresh.is_some();
    let stale_accepted =
        directives.min_fresh.is_none() && directives.max_stale.is_some_and(|limit| past <= limit);
    let fresh_enough = directives.min_fresh.is_none_or(|wanted| left >= wanted);
    let error_window = match directives.stale_if_error {
        Some(asked) => asked,
        None if demands => Duration::ZERO,
        None => options.stale_if_error,
    };

    if is_fresh && young_enough && fresh_enough {
        Freshness::Fresh { ttl }
    } else if !is_fresh && !demands && past < options.stale_while_revalidate {
        Freshness::StaleWhileRevalidate { ttl }
    } else if !is_fresh && young_enough && stale_accepted {
        Freshness::Stale { ttl }
    } else if past < error_window {
        Freshness::StaleIfErrorOnly { ttl }
    } else {
        Freshness::Unusable
    }
}

/// Seconds of freshness left, rounded down; negative once stale.
fn seconds_left(age: Duration, fresh_for: Duration) -> i64 {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    millis(fresh_for)
        .saturating_sub(millis(age))
        .div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn options(swr: u64, sie: u64) -> PolicyOptions {
        PolicyOptions {
            stale_while_revalidate: seconds(swr),
            stale_if_error: seconds(sie),
            ..PolicyOptions::default()
        }
    }

    fn asks() -> Directives {
        Directives::default()
    }

    /// An entry meant to be fresh for 100 s, with 10 s and 50 s of grace.
    fn judged(age: u64, directives: &Directives) -> Freshness {
        judge(seconds(age), seconds(100), directives, &options(10, 50))
    }

    #[test]
    fn an_entry_ages() {
        let rows = [
            (0, Freshness::Fresh { ttl: 100 }),
            (99, Freshness::Fresh { ttl: 1 }),
            (100, Freshness::StaleWhileRevalidate { ttl: 0 }),
            (109, Freshness::StaleWhileRevalidate { ttl: -9 }),
            (110, Freshness::StaleIfErrorOnly { ttl: -10 }),
            (149, Freshness::StaleIfErrorOnly { ttl: -49 }),
            (150, Freshness::Unusable),
            (u64::MAX / 1000, Freshness::Unusable),
        ];
        for (age, expected) in rows {
            assert_eq!(judged(age, &asks()), expected, "{age}");
        }
    }

    #[test]
    fn a_client_may_demand_freshness() {
        let max_age = |limit| Directives {
            max_age: Some(seconds(limit)),
            ..asks()
        };
        assert_eq!(judged(30, &max_age(30)), Freshness::Fresh { ttl: 70 });
        assert_eq!(judged(31, &max_age(30)), Freshness::Unusable);
        assert_eq!(judged(101, &max_age(500)), Freshness::Unusable);
        let min_fresh = |wanted| Directives {
            min_fresh: Some(seconds(wanted)),
            ..asks()
        };
        assert_eq!(judged(30, &min_fresh(70)), Freshness::Fresh { ttl: 70 });
        assert_eq!(judged(30, &min_fresh(71)), Freshness::Unusable);
        assert_eq!(judged(100, &min_fresh(0)), Freshness::Unusable);
        let or_error = Directives {
            stale_if_error: Some(seconds(5)),
            ..max_age(30)
        };
        assert_eq!(
            judged(31, &or_error),
            Freshness::StaleIfErrorOnly { ttl: 69 }
        );
        assert_eq!(judged(106, &or_error), Freshness::Unusable);
    }

    #[test]
    fn a_client_may_accept_staleness() {
        let max_stale = |limit| Directives {
            max_stale: Some(seconds(limit)),
            ..asks()
        };
        assert_eq!(judged(120, &max_stale(20)), Freshness::Stale { ttl: -20 });
        assert_eq!(
            judged(121, &max_stale(20)),
            Freshness::StaleIfErrorOnly { ttl: -21 }
        );
        assert_eq!(
            judged(9_000, &max_stale(1 << 31)),
            Freshness::Stale { ttl: -8_900 }
        );
        assert_eq!(
            judged(105, &max_stale(20)),
            Freshness::StaleWhileRevalidate { ttl: -5 }
        );
        let both = |limit| Directives {
            max_age: Some(seconds(limit)),
            ..max_stale(20)
        };
        assert_eq!(judged(105, &both(110)), Freshness::Stale { ttl: -5 });
        assert_eq!(judged(111, &both(110)), Freshness::Unusable);
    }

    #[test]
    fn a_client_may_set_how_long_an_error_is_covered() {
        let on_error = |limit| Directives {
            stale_if_error: Some(seconds(limit)),
            ..asks()
        };
        assert_eq!(
            judged(300, &on_error(201)),
            Freshness::StaleIfErrorOnly { ttl: -200 }
        );
        assert_eq!(judged(120, &on_error(0)), Freshness::Unusable);
    }

    #[test]
    fn who_wants_a_new_answer_gets_no_entry() {
        for lookup in [Lookup::Refresh, Lookup::Bypass] {
            let directives = Directives { lookup, ..asks() };
            assert_eq!(judged(0, &directives), Freshness::Unusable);
        }
    }

    #[test]
    fn a_clock_set_back_makes_an_entry_new() {
        assert_eq!(age(5_000, 1_000), Duration::ZERO);
        assert_eq!(age(1_000, 5_500), Duration::from_millis(4_500));
        assert_eq!(age(0, u64::MAX), Duration::from_millis(u64::MAX));
    }

    #[test]
    fn parts_of_seconds_are_rounded_down() {
        let at = |millis| {
            judge(
                Duration::from_millis(millis),
                seconds(100),
                &asks(),
                &options(10, 0),
            )
        };
        assert_eq!(at(99_001), Freshness::Fresh { ttl: 0 });
        assert_eq!(at(100_001), Freshness::StaleWhileRevalidate { ttl: -1 });
    }

    #[test]
    fn a_lowered_limit_holds_for_older_entries() {
        let lowered = PolicyOptions {
            ttl_max: seconds(10),
            ..options(0, 0)
        };
        assert_eq!(
            judge(seconds(11), seconds(100), &asks(), &lowered),
            Freshness::Unusable
        );
        assert_eq!(
            judge(seconds(9), seconds(100), &asks(), &lowered),
            Freshness::Fresh { ttl: 1 }
        );
    }

    #[test]
    fn an_entry_is_kept_as_long_as_it_may_answer() {
        assert_eq!(keep_for(seconds(100), &options(10, 50)), seconds(150));
        assert_eq!(keep_for(seconds(100), &options(60, 50)), seconds(160));
        assert_eq!(keep_for(Duration::MAX, &options(1, 1)), Duration::MAX);
        let asked = Directives {
            ttl: Some(seconds(7)),
            ..asks()
        };
        assert_eq!(
            fresh_for(&asked, Operation::Chat, &options(0, 0)),
            seconds(7)
        );
        assert_eq!(
            fresh_for(&asks(), Operation::Chat, &options(0, 0)),
            PolicyOptions::default().completion_ttl
        );
    }
}
