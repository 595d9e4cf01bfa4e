//! Telling what was used, behind the back of those who used it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Limiter;
use crate::backend::error::Severity;
use crate::limit::{Add, Form, Gauge, LEASE_MILLIS, Lease, Settlement};

/// How many holders' gauges may wait to be told of. What is more is not counted.
const ADDS_MAX: usize = 50_000;

/// How many leases may wait. The others end by themselves.
const ENDED_MAX: usize = 50_000;

/// How much is told at once: a server does nothing else meanwhile.
const AT_ONCE: usize = 500;

/// How often it is looked whether the store is back, and tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// How often leases are kept: twice they may be kept in vain.
const KEPT_EVERY: Duration = Duration::from_millis(LEASE_MILLIS / 3);

/// What has not been told yet. What belongs to the same is one.
#[derive(Debug, Default)]
pub(super) struct Pending {
    adds: HashMap<(Arc<str>, Gauge, u64), Add>,
    ended: Vec<Lease>,
    /// Whether something is being told right now.
    is_telling: bool,
    /// The leases of that: until there is an answer they may not be known as ended.
    telling: Vec<Lease>,
}

impl Pending {
    pub(super) fn push(&mut self, settlement: Settlement) {
        for add in settlement.adds {
            let window = match add.gauge.form() {
                Form::Sum(window) => window.start(add.at),
                Form::Rate(_) | Form::Leases => 0,
            };
            let key = (Arc::clone(&add.holder), add.gauge, window);
            if let Some(known) = self.adds.get_mut(&key) {
                known.amount = known.amount.saturating_add(add.amount);
            } else if self.adds.len() < ADDS_MAX {
                self.adds.insert(key, add);
            }
        }
        if self.ended.len() < ENDED_MAX {
            self.ended.extend(settlement.ended);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.adds.is_empty() && self.ended.is_empty() && !self.is_telling
    }

    /// The leases of a holder that have ended and are not told yet.
    pub(super) fn ended_of(&self, holder: &str) -> Vec<String> {
        let of_holder = |(known, _): &&Lease| known.as_ref() == holder;
        let ended = self.telling.iter().chain(&self.ended).filter(of_holder);
        ended
            .take(AT_ONCE)
            .map(|(_, lease)| lease.clone())
            .collect()
    }

    /// What was being told has been, or never will be.
    fn told(&mut self) {
        self.is_telling = false;
        self.telling.clear();
    }

    /// Some of it, to be told.
    fn take(&mut self) -> Settlement {
        let keys: Vec<_> = self.adds.keys().take(AT_ONCE).cloned().collect();
        let ended = self.ended.len().min(AT_ONCE);
        let settlement = Settlement {
            adds: keys
                .iter()
                .filter_map(|key| self.adds.remove(key))
                .collect(),
            ended: self.ended.drain(..ended).collect(),
            kept: Vec::new(),
        };
        self.is_telling = !settlement.is_empty();
        self.telling.clone_from(&settlement.ended);
        settlement
    }
}

/// Tells what is to be told as long as there is a limiter.
pub(super) async fn settle(limiter: Weak<Limiter>) {
    let mut teller = Teller {
        number: 0,
        telling: None,
        kept_at: Instant::now(),
    };
    let Some(wake) = limiter.upgrade().map(|limiter| Arc::clone(&limiter.wake)) else {
        return;
    };
    loop {
        // Woken in vain now and then, to notice that the limiter is gone, or its store back.
        drop(timeout(AGAIN_AFTER, wake.notified()).await);
        let Some(limiter) = limiter.upgrade() else {
            return;
        };
        while teller.tell(&limiter).await {}
    }
}

struct Teller {
    number: u64,
    /// What was told without an answer: it is told again under the same number.
    telling: Option<Settlement>,
    kept_at: Instant,
}

impl Teller {
    /// Tells some; whether there may be more.
    async fn tell(&mut self, limiter: &Limiter) -> bool {
        let is_away = limiter.is_away.load(std::sync::atomic::Ordering::Relaxed);
        let settlement = if let Some(again) = self.telling.take() {
            again
        } else {
            let settlement = self.next(limiter);
            if settlement.is_empty() && !is_away {
                return false;
            }
            self.number += 1;
            settlement
        };
        match limiter.shared.settle(self.number, &settlement).await {
            Ok(()) => {
                if !limiter.shared.is_at_once() && !settlement.kept.is_empty() {
                    let now = limiter.clock.unix_millis();
                    let kept = Settlement {
                        kept: settlement.kept,
                        ..Settlement::default()
                    };
                    limiter.local().settle(&kept, now);
                }
                limiter.pending().told();
                limiter.answered();
                true
            }
            Err(error) if error.severity() == Severity::Single => {
                // It would fail again, and whatever comes behind it with it.
                tracing::warn!(%error, "what was used of limits could not be told");
                limiter.pending().told();
                sleep(AGAIN_AFTER).await;
                false
            }
            Err(error) => {
                limiter.failed(&error);
                self.telling = Some(settlement);
                sleep(AGAIN_AFTER).await;
                false
            }
        }
    }

    /// What is to be told next, with the leases that go on if it is time for those.
    fn next(&mut self, limiter: &Limiter) -> Settlement {
        let mut settlement = limiter.pending().take();
        if self.kept_at.elapsed() >= KEPT_EVERY {
            self.kept_at = Instant::now();
            let under_way = limiter.under_way();
            let leases = under_way.iter();
            let leases = leases.map(|(lease, holder)| (Arc::clone(holder), lease.clone()));
            settlement.kept = leases.collect();
        }
        settlement
    }
}
