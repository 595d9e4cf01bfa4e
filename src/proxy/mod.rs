//! The story of a request: admit, identify, look up, fill, reply, account.
//!
//! [`Proxy::answer`] tells it in one place. Whatever goes wrong in the cache on
//! the way is a miss, and whatever cannot be cached is forwarded; only the
//! provider, and a caller who insists on a stored answer, can make a request fail.

mod account;
mod admit;
mod batch;
mod bill;
mod by_id;
mod error;
mod explain;
mod fill;
mod forward;
mod identify;
mod keys;
mod limits;
mod lookup;
mod nearest;
mod prepare;
mod recording;
mod reply;
mod seat;
mod spoken;
mod trial;
mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::{AccessOptions, Door, Keyring, Limiter, Meter, Principal, Standings, Tokens};
use crate::backend::Store;
use crate::clock::{Clock, UnixMillis};
use crate::flight::{FlightOptions, Flights};
use crate::key::{Bypass, CacheSecret, Key};
use crate::ledger::Tags;
use crate::operation::Adapter;
use crate::policy::{CacheStatus, Directives, PolicyOptions, Refusal, Spoken};
use crate::price::Tariff;
use crate::purge::Number;
use crate::telemetry::{Otlp, RequestMetrics};
use crate::upstream::{CallBody, ClientStream, Upstream, Upstreams};
use crate::usage::Journal;
use crate::wire::{Operation, SpanIds};

pub use error::{Failed, LimitsTold, ProxyError};
pub use explain::{Explained, Fate, Inquiry, Looked, StoredAnswer};
pub use nearest::{Nearest, Search};
pub use reply::{Reply, ReplyBody};
pub use tunnel::Knock;

use account::Account;
use batch::Batch;
use identify::{Identified, Memo, Named};
use keys::{Keys, LastKeys};
use lookup::Found;

/// How many identified bodies are remembered, so that one seen a moment ago is
/// not parsed again.
const MEMO_ENTRIES: usize = 16_384;

/// The reason given for a request that was refused before it was read.
const TURNED_AWAY: &str = "turned-away";

/// The parts a request passes through on its way.
#[derive(Debug)]
pub struct Proxy {
    upstreams: Arc<Upstreams>,
    store: Store,
    flights: Arc<Flights>,
    standings: Standings,
    door: Door,
    limiter: Arc<Limiter>,
    secrets: watch::Receiver<Arc<CacheSecret>>,
    keys: LastKeys,
    memo: Memo,
    policy: PolicyOptions,
    clock: Arc<dyn Clock>,
    metrics: RequestMetrics,
    journal: Journal,
    tariff: Arc<Tariff>,
    otlp: Option<Arc<Otlp>>,
    /// Fills and refreshes that outlive the request that started them.
    tasks: TaskTracker,
    /// Closes the tunnels.
    tunnels: CancellationToken,
}

/// How a request is passed through, and what goes along with it.
#[derive(Clone, Debug)]
pub struct ProxyOptions {
    /// Freshness and gates.
    pub policy: PolicyOptions,
    /// Fills.
    pub flight: FlightOptions,
    /// Credentials.
    pub access: AccessOptions,
    /// The keys that were given out.
    pub keyring: Arc<Keyring>,
    /// The tokens that are accepted.
    pub tokens: Arc<Tokens>,
    /// What callers are held to.
    pub limiter: Arc<Limiter>,
    /// Prices.
    pub tariff: Arc<Tariff>,
    /// Where traces and metrics are sent; `None` if nowhere.
    pub otlp: Option<Arc<Otlp>>,
}

/// A request as it was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The id this request is logged under and answered with.
    pub id: String,
    /// When its head had arrived.
    pub at: Instant,
    /// The method.
    pub method: Method,
    /// Path below the API's root and query, as `/chat/completions?x=y`.
    pub path_and_query: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Where it came from, proxies that are trusted left out; `None` if that is not known.
    pub peer: Option<std::net::IpAddr>,
    /// Its span, where traces are sent; named when it is admitted.
    pub span: Option<SpanIds>,
}

impl Asked {
    /// The path below the API's root, without the query.
    pub fn path(&self) -> &str {
        let whole = self.path_and_query.as_str();
        whole.split_once('?').map_or(whole, |(path, _)| path)
    }
}

