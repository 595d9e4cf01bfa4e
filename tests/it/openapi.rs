//! `openapi/openapi.json` says what the server serves.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{House, Store, in_time};

/// What the `openapi` command prints.
fn printed() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_reprise"))
        .arg("openapi")
        .env_clear()
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    assert!(output.status.success(), "`reprise openapi` failed");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_committed_document_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/openapi.json");
    let printed = printed();
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == printed,
        "openapi/openapi.json is stale: run `cargo run -- openapi > openapi/openapi.json`"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_served_document_is_the_printed_one() {
    in_time(async {
        let house = House::start(Store::Embedded).await;
        let served = house.client().get("/openapi.json").await;
        assert_eq!(served.status, 200);
        let printed: Value = serde_json::from_str(&printed()).unwrap();
        assert_eq!(served.json(), printed);
    })
    .await;
}

/// Everything below a value that a `$ref` names.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn what_is_referred_to_is_there() {
    let document: Value = serde_json::from_str(&printed()).unwrap();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let place = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(place).is_some(), "there is no {reference}");
    }
}

#[test]
fn every_described_operation_is_complete() {
    let document: Value = serde_json::from_str(&printed()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    for path in [
        "/v1/chat/completions",
        "/v1/completions",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/v1/organization/usage/completions",
        "/v1/organization/costs",
        "/admin/v1/usage",
        "/admin/v1/usage/keys/{id}",
        "/admin/v1/models",
    ] {
        assert!(
            document["paths"][path].is_object(),
            "{path} is not described"
        );
    }
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(
                operation["operationId"].is_string(),
                "{method} {path} has no operationId"
            );
            assert!(
                operation["summary"].is_string(),
                "{method} {path} has no summary"
            );
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses.keys().any(|status| status.starts_with('2')),
                "{method} {path} has no answer"
            );
        }
    }
}
