//! The whole: every part built once, started, and stopped in order.

mod key_set;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::access::{AccessMode, AdminKey, Audit, Keyring, Tokens};
use crate::api::{self, ApiState, ServerOptions};
use crate::backend::{Follower, Purging, Replica, Store, TenantKeys};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::mock::{self, MockOptions};
use crate::price::Tariff;
use crate::proxy::{Proxy, ProxyOptions};
use crate::secret_file::{self, Kept};
use crate::telemetry::{Exporter, Otlp, UPKEEP_INTERVAL};
use crate::upstream::{Upstream, UpstreamBase, Upstreams, Url};
use crate::usage::export::{Exports, LedgerRows};
use crate::usage::{Books, Journal};
use crate::vault::{MasterKey, Vault};

/// How long fills that nobody reads any more may take to end when the server
/// stops, so that what was paid for is stored.
const LAST_FILLS: Duration = Duration::from_secs(5);

/// How long the start waits for the backend to bring the secret kept in it. After
/// that a passing one is used until it comes.
const SECRET_PATIENCE: Duration = Duration::from_millis(500);

/// The file in the data folder that a made master key is kept in.
const MASTER_KEY_FILE: &str = "master.key";

/// How long the start waits for what is administered: keys, providers, purges.
const DOCUMENTS_PATIENCE: Duration = Duration::from_millis(500);

