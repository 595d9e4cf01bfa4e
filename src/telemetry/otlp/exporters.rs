//! The way to the collector: what is sent over HTTP, from threads of its own, and
//! what is said in the log if it does not arrive.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::SpanData;
use secrecy::ExposeSecret;

use crate::telemetry::OtlpOptions;

/// How long the collector may take to take a batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// An exporter whose failures are told once, not once a batch.
#[derive(Debug)]
pub(super) struct Told<E> {
    inner: E,
    what: &'static str,
    is_failing: AtomicBool,
}

/// What sends spans.
pub(super) fn of_spans(options: &OtlpOptions) -> Result<Told<SpanExporter>, ExporterBuildError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", options.endpoint))
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(EXPORT_TIMEOUT)
        .with_headers(headers(options))
        .build()?;
    Ok(Told::new(exporter, "traces"))
}

/// What sends metrics.
pub(super) fn of_metrics(
    options: &OtlpOptions,
) -> Result<Told<MetricExporter>, ExporterBuildError> {
    let exporter = MetricExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/metrics", options.endpoint))
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(EXPORT_TIMEOUT)
        .with_headers(headers(options))
        .build()?;
    Ok(Told::new(exporter, "metrics"))
}

fn headers(options: &OtlpOptions) -> HashMap<String, String> {
    let plain = |(name, value): &(String, secrecy::SecretString)| {
        (name.clone(), value.expose_secret().to_owned())
    };
    options.headers.iter().map(plain).collect()
}

impl<E> Told<E> {
    const fn new(inner: E, what: &'static str) -> Self {
        Self {
            inner,
            what,
            is_failing: AtomicBool::new(false),
        }
    }

    fn tell(&self, result: OTelSdkResult) -> OTelSdkResult {
        let what = self.what;
        match &result {
            // What comes after the end is nobody's loss.
            Ok(()) | Err(OTelSdkError::AlreadyShutdown) => {
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(what, "the collector takes them again");
                }
            }
            Err(error) if !self.is_failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(what, %error, "the collector does not take them: they are dropped until it does");
            }
            Err(error) => tracing::debug!(what, %error, "the collector does not take them"),
        }
        result
    }
}

impl<E: opentelemetry_sdk::trace::SpanExporter> opentelemetry_sdk::trace::SpanExporter for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.tell(self.inner.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Told<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.tell(self.inner.export(metrics).await)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.inner.temporality()
    }
}
