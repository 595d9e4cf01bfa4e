//! Who has used how much, and whether that was enough.
//!
//! A request asks once, before anything is looked up, for all it needs of its gauges: one
//! call to where they are kept. What it turns out to use later is told behind its back.
//! While that place is away, gauges of this process stand in, which begin with what was
//! last known: no request fails or waits because of it.
//!
//! A caller that is held to nothing costs nothing.

mod meter;
mod options;
mod settling;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Principal;
use crate::backend::error::Severity;
use crate::backend::{BackendError, Gauges};
use crate::clock::Clock;
use crate::limit::{
    Add, Ask, Board, Exceeded, Form, Gauge, Period, Settlement, Take, Taken, Window,
};

pub use meter::Meter;
pub use options::{LimitOptions, OnOutage};

/// After so many waits in a row that were in vain nobody waits any more.
const VAIN_WAITS: u32 = 3;

/// How many refused attempts to administer an address may make in a minute.
const REFUSED_PER_MINUTE: u64 = 30;

/// How many warnings are remembered as given.
const WARNED_MAX: usize = 10_000;

const LIMITED: &str = "reprise_limited_total";
const LOCAL: &str = "reprise_limiter_local";
const WARNINGS: &str = "reprise_budget_warnings_total";

/// Why a request may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// A limit has been reached.
    Exceeded(Exceeded),
    /// What was used cannot be known, and the operator wants to serve nobody then.
    Unknown,
}

/// Holds callers to their limits.
#[derive(Debug)]
pub struct Limiter {
    shared: Arc<dyn Gauges>,
    local: Mutex<Board>,
    clock: Arc<dyn Clock>,
    options: LimitOptions,
    process: String,
    asked: AtomicU64,
    /// What goes on, to be kept.
    under_way: Mutex<HashMap<String, Arc<str>>>,
    pending: Mutex<settling::Pending>,
    wake: Arc<Notify>,
    is_away: AtomicBool,
    waits: AtomicU32,
    warned: Mutex<HashSet<(Arc<str>, Window, u64)>>,
}

impl Limiter {
    /// Holds callers to their limits by gauges that are kept there. Needs a runtime to run
    /// in.
    pub fn start(
        shared: Arc<dyn Gauges>,
        options: LimitOptions,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        describe_counter!(LIMITED, "Requests refused because a limit was reached.");
        describe_gauge!(LOCAL, "1 while limits are counted by this process alone.");
        describe_counter!(WARNINGS, "Budgets of which the share to warn at was spent.");
        for limited in NAMES {
            counter!(LIMITED, "limit" => limited).increment(0);
        }
        counter!(WARNINGS).increment(0);
        gauge!(LOCAL).set(0.0);
        // Only tells processes apart: without randomness leases would at worst be shared.
        let process = getrandom::u64().unwrap_or_default();
        let limiter = Arc::new(Self {
            shared,
            local: Mutex::default(),
            clock,
            options,
            process: format!("{process:016x}"),
            asked: AtomicU64::new(0),
            under_way: Mutex::default(),
            pending: Mutex::default(),
            wake: Arc::default(),
            is_away: AtomicBool::new(false),
            waits: AtomicU32::new(0),
            warned: Mutex::default(),
        });
        tokio::spawn(settling::settle(Arc::downgrade(&limiter)));
        limiter
    }

    /// What a caller is held to; `None` if to nothing.
    pub fn meter(self: &Arc<Self>, caller: &Principal, peer: Option<IpAddr>) -> Option<Meter> {
        let own = &caller.rights.allowance;
        let allowance = if own.is_unlimited() {
            &self.options.default
        } else {
            own
        };
        let address = self.address(peer);
        if allowance.is_unlimited() && address.is_none() {
            return None;
        }
        Some(Meter::new(self, &caller.caller.key, allowance, address))
    }

