//! The generic cell rate algorithm, in whole numbers.
//!
//! The one thing it remembers is the time at which everything is free again. Each use
//! moves that on by its share of the period, and is allowed if it does not move further
//! than one period from now. A share is seldom a whole number of milliseconds, so the time
//! is kept as milliseconds and as many parts of one as the limit is: nothing is rounded.

use super::Millis;
use super::gauge::{AMOUNT_MAX, LIMIT_MAX, State};

/// The state at `now`: what was free again before is free now.
pub(super) fn at(state: State, limit: u64, now: Millis) -> State {
    if state.0 < now {
        State(now, 0)
    } else {
        // The limit may have been another when the parts were counted.
        State(state.0, state.1.min(limit.saturating_sub(1)))
    }
}

/// The state after `amount` more, of so many in a period.
pub(super) fn add(state: State, amount: u64, (limit, period): (u64, Millis)) -> State {
    let limit = limit.clamp(1, LIMIT_MAX);
    let parts = amount.min(AMOUNT_MAX) * period + state.1.min(limit - 1);
    State(state.0.saturating_add(parts / limit), parts % limit)
}

/// The first millisecond at which everything is free.
pub(super) const fn ceiling(state: State) -> Millis {
    state.0.saturating_add(if state.1 > 0 { 1 } else { 0 })
}

/// How much is left, of so many in a period.
pub(super) fn left(state: State, (limit, period): (u64, Millis), now: Millis) -> u64 {
    let room = u128::from(now.saturating_add(period).saturating_sub(state.0)) * u128::from(limit);
    let room = room.saturating_sub(u128::from(state.1));
    u64::try_from(room / u128::from(period.max(1))).map_or(limit, |left| left.min(limit))
}
