//! The metrics of requests, and their export in Prometheus' text format.

use std::time::Duration;

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::usage::{Call, Event, Served};
use crate::wire::Operation;

const REQUESTS: &str = "reprise_requests_total";
const DURATION: &str = "reprise_request_duration_seconds";
const FIRST_BYTE: &str = "reprise_first_byte_seconds";
const FAILED: &str = "reprise_requests_failed_total";
const ENTRIES: &str = "reprise_entries";
const ENTRY_BYTES: &str = "reprise_entry_bytes";
const ITEMS: &str = "reprise_items_total";
const CALLS: &str = "reprise_upstream_calls_total";
const UPSTREAM_DURATION: &str = "reprise_upstream_duration_seconds";
const REFUSED: &str = "reprise_store_refused_total";
const BUILD_INFO: &str = "reprise_build_info";
const BACKEND_UP: &str = "reprise_backend_up";
const BACKEND_USED: &str = "reprise_backend_used_bytes";
const BACKEND_MAX: &str = "reprise_backend_max_bytes";

/// Hits take microseconds, answers of a reasoning model minutes: two or three
/// steps to each power of ten, from one end to the time an answer may take to begin.
const SECONDS: [f64; 22] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
];

/// Renders everything measured in this process.
#[derive(Clone)]
pub struct Exporter(PrometheusHandle);

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exporter")
    }
}

impl Exporter {
    /// Starts measuring. Called once in a process, before anything is measured.
    ///
    /// # Errors
    /// If measuring was started before.
    pub fn start() -> Result<Self, BuildError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .install_recorder()?;
        describe_counter!(REQUESTS, "Requests answered, by operation and outcome.");
        describe_counter!(FAILED, "Requests that got no whole answer, by reason.");
        describe_counter!(
            ITEMS,
            "Items of lists answered, by operation and where the answer came from."
        );
        describe_counter!(
            CALLS,
            "Calls to the upstream, by operation and how they went."
        );
        describe_histogram!(
            UPSTREAM_DURATION,
            Unit::Seconds,
            "From a call to the upstream to the end of its answer."
        );
        describe_gauge!(ENTRIES, "Answers the backend holds.");
        describe_gauge!(ENTRY_BYTES, Unit::Bytes, "Bytes the backend holds.");
        describe_counter!(REFUSED, "Answers not stored, by the gate that refused.");
        describe_histogram!(
            DURATION,
            Unit::Seconds,
            "From a request's head to the end of its answer."
        );
        describe_histogram!(
            FIRST_BYTE,
            Unit::Seconds,
            "From a request's head to the first byte of its answer."
        );
        describe_gauge!(BACKEND_UP, "1 while the backend answers.");
        describe_gauge!(BACKEND_USED, Unit::Bytes, "Memory or storage in use.");
        describe_gauge!(
            BACKEND_MAX,
            Unit::Bytes,
            "The bound of what is in use; 0 for none."
        );
        describe_gauge!(BUILD_INFO, "1, with the version of this program.");
        gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Self(handle))
    }

    /// The metrics, in Prometheus' text exposition format.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds what was measured lately into the histograms; to be called now and
    /// then, whether or not anybody reads the metrics.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

/// The handles of the request metrics, looked up once: a hit must not search a
/// registry.
#[derive(Debug)]
pub struct RequestMetrics {
    by_operation: Vec<Vec<(&'static str, Handles)>>,
}

struct Handles {
    requests: Counter,
    duration: Histogram,
    first_byte: Histogram,
}

impl std::fmt::Debug for Handles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handles")
    }
}

impl RequestMetrics {
    /// Registers the metrics of every operation with every outcome, and those of
    /// every gate: what is first seen at 1 has no rate.
    pub fn register(
        outcomes: &[&'static str],
        gates: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        for gate in gates {
            counter!(REFUSED, "gate" => gate).increment(0);
        }
        let handles = |operation: Operation, outcome: &'static str| {
            let labels = [("operation", operation.as_str()), ("outcome", outcome)];
            Handles {
                requests: counter!(REQUESTS, &labels),
                duration: histogram!(DURATION, &labels),
                first_byte: histogram!(FIRST_BYTE, &labels),
            }
        };
        let by_operation = Operation::ALL
            .iter()
            .map(|operation| {
                outcomes
                    .iter()
                    .map(|outcome| (*outcome, handles(*operation, outcome)))
                    .collect()
            })
            .collect();
        for operation in Operation::ALL.map(Operation::as_str) {
            for result in Call::RESULTS {
                counter!(CALLS, "operation" => operation, "result" => result).increment(0);
            }
        }
        Self { by_operation }
    }

    /// Counts a finished request.
    pub fn record(&self, event: &Event) {
        let handles = self
            .by_operation
            .get(usize::from(event.subject.operation.code()))
            .and_then(|outcomes| {
                outcomes
                    .iter()
                    .find(|(name, _)| *name == event.subject.outcome)
            });
        if let Some((_, handles)) = handles {
            handles.requests.increment(1);
            handles.duration.record(event.total);
            if let Some(first_byte) = event.first_byte {
                handles.first_byte.record(first_byte);
            }
        }
        if let Some(items) = event.items {
            for (source, count) in [
                ("stored", items.stored),
                ("joined", items.joined),
                ("called", items.called),
            ] {
                counter!(ITEMS, "operation" => event.subject.operation.as_str(), "source" => source)
                    .increment(count);
            }
        }
        if let Served::Failed(reason) = event.served {
            counter!(FAILED, "operation" => event.subject.operation.as_str(), "reason" => reason)
                .increment(1);
        }
    }

    /// Counts a finished call.
    pub fn record_call(&self, call: &Call) {
        let operation = call.subject.operation.as_str();
        counter!(CALLS, "operation" => operation, "result" => call.result()).increment(1);
        histogram!(UPSTREAM_DURATION, "operation" => operation).record(call.total);
    }

    /// Counts an answer that a gate refused to store.
    pub fn refused(&self, gate: &'static str) {
        counter!(REFUSED, "gate" => gate).increment(1);
    }
}

/// Notes how much the backend holds.
#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; beyond 2^53 nobody counts"
)]
pub fn entries(entries: u64, bytes: u64) {
    gauge!(ENTRIES).set(entries as f64);
    gauge!(ENTRY_BYTES).set(bytes as f64);
}

/// Notes how much the backend uses of what it may use; it may have no bound.
#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; beyond 2^53 nobody counts"
)]
pub fn backend_use(used: u64, max: Option<u64>) {
    gauge!(BACKEND_USED).set(used as f64);
    gauge!(BACKEND_MAX).set(max.unwrap_or(0) as f64);
}

/// Notes whether the backend answers.
pub fn backend_up(is_up: bool) {
    gauge!(BACKEND_UP).set(if is_up { 1.0 } else { 0.0 });
}

/// How often [`Exporter::upkeep`] is called.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
