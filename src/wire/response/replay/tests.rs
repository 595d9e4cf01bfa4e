//! A replayed response is the stream it could have come as.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;
use crate::wire::json::parse;
use crate::wire::pieces::PIECE_BYTES_MAX;
use crate::wire::response::fold::{ResponseFold, Seen};
use crate::wire::sse::FrameReader;

/// An answer and the stream that tells it.
#[derive(serde::Deserialize)]
struct Vector {
    stored: Box<RawValue>,
    sse: String,
}

fn vectors() -> BTreeMap<String, Vector> {
    serde_json::from_str(include_str!(
        "../../../../tests/fixtures/response_vectors.json"
    ))
    .unwrap()
}

fn told(stored: &str) -> String {
    String::from_utf8(replay(&parse(stored.as_bytes()).unwrap()).unwrap()).unwrap()
}

fn folded(stream: &str) -> Vec<u8> {
    let mut reader = FrameReader::new();
    reader.push(Bytes::copy_from_slice(stream.as_bytes()));
    let mut fold = ResponseFold::new();
    while let Some(frame) = reader.next_frame() {
        let seen = fold.frame(&frame.unwrap());
        assert!(matches!(seen, Seen::Part | Seen::Done), "{seen:?}");
    }
    fold.finish().unwrap().to_bytes()
}

fn message(text: &str) -> String {
    let part = format!(r#"{{"type":"output_text","text":{text},"annotations":[]}}"#);
    format!(
        r#"{{"id":"r","status":"completed","output":[{{"type":"message","id":"m","content":[{part}]}}]}}"#
    )
}

#[test]
fn the_golden_vectors_are_told_byte_for_byte_and_folded_back() {
    for (name, vector) in vectors() {
        let stream = told(vector.stored.get());
        assert_eq!(stream, vector.sse, "{name}");
        let stored = parse(vector.stored.get().as_bytes()).unwrap().to_bytes();
        assert_eq!(folded(&stream), stored, "{name}");
    }
}

#[test]
fn long_text_comes_in_pieces_between_characters() {
    let text = "é😀x".repeat(PIECE_BYTES_MAX / 3);
    let stream = told(&message(&Value::from(text.as_str()).to_string()));
    let deltas: Vec<Value> = stream
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .filter(|event: &Value| event["type"] == "response.output_text.delta")
        .collect();
    assert!(deltas.len() > 2);
    let pieces: Vec<&str> = deltas
        .iter()
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    assert!(pieces.iter().all(|piece| piece.len() <= PIECE_BYTES_MAX));
    assert_eq!(pieces.concat(), text);
}

#[test]
fn what_has_not_ended_or_cannot_be_told_is_no_stream() {
    for stored in [
        "[]",
        r#"{"status":"completed"}"#,
        r#"{"status":"in_progress","output":[]}"#,
        r#"{"status":"failed","output":[]}"#,
        r#"{"status":"completed","output":[{"type":"web_search_call","id":"w"}]}"#,
        r#"{"status":"completed","output":[{"type":"message","content":[]}]}"#,
    ] {
        assert!(
            replay(&parse(stored.as_bytes()).unwrap()).is_none(),
            "{stored}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_survives_being_told(text in ".{0,200}") {
        let stored = message(&Value::from(text.as_str()).to_string());
        let stored = parse(stored.as_bytes()).unwrap().to_bytes();
        prop_assert_eq!(folded(&told(std::str::from_utf8(&stored).unwrap())), stored);
    }
}
