//! Replay against the reference vectors, and against the fold as its inverse.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::wire::chat::ChatFold;
use crate::wire::choices::Ending;
use crate::wire::json::parse;
use crate::wire::pieces::PIECE_BYTES_MAX;
use crate::wire::sse::FrameReader;

const VECTORS: &str = include_str!("../../../../tests/fixtures/chat_vectors.json");

/// The answer a stream spells, read as it would be.
pub(in crate::wire) fn folded(stream: &[u8]) -> Json<'static> {
    let mut reader = FrameReader::new();
    let mut fold = ChatFold::new();
    reader.push(Bytes::copy_from_slice(stream));
    while let Some(frame) = reader.next_frame() {
        fold.frame(&frame.unwrap()).unwrap();
    }
    fold.finish(Ending::CleanEof).unwrap()
}

/// A value with its members in one order and without what the forms of an answer
/// do not both have: members that are null or, in a message, an empty list.
pub(in crate::wire) fn normal(value: &Json<'_>) -> Json<'static> {
    match value {
        Json::Array(items) => Json::Array(items.iter().map(normal).collect()),
        Json::Object(members) => {
            let mut members: Vec<_> = members
                .iter()
                .filter(|(name, value)| {
                    let is_empty_list = value.as_array().is_some_and(<[_]>::is_empty);
                    !(value.is_null() || name == "annotations" && is_empty_list)
                })
                .map(|(name, value)| (name.clone().into_owned().into(), normal(value)))
                .collect();
            members.sort_by(|(a, _): &Member<'_>, (b, _)| a.cmp(b));
            Json::Object(members)
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            value.clone().into_owned()
        }
    }
}

fn lines(stream: &[u8]) -> Vec<String> {
    let text = String::from_utf8(stream.to_vec()).unwrap();
    text.split("\n\n").map(str::to_owned).collect()
}

#[test]
fn the_reference_vectors_are_written_byte_for_byte_and_read_back() {
    let vectors = parse(VECTORS.as_bytes()).unwrap();
    for (name, vector) in vectors.as_object().unwrap() {
        let stored = vector.get("stored").unwrap();
        for (form, usage) in [
            ("sse", UsageTold::Apart),
            ("sse_no_usage", UsageTold::Nowhere),
        ] {
            let expected = vector.get(form).unwrap().as_str().unwrap();
            let stream = replay(stored, usage).unwrap();
            assert_eq!(lines(&stream), lines(expected.as_bytes()), "{name} {form}");
        }
        let again = folded(&replay(stored, UsageTold::Apart).unwrap());
        assert_eq!(normal(&again), normal(stored), "{name}");
    }
    assert_eq!(vectors.as_object().unwrap().len(), 12);
}

#[test]
fn a_stream_cut_at_any_byte_is_cut_or_lacks_nothing_but_its_usage() {
    let vectors = parse(VECTORS.as_bytes()).unwrap();
    for (name, vector) in vectors.as_object().unwrap() {
        let stream = vector.get("sse").unwrap().as_str().unwrap();
        let without_usage = |answer: &Json<'_>| {
            let Json::Object(mut members) = normal(answer) else {
                unreachable!()
            };
            members.retain(|(name, _)| name != "usage");
            members
        };
        let whole = without_usage(vector.get("stored").unwrap());
        let mut read = 0;
        for at in 0..stream.len() {
            let mut reader = FrameReader::new();
            let mut fold = ChatFold::new();
            reader.push(Bytes::copy_from_slice(&stream.as_bytes()[..at]));
            while let Some(frame) = reader.next_frame() {
                fold.frame(&frame.unwrap()).unwrap();
            }
            if let Some(frame) = reader.finish() {
                fold.frame(&frame).unwrap();
            }
            match fold.finish(Ending::CleanEof) {
                Ok(answer) => {
                    assert_eq!(without_usage(&answer), whole, "{name} {at}");
                    read += 1;
                }
                Err(reason) => assert!(reason.is_cut(), "{name} {at} {reason}"),
            }
        }
        // Behind the last choice's end, and from the end of the usage on.
        assert!((2..24).contains(&read), "{name} {read}");
    }
}

#[test]
fn long_text_is_cut_between_characters() {
    let text = "é😀x".repeat(PIECE_BYTES_MAX / 3);
    let arguments = format!("{{\"a\":\"{text}\"}}");
    let escaped = Json::string(arguments.as_str()).to_bytes();
    let stored = format!(
        r#"{{"choices":[{{"index":0,"finish_reason":"stop","message":{{"role":"assistant",
        "content":"{text}","reasoning_content":"{text}","refusal":"{text}",
        "tool_calls":[{{"id":"c","type":"function","function":{{"name":"f","arguments":{}}}}}]}}}}]}}"#,
        String::from_utf8(escaped).unwrap()
    );
    let stored = parse(stored.as_bytes()).unwrap();
    let stream = replay(&stored, UsageTold::Nowhere).unwrap();
    assert!(
        lines(&stream)
            .iter()
            .all(|line| line.len() < PIECE_BYTES_MAX + 300)
    );
    let mut expected = normal(&stored);
    let Json::Object(members) = &mut expected else {
        unreachable!()
    };
    members.push(("object".into(), Json::string("chat.completion")));
    assert_eq!(normal(&folded(&stream)), normal(&expected));
}