/// A request that has been admitted.
#[derive(Debug)]
struct Admitted {
    asked: Asked,
    principal: Principal,
    /// The operator's credential for the default provider was lent to it.
    is_lent: bool,
    upstream: Arc<Upstream>,
    tags: Tags,
    /// What it says in the words of other gateways.
    spoken: Spoken,
    directives: Directives,
    /// What it is held to; `None` if to nothing.
    meter: Option<Meter>,
    account: Account,
}

/// A request the cache may answer: who asks, and how it is to be answered.
#[derive(Debug)]
struct Request {
    asked: Asked,
    body: Bytes,
    principal: Principal,
    upstream: Arc<Upstream>,
    tags: Tags,
    directives: Directives,
    meter: Option<Meter>,
    began: UnixMillis,
    /// The last purge that was known then.
    generation: Number,
}

/// What is asked, where one answer is.
#[derive(Debug)]
struct Question {
    request: Request,
    adapter: &'static dyn Adapter,
    identified: Arc<Identified>,
}

impl Proxy {
    /// Puts the parts together.
    pub fn new(
        upstreams: Arc<Upstreams>,
        store: Store,
        journal: Journal,
        options: ProxyOptions,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let ProxyOptions {
            policy,
            flight,
            access,
            keyring,
            tokens,
            limiter,
            tariff,
            otlp,
        } = options;
        Arc::new(Self {
            upstreams,
            secrets: store.secrets(),
            store,
            flights: Flights::new(flight),
            door: Door::new(access.mode, keyring, tokens, Arc::clone(&clock)),
            limiter,
            standings: Standings::new(access),
            keys: LastKeys::empty(),
            memo: Memo::new(MEMO_ENTRIES),
            policy,
            clock,
            metrics: RequestMetrics::register(
                &CacheStatus::LABELS,
                Refusal::ALL.map(Refusal::as_str),
            ),
            journal,
            tariff,
            otlp,
            tasks: TaskTracker::new(),
            tunnels: CancellationToken::new(),
        })
    }

    /// Answers a request that may have been answered before.
    ///
    /// # Errors
    /// If the provider gives no answer, or the caller insists on a stored one.
    pub async fn answer(
        self: &Arc<Self>,
        operation: Operation,
        asked: Asked,
        body: Bytes,
    ) -> Result<Reply, Failed> {
        let keys = self.keys();
        let admitted = self.admit(operation, asked, &keys).await?;
        let meter = admitted.meter.clone();
        let result = self.answer_admitted(operation, admitted, body, &keys).await;
        limits::told(meter.as_ref(), result)
    }

    /// Answers a request that has been admitted.
    async fn answer_admitted(
        self: &Arc<Self>,
        operation: Operation,
        mut admitted: Admitted,
        body: Bytes,
        keys: &Keys,
    ) -> Result<Reply, ProxyError> {
        let body = match self.prepare(&mut admitted, body) {
            Ok(body) => body,
            Err(denied) => return Err(admitted.account.denied(denied)),
        };
        let accents = admitted.spoken.accents();
        let result = self.answer_prepared(operation, admitted, body, keys).await;
        result.map(|reply| spoken::answered(accents, reply))
    }

    /// Answers a request that is as it will be asked.
    async fn answer_prepared(
        self: &Arc<Self>,
        operation: Operation,
        admitted: Admitted,
        body: Bytes,
        keys: &Keys,
    ) -> Result<Reply, ProxyError> {
        let named = match self.identify(operation, &admitted, &body, &keys.fingerprinter) {
            Ok(named) => named,
            Err(reason) => return self.forward(reason, admitted, CallBody::of(body)).await,
        };
        let Admitted {
            asked,
            principal,
            is_lent: _,
            upstream,
            tags,
            spoken: _,
            directives,
            meter,
            mut account,
        } = admitted;
        account.model(named.model());
        let request = Request {
            asked,
            body,
            principal,
            upstream,
            tags,
            directives,
            meter,
            began: self.clock.unix_millis(),
            generation: self.store.generation(),
        };
        match named {
            Named::One(adapter, identified) => {
                let question = Question {
                    request,
                    adapter,
                    identified,
                };
                self.answer_one(Arc::new(question), account).await
            }
            Named::Many(adapter, identified) => {
                let batch = Batch {
                    request,
                    adapter,
                    identified,
                };
                self.answer_items(Arc::new(batch), account).await
            }
        }
    }

