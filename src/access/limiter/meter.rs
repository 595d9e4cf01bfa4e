//! What one request is held to, and what it has used.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Limited, Limiter, take};
use crate::access::Allowance;
use crate::limit::{Ask, Exceeded, Gauge, Lease, Period, Readings, Settlement, Take, Window};
use crate::price::Usd;

/// The share of a budget from which callers are warned where nothing is said.
const WARN_AT: f64 = 0.8;

/// What one request is held to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    limiter: Arc<Limiter>,
    holder: Arc<str>,
    gauges: Vec<Gauge>,
    address: Option<(Arc<str>, Gauge)>,
    exempt_hits: bool,
    warn_at: f64,
    held: Mutex<Held>,
}

/// What has become of it so far.
#[derive(Debug, Default)]
struct Held {
    is_taken: bool,
    lease: Option<String>,
    readings: Option<Readings>,
    warning: Option<String>,
}

impl Meter {
    pub(super) fn new(
        limiter: &Arc<Limiter>,
        caller: &str,
        allowance: &Allowance,
        address: Option<(Arc<str>, Gauge)>,
    ) -> Self {
        Self(Arc::new(Parts {
            limiter: Arc::clone(limiter),
            holder: format!("key:{caller}").into(),
            gauges: gauges_of(allowance),
            address,
            exempt_hits: allowance.exempt_hits,
            warn_at: allowance.budget.warn_at.unwrap_or(WARN_AT),
            held: Mutex::default(),
        }))
    }

    /// The request has come: it counts, unless answers from the cache do not.
    ///
    /// # Errors
    /// If it may not go on.
    pub async fn admit(&self) -> Result<(), Limited> {
        let parts = &self.0;
        if !parts.exempt_hits {
            return self.take(parts.address.as_ref()).await;
        }
        if let Some((holder, gauge)) = &parts.address {
            parts.limiter.grant(&take(holder, *gauge, 1, 1)).await?;
        }
        // Nothing is taken: only what there is, is told.
        let ask = Ask {
            takes: self.takes(|_| (0, 0), |gauge| !matches!(gauge, Gauge::UnderWay(_))),
            ..Ask::default()
        };
        if !ask.takes.is_empty()
            && let Some(taken) = parts.limiter.take(&ask).await?
        {
            self.note(Readings::of(&ask, &taken));
        }
        Ok(())
    }

    /// The provider has to be called: now the request counts, if it did not before.
    ///
    /// # Errors
    /// If it may not go on.
    pub async fn need(&self) -> Result<(), Limited> {
        if self.held().is_taken {
            return Ok(());
        }
        self.take(None).await
    }

    async fn take(&self, address: Option<&(Arc<str>, Gauge)>) -> Result<(), Limited> {
        let parts = &self.0;
        let wanted = |gauge| match gauge {
            Gauge::Requests(..) | Gauge::UnderWay(_) | Gauge::Address(_) => (1, 1),
            Gauge::Tokens(..) | Gauge::Spent(..) | Gauge::Refused(_) => (1, 0),
        };
        let mut ask = Ask {
            takes: self.takes(wanted, |_| true),
            ..Ask::default()
        };
        let is_counted = parts
            .gauges
            .iter()
            .any(|gauge| matches!(gauge, Gauge::UnderWay(_)));
        if is_counted {
            ask.lease = parts.limiter.lease();
            ask.ended = parts.limiter.pending().ended_of(&parts.holder);
        }
        if let Some((holder, gauge)) = address {
            ask.takes.extend(take(holder, *gauge, 1, 1).takes);
        }
        // From here on it may have been taken, whether or not that is told.
        let lease = Attempt {
            limiter: &parts.limiter,
            lease: is_counted.then(|| (Arc::clone(&parts.holder), ask.lease.clone())),
        };
        if let Some(taken) = parts.limiter.take(&ask).await? {
            self.note(Readings::of(&ask, &taken));
            Limiter::judge(&ask, &taken)?;
        }
        if let Some((holder, lease)) = lease.keep() {
            parts.limiter.under_way().insert(lease.clone(), holder);
            self.held().lease = Some(lease);
        }
        self.held().is_taken = true;
        Ok(())
    }

    fn takes(
        &self,
        wanted: impl Fn(Gauge) -> (u64, u64),
        is_one: impl Fn(Gauge) -> bool,
    ) -> Vec<Take> {
        let gauges = self.0.gauges.iter().copied().filter(|gauge| is_one(*gauge));
        let takes = gauges.map(|gauge| {
            let (need, cost) = wanted(gauge);
            Take {
                holder: Arc::clone(&self.0.holder),
                gauge,
                need,
                cost,
            }
        });
        takes.collect()
    }

