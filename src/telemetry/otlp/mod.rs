//! Traces and metrics for an `OpenTelemetry` collector, as OTLP over HTTP.
//!
//! A span is made when what it tells of is over, from the same record as the log
//! line, so that a request carries nothing but the names of its span until then. A
//! full queue drops what comes, and a collector that is away costs the batches it
//! missed: nothing here makes a request wait.

mod exporters;
mod instruments;
mod names;
mod spans;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{BatchSpanProcessor, IdGenerator, RandomIdGenerator, SpanProcessor};

use super::OtlpOptions;
use crate::usage::{Call, Event};
use crate::wire::trace_context::{SAMPLED, TRACEPARENT, TRACESTATE};
use crate::wire::{SpanIds, TraceParent, UpstreamKind};
use instruments::Instruments;

/// Why nothing can be exported.
#[derive(Debug, thiserror::Error)]
#[error("cannot export to the collector: {0}")]
pub struct OtlpError(#[from] opentelemetry_otlp::ExporterBuildError);

/// Everything that is exported.
#[derive(Debug)]
pub struct Otlp {
    spans: BatchSpanProcessor,
    meters: SdkMeterProvider,
    instruments: Instruments,
    scope: InstrumentationScope,
    ids: RandomIdGenerator,
    sample_ratio: f64,
    provider: &'static str,
}

impl Otlp {
    /// Starts exporting. Connects to nothing yet. `kind` is the provider that is
    /// asked.
    ///
    /// # Errors
    /// If the collector's address or what the environment says of the export makes
    /// no sense.
    pub fn start(options: &OtlpOptions, kind: UpstreamKind) -> Result<Arc<Self>, OtlpError> {
        let resource = Resource::builder()
            .with_service_name(options.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let mut spans = BatchSpanProcessor::builder(exporters::of_spans(options)?).build();
        spans.set_resource(&resource);
        let reader = PeriodicReader::builder(exporters::of_metrics(options)?).build();
        let meters = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(reader)
            .build();
        let scope = InstrumentationScope::builder("reprise")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        let meter = meters.meter_with_scope(scope.clone());
        Ok(Arc::new(Self {
            spans,
            instruments: Instruments::new(&meter),
            meters,
            scope,
            ids: RandomIdGenerator::default(),
            sample_ratio: options.sample_ratio,
            provider: names::provider(kind),
        }))
    }

    /// Names the span of a request: within the trace its headers name, or in a new
    /// one. Then what else they say of tracing means nothing and goes no further.
    pub fn admit(&self, headers: &mut HeaderMap) -> SpanIds {
        let span = self.span_id();
        if let Some(caller) = TraceParent::of(headers) {
            return SpanIds {
                trace: caller.trace,
                span,
                parent: Some(caller.span),
                flags: caller.flags,
            };
        }
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
        let trace = u128::from_be_bytes(self.ids.new_trace_id().to_bytes());
        SpanIds {
            trace,
            span,
            parent: None,
            flags: if is_drawn(trace, self.sample_ratio) {
                SAMPLED
            } else {
                0
            },
        }
    }

    /// Names a span within another.
    pub fn within(&self, parent: SpanIds) -> SpanIds {
        parent.child(self.span_id())
    }

    /// Tells of a request that is over.
    pub fn request(&self, event: &Event) {
        self.instruments.request(event, self.provider);
        if let Some(ids) = event.subject.span.filter(|ids| ids.is_sampled()) {
            let span = spans::of_request(event, ids, self.provider, &self.scope);
            self.spans.on_end(span);
        }
    }

    /// Tells of a call that is over.
    pub fn call(&self, call: &Call) {
        self.instruments.call(call, self.provider);
        if let Some(ids) = call.subject.span.filter(|ids| ids.is_sampled()) {
            let span = spans::of_call(call, ids, self.provider, &self.scope);
            self.spans.on_end(span);
        }
    }

    /// Sends what has not been sent, for about as long as `patience`. Blocks the
    /// thread that long.
    pub fn close(&self, patience: Duration) {
        std::thread::scope(|scope| {
            scope.spawn(|| drop(self.meters.shutdown_with_timeout(patience)));
            drop(self.spans.shutdown_with_timeout(patience));
        });
    }

    fn span_id(&self) -> u64 {
        u64::from_be_bytes(self.ids.new_span_id().to_bytes())
    }
}

/// Whether a new trace is one of those that are sent. All who see the trace's name
/// draw the same.
#[expect(
    clippy::cast_precision_loss,
    reason = "the ratio is no more exact than that"
)]
fn is_drawn(trace: u128, ratio: f64) -> bool {
    let low = trace & u128::from(u64::MAX);
    (low as f64) < ratio * 2_f64.powi(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_traces_are_drawn_as_the_ratio_says() {
        let ids = RandomIdGenerator::default();
        let traces: Vec<u128> = (0..10_000)
            .map(|_| u128::from_be_bytes(ids.new_trace_id().to_bytes()))
            .collect();
        let drawn = |ratio| {
            traces
                .iter()
                .filter(|trace| is_drawn(**trace, ratio))
                .count()
        };
        assert_eq!(drawn(0.0), 0);
        assert_eq!(drawn(1.0), traces.len());
        assert!((2_000..3_000).contains(&drawn(0.25)), "{}", drawn(0.25));
    }
}
