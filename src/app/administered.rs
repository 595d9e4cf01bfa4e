//! What people administer, as this process holds it: keys, tokens, sessions, providers,
//! purges and the keys of tenants, and how it follows them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use tokio_util::task::AbortOnDropHandle;

use super::key_set;
use crate::access::session::Sessions;
use crate::access::{AccessMode, AdminKey, Keyring, SessionDesk, Tokens};
use crate::backend::{Follower, Purging, Replica, Store, TenantKeys};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::secret_file::{self, Kept};
use crate::upstream::{Upstream, Upstreams};
use crate::vault::{MasterKey, Vault};

/// The file in the data folder that a made master key is kept in.
const MASTER_KEY_FILE: &str = "master.key";

/// How long the start waits for what is administered: keys, providers, purges.
const DOCUMENTS_PATIENCE: Duration = Duration::from_millis(500);

/// What is administered.
pub(super) struct Administered {
    pub(super) admin_key: AdminKey,
    /// The admin key, if it was made just now.
    pub(super) made_key: Option<Kept>,
    pub(super) keyring: Arc<Keyring>,
    pub(super) tokens: Arc<Tokens>,
    pub(super) sessions: SessionDesk,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) replica: Replica,
    pub(super) purging: Purging,
    pub(super) followed: Followed,
}

/// The tasks that follow it.
#[derive(Debug)]
pub(super) struct Followed {
    /// What makes the keys of tenants: until the last entry is written.
    _key_keeper: AbortOnDropHandle<()>,
    /// What follows the public keys of tokens, where there are any.
    _key_set: Option<AbortOnDropHandle<()>>,
}

/// The store, and what its entries are encrypted with.
pub(super) struct Sealed {
    pub(super) vault: Arc<Vault>,
    pub(super) tenant_keys: Arc<TenantKeys>,
    pub(super) store: Store,
}

/// Opens the store. Waits for nothing that may be away.
pub(super) fn sealed(config: &Config, clock: &Arc<SystemClock>) -> anyhow::Result<Sealed> {
    let vault = Arc::new(vault(config)?);
    let tenant_keys = Arc::new(TenantKeys::new(Arc::clone(&vault), config.encrypt_entries));
    let clock = Arc::clone(clock) as _;
    let store = Store::open_with(&config.backend, Arc::clone(&tenant_keys), clock)?;
    Ok(Sealed {
        vault,
        tenant_keys,
        store,
    })
}

/// Reads what is administered, and begins to follow what changes of it.
pub(super) async fn administered(
    config: &Config,
    sealed: &Sealed,
    default: Arc<Upstream>,
    clock: &Arc<SystemClock>,
) -> anyhow::Result<Administered> {
    let Sealed {
        vault,
        tenant_keys,
        store,
    } = sealed;
    let (admin_key, made_key) = admin_key(config)?;
    let keyring = Arc::new(Keyring::new(vault));
    let sessions = Arc::new(Sessions::new(Arc::clone(vault)));
    let upstreams = Upstreams::new(default, Arc::clone(vault), &config.upstream)?;
    let upstreams = Arc::new(upstreams);
    let (tokens, key_set) = tokens(config, clock).await?;
    let followers: Vec<Arc<dyn Follower>> = vec![
        Arc::clone(&keyring) as _,
        Arc::clone(&tokens) as _,
        Arc::clone(&sessions) as _,
        Arc::clone(&upstreams) as _,
        Arc::clone(tenant_keys) as _,
        store.purges(),
    ];
    let replica = Replica::start(store.documents(), followers);
    let key_keeper = Arc::clone(tenant_keys).keep(replica.clone());
    replica.first(DOCUMENTS_PATIENCE).await;
    let purging = Purging::start(store.clone(), replica.clone(), Arc::clone(clock) as _)
        .context("cannot make a name for this process")?;
    let sessions = SessionDesk::new(
        sessions,
        Arc::clone(&keyring),
        admin_key.clone(),
        replica.clone(),
        Arc::clone(clock) as _,
    );
    Ok(Administered {
        admin_key,
        made_key,
        keyring,
        tokens,
        sessions,
        upstreams,
        replica,
        purging,
        followed: Followed {
            _key_keeper: key_keeper,
            _key_set: key_set,
        },
    })
}

async fn tokens(
    config: &Config,
    clock: &Arc<SystemClock>,
) -> anyhow::Result<(Arc<Tokens>, Option<AbortOnDropHandle<()>>)> {
    let options = config.access.tokens.clone();
    let source = options.key_set.clone();
    let tokens = Arc::new(Tokens::new(options, Arc::clone(clock) as _));
    let key_set = match (config.access.mode, &source) {
        (AccessMode::Keys, Some(source)) => Some(key_set::follow(source, &tokens).await?),
        (AccessMode::Keys, None) | (AccessMode::PassThrough, _) => None,
    };
    Ok((tokens, key_set))
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
