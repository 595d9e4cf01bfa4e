//! Traces: what a caller's trace is told of its requests, what the provider is told
//! of the trace, and what no trace may tell.

use std::collections::BTreeMap;

use hex::encode as hex;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;

use crate::support::{
    ALICE, House, Reply, Request, Setup, Store, Upstream, answer, batch, chat, embed, eventually,
    free_port, in_time, question, streaming,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const STATE: &str = "vendor=opaque,other=1";

/// A collector is a server that takes what it is sent, and so is the provider.
async fn collector() -> Upstream {
    let collector = Upstream::start().await;
    collector.always(Reply::json(200, String::new()));
    collector
}

fn exporting_to(endpoint: &str) -> Setup {
    House::with(Store::Embedded)
        .set("REPRISE_OTLP_ENDPOINT", endpoint)
        .set("OTEL_BSP_SCHEDULE_DELAY", "50")
        .set("OTEL_METRIC_EXPORT_INTERVAL", "200")
}

async fn exporting(collector: &Upstream) -> House {
    let endpoint = format!("http://{}", collector.address());
    exporting_to(&endpoint).start().await
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

fn traced(request: Request) -> Request {
    request
        .header("traceparent", &traceparent("01"))
        .header("tracestate", STATE)
}

/// The spans the collector has got, in the order their ends were told.
fn spans(collector: &Upstream) -> Vec<Span> {
    let bodies = collector.requests().into_iter();
    bodies
        .filter(|request| request.path == "/v1/traces")
        .map(|request| ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap())
        .flat_map(|request| request.resource_spans)
        .flat_map(|of_resource| of_resource.scope_spans)
        .flat_map(|of_scope| of_scope.spans)
        .collect()
}

async fn so_many_spans(collector: &Upstream, count: usize) -> Vec<Span> {
    eventually("the spans have come", || async {
        let spans = spans(collector);
        (spans.len() >= count).then_some(spans)
    })
    .await
}

fn of_kind(spans: &[Span], kind: SpanKind) -> Vec<&Span> {
    let of_kind = |span: &&Span| span.kind == kind as i32;
    spans.iter().filter(of_kind).collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<&str, String> {
    attributes
        .iter()
        .map(|pair| (pair.key.as_str(), text(pair.value.as_ref())))
        .collect()
}

#[tokio::test]
async fn without_a_collector_what_is_said_of_tracing_goes_on_as_it_came() {
    let house = House::start(Store::Embedded).await;
    in_time(async {
        for (text, path) in [("cached", "/v1/chat/completions"), ("passed", "/v1/files")] {
            let body = question(text).to_string();
            let request = traced(Request::post(path, body).bearer(ALICE));
            house.send(&request.header("baggage", "user=7")).await;
            let seen = house.upstream.last();
            assert_eq!(seen.header("traceparent"), Some(traceparent("01").as_str()));
            assert_eq!(seen.header("tracestate"), Some(STATE));
            assert_eq!(seen.header("baggage"), Some("user=7"));
        }
    })
    .await;
}

#[tokio::test]
async fn another_trace_is_not_another_question() {
    let collector = collector().await;
    let house = exporting(&collector).await;
    in_time(async {
        let asked = question("the same in every trace");
        house.send(&traced(chat(&asked))).await;
        let other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let seen = house.send(&chat(&asked).header("traceparent", other)).await;
        assert_eq!(seen.header("x-cache"), Some("HIT"));
        assert_eq!(house.upstream.calls(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_miss_is_a_span_of_the_callers_trace_with_the_call_within_it() {
    let collector = collector().await;
    let house = exporting(&collector).await;
    in_time(async {
        house
            .upstream
            .next(Reply::json(200, answer("x", "secret-answer").to_string()));
        house.send(&traced(chat(&question("secret-prompt")))).await;
        let spans = so_many_spans(&collector, 2).await;
        let [request] = of_kind(&spans, SpanKind::Server)[..] else {
            panic!("one request: {spans:#?}");
        };
        let [call] = of_kind(&spans, SpanKind::Client)[..] else {
            panic!("one call: {spans:#?}");
        };
        assert_eq!(hex(&request.trace_id), TRACE);
        assert_eq!(hex(&request.parent_span_id), CALLER);
        assert_eq!(hex(&call.trace_id), TRACE);
        assert_eq!(call.parent_span_id, request.span_id);

        let seen = house.upstream.last();
        let parent = format!("00-{TRACE}-{}-01", hex(&call.span_id));
        assert_eq!(seen.header("traceparent"), Some(parent.as_str()));
        assert_eq!(seen.header("tracestate"), Some(STATE));

        assert_eq!(
            (request.name.as_str(), call.name.as_str()),
            ("chat test-model", "chat test-model")
        );
        let told = attributes(&request.attributes);
        assert_eq!(told["reprise.outcome"], "miss");
        assert_eq!(told["http.response.status_code"], "200");
        let told = attributes(&call.attributes);
        for (name, value) in [
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "openai"),
            ("gen_ai.request.model", "test-model"),
            ("gen_ai.response.model", "test-model-2026-01-01"),
            ("gen_ai.usage.input_tokens", "7"),
            ("gen_ai.usage.output_tokens", "3"),
            ("http.response.status_code", "200"),
            ("server.address", "127.0.0.1"),
        ] {
            assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(!told.contains_key("error.type"));
        nothing_confidential(&collector);
    })
    .await;
}

/// Nothing a client or the provider wrote is in what was exported.
fn nothing_confidential(collector: &Upstream) {
    for request in collector.requests() {
        let exported = String::from_utf8_lossy(&request.body);
        for secret in ["secret-", ALICE, STATE, "vendor"] {
            assert!(!exported.contains(secret), "{secret} in {exported}");
        }
    }
}

#[tokio::test]
async fn a_hit_is_one_span() {
    let collector = collector().await;
    let house = exporting(&collector).await;
    in_time(async {
        let asked = question("secret-prompt told twice");
        house.ask(&asked).await;
        so_many_spans(&collector, 2).await;
        house.send(&traced(chat(&streaming(&asked)))).await;
        let spans = so_many_spans(&collector, 3).await;
        assert_eq!(of_kind(&spans, SpanKind::Client).len(), 1);
        let hit = spans.last().unwrap();
        assert_eq!(hit.kind, SpanKind::Server as i32);
        assert_eq!(hex(&hit.trace_id), TRACE);
        let told = attributes(&hit.attributes);
        assert_eq!(told["reprise.outcome"], "hit");
        assert_eq!(told["gen_ai.usage.output_tokens"], "3");
        assert_ne!(
            hex(&spans[0].trace_id),
            TRACE,
            "the first began a trace of its own"
        );
        nothing_confidential(&collector);
    })
    .await;
}

#[tokio::test]
async fn lists_and_forwarded_requests_have_calls_too() {
    let collector = collector().await;
    let house = exporting(&collector).await;
    in_time(async {
        house.send(&traced(embed(&batch(["one", "two"])))).await;
        house
            .send(&traced(Request::new("GET", "/v1/files").bearer(ALICE)))
            .await;
        let no_store = chat(&question("kept by nobody")).header("cache-control", "no-store");
        house.send(&traced(no_store)).await;
        let spans = so_many_spans(&collector, 6).await;
        let mut calls: Vec<&str> = of_kind(&spans, SpanKind::Client)
            .iter()
            .map(|span| span.name.as_str())
            .collect();
        calls.sort_unstable();
        assert_eq!(calls.len(), 3);
        assert!(calls[0].starts_with("chat"), "{calls:?}");
        assert!(calls[1].starts_with("embeddings "), "{calls:?}");
        assert_eq!(calls[2], "passthrough");
        for call in of_kind(&spans, SpanKind::Client) {
            let within = |request: &&Span| request.span_id == call.parent_span_id;
            assert!(of_kind(&spans, SpanKind::Server).iter().any(within));
            assert!(
                !attributes(&call.attributes).contains_key("error.type"),
                "{call:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_refused_call_says_what_it_failed_of() {
    let collector = collector().await;
    let house = exporting(&collector).await;
    in_time(async {
        house
            .upstream
            .next(Reply::error(429, "rate_limit_exceeded"));
        house.send(&traced(chat(&question("too much")))).await;
        let spans = so_many_spans(&collector, 2).await;
        let told = attributes(&of_kind(&spans, SpanKind::Client)[0].attributes);
        assert_eq!(told["error.type"], "429");
        assert_eq!(told["http.response.status_code"], "429");
    })
    .await;
}

#[tokio::test]
async fn a_malformed_parent_begins_a_new_trace() {
    let collector = collector().await;
    let house = exporting(&collector).await;
    in_time(async {
        let malformed = format!("00-{}-{CALLER}-01", "0".repeat(32));
        let request = chat(&question("of no trace"))
            .header("traceparent", &malformed)
            .header("tracestate", STATE);
        house.send(&request).await;
        let spans = so_many_spans(&collector, 2).await;
        let request = of_kind(&spans, SpanKind::Server)[0];
        assert!(request.parent_span_id.is_empty());
        let seen = house.upstream.last();
        assert_eq!(seen.header("tracestate"), None);
        let parent = seen.header("traceparent").unwrap();
        assert!(parent.contains(&hex(&request.trace_id)), "{parent}");
    })
    .await;
}

#[tokio::test]
async fn what_the_caller_does_not_record_is_not_recorded() {
    let collector = collector().await;
    let house = exporting(&collector).await;
    in_time(async {
        let request = chat(&question("not recorded")).header("traceparent", &traceparent("00"));
        house.send(&request).await;
        house.ask(&question("recorded")).await;
        let spans = so_many_spans(&collector, 2).await;
        assert!(spans.iter().all(|span| hex(&span.trace_id) != TRACE));
        let first = &house.upstream.requests()[0];
        let parent = first.header("traceparent").unwrap();
        assert!(parent.starts_with(&format!("00-{TRACE}-")) && parent.ends_with("-00"));
        assert!(!parent.contains(CALLER), "{parent}");
    })
    .await;
}

#[tokio::test]
async fn metrics_of_the_conventions_are_exported() {
    let collector = collector().await;
    let mut house = exporting(&collector).await;
    in_time(async {
        let asked = question("measured");
        house.ask(&asked).await;
        house.ask(&asked).await;
        house.app.terminate();
        house.app.exited().await;
        let counts = counts(&collector);
        let count = |name: &str| counts.get(name).copied();
        assert_eq!(count("gen_ai.client.token.usage"), Some(2), "{counts:?}");
        assert_eq!(
            count("gen_ai.client.operation.duration"),
            Some(1),
            "{counts:?}"
        );
        assert_eq!(
            count("gen_ai.server.request.duration"),
            Some(2),
            "{counts:?}"
        );
        assert_eq!(
            count("gen_ai.server.time_to_first_token"),
            Some(2),
            "{counts:?}"
        );
    })
    .await;
}

/// How often each metric was measured, by what was exported last.
fn counts(collector: &Upstream) -> BTreeMap<String, u64> {
    let mut bodies = collector.requests().into_iter();
    let last = bodies
        .rfind(|request| request.path == "/v1/metrics")
        .unwrap();
    let exported = ExportMetricsServiceRequest::decode(last.body.as_slice()).unwrap();
    let resource = exported.resource_metrics.into_iter();
    let metrics = resource.flat_map(|of_resource| of_resource.scope_metrics);
    metrics
        .flat_map(|of_scope| of_scope.metrics)
        .map(|metric| {
            let Some(Data::Histogram(histogram)) = metric.data else {
                panic!("{} is no histogram", metric.name);
            };
            let count = histogram.data_points.iter().map(|point| point.count).sum();
            (metric.name, count)
        })
        .collect()
}

#[tokio::test]
async fn a_collector_that_is_away_is_in_nobodys_way() {
    let endpoint = format!("http://127.0.0.1:{}", free_port());
    let mut house = exporting_to(&endpoint).start().await;
    in_time(async {
        for number in 0..20 {
            let seen = house.ask(&question(&format!("asked {number}"))).await;
            assert_eq!(seen.status, 200);
        }
        let complaint = |what: &str| {
            let output = house.app.output();
            let what = format!("\"what\":\"{what}\"");
            output
                .lines()
                .filter(|line| line.contains("the collector") && line.contains(&what))
                .count()
        };
        eventually("both are told", || async {
            (complaint("traces") > 0 && complaint("metrics") > 0).then_some(())
        })
        .await;
        for number in 0..20 {
            house.ask(&question(&format!("asked then {number}"))).await;
        }
        assert_eq!((complaint("traces"), complaint("metrics")), (1, 1));
        house.app.terminate();
        assert!(house.app.exited().await);
    })
    .await;
}
