//! The metrics that are exported beside the spans: those of the conventions, so
//! that they stand beside those of the programs that call.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};

use super::names;
use crate::usage::{Call, Event, Served};

#[derive(Debug)]
pub(super) struct Instruments {
    token_usage: Histogram<u64>,
    call_duration: Histogram<f64>,
    request_duration: Histogram<f64>,
    first_token: Histogram<f64>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter) -> Self {
        let seconds = |name: &'static str, boundaries: &[f64], description: &'static str| {
            meter
                .f64_histogram(name)
                .with_unit("s")
                .with_description(description)
                .with_boundaries(boundaries.to_vec())
                .build()
        };
        Self {
            token_usage: meter
                .u64_histogram(names::TOKEN_USAGE)
                .with_unit("{token}")
                .with_description("Tokens of the calls to the provider.")
                .with_boundaries(names::TOKENS.to_vec())
                .build(),
            call_duration: seconds(
                names::CALL_DURATION,
                &names::SECONDS,
                "How long the calls to the provider took.",
            ),
            request_duration: seconds(
                names::REQUEST_DURATION,
                &names::SECONDS,
                "From a request's head to the end of its answer.",
            ),
            first_token: seconds(
                names::FIRST_TOKEN,
                &names::FIRST_TOKEN_SECONDS,
                "From a request's head to the first byte of its answer.",
            ),
        }
    }

    /// Measures a request, if it asks a model.
    pub(super) fn request(&self, event: &Event, provider: &'static str) {
        let Some(operation) = names::operation(event.subject.operation) else {
            return;
        };
        let mut attributes = vec![
            KeyValue::new(names::OPERATION, operation),
            KeyValue::new(names::PROVIDER, provider),
            KeyValue::new(names::OUTCOME, event.subject.outcome),
        ];
        if let Some(model) = &event.subject.model {
            attributes.push(KeyValue::new(names::REQUEST_MODEL, model.clone()));
        }
        let is_answered =
            event.served == Served::Complete && event.status.is_some_and(|status| status < 400);
        if let Some(first) = event.first_byte.filter(|_| is_answered) {
            self.first_token.record(first.as_secs_f64(), &attributes);
        }
        if let Some(error) = super::spans::error_of_request(event) {
            attributes.push(KeyValue::new(names::ERROR_TYPE, error));
        }
        self.request_duration
            .record(event.total.as_secs_f64(), &attributes);
    }

    /// Measures a call, if it asks a model.
    pub(super) fn call(&self, call: &Call, provider: &'static str) {
        let Some(operation) = names::operation(call.subject.operation) else {
            return;
        };
        let mut attributes = vec![
            KeyValue::new(names::OPERATION, operation),
            KeyValue::new(names::PROVIDER, provider),
        ];
        if let Some(model) = &call.subject.model {
            attributes.push(KeyValue::new(names::REQUEST_MODEL, model.clone()));
        }
        let answered = call.subject.answered_by().to_owned();
        attributes.push(KeyValue::new(names::RESPONSE_MODEL, answered));
        if let Some(usage) = call.usage {
            for (kind, tokens) in [("input", usage.input), ("output", usage.output)] {
                let mut attributes = attributes.clone();
                attributes.push(KeyValue::new(names::TOKEN_TYPE, kind));
                self.token_usage.record(tokens, &attributes);
            }
        }
        if let Some(error) = super::spans::error_of_call(call) {
            attributes.push(KeyValue::new(names::ERROR_TYPE, error));
        }
        self.call_duration
            .record(call.total.as_secs_f64(), &attributes);
    }
}
