//! What providers send, and what must come of it.

use proptest::prelude::*;

use super::*;
use crate::wire::Json;
use crate::wire::choices::{Ending, FoldError, Incomplete, Seen};
use crate::wire::sse::FrameReader;

/// Folds the data of events.
fn fold(events: &[&str], ending: Ending) -> Result<Json<'static>, Incomplete> {
    let mut fold = ChatFold::new();
    for event in events {
        let _unreadable_spoils_it = fold.event(event);
    }
    fold.finish(ending)
}

fn answer(events: &[&str]) -> String {
    String::from_utf8(fold(events, Ending::Done).unwrap().to_bytes()).unwrap()
}

/// The first choice's message of a stream with these deltas, as text.
fn message(deltas: &[&str]) -> String {
    let mut events: Vec<String> = deltas
        .iter()
        .map(|delta| {
            format!(r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#)
        })
        .collect();
    events.push(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#.to_owned());
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let answer = fold(&events, Ending::Done).unwrap();
    let choice = answer.get("choices").unwrap().as_array().unwrap()[0].clone();
    String::from_utf8(choice.get("message").unwrap().to_bytes()).unwrap()
}

/// Why a stream with these deltas is no answer.
fn refusal(deltas: &[&str]) -> Incomplete {
    let events: Vec<String> = deltas
        .iter()
        .map(|delta| {
            format!(r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":"stop"}}]}}"#)
        })
        .collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    fold(&events, Ending::Done).unwrap_err()
}

const FINISH: &str =
    r#"{"id":"a","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}"#;

#[test]
fn an_ordinary_stream_becomes_the_answer_it_spells() {
    assert_eq!(
        answer(&[
            r#"{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"xy"}"#,
            r#"{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"He"},"logprobs":{"content":[{"token":"He"}],"refusal":null},"finish_reason":null}],"usage":null}"#,
            r#"{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"y\n"},"logprobs":{"content":[{"token":"y"}],"refusal":null},"finish_reason":null}],"usage":null}"#,
            r#"{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
            r#"{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":1.0}}"#,
            "[DONE] ",
            r#"{"id":"later","error":{"message":"ignored"}}"#,
        ]),
        r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hey\n","refusal":null},"logprobs":{"content":[{"token":"He"},{"token":"y"}],"refusal":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":1.0}}"#
    );
}

#[test]
fn azures_empty_first_chunk_and_missing_deltas_do_no_harm() {
    assert_eq!(
        answer(&[
            r#"{"id":"","object":"","created":0,"model":"","choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#,
            r#"{"id":"c","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"content_filter_results":{"hate":1}}]}"#,
            r#"{"id":"","created":0,"model":"","choices":[{"index":0,"finish_reason":"stop","content_filter_results":{},"content_filter_offsets":{"start":1}}]}"#,
        ]),
        r#"{"id":"c","object":"chat.completion","created":7,"model":"m","prompt_filter_results":[{"prompt_index":0}],"choices":[{"index":0,"message":{"role":"assistant","content":"a","refusal":null},"logprobs":null,"finish_reason":"stop","content_filter_results":{"hate":1},"content_filter_offsets":{"start":1}}]}"#
    );
}

#[test]
fn names_that_vary_stay_those_of_the_first_chunk_and_other_members_of_the_last() {
    assert_eq!(
        answer(&[
            r#"{"id":"1","created":1,"model":"m","system_fingerprint":"a","x_groq":{"id":"r"},"choices":[]}"#,
            r#"{"id":"2","created":2,"model":"n","system_fingerprint":"b","x_groq":null,"usage":{"n":1},"choices":[{"index":0,"delta":{"content":"a"}}]}"#,
            r#"{"id":"3","created":3,"model":"","system_fingerprint":"","x_groq":{"usage":{"n":2}},"usage":{"n":2},"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        ]),
        r#"{"id":"1","created":1,"model":"m","system_fingerprint":"b","x_groq":{"usage":{"n":2}},"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"a","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"n":2}}"#
    );
}

#[test]
fn choices_come_in_any_order() {
    assert_eq!(
        answer(&[
            r#"{"choices":[{"index":1,"delta":{"content":"b"}},{"index":0,"delta":{"content":"a"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"index":1,"delta":{"content":"c"},"finish_reason":"length"}]}"#,
        ]),
        r#"{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"a","refusal":null},"logprobs":null,"finish_reason":"stop"},{"index":1,"message":{"role":"assistant","content":"bc","refusal":null},"logprobs":null,"finish_reason":"length"}]}"#
    );
}

#[test]
fn what_is_repeated_is_not_put_together() {
    assert_eq!(
        message(&[
            r#"{"role":"assistant","name":"bot","channel":"analysis","reasoning":"r"}"#,
            r#"{"role":"assistant","name":"bot","channel":"final","content":"a","token_id":7}"#,
            r#"{"role":"","name":null,"content":"b"}"#,
        ]),
        r#"{"role":"assistant","content":"ab","refusal":null,"name":"bot","channel":"final","reasoning":"r"}"#
    );
}

#[test]
fn tool_calls_are_put_together_by_index() {
    assert_eq!(
        message(&[
            r#"{"content":"","tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"b","type":"custom","custom":{"name":"g","input":"x"}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"","type":null,"function":{"name":"","arguments":"{\"q\""}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":null,"function":{"name":null,"arguments":":1}"},"extra_content":{"s":1}},{"index":1,"custom":{"input":"y"}}]}"#,
            r#"{"tool_calls":null}"#,
        ]),
        r#"{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"q\":1}"},"extra_content":{"s":1}},{"id":"b","type":"custom","custom":{"name":"g","input":"xy"}}]}"#
    );
}

#[test]
fn tool_calls_without_an_index_are_told_apart_by_their_ids() {
    assert_eq!(
        message(&[
            r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"function":{"arguments":"}"}}]}"#,
            r#"{"tool_calls":[{"id":"b","function":{"name":"g"}},{"id":"c","function":{"name":"h","arguments":"3"}}]}"#,
            r#"{"tool_calls":[{"id":"b","function":{"arguments":"2"}}]}"#,
        ]),
        r#"{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"2"}},{"id":"c","type":"function","function":{"name":"h","arguments":"3"}}]}"#
    );
}

