//! What gauges show once they have been asked.

use std::fmt;

use super::gauge::{Form, Gauge, State};
use super::{Ask, Millis, Taken};

/// A limit that has been reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Which one.
    pub gauge: Gauge,
    /// When to come again, in milliseconds from now; at least one.
    pub wait: Millis,
}

/// What a caller is shown of one of its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The limit.
    pub limit: u64,
    /// What is left of it.
    pub left: u64,
    /// When all of it is there again, in milliseconds from now.
    pub reset: Millis,
}

/// The gauges of a caller, as they were when it asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    gauges: Vec<(Gauge, State)>,
    now: Millis,
}

impl Readings {
    /// What the gauges of an ask show.
    pub fn of(ask: &Ask, taken: &Taken) -> Self {
        let gauges = ask.takes.iter().map(|take| take.gauge);
        Self {
            gauges: gauges.zip(taken.states.iter().copied()).collect(),
            now: taken.now,
        }
    }

    /// The tightest limit of requests: the one of which the least share is left.
    pub fn requests(&self) -> Option<Shown> {
        self.tightest(|gauge| matches!(gauge, Gauge::Requests(..)))
    }

    /// The tightest limit of tokens.
    pub fn tokens(&self) -> Option<Shown> {
        self.tightest(|gauge| matches!(gauge, Gauge::Tokens(..)))
    }

    /// The budgets of which at least a share of `warn_at` is spent, and how many hundredths
    /// of each.
    pub fn budgets(&self, warn_at: f64) -> impl Iterator<Item = (Gauge, u64)> {
        self.gauges.iter().filter_map(move |(gauge, state)| {
            let Gauge::Spent(_, limit) = *gauge else {
                return None;
            };
            let spent = gauge.at(*state, self.now).1;
            let percent = u128::from(spent) * 100 / u128::from(limit.max(1));
            #[expect(
                clippy::cast_precision_loss,
                reason = "a share of a budget is told in hundredths"
            )]
            let is_due = spent > 0 && spent as f64 >= warn_at * limit as f64;
            is_due.then_some((*gauge, u64::try_from(percent).unwrap_or(u64::MAX)))
        })
    }

    fn tightest(&self, is_one: impl Fn(Gauge) -> bool) -> Option<Shown> {
        let shown = |(gauge, state): &(Gauge, State)| Shown {
            limit: gauge.limit(),
            left: gauge.left(*state, self.now),
            reset: gauge.reset(*state, self.now),
        };
        let ones = self.gauges.iter().filter(|(gauge, _)| is_one(*gauge));
        ones.map(shown).min_by(|one, other| {
            let share = |a: &Shown, b: &Shown| u128::from(a.left) * u128::from(b.limit);
            share(one, other).cmp(&share(other, one))
        })
    }
}

impl Exceeded {
    /// The limit that stands in the way longest, of an ask that was not granted.
    pub fn of(ask: &Ask, taken: &Taken) -> Option<Self> {
        let waits = ask
            .takes
            .iter()
            .zip(&taken.states)
            .map(|(take, state)| Self {
                gauge: take.gauge,
                wait: take.gauge.wait(*state, take.need, taken.now),
            });
        waits
            .filter(|exceeded| exceeded.wait > 0)
            .max_by_key(|exceeded| exceeded.wait)
    }

    /// Whether it is money that has run out: coming again soon is of no use.
    pub const fn is_budget(self) -> bool {
        matches!(self.gauge.form(), Form::Sum(_))
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.gauge.limit();
        match self.gauge {
            Gauge::Requests(period, _) => {
                write!(
                    f,
                    "the limit of {limit} requests per {} is reached",
                    period.as_str()
                )
            }
            Gauge::Tokens(period, _) => {
                write!(
                    f,
                    "the limit of {limit} tokens per {} is reached",
                    period.as_str()
                )
            }
            Gauge::Spent(window, _) => {
                let (dollars, nanos) = (limit / 1_000_000_000, limit % 1_000_000_000);
                let cents = nanos / 10_000_000;
                write!(
                    f,
                    "the budget of {dollars}.{cents:02} US dollars for this {} is spent",
                    window.as_str()
                )
            }
            Gauge::UnderWay(_) => write!(f, "the limit of {limit} requests at once is reached"),
            Gauge::Address(_) => write!(
                f,
                "the limit of {limit} requests per minute from one address is reached"
            ),
            Gauge::Refused(_) => write!(
                f,
                "the limit of {limit} refused attempts per minute from one address is reached"
            ),
        }?;
        write!(f, "; come again in {}", Reset(self.wait))
    }
}

/// A time as the provider writes it: `20ms`, `1.5s`, `6m0s`, `2h0m0s`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reset(Millis);

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(all) = *self;
        if all > 0 && all < 1000 {
            return write!(f, "{all}ms");
        }
        let (seconds, millis) = (all / 1000, all % 1000);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        if millis == 0 {
            return write!(f, "{seconds}s");
        }
        let fraction = format!("{millis:03}");
        write!(f, "{seconds}.{}s", fraction.trim_end_matches('0'))
    }
}

impl Shown {
    /// The time of its reset as the provider writes it: `20ms`, `1.5s`, `6m0s`.
    pub fn reset_text(&self) -> String {
        Reset(self.reset).to_string()
    }
}