    /// Answers a question that has one answer.
    async fn answer_one(
        self: &Arc<Self>,
        question: Arc<Question>,
        account: Account,
    ) -> Result<Reply, ProxyError> {
        match self.look_up(&question).await {
            Found::Answer(hit, outcome) => Ok(self.reply_stored(&question, &hit, outcome, account)),
            Found::Outdated(hit, outcome) => {
                self.refresh_behind(&question);
                Ok(self.reply_stored(&question, &hit, outcome, account))
            }
            Found::Nothing { fallback, why } => self.fill(&question, fallback, why, account).await,
        }
    }

    /// Forwards a request that is never stored.
    ///
    /// # Errors
    /// If the provider gives no answer.
    pub async fn pass(
        self: &Arc<Self>,
        asked: Asked,
        body: Option<ClientStream>,
    ) -> Result<Reply, Failed> {
        self.pass_as(Operation::Passthrough, identify::PASSTHROUGH, asked, body)
            .await
    }

    async fn pass_as(
        self: &Arc<Self>,
        operation: Operation,
        reason: &'static str,
        asked: Asked,
        body: Option<ClientStream>,
    ) -> Result<Reply, Failed> {
        let keys = self.keys();
        let mut admitted = self.admit(operation, asked, &keys).await?;
        admitted.bring_credential();
        let meter = admitted.meter.clone();
        let accents = admitted.spoken.accents();
        let body = body.map_or(CallBody::Empty, CallBody::Stream);
        let result = self.forward(reason, admitted, body).await;
        let result = result.map(|reply| spoken::answered(accents, reply));
        limits::told(meter.as_ref(), result)
    }

    /// Whether requests of an operation are read, to be answered from the store.
    pub const fn stores(&self, operation: Operation) -> bool {
        self.policy.stores(operation)
    }

    /// Forwards a request of a family that is stored only where the operator says so, and
    /// is not.
    ///
    /// # Errors
    /// If the provider gives no answer.
    pub async fn pass_unread(
        self: &Arc<Self>,
        operation: Operation,
        asked: Asked,
        body: Option<ClientStream>,
    ) -> Result<Reply, Failed> {
        self.pass_as(operation, Bypass::NotEnabled.as_str(), asked, body)
            .await
    }

    /// Forwards a request that changes what the answers of `operation` at `paths` say,
    /// and forgets those if the provider has done it (RFC 9111 §4.4).
    ///
    /// # Errors
    /// If the provider gives no answer.
    pub async fn change(
        self: &Arc<Self>,
        asked: Asked,
        body: Option<ClientStream>,
        operation: Operation,
        paths: &[&str],
    ) -> Result<Reply, Failed> {
        let keys = self.keys();
        let mut admitted = self.admit(Operation::Passthrough, asked, &keys).await?;
        admitted.bring_credential();
        let meter = admitted.meter.clone();
        let outdated: Vec<Key> = paths
            .iter()
            .filter_map(|path| self.key_of_address(operation, path, &admitted, &keys))
            .collect();
        let body = body.map_or(CallBody::Empty, CallBody::Stream);
        let accents = admitted.spoken.accents();
        let result = self.forward(identify::PASSTHROUGH, admitted, body).await;
        let result = result.map(|reply| spoken::answered(accents, reply));
        let is_done = |reply: &Reply| reply.status.is_success();
        if result.as_ref().is_ok_and(is_done) {
            for key in &outdated {
                self.store.remove(key);
            }
        }
        limits::told(meter.as_ref(), result)
    }

    /// Accounts for a request that was refused before it could be read, with `status`.
    pub fn turn_away(self: &Arc<Self>, operation: Operation, asked: &Asked, status: u16) {
        let mut account = Account::open(self, operation, asked);
        account.outcome(CacheStatus::Bypass {
            reason: TURNED_AWAY,
        });
        account.status(status);
        account.complete();
    }

    /// Gives up every fill that is still running, so that those who read it are
    /// told, and closes every tunnel; for a server that must stop now.
    pub fn abandon(&self) {
        self.tunnels.cancel();
        self.flights.abandon_all();
    }

    /// Waits until the fills that run on without readers have ended.
    pub async fn finish(&self, patience: Duration) {
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("gave up answers that were still on their way from the upstream");
        }
    }
}
