//! `GET /admin/v1/health`: how this server and its backend are.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Role;
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::alerts::{Alert, Signs};
use crate::api::error::ApiError;
use crate::api::schema::ErrorEnvelope;
use crate::backend::{BackendError, Checkup, Health, Standing, Vitals};
use crate::clock::{Clock as _, SystemClock};
use crate::ledger::{Counter, Granularity};
use crate::usage::Books;
use crate::usage::books::report::hit_ratio;
use crate::usage::books::{Query, Shape};

/// How long it may take to tell how many requests were hits.
const BOOKS_PATIENCE: Duration = Duration::from_secs(1);

const HOUR_SECONDS: u64 = 60 * 60;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(health))
}

/// How this server and its backend are.
#[derive(Debug, Serialize, ToSchema)]
struct ServerHealth {
    /// Always `health`.
    #[schema(example = "health")]
    object: &'static str,
    /// `ok`, or `degraded` if there is an alert that is critical or a warning.
    #[schema(example = "ok")]
    status: &'static str,
    /// The version of this server.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// For how long this process has run, in seconds.
    uptime_seconds: u64,
    /// The backend.
    backend: BackendHealth,
    /// What waits.
    queues: Queues,
    /// How long ago this process last saw all keys, sessions and other things that are
    /// administered, in milliseconds; null if it never did.
    replica_age_ms: Option<u64>,
    /// The share of requests that the cache answered in the last hour, over all instances;
    /// null without requests, or while the books cannot be read.
    hit_ratio: Option<f64>,
    /// What is the matter.
    alerts: Vec<Alert>,
}

/// How the backend is.
#[derive(Debug, Serialize, ToSchema)]
struct BackendHealth {
    /// Which it is: `embedded`, `redis` or `memory`.
    #[schema(example = "redis")]
    name: &'static str,
    /// Whether it answered just now. Nothing has to be reached in memory.
    reachable: bool,
    /// Why not, where it did not answer: a class such as `timeout` or `unavailable`.
    cause: Option<&'static str>,
    /// How long it took to answer, in milliseconds.
    ping_ms: Option<f64>,
    /// The version of its software.
    #[schema(example = "8.2.1")]
    version: Option<String>,
    /// Bytes in use.
    used_bytes: Option<u64>,
    /// How many may be used; null where there is no bound, or it is not known.
    max_bytes: Option<u64>,
    /// The share of them that is in use.
    used_share: Option<f64>,
    /// The bytes of its file; null where it is not one.
    file_bytes: Option<u64>,
    /// How many connections it has, those of others included.
    clients: Option<u64>,
    /// Whether it is asked for entries: `closed` if it is, `open` while it is left alone,
    /// `half_open` while it is tried.
    #[schema(example = "closed")]
    read_breaker: &'static str,
    /// Whether it is given entries, likewise.
    #[schema(example = "closed")]
    write_breaker: &'static str,
}

/// What waits to be written.
#[derive(Debug, Serialize, ToSchema)]
struct Queues {
    /// Entries and removals.
    writes: u64,
    /// Bytes of the entries.
    write_bytes: u64,
    /// Writes given up since the start.
    writes_dropped: u64,
    /// Rows of usage.
    usage_rows: u64,
    /// Acts of the administration.
    audit: u64,
}

/// Tells how this server and its backend are.
///
/// It takes some seconds at most, also while the backend hangs, and is never an error for
/// that. Alerts are judged when somebody looks; those with a rule in
/// `deploy/grafana/alerts.yaml` have its name.
#[utoipa::path(
    get,
    path = "/admin/v1/health",
    operation_id = "serverHealth",
    tag = "Operations",
    responses(
        (status = 200, description = "How it is.", body = ServerHealth),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
async fn health(
    admin: Admin,
    State(state): State<ApiState>,
) -> Result<Json<ServerHealth>, ApiError> {
    admin.may(Role::ReadUsage)?;
    let (checkup, hits) = tokio::join!(state.store.examine(), hits(&state.books));
    let told = state.store.health();
    let backend = BackendHealth::of(&told, &checkup);
    let usage = state.journal.pending();
    let usage_rows = count(usage.rows);
    let signs = Signs {
        backend_down: !backend.reachable || told.read_breaker != Standing::Closed,
        is_memory_tier: checkup.ping.is_none(),
        used_share: backend.used_share,
        hits,
        writes_dropped: told.writes_dropped,
        usage_stuck: usage.is_failing.then_some(usage_rows),
    };
    let now = SystemClock.unix_millis();
    let alerts = state.alerts.judge(&signs, state.options.alerts, now);
    let is_degraded = alerts.iter().any(Alert::is_serious);
    Ok(Json(ServerHealth {
        object: "health",
        status: if is_degraded { "degraded" } else { "ok" },
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: state.started.elapsed().as_secs(),
        backend,
        queues: Queues {
            writes: count(told.queue_depth),
            write_bytes: told.queue_bytes,
            writes_dropped: told.writes_dropped,
            usage_rows,
            audit: count(state.audit.waiting()),
        },
        replica_age_ms: state.replica.age().map(|age| count(age.as_millis())),
        hit_ratio: hits.map(|(_requests, ratio)| ratio),
        alerts,
    }))
}

/// The requests of the last hour and the share of them that the cache answered; nothing
/// if the books do not tell in time.
async fn hits(books: &Books) -> Option<(u64, f64)> {
    let now = books.now();
    let query = Query {
        granularity: Granularity::Minute,
        starts: now.saturating_sub(HOUR_SECONDS)..now.saturating_add(1),
        shape: Shape::default(),
    };
    let sum = timeout(BOOKS_PATIENCE, books.sum(&query))
        .await
        .ok()?
        .ok()?;
    let ratio = hit_ratio(&sum.total)?;
    Some((sum.total.get(Counter::Requests), ratio))
}

impl BackendHealth {
    fn of(told: &Health, checkup: &Checkup) -> Self {
        let nothing = Vitals::default();
        let vitals = checkup.vitals.as_ref().unwrap_or(&nothing);
        let ping = checkup.ping.as_ref();
        // Without a backend there is nothing to reach, unless there was to be one.
        let is_missing = ping.is_none() && !told.reachable;
        let failed = ping.and_then(|ping| ping.as_ref().err());
        Self {
            name: told.backend,
            reachable: failed.is_none() && !is_missing,
            cause: if is_missing {
                Some("unavailable")
            } else {
                failed.map(BackendError::as_str)
            },
            ping_ms: ping
                .and_then(|ping| ping.as_ref().ok())
                .map(|took| (took.as_secs_f64() * 1e6).round() / 1e3),
            version: vitals.version.clone(),
            used_bytes: vitals.used,
            max_bytes: vitals.max,
            used_share: share(vitals.used, vitals.max),
            file_bytes: vitals.file,
            clients: vitals.clients,
            read_breaker: told.read_breaker.as_str(),
            write_breaker: told.write_breaker.as_str(),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "amounts of memory are told to the byte beside it"
)]
fn share(used: Option<u64>, max: Option<u64>) -> Option<f64> {
    let (used, max) = (used?, max.filter(|max| *max > 0)?);
    Some(used as f64 / max as f64)
}

fn count(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or(u64::MAX)
}
