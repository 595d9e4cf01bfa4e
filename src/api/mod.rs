//! The server: connections, routes, errors, documentation.
//!
//! The only part of the program that knows axum and status codes. It turns HTTP
//! into what the proxy is asked and the proxy's reply into HTTP, and decides
//! nothing about caching.

mod admin;
mod alerts;
mod browser;
mod conditional;
mod connection;
pub mod error;
mod guard;
mod inbound;
mod layers;
pub mod openapi;
mod options;
mod parameters;
mod peer;
mod routes;
pub mod schema;
mod server;
mod tunnel;
mod wording;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tokio::time::Instant;

use crate::access::{AdminKey, Audit, Keyring, Limiter, SessionDesk, Tokens};
use crate::backend::{Purging, Replica, Store};
use crate::price::Tariff;
use crate::proxy::Proxy;
use crate::telemetry::Exporter;
use crate::upstream::Upstreams;
use crate::usage::export::Exports;
use crate::usage::{Books, Journal};

pub use alerts::Alerts;
pub use error::ApiError;
pub use options::{AlertOptions, ServerOptions};
pub use server::serve;

/// How long a look at the books waits for what was counted last to be written.
const FLUSH_PATIENCE: Duration = Duration::from_millis(250);

/// What the routes need. Cloned several times for every request, so it is one pointer: the
/// counts of its parts would be fought over by all threads.
#[derive(Clone, Debug)]
pub struct ApiState(Arc<ApiParts>);

/// The parts of an [`ApiState`].
#[derive(Debug)]
pub struct ApiParts {
    /// The story.
    pub proxy: Arc<Proxy>,
    /// What happened.
    pub journal: Journal,
    /// What is charged for it.
    pub tariff: Arc<Tariff>,
    /// The store, for its health and size.
    pub store: Store,
    /// Who administers.
    pub admin_key: AdminKey,
    /// The keys that were given out.
    pub keyring: Arc<Keyring>,
    /// The providers, and which of them answers for a model.
    pub upstreams: Arc<Upstreams>,
    /// The tokens that are accepted.
    pub tokens: Arc<Tokens>,
    /// The sessions of those who administer.
    pub sessions: SessionDesk,
    /// What callers are held to.
    pub limiter: Arc<Limiter>,
    /// Where acts of the administration are written down.
    pub audit: Audit,
    /// Since when something is worth an alert.
    pub alerts: Arc<Alerts>,
    /// When this process was put together.
    pub started: Instant,
    /// What is administered, and the way to change it.
    pub replica: Replica,
    /// What is removed from the cache.
    pub purging: Purging,
    /// What was used.
    pub books: Arc<Books>,
    /// Usage as files.
    pub exports: Arc<Exports>,
    /// The metrics.
    pub exporter: Exporter,
    /// Set while the server is being stopped.
    pub stopping: Arc<AtomicBool>,
    /// The limits of the server.
    pub options: ServerOptions,
}

impl ApiState {
    /// Puts the parts together.
    pub fn new(parts: ApiParts) -> Self {
        Self(Arc::new(parts))
    }

    /// The books, with all that this process has counted up to now; without the last
    /// second, if the ledger does not take it at once.
    async fn books_now(&self) -> &Books {
        self.count_now().await;
        &self.books
    }

    /// Sees to it that what this process has counted up to now is in the ledger, if that
    /// takes it at once.
    async fn count_now(&self) {
        self.journal.flush(FLUSH_PATIENCE).await;
    }
}

impl Deref for ApiState {
    type Target = ApiParts;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// All routes with their layers.
pub fn router(state: ApiState) -> Router {
    let guard = from_fn_with_state(state.clone(), guard::administration);
    let hosts = state.options.admin_hosts.clone();
    let guarded = browser::wrap(routes::router().layer(guard), hosts);
    layers::wrap(guarded).with_state(state)
}
