//! The gauges in Redis, for all processes that share it.
//!
//! Everything is under `<prefix>:{limits}:`, with one hash tag for all, so that one script
//! takes of several holders at once: for each holder a hash with the states of its rates
//! and budgets, and a sorted set of what is under way. Every key has a time to live. The
//! time is the server's; only which day or month it is, the process says.
//!
//! The connection is one of its own: nothing stands before a request that is to be
//! admitted.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use redis::Value;
use secrecy::SecretString;

use super::address::Address;
use super::link::{Link, Request};
use super::script::Call;
use super::{plain, read};
use crate::backend::{BackendError, Gauges};
use crate::clock::Clock;
use crate::limit::{AMOUNT_MAX, Ask, Form, Gauge, LEASE_MILLIS, Settlement, State, Taken};

/// How long a settlement may take. Nobody's answer waits for it.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long it is remembered what a writer settled last. None that lives is silent for
/// so long.
const MARKER_KEPT: Duration = Duration::from_hours(24);

/// Gauges in Redis.
#[derive(Debug)]
pub struct Limits {
    link: Link,
    prefix: String,
    /// Tells this process's settlements from those of others.
    writer: String,
    clock: Arc<dyn Clock>,
}

impl Limits {
    /// Prepares for the server of `url` as [`super::Redis::new`] does: it need not be
    /// there. Needs a runtime to run in.
    ///
    /// # Errors
    /// [`BackendError::Invalid`] if the URL or the prefix make no sense.
    pub fn new(
        url: &SecretString,
        database: Option<i64>,
        prefix: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BackendError> {
        let mut writer = [0; 12];
        getrandom::fill(&mut writer)
            .map_err(|error| BackendError::Other(format!("there is no randomness: {error}")))?;
        Ok(Self {
            link: Link::new(Address::parse(url, database)?, "limits"),
            prefix: plain(prefix)?,
            writer: hex::encode(writer),
            clock,
        })
    }

    fn holder_key(&self, holder: &str) -> String {
        format!("{}:{{limits}}:of:{holder}", self.prefix)
    }

    fn leases_key(&self, holder: &str) -> String {
        format!("{}:{{limits}}:under-way:{holder}", self.prefix)
    }

    /// The call that takes.
    fn taking(&self, ask: &Ask) -> Call {
        let now = self.clock.unix_millis();
        let mut call = Call::new(include_str!("limit_take.lua"));
        call.argument(ask.lease.as_str())
            .argument(LEASE_MILLIS.to_string())
            .argument(ask.ended.len().to_string());
        for ended in &ask.ended {
            call.argument(ended.as_str());
        }
        for take in &ask.takes {
            call.key(self.holder_key(&take.holder))
                .key(self.leases_key(&take.holder));
            let (form, span) = form_of(take.gauge, now);
            call.argument(form)
                .argument(take.gauge.name())
                .argument(take.gauge.limit().to_string())
                .argument(span.to_string())
                .argument(take.need.to_string())
                .argument(take.cost.to_string());
        }
        call
    }

    /// The call that settles.
    fn settling(&self, number: u64, settlement: &Settlement) -> Call {
        let mut call = Call::new(include_str!("limit_settle.lua"));
        call.key(format!("{}:{{limits}}:writer:{}", self.prefix, self.writer))
            .argument(number.to_string())
            .argument(MARKER_KEPT.as_secs().to_string())
            .argument(LEASE_MILLIS.to_string());
        for add in &settlement.adds {
            let (form, span) = form_of(add.gauge, add.at);
            let amount = match add.gauge.form() {
                Form::Rate(_) => add.amount.min(AMOUNT_MAX),
                Form::Sum(_) | Form::Leases => add.amount,
            };
            call.key(self.holder_key(&add.holder))
                .argument(form)
                .argument(add.gauge.name())
                .argument(add.gauge.limit().to_string())
                .argument(span.to_string())
                .argument(amount.to_string());
        }
        let leases = settlement.ended.iter().map(|lease| ("ended", lease));
        let leases = leases.chain(settlement.kept.iter().map(|lease| ("kept", lease)));
        for (deed, (holder, lease)) in leases {
            call.key(self.leases_key(holder))
                .argument(deed)
                .argument(lease.as_str())
                .argument("0")
                .argument("0")
                .argument("0");
        }
        call
    }
}

/// The name of a gauge's form, and its period or the start of its window.
fn form_of(gauge: Gauge, now: u64) -> (&'static str, u64) {
    match gauge.form() {
        Form::Rate(period) => ("rate", period),
        Form::Sum(window) => ("sum", window.start(now)),
        Form::Leases => ("leases", 0),
    }
}

impl Gauges for Limits {
    fn take<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Taken, BackendError>> {
        let call = self.taking(ask);
        async move {
            let told: Vec<u64> = read(self.link.run(&call).await?)?;
            let mut told = told.into_iter();
            let taken = Taken {
                is_taken: told.next() == Some(1),
                now: told.next().unwrap_or_default(),
                states: std::iter::from_fn(|| Some(State(told.next()?, told.next()?))).collect(),
            };
            if taken.states.len() == ask.takes.len() {
                Ok(taken)
            } else {
                Err(BackendError::Other("another number of states".to_owned()))
            }
        }
        .boxed()
    }

    fn settle<'a>(
        &'a self,
        number: u64,
        settlement: &'a Settlement,
    ) -> BoxFuture<'a, Result<(), BackendError>> {
        let call = self.settling(number, settlement);
        async move {
            let request = Request::Script(&call);
            let answers: Vec<Value> = self.link.ask(request, SETTLE_TIMEOUT).await?;
            drop(answers);
            Ok(())
        }
        .boxed()
    }
}
