//! `GET /admin/v1/cache/stats`: how much there is, and what it is good for.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Role;
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::schema::ErrorEnvelope;
use crate::backend::{BackendError, Report, Size};

/// Entries looked at to see how well they are compressed.
const SAMPLED: usize = 250;

/// How the cache is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CacheStats {
    /// Always `cache_stats`.
    #[schema(example = "cache_stats")]
    object: &'static str,
    /// What look-ups of this process came to since it started.
    lookups: Lookups,
    /// The memory of this process.
    memory: MemoryTier,
    /// What is behind it.
    store: StoreTier,
    /// Purges in force.
    #[schema(example = 1)]
    purges: u64,
}

/// What look-ups came to.
#[derive(Debug, Serialize, ToSchema)]
struct Lookups {
    /// Found in memory.
    #[schema(example = 900)]
    memory_hits: u64,
    /// Found in the store.
    #[schema(example = 60)]
    store_hits: u64,
    /// Not found.
    #[schema(example = 40)]
    misses: u64,
}

/// The memory tier.
#[derive(Debug, Serialize, ToSchema)]
struct MemoryTier {
    /// Answers held.
    #[schema(example = 420)]
    entries: u64,
    /// Their bytes in memory, not compressed.
    #[schema(example = 1_048_576)]
    bytes: u64,
    /// How many there may be.
    #[schema(example = 134_217_728)]
    bytes_max: u64,
}

/// The backend.
#[derive(Debug, Serialize, ToSchema)]
struct StoreTier {
    /// `embedded`, `redis` or `memory`.
    #[schema(example = "redis")]
    backend: &'static str,
    /// Whether it answers.
    #[schema(example = true)]
    reachable: bool,
    /// Its version; that of Redis or of `SQLite`.
    #[schema(example = "8.0.0")]
    version: Option<String>,
    /// How the numbers of entries and bytes are to be taken: `own` if they are those of
    /// this cache, `database` if everything in the Redis database counts in.
    #[schema(example = "database")]
    counted: Option<&'static str>,
    /// Entries.
    #[schema(example = 1_500)]
    entries: Option<u64>,
    /// Bytes of them.
    #[schema(example = 3_145_728)]
    bytes: Option<u64>,
    /// Bytes in use, of `max_bytes`.
    #[schema(example = 5_242_880)]
    used_bytes: Option<u64>,
    /// Bytes that may be used; null for no bound.
    #[schema(example = 1_073_741_824)]
    max_bytes: Option<u64>,
    /// Entries removed to make room, by all who share it, since it started.
    #[schema(example = 0)]
    evicted: Option<u64>,
    /// How well entries are compressed, seen on some of them.
    compression: Option<Compression>,
}

/// How well entries are compressed.
#[derive(Debug, Serialize, ToSchema)]
struct Compression {
    /// Entries looked at: these are not all.
    #[schema(example = 250)]
    sampled: u64,
    /// The bytes of their answers.
    #[schema(example = 204_800)]
    plain_bytes: u64,
    /// The bytes they take in the store, with all that is known of them.
    #[schema(example = 81_920)]
    stored_bytes: u64,
    /// How many bytes of answers there are for each byte stored.
    #[schema(example = 2.5)]
    ratio: f64,
}

/// Tells how much is cached and what came of it.
#[utoipa::path(
    get,
    path = "/admin/v1/cache/stats",
    operation_id = "retrieveCacheStats",
    tag = "Cache",
    responses(
        (status = 200, description = "The numbers; null where the store does not tell now.", body = CacheStats),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role is missing.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
pub(super) async fn cache_stats(
    admin: Admin,
    State(state): State<ApiState>,
) -> Result<Json<CacheStats>, ApiError> {
    admin.may(Role::ReadUsage)?;
    let (hits, held) = (state.store.hits(), state.store.held());
    Ok(Json(CacheStats {
        object: "cache_stats",
        lookups: Lookups {
            memory_hits: hits.memory,
            store_hits: hits.backend,
            misses: hits.misses,
        },
        memory: MemoryTier {
            entries: held.entries,
            bytes: held.bytes,
            bytes_max: held.bytes_max,
        },
        store: store(&state).await,
        purges: u64::try_from(state.purging.all().len()).unwrap_or(u64::MAX),
    }))
}

async fn store(state: &ApiState) -> StoreTier {
    let health = state.store.health();
    let size: Option<Size> = state.store.size().await.ok();
    let (mut report, mut compression) = (None, None);
    if let Some(catalogue) = state.purging.catalogue().filter(|_| health.reachable) {
        report = catalogue.report().await.ok();
        compression = compressed(state).await.ok().flatten();
    }
    let report: Option<Report> = report;
    StoreTier {
        backend: health.backend,
        reachable: health.reachable,
        counted: report
            .as_ref()
            .map(|report| if report.is_own { "own" } else { "database" }),
        evicted: report.as_ref().map(|report| report.evicted),
        version: report.and_then(|report| report.version),
        entries: size.map(|size| size.entries),
        bytes: size.map(|size| size.bytes),
        used_bytes: size.map(|size| size.used),
        max_bytes: size.and_then(|size| size.max),
        compression,
    }
}

/// How well the first entries that are met are compressed; `None` if there are none.
#[expect(clippy::cast_precision_loss, reason = "a ratio is near enough")]
async fn compressed(state: &ApiState) -> Result<Option<Compression>, BackendError> {
    let Some(catalogue) = state.purging.catalogue() else {
        return Ok(None);
    };
    let walked = catalogue.walk(None, SAMPLED).await?;
    let (mut sampled, mut plain_bytes, mut stored_bytes) = (0, 0, 0);
    for listed in &walked.entries {
        if let Ok(peeked) = listed.inspect() {
            sampled += 1;
            plain_bytes += listed.body_bytes.unwrap_or(u64::from(peeked.body_bytes));
            stored_bytes += listed.bytes;
        }
    }
    Ok((stored_bytes > 0).then(|| Compression {
        sampled,
        plain_bytes,
        stored_bytes,
        ratio: plain_bytes as f64 / stored_bytes as f64,
    }))
}