#[test]
fn spoken_answers_survive() {
    let stored = parse(
        br#"{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant",
        "content":null,"refusal":null,"audio":{"id":"audio_1","data":"UklGRg==","expires_at":1,"transcript":"hi"}},
        "logprobs":null,"finish_reason":"stop"}]}"#,
    )
    .unwrap();
    let stream = replay(&stored, UsageTold::Nowhere).unwrap();
    let expected = [
        r#""delta":{"role":"assistant","content":null,"refusal":null}"#,
        r#""delta":{"audio":{"id":"audio_1","expires_at":1}}"#,
        r#""delta":{"audio":{"transcript":"hi"}}"#,
        r#""delta":{"audio":{"data":"UklGRg=="}}"#,
        r#""delta":{},"logprobs":null,"finish_reason":"stop""#,
        "[DONE]",
        "",
    ];
    let lines = lines(&stream);
    assert_eq!(lines.len(), expected.len());
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.contains(expected), "{line}");
    }
    assert_eq!(normal(&folded(&stream)), normal(&stored));
}

#[test]
fn a_moderation_and_the_usage_come_last() {
    let stored = parse(
        br#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"moderation":{"flagged":false}}"#,
    )
    .unwrap();
    let lines = lines(&replay(&stored, UsageTold::Apart).unwrap());
    assert_eq!(
        lines[lines.len() - 4..],
        [
            r#"data: {"object":"chat.completion.chunk","choices":[],"moderation":{"flagged":false},"usage":null}"#,
            r#"data: {"object":"chat.completion.chunk","choices":[],"usage":null}"#,
            "data: [DONE]",
            "",
        ]
    );
}