    /// Counts a request of an address whose caller is not known.
    ///
    /// # Errors
    /// If there were too many.
    pub async fn knock(&self, peer: Option<IpAddr>) -> Result<(), Limited> {
        match self.address(peer) {
            Some((holder, gauge)) => self.grant(&take(&holder, gauge, 1, 1)).await,
            None => Ok(()),
        }
    }

    /// Whether an address may try to administer. This machine itself always may.
    ///
    /// # Errors
    /// If it was refused too often.
    pub async fn may_administer(&self, peer: Option<IpAddr>) -> Result<(), Limited> {
        match refusals(peer) {
            Some((holder, gauge)) => self.grant(&take(&holder, gauge, 1, 0)).await,
            None => Ok(()),
        }
    }

    /// Counts an attempt to administer that was refused.
    pub fn refused(&self, peer: Option<IpAddr>) {
        if let Some((holder, gauge)) = refusals(peer) {
            self.add(&holder, gauge, 1);
        }
    }

    /// Reads what was used before this process began, where that has to be done.
    pub async fn load(&self, patience: Duration) {
        if timeout(patience, self.shared.load()).await.is_err() {
            tracing::warn!("what was used of limits is not known yet: counting on without");
        }
    }

    /// Tells what has not been told yet.
    pub async fn close(&self, patience: Duration) {
        self.wake.notify_one();
        let told = async {
            while !self.pending().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            self.shared.save().await;
        };
        if timeout(patience, told).await.is_err() {
            tracing::warn!("stopping before all that was used of limits was told");
        }
    }

    /// Asks for all that is wanted.
    ///
    /// # Errors
    /// If it is not to be had.
    async fn grant(&self, ask: &Ask) -> Result<(), Limited> {
        match self.take(ask).await? {
            Some(taken) => Self::judge(ask, &taken),
            None => Ok(()),
        }
    }

    /// Whether all was taken that was asked for.
    ///
    /// # Errors
    /// If it was not.
    fn judge(ask: &Ask, taken: &Taken) -> Result<(), Limited> {
        if taken.is_taken {
            return Ok(());
        }
        match Exceeded::of(ask, taken) {
            Some(exceeded) => {
                counter!(LIMITED, "limit" => exceeded.gauge.name()).increment(1);
                Err(Limited::Exceeded(exceeded))
            }
            // It was refused a moment ago, and would not be by now.
            None => Ok(()),
        }
    }

    /// What becomes of an ask; `None` if nobody is held to anything now.
    ///
    /// # Errors
    /// If that is not known, and nobody is to be served then.
    async fn take(&self, ask: &Ask) -> Result<Option<Taken>, Limited> {
        if self.shared.is_at_once() || !self.is_away.load(Ordering::Relaxed) {
            match timeout(self.options.patience, self.shared.take(ask)).await {
                Ok(Ok(taken)) => {
                    self.waits.store(0, Ordering::Relaxed);
                    if !self.shared.is_at_once() {
                        self.local().adopt(ask, &taken);
                    }
                    return Ok(Some(taken));
                }
                Ok(Err(error)) => self.failed(&error),
                Err(_elapsed) => self.failed(&BackendError::Timeout),
            }
        }
        match self.options.on_outage {
            OnOutage::Local => Ok(Some(self.local().take(ask, self.clock.unix_millis()))),
            OnOutage::Open => Ok(None),
            OnOutage::Closed => Err(Limited::Unknown),
        }
    }

    /// Notes that something more was used.
    fn add(&self, holder: &Arc<str>, gauge: Gauge, amount: u64) {
        let add = Add {
            holder: Arc::clone(holder),
            gauge,
            amount,
            at: self.clock.unix_millis(),
        };
        self.tell(Settlement {
            adds: vec![add],
            ..Settlement::default()
        });
    }

