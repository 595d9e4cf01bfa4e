//! The whole: every part built once, started, and stopped in order.

mod administered;
mod key_set;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::access::{Audit, Limiter};
use crate::api::{self, ApiParts, ApiState, ServerOptions};
use crate::backend::Store;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::mock::{self, MockOptions};
use crate::price::Tariff;
use crate::proxy::{Proxy, ProxyOptions};
use crate::secret_file::Kept;
use crate::telemetry::{Exporter, Otlp, UPKEEP_INTERVAL};
use crate::upstream::{Upstream, UpstreamBase, Url};
use crate::usage::export::{Exports, LedgerRows};
use crate::usage::{Books, Journal};

use administered::{Followed, administered, sealed};

/// How long fills that nobody reads any more may take to end when the server
/// stops, so that what was paid for is stored.
const LAST_FILLS: Duration = Duration::from_secs(5);

/// How long the start waits for the backend to bring the secret kept in it. After
/// that a passing one is used until it comes.
const SECRET_PATIENCE: Duration = Duration::from_millis(500);

/// How long the start waits for what was used of limits before.
const LIMITS_PATIENCE: Duration = Duration::from_millis(500);

/// How long it may take to tell what was used of limits last.
const LAST_LIMITS: Duration = Duration::from_secs(2);

/// How long it may take to tell that exports were given up.
const LAST_EXPORTS: Duration = Duration::from_secs(2);

/// How long it may take to keep what was done in the administration.
const LAST_ACTS: Duration = Duration::from_secs(5);

/// How long the store may take to write what is still queued.
const LAST_WRITES: Duration = Duration::from_secs(10);

/// How long the collector may take to take what it has not been sent yet.
const LAST_SPANS: Duration = Duration::from_secs(5);

/// A server that is ready to run.
#[derive(Debug)]
pub struct App {
    listener: TcpListener,
    state: ApiState,
    options: ServerOptions,
    made_key: Option<Kept>,
    otlp: Option<Arc<Otlp>>,
    /// What follows what is administered: until the last entry is written.
    followed: Followed,
    /// The built-in upstream, where it is the one that is asked.
    _mock: Option<AbortOnDropHandle<()>>,
}

