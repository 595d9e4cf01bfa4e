//! Replay, and the fold as its inverse.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::wire::choices::Ending;
use crate::wire::completion::CompletionFold;
use crate::wire::json::{Member, parse};
use crate::wire::pieces::PIECE_BYTES_MAX;
use crate::wire::sse::FrameReader;

fn folded(stream: &[u8]) -> Json<'static> {
    let mut reader = FrameReader::new();
    let mut fold = CompletionFold::new();
    reader.push(Bytes::copy_from_slice(stream));
    while let Some(frame) = reader.next_frame() {
        fold.frame(&frame.unwrap()).unwrap();
    }
    fold.finish(Ending::CleanEof).unwrap()
}

/// A value with its members in one order.
fn sorted(value: &Json<'_>) -> Json<'static> {
    match value {
        Json::Array(items) => Json::Array(items.iter().map(sorted).collect()),
        Json::Object(members) => {
            let mut members: Vec<Member<'static>> = members
                .iter()
                .map(|(name, value)| (name.clone().into_owned().into(), sorted(value)))
                .collect();
            members.sort_by(|(left, _), (right, _)| left.cmp(right));
            Json::Object(members)
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            value.clone().into_owned()
        }
    }
}

#[test]
fn a_stream_is_written_as_the_provider_writes_it() {
    let stored = parse(
        br#"{"id":"c","object":"text_completion","created":1,"model":"m","choices":[
        {"text":"b","index":1,"logprobs":null,"finish_reason":"stop","content_filter_results":{}},
        {"text":"a","index":0,"logprobs":{"tokens":["a"],"text_offset":[0]},"finish_reason":"length"}],
        "usage":{"prompt_tokens":1}}"#,
    )
    .unwrap();
    let chunk = |choice: &str, usage: &str| {
        format!(
            "data: {{\"id\":\"c\",\"created\":1,\"model\":\"m\",\"object\":\"text_completion\",\"choices\":[{choice}]{usage}}}\n\n"
        )
    };
    let parts = [
        r#"{"index":0,"text":"a","logprobs":{"tokens":["a"],"text_offset":[0]},"finish_reason":null}"#,
        r#"{"index":0,"text":"","logprobs":null,"finish_reason":"length"}"#,
        r#"{"index":1,"text":"b","logprobs":null,"finish_reason":null}"#,
        r#"{"index":1,"text":"","logprobs":null,"finish_reason":"stop","content_filter_results":{}}"#,
    ];
    for (include_usage, null, last) in [
        (false, "", String::new()),
        (
            true,
            r#","usage":null"#,
            chunk("", r#","usage":{"prompt_tokens":1}"#),
        ),
    ] {
        let written = replay(&stored, UsageTold::to(include_usage, false)).unwrap();
        let chunks: String = parts.iter().map(|part| chunk(part, null)).collect();
        let expected = format!("{chunks}{last}data: [DONE]\n\n");
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}

#[test]
fn what_is_no_completion_cannot_be_told() {
    for (text, expected) in [
        ("{}", Unreplayable::NoChoices),
        (r#"{"choices":[]}"#, Unreplayable::NoChoices),
        (r#"{"choices":[{"index":0}]}"#, Unreplayable::Shape),
        (r#"{"choices":[{"text":null}]}"#, Unreplayable::Shape),
        (
            r#"{"choices":[{"text":"a","index":1}]}"#,
            Unreplayable::ChoiceGap,
        ),
    ] {
        let stored = parse(text.as_bytes()).unwrap();
        assert_eq!(replay(&stored, UsageTold::Nowhere), Err(expected), "{text}");
    }
}

fn choice() -> impl Strategy<Value = Json<'static>> {
    let text = prop_oneof![
        any::<String>(),
        "[a-zé€😀]{0,40}".prop_map(|text| text.repeat(PIECE_BYTES_MAX / 16)),
    ];
    let logprobs = proptest::option::of(proptest::collection::vec(
        (any::<String>(), any::<i8>()),
        0..4,
    ));
    let reason = prop_oneof![Just("stop"), Just("length"), Just("content_filter")];
    (text, logprobs, reason, any::<bool>()).prop_map(|(text, logprobs, reason, is_more)| {
        let list = |items: Vec<Json<'static>>| Json::Array(items);
        let logprobs = logprobs.map_or(Json::Null, |told| {
            let tokens = told.iter().map(|(token, _)| Json::string(token.clone()));
            let weights = told
                .iter()
                .map(|(_, weight)| Json::Number(weight.to_string().into()));
            Json::Object(vec![
                ("tokens".into(), list(tokens.collect())),
                ("token_logprobs".into(), list(weights.collect())),
                ("top_logprobs".into(), Json::Null),
            ])
        });
        let mut members: Vec<Member<'static>> = vec![
            ("text".into(), Json::string(text)),
            ("logprobs".into(), logprobs),
            ("finish_reason".into(), Json::string(reason)),
        ];
        if is_more {
            members.push(("stop_reason".into(), Json::Null));
            members.push((
                "token_ids".into(),
                list(vec![Json::number(1), Json::number(2)]),
            ));
        }
        Json::Object(members)
    })
}

proptest! {
    #[test]
    fn a_stream_folds_into_what_it_was_made_of(
        choices in proptest::collection::vec(choice(), 1..4),
        is_counted in any::<bool>(),
    ) {
        let choices = (0..).zip(choices).map(|(index, choice)| {
            let Json::Object(mut members) = choice else { unreachable!() };
            members.push(("index".into(), Json::number(index)));
            Json::Object(members)
        });
        let mut answer: Vec<Member<'static>> = vec![
            ("id".into(), Json::string("c")),
            ("object".into(), Json::string("text_completion")),
            ("created".into(), Json::number(1)),
            ("model".into(), Json::string("m")),
            ("choices".into(), Json::Array(choices.collect())),
        ];
        if is_counted {
            answer.push(("usage".into(), Json::Object(vec![("prompt_tokens".into(), Json::number(3))])));
        }
        let stored = Json::Object(answer);
        let again = folded(&replay(&stored, UsageTold::to(is_counted, false)).unwrap());
        prop_assert_eq!(sorted(&again), sorted(&stored));
    }
}