    /// Tells something: at once where that is possible, behind the caller's back otherwise.
    fn tell(&self, settlement: Settlement) {
        if self.shared.is_at_once() {
            drop(self.shared.settle(0, &settlement).now_or_never());
            return;
        }
        self.local().settle(&settlement, self.clock.unix_millis());
        let mut settlement = settlement;
        if self.is_away.load(Ordering::Relaxed) {
            // Told all at once later, what a rate has let through would be a debt.
            let is_sum = |add: &Add| matches!(add.gauge.form(), Form::Sum(_));
            settlement.adds.retain(is_sum);
        }
        self.pending().push(settlement);
        self.wake.notify_one();
    }

    fn failed(&self, error: &BackendError) {
        let is_slow = match error.severity() {
            Severity::Hard => false,
            Severity::Slow | Severity::Single => true,
        };
        if is_slow && self.waits.fetch_add(1, Ordering::Relaxed) + 1 < VAIN_WAITS {
            return;
        }
        if !self.is_away.swap(true, Ordering::Relaxed) {
            gauge!(LOCAL).set(1.0);
            tracing::warn!(%error, "the store of the limits is away: counting by this process alone");
            self.wake.notify_one();
        }
    }

    fn answered(&self) {
        self.waits.store(0, Ordering::Relaxed);
        if self.is_away.swap(false, Ordering::Relaxed) {
            gauge!(LOCAL).set(0.0);
            tracing::info!("the store of the limits is back");
        }
    }

    /// Says in the log that a budget is running out: once for each window.
    fn warn(&self, holder: &Arc<str>, budget: Gauge, percent: u64) {
        let Gauge::Spent(window, limit) = budget else {
            return;
        };
        let start = window.start(self.clock.unix_millis());
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() >= WARNED_MAX {
            warned.clear();
        }
        if warned.insert((Arc::clone(holder), window, start)) {
            counter!(WARNINGS).increment(1);
            tracing::warn!(
                target: "reprise::budget",
                caller = holder.as_ref(),
                window = window.as_str(),
                percent,
                limit_nanousd = limit,
                "a budget is running out"
            );
        }
    }

    fn address(&self, peer: Option<IpAddr>) -> Option<(Arc<str>, Gauge)> {
        let limit = self.options.address_per_minute?;
        Some((holder_of(peer?), Gauge::Address(limit)))
    }

    fn lease(&self) -> String {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number:x}", self.process)
    }

    fn local(&self) -> MutexGuard<'_, Board> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> MutexGuard<'_, settling::Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<String, Arc<str>>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every limit that metrics know.
const NAMES: [&str; 11] = [
    Gauge::Requests(Period::Minute, 0).name(),
    Gauge::Requests(Period::Hour, 0).name(),
    Gauge::Requests(Period::Day, 0).name(),
    Gauge::Tokens(Period::Minute, 0).name(),
    Gauge::Tokens(Period::Hour, 0).name(),
    Gauge::Tokens(Period::Day, 0).name(),
    Gauge::Spent(Window::Day, 0).name(),
    Gauge::Spent(Window::Month, 0).name(),
    Gauge::UnderWay(0).name(),
    Gauge::Address(0).name(),
    Gauge::Refused(0).name(),
];

fn refusals(peer: Option<IpAddr>) -> Option<(Arc<str>, Gauge)> {
    let peer = peer.filter(|peer| !peer.is_loopback())?;
    Some((holder_of(peer), Gauge::Refused(REFUSED_PER_MINUTE)))
}

/// An ask for one gauge.
fn take(holder: &Arc<str>, gauge: Gauge, need: u64, cost: u64) -> Ask {
    let take = Take {
        holder: Arc::clone(holder),
        gauge,
        need,
        cost,
    };
    Ask {
        takes: vec![take],
        ..Ask::default()
    }
}

/// Who an address stands for: of IPv6 the network of a household, in which one who wants
/// another address just takes one.
fn holder_of(peer: IpAddr) -> Arc<str> {
    match peer.to_canonical() {
        IpAddr::V4(address) => format!("address:{address}").into(),
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            let network = std::net::Ipv6Addr::from_bits(network);
            format!("address:{network}/64").into()
        }
    }
}

#[cfg(test)]
mod tests;
