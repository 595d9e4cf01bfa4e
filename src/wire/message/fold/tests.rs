//! Streams as providers send them, and what must not be taken for an answer.

use bytes::Bytes;

use super::*;
use crate::wire::sse::FrameReader;

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"cache_read_input_tokens":4,"output_tokens":1}}}"#;
const END: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":10,"cache_read_input_tokens":null,"output_tokens":7}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

/// The events with these data, named by their types.
fn stream(events: &[&str]) -> String {
    let named = events.iter().map(|data| {
        let event = parse(data.as_bytes()).unwrap();
        let name = event
            .get("type")
            .and_then(Json::as_str)
            .unwrap_or("message");
        format!("event: {name}\ndata: {data}\n\n")
    });
    named.collect()
}

/// A message with these events between its start and its end.
fn message(blocks: &[&str]) -> String {
    stream(&[&[START], blocks, &[END, STOP]].concat())
}

fn folded(stream: &str) -> (Vec<Seen>, Result<String, Incomplete>) {
    let mut reader = FrameReader::new();
    let mut fold = MessageFold::new();
    let mut seen = Vec::new();
    reader.push(Bytes::copy_from_slice(stream.as_bytes()));
    while let Some(frame) = reader.next_frame() {
        seen.push(fold.frame(&frame.unwrap()));
    }
    if let Some(frame) = reader.finish() {
        seen.push(fold.frame(&frame));
    }
    let whole = fold.finish();
    let text = whole.map(|whole| String::from_utf8(whole.to_bytes()).unwrap());
    (seen, text)
}

fn content(blocks: &[&str]) -> Result<String, Incomplete> {
    let (_, whole) = folded(&message(blocks));
    whole.map(|whole| {
        let whole = parse(whole.as_bytes()).unwrap();
        String::from_utf8(whole.get("content").unwrap().to_bytes()).unwrap()
    })
}

#[test]
fn a_plain_answer_is_folded() {
    let (seen, whole) = folded(&message(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
    ]));
    assert_eq!(
        whole.unwrap(),
        r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"cache_read_input_tokens":4,"output_tokens":7}}"#
    );
    assert_eq!(seen.last(), Some(&Seen::Done));
    assert_eq!(seen[2], Seen::Nothing);
}

#[test]
fn every_kind_of_block_is_put_together() {
    let all = content(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm","estimated_tokens":3}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"m"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig=="}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"x"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"citations":[],"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"citations_delta","citation":{"type":"char_location","start":1}}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"So"}}"#,
        r#"{"type":"content_block_stop","index":2}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{},"caller":{"type":"direct"}}}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":""}}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"b\": 1.0"}}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":", \"a\": [] }"}}"#,
        r#"{"type":"content_block_stop","index":3}"#,
        r#"{"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"toolu_2","name":"g","input":{}}}"#,
        r#"{"type":"content_block_stop","index":4}"#,
    ]);
    assert_eq!(
        all.unwrap(),
        concat!(
            r#"[{"type":"thinking","thinking":"hmm","signature":"sig=="},"#,
            r#"{"type":"redacted_thinking","data":"x"},"#,
            r#"{"citations":[{"type":"char_location","start":1}],"type":"text","text":"So"},"#,
            r#"{"type":"tool_use","id":"toolu_1","name":"f","input":{"b":1.0,"a":[]},"caller":{"type":"direct"}},"#,
            r#"{"type":"tool_use","id":"toolu_2","name":"g","input":{}}]"#,
        )
    );
}

#[test]
fn what_only_the_end_tells_is_kept() {
    let (_, whole) = folded(&stream(&[
        r#"{"type":"message_start","message":{"type":"message","content":[],"stop_reason":null}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"x"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"END","stop_details":null},"usage":{"output_tokens":2},"context_management":{"applied_edits":[]}}"#,
        STOP,
    ]));
    assert_eq!(
        whole.unwrap(),
        r#"{"type":"message","content":[{"type":"text","text":"x"}],"stop_reason":"stop_sequence","stop_sequence":"END","stop_details":null,"usage":{"output_tokens":2},"context_management":{"applied_edits":[]}}"#
    );
}

#[test]
fn a_stream_without_its_end_is_cut_wherever_it_ends() {
    let all = message(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
    ]);
    let stop = all.find(STOP).unwrap();
    for length in 0..=all.len() {
        let (_, whole) = folded(all.get(..length).unwrap());
        // The last event lacks nothing but its blank line.
        if stop + STOP.len() <= length {
            assert!(whole.is_ok(), "{length}");
        } else {
            assert_eq!(whole, Err(Incomplete::Cut("ended-early")), "{length}");
        }
    }
}

#[test]
fn what_is_not_understood_is_not_stored() {
    let text =
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    let stop = r#"{"type":"content_block_stop","index":0}"#;
    let call = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#;
    for (blocks, odd) in [
        (vec![r#"{"type":"news"}"#], "unknown-event"),
        (vec![r#"{"kind":"ping"}"#], "unknown-event"),
        (vec![text], "open-block"),
        (vec![text, text, stop], "block-gap"),
        (vec![stop], "block-gap"),
        (vec![START], "wrong-shape"),
        (
            vec![
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"hologram"}}"#,
                stop,
            ],
            "unknown-block",
        ),
        (
            vec![
                text,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"smell_delta","smell":"rose"}}"#,
                stop,
            ],
            "unknown-delta",
        ),
        (
            vec![
                text,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a","weight":1}}"#,
                stop,
            ],
            "unknown-delta",
        ),
        (
            vec![
                call,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
                stop,
            ],
            "tool-input",
        ),
        (
            vec![
                call,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1,\"a\":2}"}}"#,
                stop,
            ],
            "tool-input",
        ),
    ] {
        assert_eq!(content(&blocks), Err(Incomplete::Odd(odd)), "{blocks:?}");
    }
    let unfinished = stream(&[START, STOP]);
    assert_eq!(folded(&unfinished).1, Err(Incomplete::Odd("unfinished")));
}

#[test]
fn errors_are_seen_and_other_apis_are_left_alone() {
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#;
    assert_eq!(
        folded(&stream(&[START, error])).0,
        [Seen::Part, Seen::Error]
    );
    assert_eq!(
        folded("event: error\ndata: {\"message\":\"m\"}\n\n").0,
        [Seen::Error]
    );
    assert_eq!(
        folded("data: {\"error\":{\"message\":\"m\"}}\n\n").0,
        [Seen::Error]
    );
    let (seen, whole) = folded("data: {\"choices\":[]}\n\ndata: [DONE]\n\n");
    assert_eq!(seen, [Seen::Unreadable, Seen::Nothing]);
    assert_eq!(whole, Err(Incomplete::Odd("unknown-event")));
    assert_eq!(
        folded(": only a comment\n\n").1,
        Err(Incomplete::Cut("ended-early"))
    );
}