    /// Notes what the gauges show, and warns of budgets that run out.
    fn note(&self, readings: Readings) {
        let parts = &self.0;
        let mut warnings = Vec::new();
        for (budget, percent) in readings.budgets(parts.warn_at) {
            parts.limiter.warn(&parts.holder, budget, percent);
            if let Gauge::Spent(window, _) = budget {
                warnings.push(format!("{}={percent}%", window.as_str()));
            }
        }
        let mut held = self.held();
        held.warning = (!warnings.is_empty()).then(|| warnings.join(", "));
        held.readings = Some(readings);
    }

    /// What the gauges showed when the request asked.
    pub fn readings(&self) -> Option<Readings> {
        self.held().readings.clone()
    }

    /// The budgets that run out, as `day=85%, month=92%`.
    pub fn warning(&self) -> Option<String> {
        self.held().warning.clone()
    }

    /// A call to the provider came to so many tokens, and cost so much.
    pub fn called(&self, tokens: u64, cost: Option<Usd>) {
        let nanos = cost.map_or(0, Usd::nanos);
        self.used(|gauge| match gauge {
            Gauge::Tokens(..) => tokens,
            Gauge::Spent(..) => nanos,
            Gauge::Requests(..) | Gauge::UnderWay(_) | Gauge::Address(_) | Gauge::Refused(_) => 0,
        });
    }

    /// So many tokens were served without a call of the request's own.
    pub fn served(&self, tokens: u64) {
        if !self.0.exempt_hits {
            self.called(tokens, None);
        }
    }

    fn used(&self, amount: impl Fn(Gauge) -> u64) {
        for gauge in &self.0.gauges {
            let amount = amount(*gauge);
            if amount > 0 {
                self.0.limiter.add(&self.0.holder, *gauge, amount);
            }
        }
    }

    /// The request has been answered, or its client has left: it is not under way any
    /// more. Said twice it is said once.
    pub fn ended(&self) {
        let mut held = self.held();
        let lease = held.lease.take();
        drop(held);
        if let Some(lease) = lease {
            let lease = (Arc::clone(&self.0.holder), lease);
            self.0.limiter.end(lease);
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limiter {
    fn end(&self, lease: Lease) {
        self.under_way().remove(&lease.1);
        self.tell(Settlement {
            ended: vec![lease],
            ..Settlement::default()
        });
    }
}

/// A lease that is being asked for. Whoever leaves meanwhile, or is refused, must not hold
/// it.
struct Attempt<'a> {
    limiter: &'a Limiter,
    lease: Option<Lease>,
}

impl Attempt<'_> {
    fn keep(mut self) -> Option<Lease> {
        self.lease.take()
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.limiter.end(lease);
        }
    }
}

/// The limits of an allowance.
fn gauges_of(allowance: &Allowance) -> Vec<Gauge> {
    let (requests, tokens) = (allowance.requests, allowance.tokens);
    let budget = &allowance.budget;
    let gauges = [
        requests
            .minute
            .map(|most| Gauge::Requests(Period::Minute, most)),
        requests
            .hour
            .map(|most| Gauge::Requests(Period::Hour, most)),
        requests.day.map(|most| Gauge::Requests(Period::Day, most)),
        tokens
            .minute
            .map(|most| Gauge::Tokens(Period::Minute, most)),
        tokens.hour.map(|most| Gauge::Tokens(Period::Hour, most)),
        tokens.day.map(|most| Gauge::Tokens(Period::Day, most)),
        allowance
            .concurrent
            .map(|most| Gauge::UnderWay(most.into())),
        budget
            .day_usd
            .map(|usd| Gauge::Spent(Window::Day, nanos(usd))),
        budget
            .month_usd
            .map(|usd| Gauge::Spent(Window::Month, nanos(usd))),
    ];
    gauges.into_iter().flatten().collect()
}

/// An amount of dollars in billionths.
fn nanos(usd: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "amounts are checked when they are set, and the cast stays within its type"
    )]
    let nanos = (usd * 1e9).round() as u64;
    nanos.min(crate::limit::MONEY_MAX)
}

impl Limited {
    /// The limit that was reached, if one was.
    pub const fn exceeded(self) -> Option<Exceeded> {
        match self {
            Self::Exceeded(exceeded) => Some(exceeded),
            Self::Unknown => None,
        }
    }
}
