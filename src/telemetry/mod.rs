//! What the operator sees: one log line a request, the metrics, and the traces.
//!
//! Nothing written here has a prompt, an answer or a credential in it. The types
//! see to that: an [`Event`] has no field for one.

mod metrics;
mod options;
mod otlp;

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::usage::{Call, Event};

pub use metrics::{Exporter, RequestMetrics, UPKEEP_INTERVAL, backend_up, backend_use, entries};
pub use options::{LogFormat, LogOptions, OtlpOptions};
pub use otlp::{Otlp, OtlpError};

/// Whether a line may be written at all, whatever the operator's filter says. Libraries
/// show in detail what passes through them: headers, commands, bodies. So they are heard
/// on what is amiss, and no closer.
fn may_be_written(line: &Metadata<'_>) -> bool {
    let target = line.target();
    let is_ours = target == "reprise" || target.starts_with("reprise::");
    is_ours || *line.level() <= Level::INFO
}

/// Starts logging to standard output. Called once, before anything is logged; a
/// second call changes nothing.
pub fn start_logging(options: &LogOptions) {
    let filter = EnvFilter::try_new(&options.filter).unwrap_or_else(|_bad| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(may_be_written));
    let layer = tracing_subscriber::fmt::layer();
    let started = match options.format {
        LogFormat::Text => registry.with(layer.with_target(false)).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging was started before");
    }
}

/// Writes the one line of a request.
pub fn log_request(event: &Event) {
    let usage = event.usage.as_ref();
    tracing::info!(
        target: "reprise::request",
        request_id = event.subject.request_id,
        operation = event.subject.operation.as_str(),
        model = event.subject.model,
        key = &*event.subject.caller.key,
        outcome = event.subject.outcome,
        detail = event.detail,
        status = event.status,
        served = event.served.as_str(),
        items_stored = event.items.map(|items| items.stored),
        items_joined = event.items.map(|items| items.joined),
        items_called = event.items.map(|items| items.called),
        input_tokens = usage.map(|usage| usage.input),
        output_tokens = usage.map(|usage| usage.output),
        saved_usd = event.saved.and_then(|saved| saved.cost).map(tracing::field::display),
        bytes = event.bytes,
        first_byte_ms = event.first_byte.map(millis),
        total_ms = millis(event.total),
        "request"
    );
}

/// Writes the line of a call, for those who look closely.
pub fn log_call(call: &Call) {
    let usage = call.usage.as_ref();
    tracing::debug!(
        target: "reprise::call",
        request_id = call.subject.request_id,
        operation = call.subject.operation.as_str(),
        model = call.subject.answered_by(),
        result = call.result(),
        status = call.status,
        input_tokens = usage.map(|usage| usage.input),
        output_tokens = usage.map(|usage| usage.output),
        cost_usd = call.cost.map(tracing::field::display),
        total_ms = millis(call.total),
        "call"
    );
}

/// Milliseconds, to the microsecond: more digits would tell nothing.
fn millis(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
