//! What may be limited.

use super::window::Window;
use super::{Millis, rate};

/// The largest limit of a rate. Scripts count in doubles: below it no number that comes
/// up is beyond 2^53, up to which they are exact.
pub const LIMIT_MAX: u64 = 1_000_000_000_000;

/// The most that is taken of a rate at once; what is more counts as this.
pub const AMOUNT_MAX: u64 = 100_000_000;

/// The largest budget, in billionths of a US dollar: nine million dollars, for the same
/// reason.
pub const MONEY_MAX: u64 = 9_000_000_000_000_000;

/// The time a rate counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
}

impl Period {
    /// Its length in milliseconds.
    pub const fn millis(self) -> Millis {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gauge {
    /// So many requests.
    Requests(Period, u64),
    /// So many tokens.
    Tokens(Period, u64),
    /// So much money, in billionths of a US dollar.
    Spent(Window, u64),
    /// So many requests at once.
    UnderWay(u64),
    /// So many requests a minute from one address.
    Address(u64),
    /// So many refused attempts a minute from one address.
    Refused(u64),
}

/// How a gauge counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As a rate, in a period of so many milliseconds. The state is the time at which all
    /// is free again: milliseconds, and so many of as many parts of one as the limit says.
    Rate(Millis),
    /// As a sum. The state is the start of the window and the sum in it.
    Sum(Window),
    /// As leases. The state is how many there are, and 0.
    Leases,
}

/// What is known of a gauge; [`Form`] says what it means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State(pub u64, pub u64);

impl Gauge {
    /// The limit itself.
    pub const fn limit(self) -> u64 {
        match self {
            Self::Requests(_, limit)
            | Self::Tokens(_, limit)
            | Self::Spent(_, limit)
            | Self::UnderWay(limit)
            | Self::Address(limit)
            | Self::Refused(limit) => limit,
        }
    }

    /// The name under which its state is kept, and which metrics use. What the limit is,
    /// is not part of it: a limit that is changed goes on with what was used.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests(Period::Minute, _) => "requests_minute",
            Self::Requests(Period::Hour, _) => "requests_hour",
            Self::Requests(Period::Day, _) => "requests_day",
            Self::Tokens(Period::Minute, _) => "tokens_minute",
            Self::Tokens(Period::Hour, _) => "tokens_hour",
            Self::Tokens(Period::Day, _) => "tokens_day",
            Self::Spent(Window::Day, _) => "budget_day",
            Self::Spent(Window::Month, _) => "budget_month",
            Self::UnderWay(_) => "concurrent",
            Self::Address(_) => "address",
            Self::Refused(_) => "refused",
        }
    }

    /// How it counts.
    pub const fn form(self) -> Form {
        match self {
            Self::Requests(period, _) | Self::Tokens(period, _) => Form::Rate(period.millis()),
            Self::Address(_) | Self::Refused(_) => Form::Rate(Period::Minute.millis()),
            Self::Spent(window, _) => Form::Sum(window),
            Self::UnderWay(_) => Form::Leases,
        }
    }

    /// The state at `now`, where it was `state` before.
    #[must_use]
    pub fn at(self, state: State, now: Millis) -> State {
        match self.form() {
            Form::Rate(_) => rate::at(state, self.limit(), now),
            Form::Sum(window) => {
                let start = window.start(now);
                // Another's clock may be ahead of this one.
                if state.0 >= start {
                    state
                } else {
                    State(start, 0)
                }
            }
            Form::Leases => state,
        }
    }

    /// The state after `amount` more has been used, whether or not that was allowed.
    #[must_use]
    pub fn add(self, state: State, amount: u64, now: Millis) -> State {
        let state = self.at(state, now);
        match self.form() {
            Form::Rate(period) => rate::add(state, amount, (self.limit(), period)),
            Form::Sum(_) => State(state.0, state.1.saturating_add(amount).min(MONEY_MAX)),
            Form::Leases => State(state.0.saturating_add(amount), 0),
        }
    }

    /// Whether `need` more may be used now.
    pub fn has(self, state: State, need: u64, now: Millis) -> bool {
        self.wait(state, need, now) == 0
    }

    /// For how many milliseconds `need` more may not be used. For what is under way nobody
    /// knows: a second.
    pub fn wait(self, state: State, need: u64, now: Millis) -> Millis {
        let state = self.at(state, now);
        match self.form() {
            Form::Rate(period) => {
                let after = rate::add(state, need, (self.limit(), period));
                rate::ceiling(after).saturating_sub(now.saturating_add(period))
            }
            Form::Sum(window) => {
                if state.1.saturating_add(need) <= self.limit() {
                    0
                } else {
                    window.end(now).saturating_sub(now).max(1)
                }
            }
            Form::Leases => {
                let is_free = state.0.saturating_add(need) <= self.limit();
                if is_free { 0 } else { 1000 }
            }
        }
    }

    /// How much may still be used now.
    pub fn left(self, state: State, now: Millis) -> u64 {
        let state = self.at(state, now);
        match self.form() {
            Form::Rate(period) => rate::left(state, (self.limit(), period), now),
            Form::Sum(_) => self.limit().saturating_sub(state.1),
            Form::Leases => self.limit().saturating_sub(state.0),
        }
    }

    /// After how many milliseconds all of it may be used again.
    pub fn reset(self, state: State, now: Millis) -> Millis {
        let state = self.at(state, now);
        match self.form() {
            Form::Rate(_) => rate::ceiling(state).saturating_sub(now),
            Form::Sum(window) => window.end(now).saturating_sub(now),
            Form::Leases => 0,
        }
    }

    /// Whether nothing of a state matters any more.
    pub fn is_idle(self, state: State, now: Millis) -> bool {
        match self.form() {
            Form::Rate(_) => rate::ceiling(state) <= now,
            Form::Sum(window) => state.1 == 0 || state.0 < window.start(now),
            Form::Leases => state.0 == 0,
        }
    }
}
