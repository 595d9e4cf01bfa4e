//! The two forms undo each other.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::wire::json::parse;
use crate::wire::message::{MessageFold, Seen};
use crate::wire::sse::FrameReader;

fn fold(stream: Vec<u8>) -> Json<'static> {
    let mut reader = FrameReader::new();
    let mut fold = MessageFold::new();
    reader.push(Bytes::from(stream));
    let mut last = Seen::Nothing;
    while let Some(frame) = reader.next_frame() {
        let frame = frame.unwrap();
        assert!(frame.event().is_some(), "an event without a name");
        last = fold.frame(&frame);
        assert_ne!(last, Seen::Unreadable);
    }
    assert_eq!(last, Seen::Done);
    fold.finish().unwrap()
}

fn round(text: &str) {
    let stored = parse(text.as_bytes()).unwrap();
    let stream = replay(&stored).unwrap_or_else(|| panic!("no stream of {text}"));
    assert_eq!(fold(stream), stored, "{text}");
}

#[test]
fn a_stream_is_written_as_the_provider_writes_it() {
    let stored = parse(br#"{"model":"claude","id":"msg_1","type":"message","role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"Hi"},{"type":"tool_use","id":"t","name":"f","input":{"a": 1}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":0},"output_tokens":9,"service_tier":"standard"}}"#).unwrap();
    let stream = String::from_utf8(replay(&stored).unwrap()).unwrap();
    let expected = [
        r#"{"type":"message_start","message":{"model":"claude","id":"msg_1","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":0},"output_tokens":1,"service_tier":"standard"}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}"#,
        r#"{"type":"content_block_stop","index":2}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":3,"output_tokens":9}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let told: Vec<&str> = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    assert_eq!(told, expected);
    assert!(stream.starts_with("event: message_start\ndata: {"));
    assert!(stream.ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
}

#[test]
fn what_providers_add_survives() {
    round(
        r#"{"id":"m","container":{"id":"c","expires_at":"x"},"type":"message","content":[],"context_management":{"applied_edits":[1]},"stop_details":{"type":"t"},"stop_reason":"end_turn","stop_sequence":"END","provider":"p","usage":{"output_tokens":0,"iterations":[{"a":1}],"server_tool_use":null,"cost":0.10}}"#,
    );
    round(
        r#"{"type":"message","stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2},"content":[
        {"type":"redacted_thinking","data":"x"},
        {"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"}},
        {"type":"web_search_tool_result","tool_use_id":"s","content":[{"type":"web_search_result","url":"https://e"}]},
        {"type":"text","text":"a","citations":null},{"citations":[],"type":"text","text":""},
        {"type":"text","text":"b","citations":[{"cited_text":"x"},{"cited_text":"y"}]},
        {"type":"tool_use","id":"t","input":{},"name":"f","caller":{"type":"direct"}},
        {"type":"tool_use","id":"t","name":"f","input":{"n":1.0,"m":1e400,"o":{"z":null,"a":[true]}}}]}"#,
    );
}

#[test]
fn what_could_not_have_been_streamed_is_not() {
    for text in [
        "[]",
        r#"{"content":[],"usage":{},"stop_reason":null}"#,
        r#"{"content":[],"stop_reason":"end_turn"}"#,
        r#"{"usage":{},"stop_reason":"end_turn"}"#,
        r#"{"content":[{"type":"hologram"}],"usage":{},"stop_reason":"end_turn"}"#,
        r#"{"content":[{"type":"text"}],"usage":{},"stop_reason":"end_turn"}"#,
        r#"{"content":[{"type":"tool_use","input":"{}"}],"usage":{},"stop_reason":"end_turn"}"#,
    ] {
        assert_eq!(replay(&parse(text.as_bytes()).unwrap()), None, "{text}");
    }
}

/// JSON text of any value, not deep.
fn any_value() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "1.50",
        "-0",
        "1e3",
        "\"\"",
        "\"ä\\n\\u2028\"",
        "{}",
        "[]",
    ]);
    leaf.prop_map(str::to_owned)
        .prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3)
                    .prop_map(|items| format!("[{}]", items.join(","))),
                (inner.clone(), inner).prop_map(|(a, b)| format!("{{\"z\":{a},\"a\":{b}}}")),
            ]
        })
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        ("[aé😀\u{2028}]", 16_000_usize..17_000).prop_map(|(text, times)| text.repeat(times / 2)),
    ]
    .prop_map(|text| String::from_utf8(Json::string(text).to_bytes()).unwrap())
}

fn any_block() -> impl Strategy<Value = String> {
    prop_oneof![
        any_text().prop_map(|text| format!(r#"{{"type":"text","text":{text}}}"#)),
        (any_text(), prop::collection::vec(any_value(), 0..3)).prop_map(
            |(text, citations)| format!(
                r#"{{"citations":[{}],"type":"text","text":{text}}}"#,
                citations.join(",")
            )
        ),
        (any_text(), any_text()).prop_map(|(text, signature)| format!(
            r#"{{"type":"thinking","thinking":{text},"signature":{signature}}}"#
        )),
        (any_text(), any_value()).prop_map(|(name, value)| format!(
            r#"{{"type":"tool_use","id":"t","name":{name},"input":{{"v":{value}}}}}"#
        )),
        any_value().prop_map(|value| format!(r#"{{"type":"redacted_thinking","data":{value}}}"#)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn folding_undoes_replaying(
        blocks in prop::collection::vec(any_block(), 0..5),
        counts in (any::<u32>(), any::<u32>()),
        extra in any_value(),
    ) {
        round(&format!(
            r#"{{"id":"m","extra":{extra},"content":[{}],"stop_reason":"end_turn","stop_details":{extra},"usage":{{"input_tokens":{},"output_tokens":{},"extra":{extra}}}}}"#,
            blocks.join(","), counts.0, counts.1,
        ));
    }
}