#[test]
fn odd_shapes_are_told_as_far_as_they_can_be() {
    let told = |choice: &str| {
        let text = format!(r#"{{"choices":[{choice}]}}"#);
        let stored = parse(text.as_bytes()).unwrap();
        String::from_utf8(replay(&stored, UsageTold::Nowhere).unwrap()).unwrap()
    };
    // Arguments as an object become text, an index of their own is not repeated.
    let text = told(
        r#"{"message":{"tool_calls":[{"id":"c","index":7,"function":{"name":"f","arguments":{"a":1}}}]}}"#,
    );
    assert!(text.contains(
        r#"[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]"#
    ));
    assert!(text.contains(r#"[{"index":0,"function":{"arguments":"{\"a\":1}"}}]"#));
    // Content in parts goes in one delta; a choice's delta is not told as unknown.
    let text = told(
        r#"{"delta":{"content":"qq"},"message":{"content":[{"type":"text","text":"a"}]},"logprobs":{"tokens":["a"]}}"#,
    );
    assert!(text.contains(
        r#""delta":{"content":[{"type":"text","text":"a"}]},"logprobs":{"content":null,"refusal":null,"tokens":["a"]}"#
    ));
    assert!(!text.contains("qq"));
}

#[test]
fn what_is_no_answer_cannot_be_told() {
    for (text, expected) in [
        ("[]", Unreplayable::NoChoices),
        (r#"{"error":{"message":"no"}}"#, Unreplayable::NoChoices),
        (r#"{"choices":[]}"#, Unreplayable::NoChoices),
        (
            r#"{"choices":[{"index":1,"message":{}}]}"#,
            Unreplayable::ChoiceGap,
        ),
        (
            r#"{"choices":[{"index":0,"message":{}},{"index":0,"message":{}}]}"#,
            Unreplayable::ChoiceGap,
        ),
        (r#"{"choices":[1]}"#, Unreplayable::Shape),
        (r#"{"choices":[{"message":"a"}]}"#, Unreplayable::Shape),
        (
            r#"{"choices":[{"message":{"tool_calls":"a"}}]}"#,
            Unreplayable::Shape,
        ),
        (
            r#"{"choices":[{"message":{"tool_calls":["a"]}}]}"#,
            Unreplayable::Shape,
        ),
    ] {
        let stored = parse(text.as_bytes()).unwrap();
        assert_eq!(replay(&stored, UsageTold::Apart), Err(expected), "{text}");
    }
}

type Object = Vec<Member<'static>>;

fn text() -> impl Strategy<Value = Json<'static>> {
    prop_oneof![
        "[ -~]{1,12}".prop_map(Json::string),
        ".{1,6}".prop_map(Json::string),
        Just(Json::string("\u{2028}\u{85}\"\\\n😀")),
    ]
}

fn anything() -> impl Strategy<Value = Json<'static>> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Json::Bool),
        any::<u64>().prop_map(Json::number),
        Just(Json::Number("-1.50e-7".into())),
        text(),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::Array),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..3).prop_map(|members| {
                Json::Object(
                    members
                        .into_iter()
                        .map(|(name, value)| (name.into(), value))
                        .collect(),
                )
            }),
        ]
    })
}

fn object(members: impl IntoIterator<Item = (&'static str, Json<'static>)>) -> Json<'static> {
    Json::Object(
        members
            .into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect(),
    )
}

/// Members an answer may or may not have.
fn some_of(
    members: Vec<(&'static str, BoxedStrategy<Json<'static>>)>,
) -> impl Strategy<Value = Object> {
    let members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| prop::option::of(value.prop_map(move |value| (name.into(), value))))
        .collect();
    members.prop_map(|members| members.into_iter().flatten().collect())
}

fn any_call() -> impl Strategy<Value = Json<'static>> {
    let payload = (text(), text(), any::<bool>(), prop::option::of(anything()));
    (text(), payload).prop_map(|(id, (name, input, is_custom, extra))| {
        let (kind, growing) = if is_custom {
            ("custom", "input")
        } else {
            ("function", "arguments")
        };
        let mut call = vec![
            ("id", id),
            ("type", Json::string(kind)),
            (kind, object([("name", name), (growing, input)])),
        ];
        call.extend(extra.map(|extra| ("extra_content", extra)));
        object(call)
    })
}

