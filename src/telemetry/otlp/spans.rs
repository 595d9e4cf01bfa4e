//! From what happened to a span. Nothing that a client or a provider wrote is in
//! one but the names of models.

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, SpanId, StringValue, TraceFlags, TraceId};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::names;
use crate::clock::SystemClock;
use crate::usage::{Call, Event, Served};
use crate::wire::{Operation, SpanIds, Usage};

/// What all spans have.
struct Frame {
    ids: SpanIds,
    kind: SpanKind,
    name: Cow<'static, str>,
    took: Duration,
    error: Option<StringValue>,
}

/// The span of a request that has been answered just now.
pub(super) fn of_request(
    event: &Event,
    ids: SpanIds,
    provider: &'static str,
    scope: &InstrumentationScope,
) -> SpanData {
    let mut attributes = vec![
        KeyValue::new(names::REQUEST_ID, event.subject.request_id.clone()),
        KeyValue::new(names::FAMILY, event.subject.operation.as_str()),
        KeyValue::new(names::OUTCOME, event.subject.outcome),
        KeyValue::new(names::SERVED, event.served.as_str()),
    ];
    if let Some(detail) = event.detail {
        attributes.push(KeyValue::new(names::DETAIL, detail));
    }
    ask(
        &mut attributes,
        event.subject.operation,
        provider,
        event.subject.model.as_deref(),
    );
    answer(&mut attributes, event.status, event.usage, event.first_byte);
    let frame = Frame {
        ids,
        kind: SpanKind::Server,
        name: name(event.subject.operation, event.subject.model.as_deref()),
        took: event.total,
        error: error_of_request(event),
    };
    frame.span(attributes, scope)
}

/// The span of a call that has ended just now.
pub(super) fn of_call(
    call: &Call,
    ids: SpanIds,
    provider: &'static str,
    scope: &InstrumentationScope,
) -> SpanData {
    let mut attributes = vec![
        KeyValue::new(names::FAMILY, call.subject.operation.as_str()),
        KeyValue::new(
            names::SERVER_ADDRESS,
            host_of(&call.subject.upstream).to_owned(),
        ),
        KeyValue::new(names::REQUEST_ID, call.subject.request_id.clone()),
    ];
    ask(
        &mut attributes,
        call.subject.operation,
        provider,
        call.subject.model.as_deref(),
    );
    if let Some(model) = &call.subject.resolved_model {
        attributes.push(KeyValue::new(names::RESPONSE_MODEL, model.clone()));
    }
    answer(&mut attributes, call.status, call.usage, call.first_byte);
    let frame = Frame {
        ids,
        kind: SpanKind::Client,
        name: name(call.subject.operation, call.subject.model.as_deref()),
        took: call.total,
        error: error_of_call(call),
    };
    frame.span(attributes, scope)
}

/// The host of an upstream's name, which may have a port.
fn host_of(upstream: &str) -> &str {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match upstream.rsplit_once(':') {
        Some((host, port)) if is_port(port) => host,
        Some(_) | None => upstream,
    }
}

/// Why a request counts as failed: as a server is to see it, what the client did
/// wrong is not an error of its own.
pub(super) fn error_of_request(event: &Event) -> Option<StringValue> {
    match event.served {
        Served::Failed(reason) => Some(reason.into()),
        Served::Complete | Served::ClientLeft => event
            .status
            .filter(|status| *status >= 500)
            .map(|status| status.to_string().into()),
    }
}

/// Why a call counts as failed.
pub(super) fn error_of_call(call: &Call) -> Option<StringValue> {
    let refusal = call.status.filter(|status| *status >= 400);
    refusal
        .map(|status| status.to_string().into())
        .or(call.error().map(Into::into))
}

/// `chat gpt-4o`, as the conventions have it.
fn name(operation: Operation, model: Option<&str>) -> Cow<'static, str> {
    match (names::operation(operation), model) {
        (Some(asks), Some(model)) => format!("{asks} {model}").into(),
        (Some(asks), None) => asks.into(),
        (None, _) => operation.as_str().into(),
    }
}

/// What was asked.
fn ask(
    attributes: &mut Vec<KeyValue>,
    operation: Operation,
    provider: &'static str,
    model: Option<&str>,
) {
    let Some(operation) = names::operation(operation) else {
        return;
    };
    attributes.push(KeyValue::new(names::OPERATION, operation));
    attributes.push(KeyValue::new(names::PROVIDER, provider));
    if let Some(model) = model {
        attributes.push(KeyValue::new(names::REQUEST_MODEL, model.to_owned()));
    }
}

/// What came of it.
fn answer(
    attributes: &mut Vec<KeyValue>,
    status: Option<u16>,
    usage: Option<Usage>,
    first_byte: Option<Duration>,
) {
    if let Some(status) = status {
        attributes.push(KeyValue::new(names::STATUS_CODE, i64::from(status)));
    }
    if let Some(usage) = usage {
        for (name, tokens) in [
            (names::INPUT_TOKENS, usage.input),
            (names::CACHED_INPUT_TOKENS, usage.cached_input),
            (names::OUTPUT_TOKENS, usage.output),
        ] {
            let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
            attributes.push(KeyValue::new(name, tokens));
        }
    }
    if let Some(first_byte) = first_byte {
        let millis = first_byte.as_secs_f64() * 1000.0;
        attributes.push(KeyValue::new(names::FIRST_BYTE, millis));
    }
}

impl Frame {
    fn span(self, mut attributes: Vec<KeyValue>, scope: &InstrumentationScope) -> SpanData {
        let ids = self.ids;
        let status = match self.error {
            Some(error) => {
                attributes.push(KeyValue::new(names::ERROR_TYPE, error));
                Status::error("")
            }
            None => Status::Unset,
        };
        let end = SystemClock::time_of_day();
        let is_remote = false;
        SpanData {
            span_context: SpanContext::new(
                TraceId::from_bytes(ids.trace.to_be_bytes()),
                SpanId::from_bytes(ids.span.to_be_bytes()),
                TraceFlags::new(ids.flags),
                is_remote,
                TraceState::NONE,
            ),
            parent_span_id: ids.parent.map_or(SpanId::INVALID, |parent| {
                SpanId::from_bytes(parent.to_be_bytes())
            }),
            parent_span_is_remote: self.kind == SpanKind::Server,
            span_kind: self.kind,
            name: self.name,
            start_time: end.checked_sub(self.took).unwrap_or(end),
            end_time: end,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: scope.clone(),
        }
    }
}