#[test]
fn an_id_for_every_piece_is_the_id_of_the_first() {
    assert_eq!(
        message(&[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"b","function":{"arguments":"}"}}]}"#,
        ]),
        r#"{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}"#
    );
}

#[test]
fn two_calls_with_one_index_are_not_guessed_at() {
    assert_eq!(
        refusal(&[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{}"}}]}"#,
        ]),
        Incomplete::Unreadable
    );
}

#[test]
fn a_legacy_function_call_and_a_refusal_leave_no_empty_content() {
    assert_eq!(
        message(&[
            r#"{"role":"assistant","content":"","function_call":{"name":"f","arguments":""}}"#,
            r#"{"function_call":{"arguments":"{}"}}"#,
        ]),
        r#"{"role":"assistant","content":null,"refusal":null,"function_call":{"name":"f","arguments":"{}"}}"#
    );
    assert_eq!(
        message(&[r#"{"content":"","refusal":"I"}"#, r#"{"refusal":" can't"}"#]),
        r#"{"role":"assistant","content":null,"refusal":"I can't"}"#
    );
    assert_eq!(
        message(&[r#"{"content":""}"#]),
        r#"{"role":"assistant","content":"","refusal":null}"#
    );
}

#[test]
fn content_in_parts_is_put_together_as_if_it_were_not_streamed() {
    assert_eq!(
        message(&[
            r#"{"role":"assistant","content":""}"#,
            r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]}]}"#,
            r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"m."}],"closed":true}]}"#,
            r#"{"content":"An"}"#,
            r#"{"content":"swer"}"#,
            r#"{"content":""}"#,
            r#"{"content":[{"type":"reference","reference_ids":[1]}]}"#,
            r#"{"content":[{"type":"reference","reference_ids":[2]}]}"#,
        ]),
        r#"{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"Hmm."}],"closed":true},{"type":"text","text":"Answer"},{"type":"reference","reference_ids":[1]},{"type":"reference","reference_ids":[2]}],"refusal":null}"#
    );
    assert_eq!(
        message(&[
            r#"{"content":"a"}"#,
            r#"{"content":[{"type":"text","text":"b"}]}"#
        ]),
        r#"{"role":"assistant","content":[{"type":"text","text":"ab"}],"refusal":null}"#
    );
}

#[test]
fn reasoning_details_are_put_together_by_their_index() {
    assert_eq!(
        message(&[
            r#"{"reasoning_details":[{"type":"reasoning.text","index":0,"text":"a","format":"f"}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","index":0,"text":"b","format":"f"}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","index":0,"signature":"s"}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.summary","index":1,"summary":"c"}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.encrypted","index":2,"data":"d"}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.encrypted","index":2,"data":"e"}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","text":"f"}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","text":"g"}]}"#,
        ]),
        r#"{"role":"assistant","content":null,"refusal":null,"reasoning_details":[{"type":"reasoning.text","index":0,"text":"ab","format":"f","signature":"s"},{"type":"reasoning.summary","index":1,"summary":"c"},{"type":"reasoning.encrypted","index":2,"data":"d"},{"type":"reasoning.encrypted","index":2,"data":"e"},{"type":"reasoning.text","text":"f"},{"type":"reasoning.text","text":"g"}]}"#
    );
}