/// How long it may take to tell that exports were given up.
const LAST_EXPORTS: Duration = Duration::from_secs(2);

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
    /// What makes the keys of tenants: until the last entry is written.
    key_keeper: AbortOnDropHandle<()>,
    /// What follows the public keys of tokens, where there are any.
    _key_set: Option<AbortOnDropHandle<()>>,
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
        let (vault, tenant_keys, store) = sealed_store(config, Arc::clone(&clock))?;
        // The names of entries hang on the secret: it is worth a moment's wait.
        store.secret(SECRET_PATIENCE).await;
        let journal = Journal::open(store.ledger()).context("cannot open the journal")?;
        let books = Books::new(store.ledger(), Arc::clone(&clock) as _);
        let tariff = Arc::new(Tariff::new(config.prices.clone()));
        let exports = exports(&store, &clock);
        let upstreams = Upstreams::new(Arc::new(upstream), Arc::clone(&vault), &config.upstream)?;
        let upstreams = Arc::new(upstreams);
        let followers: Vec<Arc<dyn Follower>> = vec![
            Arc::clone(&upstreams) as _,
            Arc::clone(&tenant_keys) as _,
            store.purges(),
        ];
        let callers = callers(config, &vault, &store, followers).await?;
        let replica = callers.replica;
        let key_keeper = tenant_keys.keep(replica.clone());
        let purging = Purging::start(store.clone(), replica.clone(), Arc::clone(&clock) as _)
            .context("cannot make a name for this process")?;
        let proxy = Proxy::new(
            Arc::clone(&upstreams),
            store.clone(),
            journal.clone(),
            ProxyOptions {
                policy: config.policy.clone(),
                flight: config.flight.clone(),
                access: config.access.clone(),
                keyring: Arc::clone(&callers.keyring),
                tokens: Arc::clone(&callers.tokens),
                tariff: Arc::clone(&tariff),
                otlp: otlp.clone(),
            },
            clock,
        );
        let (admin_key, made_key) = admin_key(config)?;
        let state = ApiState {
            proxy,
            journal,
            tariff,
            admin_key,
            keyring: callers.keyring,
            tokens: callers.tokens,
            upstreams,
            audit: Audit,
            replica,
            purging,
            books: Arc::new(books),
            exports,
            store,
            exporter,
            stopping: Arc::new(AtomicBool::new(false)),
            options: config.server.clone(),
        };
        Ok(Self {
            listener,
            state,
            options: config.server.clone(),
            made_key,
            otlp,
            key_keeper,
            _key_set: callers.key_set,
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
            key_keeper,
            _key_set,
            _mock,
        } = self;
        let upkeep = AbortOnDropHandle::new(tokio::spawn(upkeep(state.exporter.clone())));
        let (proxy, journal, exports, store, stopping) = (
            Arc::clone(&state.proxy),
            state.journal.clone(),
            Arc::clone(&state.exports),
            state.store.clone(),
            Arc::clone(&state.stopping),
        );
        let stop = async {
            stop.await;
            stopping.store(true, Ordering::Relaxed);
            tracing::info!("stopping: no new connections; running requests may finish");
        };
        let overtime = || proxy.abandon_fills();
        api::serve(listener, api::router(state), &options, stop, overtime).await;
        exports.stop(LAST_EXPORTS).await;
        proxy.finish(LAST_FILLS).await;
        if !journal.flush(LAST_WRITES).await {
            tracing::warn!("stopping before all usage was written");
        }
        store.close(LAST_WRITES).await;
        drop(key_keeper);
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

/// The store, and what its entries are encrypted with.
fn sealed_store(
    config: &Config,
    clock: Arc<SystemClock>,
) -> anyhow::Result<(Arc<Vault>, Arc<TenantKeys>, Store)> {
    let vault = Arc::new(vault(config)?);
    let keys = Arc::new(TenantKeys::new(Arc::clone(&vault), config.encrypt_entries));
    let store = Store::open_with(&config.backend, Arc::clone(&keys), clock)?;
    Ok((vault, keys, store))
}

/// Usage as files, made of the ledger and kept with it.
fn exports(store: &Store, clock: &Arc<SystemClock>) -> Arc<Exports> {
    let rows = Arc::new(LedgerRows::of(store.ledger()));
    Exports::new(rows, store.objects(), Arc::clone(clock) as _)
}

/// Who may call, as it is administered.
struct Callers {
    keyring: Arc<Keyring>,
    tokens: Arc<Tokens>,
    replica: Replica,
    key_set: Option<AbortOnDropHandle<()>>,
}

/// Reads who may call, and begins to follow what changes of that.
async fn callers(
    config: &Config,
    vault: &Vault,
    store: &Store,
    others: Vec<Arc<dyn Follower>>,
) -> anyhow::Result<Callers> {
    let keyring = Arc::new(Keyring::new(vault));
    let options = config.access.tokens.clone();
    let source = options.key_set.clone();
    let tokens = Arc::new(Tokens::new(options, Arc::new(SystemClock)));
    let key_set = match (config.access.mode, &source) {
        (AccessMode::Keys, Some(source)) => Some(key_set::follow(source, &tokens).await?),
        (AccessMode::Keys, None) | (AccessMode::PassThrough, _) => None,
    };
    let mut followers = others;
    followers.push(Arc::clone(&keyring) as _);
    followers.push(Arc::clone(&tokens) as _);
    let replica = Replica::start(store.documents(), followers);
    replica.first(DOCUMENTS_PATIENCE).await;
    Ok(Callers {
        keyring,
        tokens,
        replica,
        key_set,
    })
}

/// The key of the administration, and itself if it was made just now.
fn admin_key(config: &Config) -> anyhow::Result<(AdminKey, Option<Kept>)> {
    match &config.access.admin_key {
        Some(key) => Ok((AdminKey::chosen(key), None)),
        None => AdminKey::kept(&config.backend.data_dir).context("cannot make an admin key"),
    }
}

/// The secrets at rest: under the operator's master keys, or one that is kept beside the
/// data.
fn vault(config: &Config) -> anyhow::Result<Vault> {
    if !config.master_keys.is_empty() {
        return Ok(Vault::new(config.master_keys.clone()));
    }
    let kept = secret_file::kept(&config.backend.data_dir, MASTER_KEY_FILE, "")
        .context("cannot make a master key")?;
    let key = MasterKey::of(1, kept.secret.expose_secret());
    Ok(Vault::new(vec![key]))
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