fn any_message() -> impl Strategy<Value = Json<'static>> {
    let part = text().prop_map(|text| object([("type", Json::string("text")), ("text", text)]));
    let content = prop_oneof![
        3 => text(),
        1 => Just(Json::Null),
        1 => prop::collection::vec(part, 1..4).prop_map(Json::Array),
    ];
    let detail = text().prop_map(|text| {
        object([
            ("type", Json::string("reasoning.text")),
            ("index", Json::number(0)),
            ("text", text),
        ])
    });
    let rest = some_of(vec![
        ("refusal", text().boxed()),
        ("reasoning_content", text().boxed()),
        (
            "reasoning_details",
            prop::collection::vec(detail, 1..3)
                .prop_map(Json::Array)
                .boxed(),
        ),
        (
            "annotations",
            prop::collection::vec(anything(), 1..3)
                .prop_map(Json::Array)
                .boxed(),
        ),
        ("provider_field", anything().boxed()),
        ("name", text().boxed()),
        (
            "function_call",
            (text(), text())
                .prop_map(|(name, arguments)| object([("name", name), ("arguments", arguments)]))
                .boxed(),
        ),
        (
            "audio",
            (text(), text(), text())
                .prop_map(|(id, data, transcript)| {
                    object([("id", id), ("data", data), ("transcript", transcript)])
                })
                .boxed(),
        ),
        (
            "tool_calls",
            prop::collection::vec(any_call(), 1..4)
                .prop_map(Json::Array)
                .boxed(),
        ),
    ]);
    (content, rest).prop_map(|(content, rest)| {
        let mut members: Object = vec![
            ("role".into(), Json::string("assistant")),
            ("content".into(), content),
        ];
        members.extend(rest);
        Json::Object(members)
    })
}

fn any_answer() -> impl Strategy<Value = Json<'static>> {
    let token = text()
        .prop_map(|token| object([("token", token), ("logprob", Json::Number("-0.5".into()))]));
    let tokens = prop::collection::vec(token, 0..3)
        .prop_map(Json::Array)
        .boxed();
    let logprobs = (prop::option::of(tokens.clone()), prop::option::of(tokens)).prop_map(
        |(content, refusal)| {
            object([
                ("content", content.unwrap_or(Json::Null)),
                ("refusal", refusal.unwrap_or(Json::Null)),
            ])
        },
    );
    let choice = (
        any_message(),
        text(),
        some_of(vec![
            ("logprobs", logprobs.boxed()),
            ("content_filter_results", anything().boxed()),
        ]),
    );
    let top = some_of(vec![
        ("id", text().boxed()),
        ("created", any::<u64>().prop_map(Json::number).boxed()),
        ("model", text().boxed()),
        ("x_unknown", anything().boxed()),
        ("usage", anything().boxed()),
        ("moderation", anything().boxed()),
    ]);
    (top, prop::collection::vec(choice, 1..4)).prop_map(|(mut top, choices)| {
        top.push(("object".into(), Json::string("chat.completion")));
        let choices = (0..)
            .zip(choices)
            .map(|(index, (message, reason, rest))| {
                let mut members: Object = vec![
                    ("index".into(), Json::number(index)),
                    ("message".into(), message),
                    ("finish_reason".into(), reason),
                ];
                members.extend(rest);
                Json::Object(members)
            })
            .collect();
        top.push(("choices".into(), Json::Array(choices)));
        Json::Object(top)
    })
}

/// Log probabilities of which both lists are missing are none.
fn without_blank_logprobs(mut answer: Json<'static>) -> Json<'static> {
    if let Json::Object(top) = &mut answer
        && let Some((_, Json::Array(choices))) = top.iter_mut().find(|(name, _)| name == "choices")
    {
        for choice in choices {
            let Json::Object(members) = choice else {
                continue;
            };
            members.retain(|(name, value)| name != "logprobs" || value.as_object() != Some(&[]));
        }
    }
    answer
}

proptest! {
    #[test]
    fn folding_a_replay_gives_the_answer_back(answer in any_answer()) {
        let stream = replay(&answer, UsageTold::Apart).unwrap();
        let again = folded(&stream);
        prop_assert_eq!(
            without_blank_logprobs(normal(&again)),
            without_blank_logprobs(normal(&answer))
        );
        // What was folded once is told the same way for good.
        let told = replay(&again, UsageTold::Apart).unwrap();
        let twice = folded(&told);
        prop_assert_eq!(replay(&twice, UsageTold::Apart).unwrap(), told);
        prop_assert_eq!(twice, again);
    }

    #[test]
    fn nothing_makes_it_panic(answer in anything(), asks: bool, beside: bool) {
        let usage = UsageTold::to(asks, beside);
        let wrapped = object([("choices", Json::Array(vec![object([("message", answer.clone())])]))]);
        let _may_fail = (replay(&answer, usage), replay(&wrapped, usage));
    }
}