#[test]
fn sound_and_unknown_members_are_kept() {
    assert_eq!(
        message(&[
            r#"{"audio":{"id":"a","transcript":"h"},"padding":"p"}"#,
            r#"{"audio":{"transcript":"i","data":"AA=="},"flag":false}"#,
            r#"{"audio":{"data":"BB==","expires_at":5},"flag":true,"images":[{"n":1}]}"#,
            r#"{"audio":null,"flag":null,"images":[{"n":2}],"content":""}"#,
        ]),
        r#"{"role":"assistant","content":null,"refusal":null,"padding":"p","flag":true,"images":[{"n":1},{"n":2}],"audio":{"id":"a","transcript":"hi","data":"AA==BB==","expires_at":5}}"#
    );
}

#[test]
fn token_ids_are_collected() {
    let text = answer(&[
        r#"{"choices":[{"delta":{"content":"a"},"token_ids":null}]}"#,
        r#"{"choices":[{"delta":{"content":"a"},"token_ids":[1]}]}"#,
        r#"{"choices":[{"delta":{"content":"b"},"token_ids":[2],"finish_reason":"stop","stop_reason":null}]}"#,
    ]);
    assert!(
        text.contains(r#""token_ids":[1,2],"stop_reason":null"#),
        "{text}"
    );
}

#[test]
fn a_stream_without_the_mark_is_whole_only_if_every_choice_is_finished() {
    let open = r#"{"choices":[{"index":1,"delta":{"content":"x"}}]}"#;
    for (events, ending, expected) in [
        (&[FINISH][..], Ending::Done, None),
        (&[FINISH], Ending::CleanEof, None),
        (&[FINISH], Ending::Cut, Some(Incomplete::Cut)),
        (&[FINISH, "[DONE]"], Ending::Cut, Some(Incomplete::Cut)),
        (
            &[FINISH, open],
            Ending::CleanEof,
            Some(Incomplete::EndedEarly),
        ),
        (&[FINISH, open], Ending::Done, Some(Incomplete::Unfinished)),
        (
            &[FINISH, open, "[DONE]"],
            Ending::CleanEof,
            Some(Incomplete::Unfinished),
        ),
        (&[], Ending::CleanEof, Some(Incomplete::EndedEarly)),
        (&["[DONE]"], Ending::Done, Some(Incomplete::NoChoices)),
    ] {
        let found = fold(events, ending);
        assert_eq!(
            found.as_ref().err(),
            expected.as_ref(),
            "{events:?} {ending:?}"
        );
        let is_cut = matches!(expected, Some(Incomplete::Cut | Incomplete::EndedEarly));
        assert_eq!(found.is_err_and(Incomplete::is_cut), is_cut);
    }
}

#[test]
fn gaps_and_nameless_calls_are_no_answer() {
    let second = r#"{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}"#;
    assert_eq!(fold(&[second], Ending::Done), Err(Incomplete::ChoiceGap));
    for (delta, expected) in [
        (
            r#"{"tool_calls":[{"index":1,"id":"a","function":{"name":"f"}}]}"#,
            Incomplete::CallGap,
        ),
        (
            r#"{"tool_calls":[{"index":0,"function":{"name":"f"}}]}"#,
            Incomplete::UnnamedCall,
        ),
        (
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"arguments":"{}"}}]}"#,
            Incomplete::UnnamedCall,
        ),
    ] {
        assert_eq!(refusal(&[delta]), expected, "{delta}");
    }
}

