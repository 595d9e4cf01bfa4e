//! The names of the store's metrics, and their descriptions.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};

use crate::purge::Cause;

/// How long a backend took, by `operation` and `result`.
pub(super) const DURATION: &str = "reprise_backend_duration_seconds";
/// 1 while a breaker is open, by `direction`.
pub(super) const BREAKER_OPEN: &str = "reprise_backend_breaker_open";
/// Writes given up, by `reason`.
pub(super) const WRITES_DROPPED: &str = "reprise_store_writes_dropped_total";
/// Writes waiting.
pub(super) const QUEUE_DEPTH: &str = "reprise_store_queue_depth";
/// Bytes of the answers waiting to be written.
pub(super) const QUEUE_BYTES: &str = "reprise_store_queue_bytes";
/// Stored values that were not the entry of their key, by `reason`.
pub(super) const CORRUPT: &str = "reprise_store_corrupt_total";
/// Bytes of the answers in memory.
pub(super) const MEMORY_BYTES: &str = "reprise_memory_bytes";
/// How many bytes of answers there may be in memory.
const MEMORY_MAX_BYTES: &str = "reprise_memory_max_bytes";
/// Answers in memory.
pub(super) const MEMORY_ENTRIES: &str = "reprise_memory_entries";
/// Entries removed to make room.
pub(super) const EVICTED: &str = "reprise_backend_evicted_total";
/// Entries removed because of purges, by `reason`.
pub(super) const PURGED: &str = "reprise_purged_total";

/// Tells the exporter what the names mean.
pub(super) fn describe() {
    describe_histogram!(
        DURATION,
        Unit::Seconds,
        "How long the backend took, by operation and result."
    );
    describe_gauge!(
        BREAKER_OPEN,
        "1 while the backend is left alone, by direction."
    );
    describe_counter!(WRITES_DROPPED, "Answers that were not written, by reason.");
    describe_gauge!(QUEUE_DEPTH, "Writes waiting for the backend.");
    describe_gauge!(
        QUEUE_BYTES,
        Unit::Bytes,
        "Bytes of the answers waiting for the backend."
    );
    describe_counter!(
        CORRUPT,
        "Stored values that were not the entry of their key, by reason."
    );
    describe_gauge!(MEMORY_BYTES, Unit::Bytes, "Bytes of the answers in memory.");
    describe_gauge!(
        MEMORY_MAX_BYTES,
        Unit::Bytes,
        "How many bytes of answers there may be in memory."
    );
    describe_gauge!(MEMORY_ENTRIES, "Answers in memory.");
    describe_counter!(
        EVICTED,
        "Entries the embedded backend removed to stay within its bound."
    );
    describe_counter!(
        PURGED,
        "Entries removed from the backend by this process because of purges, by what led to them."
    );
    for cause in Cause::ALL {
        counter!(PURGED, "reason" => cause.as_str()).increment(0);
    }
    // What is first seen at 1 has no rate.
    counter!(EVICTED).increment(0);
    counter!(WRITES_DROPPED, "reason" => "queue_full").increment(0);
    counter!(CORRUPT, "reason" => "mismatch").increment(0);
    gauge!(QUEUE_DEPTH).set(0.0);
    gauge!(QUEUE_BYTES).set(0.0);
}

/// Notes how much memory there may be in use.
#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float, and near enough"
)]
pub(super) fn memory_max(bytes: u64) {
    gauge!(MEMORY_MAX_BYTES).set(bytes as f64);
}