impl App {
    /// Builds every part. Waits for nothing that may be away: neither the
    /// upstream nor the backend has to be there.
    ///
    /// # Errors
    /// If the address cannot be bound, or a part cannot be set up at all.
    pub async fn build(config: &Config, exporter: Exporter) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.server.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.server.listen))?;
        let (upstream, mock) = default_upstream(config).await?;
        let otlp = match &config.otlp {
            Some(options) => Some(Otlp::start(options, upstream.kind())?),
            None => None,
        };
        let clock = Arc::new(SystemClock);
        let sealed = sealed(config, &clock)?;
        let store = sealed.store.clone();
        // The names of entries hang on the secret: it is worth a moment's wait.
        store.secret(SECRET_PATIENCE).await;
        let journal = Journal::open(store.ledger()).context("cannot open the journal")?;
        let tariff = Arc::new(Tariff::new(config.prices.clone()));
        let administered = administered(config, &sealed, Arc::new(upstream), &clock).await?;
        let limiter = limiter(config, &store, &clock).await;
        let proxy = Proxy::new(
            Arc::clone(&administered.upstreams),
            store.clone(),
            journal.clone(),
            ProxyOptions {
                policy: config.policy.clone(),
                flight: config.flight.clone(),
                access: config.access.clone(),
                keyring: Arc::clone(&administered.keyring),
                tokens: Arc::clone(&administered.tokens),
                limiter: Arc::clone(&limiter),
                tariff: Arc::clone(&tariff),
                otlp: otlp.clone(),
            },
            Arc::clone(&clock) as _,
        );
        let state = ApiState::new(ApiParts {
            proxy,
            journal,
            tariff,
            admin_key: administered.admin_key,
            keyring: administered.keyring,
            tokens: administered.tokens,
            sessions: administered.sessions,
            upstreams: administered.upstreams,
            replica: administered.replica,
            purging: administered.purging,
            books: Arc::new(Books::new(store.ledger(), Arc::clone(&clock) as _)),
            exports: exports(&store, &clock),
            audit: Audit::start(store.objects(), clock),
            alerts: Arc::default(),
            started: Instant::now(),
            limiter,
            store,
            exporter,
            stopping: Arc::new(AtomicBool::new(false)),
            options: config.server.clone(),
        });
        Ok(Self {
            listener,
            state,
            options: config.server.clone(),
            made_key: administered.made_key,
            otlp,
            followed: administered.followed,
            _mock: mock,
        })
    }

    /// The admin key, if it was made just now: to be shown, once.
    pub fn take_made_key(&mut self) -> Option<Kept> {
        self.made_key.take()
    }

    /// The store, to look at.
    pub fn store(&self) -> Store {
        self.state.store.clone()
    }

    /// Where what happens is written down.
    pub fn journal(&self) -> Journal {
        self.state.journal.clone()
    }

    /// What has been used.
    pub fn books(&self) -> Arc<Books> {
        Arc::clone(&self.state.books)
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// If the operating system does not tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` completes. Then accepts nothing new, lets what runs
    /// finish within the drain time, and writes out what is still to be stored.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self {
            listener,
            state,
            options,
            made_key: _,
            otlp,
            followed,
            _mock,
        } = self;
        let upkeep = AbortOnDropHandle::new(tokio::spawn(upkeep(state.exporter.clone())));
        let limiter = Arc::clone(&state.limiter);
        let (proxy, journal, audit, exports, store, stopping) = (
            Arc::clone(&state.proxy),
            state.journal.clone(),
            state.audit.clone(),
            Arc::clone(&state.exports),
            state.store.clone(),
            Arc::clone(&state.stopping),
        );
        let stop = async {
            stop.await;
            stopping.store(true, Ordering::Relaxed);
            tracing::info!("stopping: no new connections; running requests may finish");
        };
        let overtime = || proxy.abandon();
        api::serve(listener, api::router(state), &options, stop, overtime).await;
        exports.stop(LAST_EXPORTS).await;
        proxy.finish(LAST_FILLS).await;
        limiter.close(LAST_LIMITS).await;
        if !journal.flush(LAST_WRITES).await {
            tracing::warn!("stopping before all usage was written");
        }
        if !audit.flush(LAST_ACTS).await {
            tracing::warn!("stopping before all acts of the administration were kept");
        }
        store.close(LAST_WRITES).await;
        drop(followed);
        if let Some(otlp) = otlp {
            // It waits as threads do, which would stop others here.
            let closing = tokio::task::spawn_blocking(move || otlp.close(LAST_SPANS));
            drop(closing.await);
        }
        drop(upkeep);
        tracing::info!("stopped");
    }
}

/// The provider of the settings, with the built-in one where it is that.
async fn default_upstream(
    config: &Config,
) -> anyhow::Result<(Upstream, Option<AbortOnDropHandle<()>>)> {
    let (base, mock) = match &config.upstream.base {
        UpstreamBase::Url(url) => (url.clone(), None),
        UpstreamBase::Mock => {
            let (url, task) = start_mock(MockOptions::default()).await?;
            (url, Some(task))
        }
    };
    Ok((Upstream::new(base, &config.upstream)?, mock))
}

/// What callers are held to, with what was used before.
async fn limiter(config: &Config, store: &Store, clock: &Arc<SystemClock>) -> Arc<Limiter> {
    let limits = config.limits.clone();
    let limiter = Limiter::start(store.gauges(), limits, Arc::clone(clock) as _);
    limiter.load(LIMITS_PATIENCE).await;
    limiter
}

/// Usage as files, made of the ledger and kept with it.
fn exports(store: &Store, clock: &Arc<SystemClock>) -> Arc<Exports> {
    let rows = Arc::new(LedgerRows::of(store.ledger()));
    Exports::new(rows, store.objects(), Arc::clone(clock) as _)
}

/// Starts the built-in upstream on a free port of this machine.
///
/// # Errors
/// If no port can be bound.
pub async fn start_mock(options: MockOptions) -> anyhow::Result<(Url, AbortOnDropHandle<()>)> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/v1", listener.local_addr()?).parse()?;
    let task = tokio::spawn(async move {
        if let Err(error) = mock::serve(listener, options, std::future::pending::<()>()).await {
            tracing::error!(%error, "the built-in upstream stopped");
        }
    });
    Ok((url, AbortOnDropHandle::new(task)))
}

async fn upkeep(exporter: Exporter) {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        ticks.tick().await;
        exporter.upkeep();
    }
}