#[test]
fn an_error_in_the_stream_spoils_it_whatever_follows() {
    for error in [
        r#"{"error":{"message":"overloaded"}}"#,
        r#"{"error":"overloaded","choices":[]}"#,
        r#"{"object":"error","message":"overloaded"}"#,
        r#"{"choices":[{"index":0,"error":{"code":502},"finish_reason":"error"}]}"#,
    ] {
        let mut fold = ChatFold::new();
        assert_eq!(fold.event(error), Ok(Seen::Error), "{error}");
        assert_eq!(fold.event(FINISH), Ok(Seen::Chunk));
        assert_eq!(fold.event("[DONE]"), Ok(Seen::Done));
        assert_eq!(fold.finish(Ending::Done), Err(Incomplete::ErrorEvent));
    }
    assert!(
        fold(
            &[r#"{"error":null,"choices":[{"delta":{},"finish_reason":"stop","error":null}]}"#],
            Ending::Done
        )
        .is_ok()
    );
}

#[test]
fn an_event_called_error_is_one() {
    let mut reader = FrameReader::new();
    reader.push(bytes::Bytes::from_static(
        b": c\n\nevent: error\ndata: {\"message\":\"no\"}\n\ndata: \xff\n\n",
    ));
    let mut frames = std::iter::from_fn(|| reader.next_frame()).map(Result::unwrap);
    let mut fold = ChatFold::new();
    assert_eq!(fold.frame(&frames.next().unwrap()), Ok(Seen::Nothing));
    assert_eq!(fold.frame(&frames.next().unwrap()), Ok(Seen::Error));
    assert_eq!(fold.frame(&frames.next().unwrap()), Err(FoldError::NotUtf8));
}

#[test]
fn a_last_event_without_its_blank_line_counts_if_it_can_be_read() {
    for (last, expected) in [
        ("data: [DONE]", None),
        ("data: {\"choices\":[],\"usage\":{\"n\":1}}\n", None),
        (": comm", None),
        ("data: {\"choices\":[],\"usa", Some(Incomplete::EndedEarly)),
        ("data: [DO", Some(Incomplete::EndedEarly)),
        ("data:", Some(Incomplete::EndedEarly)),
        ("da", Some(Incomplete::EndedEarly)),
    ] {
        let mut reader = FrameReader::new();
        reader.push(format!("data: {FINISH}\n\n{last}").into());
        let mut fold = ChatFold::new();
        fold.frame(&reader.next_frame().unwrap().unwrap()).unwrap();
        assert_eq!(reader.next_frame(), None);
        fold.frame(&reader.finish().unwrap()).unwrap();
        assert_eq!(fold.finish(Ending::CleanEof).err(), expected, "{last}");
    }
}

#[test]
fn what_cannot_be_understood_is_never_an_answer() {
    for event in [
        "oops",
        "[1]",
        "null",
        r#"{"choices":{}}"#,
        r#"{"choices":[1]}"#,
        r#"{"choices":[{"index":-1}]}"#,
        r#"{"choices":[{"delta":"x"}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":{}}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"id":7}]}}]}"#,
        r#"{"choices":[{"finish_reason":7}]}"#,
        r#"{"choices":[{"delta":{"content":"a"}},{"index":0,"delta":{"content":{"a":1}}}]}"#,
        r#"{"id":"a","id":"b","choices":[]}"#,
    ] {
        let mut fold = ChatFold::new();
        assert!(fold.event(event).is_err(), "{event}");
        assert_eq!(fold.event(FINISH), Ok(Seen::Chunk));
        assert_eq!(
            fold.finish(Ending::Done),
            Err(Incomplete::Unreadable),
            "{event}"
        );
    }
}

#[test]
fn a_flood_of_names_is_refused() {
    let mut fold = ChatFold::new();
    let members: Vec<String> = (0..300).map(|n| format!("\"k{n}\":1")).collect();
    let event = format!("{{{}}}", members.join(","));
    assert_eq!(fold.event(&event), Err(FoldError::TooWide));
}

#[test]
fn megabytes_of_arguments_in_small_pieces_take_linear_time() {
    let mut fold = ChatFold::new();
    let head = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]}"#;
    let piece = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"0123456789012345678901234567890123456789"}}]}}]}"#;
    fold.event(head).unwrap();
    for _ in 0..100_000 {
        fold.event(piece).unwrap();
    }
    fold.event(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#)
        .unwrap();
    assert!(fold.finish(Ending::Done).unwrap().to_bytes().len() > 4_000_000);
}

proptest! {
    #[test]
    fn a_stream_cut_between_events_is_never_an_answer(pieces in prop::collection::vec(".{0,4}", 1..8), at in 0_usize..9) {
        let mut events: Vec<String> = pieces
            .iter()
            .map(|piece| {
                let text = String::from_utf8(Json::string(piece.as_str()).to_bytes()).unwrap();
                format!(r#"{{"choices":[{{"index":0,"delta":{{"content":{text}}}}}]}}"#)
            })
            .collect();
        let cut: Vec<&str> = events.iter().map(String::as_str).take(at).collect();
        prop_assert_eq!(fold(&cut, Ending::CleanEof), Err(Incomplete::EndedEarly));
        events.push(FINISH.to_owned());
        let whole: Vec<&str> = events.iter().map(String::as_str).collect();
        let answer = fold(&whole, Ending::CleanEof).unwrap();
        let message = answer.get("choices").unwrap().as_array().unwrap()[0].get("message").unwrap();
        prop_assert_eq!(message.get("content").unwrap().as_str().unwrap(), pieces.concat() + "x");
    }

    #[test]
    fn no_event_makes_it_panic(events in prop::collection::vec(
        "(\\{\"choices\":\\[\\{\"(delta|index|error|logprobs|token_ids)\":(null|1|\"a\"|\\[1\\]|\\{\"(content|tool_calls|audio|role)\":(null|\"\"|\"a\"|[0-9]|\\[\\{\\}\\]|\\{\\})\\})\\}\\]\\}|[\\[\\]{}\":a,]{0,9})",
        0..6,
    )) {
        let mut fold = ChatFold::new();
        for event in &events {
            let _may_fail = fold.event(event);
        }
        let _may_fail = fold.finish(Ending::Done);
    }
}
