//! Gauges kept in this process: where there is no other place for them, as the stand-in
//! for one that is away, and as the model of what a script does elsewhere.

use std::collections::HashMap;
use std::sync::Arc;

use super::gauge::{Form, Gauge, State};
use super::{Ask, LEASE_MILLIS, Millis, Settlement, Take, Taken};

/// How many holders there may be before those of whom nothing is left are forgotten.
const SWEEP_AT: usize = 10_000;

/// How many holders there may be at all. More of them are not held to anything: that many
/// are an attack from more addresses than limits by address are any use against.
const HOLDERS_MAX: usize = 500_000;

/// The gauges of all holders.
#[derive(Debug, Default)]
pub struct Board {
    holders: HashMap<Arc<str>, Held>,
    sweep_at: usize,
    changed: bool,
}

#[derive(Debug, Default)]
struct Held {
    gauges: Vec<(Gauge, State)>,
    leases: HashMap<String, Millis>,
}

impl Held {
    fn state(&self, gauge: Gauge) -> State {
        if gauge.form() == Form::Leases {
            return State(self.leases.len() as u64, 0);
        }
        let mut gauges = self.gauges.iter();
        let known = gauges.find(|(known, _)| known.name() == gauge.name());
        known.map_or_else(State::default, |(_, state)| *state)
    }

    fn set(&mut self, gauge: Gauge, state: State) {
        let mut gauges = self.gauges.iter_mut();
        match gauges.find(|(known, _)| known.name() == gauge.name()) {
            Some(known) => *known = (gauge, state),
            None => self.gauges.push((gauge, state)),
        }
    }

    fn is_idle(&self, now: Millis) -> bool {
        let is_idle = |(gauge, state): &(Gauge, State)| gauge.is_idle(*state, now);
        self.leases.is_empty() && self.gauges.iter().all(is_idle)
    }
}

impl Board {
    /// Takes all that is asked for, or nothing.
    pub fn take(&mut self, ask: &Ask, now: Millis) -> Taken {
        self.sweep(now);
        for take in &ask.takes {
            if let Some(held) = self.holders.get_mut(&take.holder) {
                held.leases.retain(|_, until| now < *until);
                for lease in &ask.ended {
                    held.leases.remove(lease);
                }
            }
        }
        let state = |take: &Take| {
            let held = self.holders.get(&take.holder);
            let state = held.map_or_else(State::default, |held| held.state(take.gauge));
            take.gauge.at(state, now)
        };
        let before: Vec<State> = ask.takes.iter().map(state).collect();
        let has = |(take, state): (&Take, &State)| take.gauge.has(*state, take.need, now);
        if !ask.takes.iter().zip(&before).all(has) {
            return Taken {
                is_taken: false,
                now,
                states: before,
            };
        }
        self.changed = true;
        let after = ask.takes.iter().zip(before).map(|(take, state)| {
            let after = take.gauge.add(state, take.cost, now);
            if let Some(held) = self.held(&take.holder) {
                if take.gauge.form() == Form::Leases {
                    let until = now.saturating_add(LEASE_MILLIS);
                    held.leases.insert(ask.lease.clone(), until);
                } else {
                    held.set(take.gauge, after);
                }
            }
            after
        });
        Taken {
            is_taken: true,
            now,
            states: after.collect(),
        }
    }

    /// Notes what was used besides, and which leases have ended or go on.
    pub fn settle(&mut self, settlement: &Settlement, now: Millis) {
        self.changed = true;
        for add in &settlement.adds {
            if let Some(held) = self.held(&add.holder) {
                let state = add.gauge.add(held.state(add.gauge), add.amount, add.at);
                held.set(add.gauge, state);
            }
        }
        for (holder, lease) in &settlement.ended {
            if let Some(held) = self.holders.get_mut(holder) {
                held.leases.remove(lease);
            }
        }
        for (holder, lease) in &settlement.kept {
            let held = self.holders.get_mut(holder);
            if let Some(until) = held.and_then(|held| held.leases.get_mut(lease)) {
                *until = now.saturating_add(LEASE_MILLIS);
            }
        }
    }

    /// Takes over what another knows of the gauges of an ask, leases left out: those are
    /// held where they were taken.
    pub fn adopt(&mut self, ask: &Ask, taken: &Taken) {
        self.sweep(taken.now);
        for (take, state) in ask.takes.iter().zip(&taken.states) {
            if take.gauge.form() != Form::Leases
                && let Some(held) = self.held(&take.holder)
            {
                held.set(take.gauge, *state);
            }
        }
    }

    /// The states that last longer than some minutes, if anything has changed since this was asked.
    pub fn lasting(&mut self, now: Millis) -> Option<Vec<(Arc<str>, &'static str, State)>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let lasting = self.holders.iter().flat_map(|(holder, held)| {
            let gauges = held
                .gauges
                .iter()
                .filter(move |(gauge, state)| lasts(*gauge) && !gauge.is_idle(*state, now));
            gauges.map(|(gauge, state)| (Arc::clone(holder), gauge.name(), *state))
        });
        Some(lasting.collect())
    }

    /// Has [`Board::lasting`] tell again what it told last.
    pub fn is_changed(&mut self) {
        self.changed = true;
    }

    /// Notes a state that was kept elsewhere, unless another is known by now.
    pub fn restore(&mut self, holder: &str, gauge: Gauge, state: State) {
        if let Some(held) = self.held(&Arc::from(holder))
            && held.state(gauge) == State::default()
        {
            held.set(gauge, state);
        }
    }

    /// A holder's gauges; `None` if there are too many of them.
    fn held(&mut self, holder: &Arc<str>) -> Option<&mut Held> {
        if self.holders.len() >= HOLDERS_MAX && !self.holders.contains_key(holder) {
            return None;
        }
        Some(self.holders.entry(Arc::clone(holder)).or_default())
    }

    fn sweep(&mut self, now: Millis) {
        if self.holders.len() >= self.sweep_at.max(SWEEP_AT) {
            self.holders.retain(|_, held| {
                held.leases.retain(|_, until| now < *until);
                !held.is_idle(now)
            });
            self.sweep_at = self.holders.len().saturating_mul(2);
        }
    }
}

/// Whether a gauge is worth keeping beyond the process.
const fn lasts(gauge: Gauge) -> bool {
    match gauge.form() {
        Form::Rate(period) => period > 60_000,
        Form::Sum(_) => true,
        Form::Leases => false,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
