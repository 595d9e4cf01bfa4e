//! What a call to the provider comes to, told once.
//!
//! A bill is opened when a call is made and travels with it, not with the request
//! that led to it: the call may outlive that, and answer others. It reads the tokens
//! off the answer as that passes. Dropped before the answer has ended, the call was
//! given up, and that is what it tells.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::Instant;

use super::Proxy;
use crate::access::Meter;
use crate::ledger::{Caller, Tags};
use crate::upstream::Upstream;
use crate::usage::{Call, Ended, Subject};
use crate::wire::trace_context::TRACEPARENT;
use crate::wire::usage_reader::{Found, UsageReader};
use crate::wire::{Operation, SpanIds, Usage};

/// The account of one call.
#[derive(Debug)]
pub(super) struct Bill {
    proxy: Arc<Proxy>,
    led: Led,
    began: Instant,
    span: Option<SpanIds>,
    status: Option<u16>,
    first_byte: Option<Instant>,
    reader: Option<UsageReader>,
    found: Found,
    ended: Ended,
}

/// What led to a call.
#[derive(Clone, Debug)]
pub(super) struct Led {
    pub(super) request_id: String,
    pub(super) operation: Operation,
    /// The model asked for, where one was named.
    pub(super) model: Option<String>,
    pub(super) caller: Caller,
    /// The provider that is called.
    pub(super) upstream: Arc<Upstream>,
    pub(super) tags: Tags,
    /// What the cache did with the request.
    pub(super) outcome: &'static str,
    /// Its span, where traces are sent.
    pub(super) span: Option<SpanIds>,
    /// What its tokens and its cost are counted by, where its caller is held to limits.
    pub(super) meter: Option<Meter>,
}

impl Bill {
    /// Opens the bill of a call that is made now.
    pub(super) fn open(proxy: &Arc<Proxy>, led: Led) -> Self {
        Self {
            span: span_within(proxy, led.span),
            proxy: Arc::clone(proxy),
            led,
            began: Instant::now(),
            status: None,
            first_byte: None,
            reader: None,
            found: Found::default(),
            ended: Ended::GivenUp,
        }
    }

    /// The request that led to the call.
    pub(super) fn request_id(&self) -> &str {
        &self.led.request_id
    }

    /// When the call was made.
    pub(super) const fn began(&self) -> Instant {
        self.began
    }

    /// The headers of the call: its span is the parent of what the provider does.
    pub(super) fn headers(&self, mut headers: HeaderMap) -> HeaderMap {
        let parent = self.span.map(|span| span.as_parent().to_string());
        if let Some(parent) = parent.and_then(|parent| HeaderValue::try_from(parent).ok()) {
            headers.insert(TRACEPARENT, parent);
        }
        headers
    }

    /// Notes the head of the answer.
    pub(super) fn status(&mut self, status: StatusCode) {
        self.status = Some(status.as_u16());
    }

    /// The answer is one that tells tokens, as a stream or as a document: they are
    /// read off what [`Bill::take`] is given.
    pub(super) fn reads(&mut self, is_stream: bool) {
        self.reader = Some(UsageReader::new(is_stream));
    }

    /// Notes a piece of the answer.
    pub(super) fn take(&mut self, chunk: &Bytes) {
        self.first_byte.get_or_insert_with(Instant::now);
        if let Some(reader) = &mut self.reader {
            reader.take(chunk);
        }
    }

    /// Notes what the answer told, where it is read elsewhere.
    pub(super) fn told(&mut self, usage: Option<Usage>, model: Option<String>) {
        self.reader = None;
        self.found = Found { usage, model };
    }

    /// The call was refused and is made once more.
    pub(super) fn again(&mut self, status: StatusCode) {
        self.status(status);
        self.ended = Ended::Whole;
        self.tell();
        self.began = Instant::now();
        self.span = span_within(&self.proxy, self.led.span);
        self.status = None;
        self.ended = Ended::GivenUp;
    }

    /// The answer has come whole.
    pub(super) fn whole(&mut self) {
        self.ended = Ended::Whole;
        self.finish_reading();
    }

    /// What was read off the answer, once it has come whole.
    pub(super) const fn found(&self) -> &Found {
        &self.found
    }

    /// There was no answer, or it broke off.
    pub(super) fn failed(&mut self, reason: &'static str) {
        self.ended = Ended::Failed(reason);
    }

    fn finish_reading(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.found = reader.finish();
        }
    }

    fn tell(&mut self) {
        // What was told before an answer broke off was spent all the same.
        self.finish_reading();
        let found = std::mem::take(&mut self.found);
        let asked = self.led.model.as_deref();
        let answered = found.model.as_deref();
        let seller = self.led.upstream.seller();
        let cost = |usage| self.proxy.tariff.cost(seller, answered, asked, usage);
        let cost = found.usage.and_then(cost);
        if let Some(meter) = &self.led.meter
            && let Some(usage) = found.usage
        {
            meter.called(usage.input.saturating_add(usage.output), cost);
        }
        let subject = Subject {
            request_id: self.led.request_id.clone(),
            at: self.proxy.clock.unix_millis(),
            operation: self.led.operation,
            resolved_model: found
                .model
                .filter(|model| Some(model) != self.led.model.as_ref()),
            model: self.led.model.clone(),
            caller: self.led.caller.clone(),
            tags: self.led.tags.clone(),
            upstream: self.led.upstream.name(),
            outcome: self.led.outcome,
            span: self.span,
        };
        let call = Call {
            subject,
            cost,
            status: self.status,
            ended: self.ended,
            usage: found.usage,
            first_byte: self
                .first_byte
                .take()
                .map(|first| first.duration_since(self.began)),
            total: self.began.elapsed(),
        };
        if let Some(otlp) = &self.proxy.otlp {
            otlp.call(&call);
        }
        self.proxy.metrics.record_call(&call);
        crate::telemetry::log_call(&call);
        self.proxy.journal.call(call);
    }
}

/// Names the span of a call within that of the request that led to it.
fn span_within(proxy: &Proxy, request: Option<SpanIds>) -> Option<SpanIds> {
    Some(proxy.otlp.as_ref()?.within(request?))
}

impl Drop for Bill {
    fn drop(&mut self) {
        self.tell();
    }
}
