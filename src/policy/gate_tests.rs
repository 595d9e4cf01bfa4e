//! The gates as tables.

use http::HeaderValue;

use super::*;

const UNLIMITED: ChatFacts = ChatFacts {
    limits_length: false,
};
const LIMITED: ChatFacts = ChatFacts {
    limits_length: true,
};

fn judged(answer: &str, facts: ChatFacts) -> Result<(), Refusal> {
    chat(&parse(answer.as_bytes()).unwrap(), facts)
}

/// An answer of one choice with this message.
fn answering(message: &str, finish_reason: &str) -> String {
    format!(
        r#"{{"id":"1","choices":[{{"index":0,"message":{message},"finish_reason":{finish_reason}}}],"usage":null}}"#
    )
}

/// An answer of one call.
fn calling(call: &str) -> String {
    answering(
        &format!(r#"{{"role":"assistant","content":null,"tool_calls":[{call}]}}"#),
        r#""tool_calls""#,
    )
}

const SAID: &str = r#"{"role":"assistant","content":"hi"}"#;

#[test]
fn a_complete_answer_is_stored() {
    let messages = [
        SAID,
        r#"{"role":"assistant","content":[{"type":"text","text":"hi"}]}"#,
        r#"{"role":"assistant","content":null,"refusal":"no"}"#,
        r#"{"role":"assistant","content":"","reasoning_content":"hm"}"#,
        r#"{"role":"assistant","content":null,"audio":{"id":"a"}}"#,
        r#"{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}}"#,
        r#"{"role":"assistant","content":"hi","tool_calls":null,"function_call":null}"#,
        r#"{"role":"assistant","content":"hi","tool_calls":[]}"#,
    ];
    for message in messages {
        assert_eq!(
            judged(&answering(message, r#""stop""#), UNLIMITED),
            Ok(()),
            "{message}"
        );
    }
    for reason in ["stop", "tool_calls", "function_call", "end_turn", "eos"] {
        assert_eq!(
            judged(&answering(SAID, &format!("\"{reason}\"")), UNLIMITED),
            Ok(()),
            "{reason}"
        );
    }
    let null_error = r#"{"error":null,"choices":[{"message":{"content":"hi"},"finish_reason":"stop","error":null}]}"#;
    assert_eq!(judged(null_error, UNLIMITED), Ok(()));
}

#[test]
fn an_answer_in_doubt_is_refused() {
    let rows = [
        ("[]".to_owned(), Refusal::WrongShape),
        ("\"hi\"".to_owned(), Refusal::WrongShape),
        ("{}".to_owned(), Refusal::WrongShape),
        (r#"{"choices":{}}"#.to_owned(), Refusal::WrongShape),
        (r#"{"choices":[]}"#.to_owned(), Refusal::Empty),
        (r#"{"choices":[1]}"#.to_owned(), Refusal::WrongShape),
        (r#"{"choices":[{"finish_reason":"stop"}]}"#.to_owned(), Refusal::WrongShape),
        (r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#.to_owned(), Refusal::WrongShape),
        (r#"{"error":{"message":"m"}}"#.to_owned(), Refusal::ErrorObject),
        (r#"{"error":"m"}"#.to_owned(), Refusal::ErrorObject),
        (
            r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop","error":{"code":502}}]}"#.to_owned(),
            Refusal::ErrorObject,
        ),
        (answering(SAID, r#""error""#), Refusal::ErrorObject),
        (answering(SAID, "null"), Refusal::Unfinished),
        (answering(SAID, r#""""#), Refusal::Unfinished),
        (answering(SAID, "1"), Refusal::Unfinished),
        (answering(SAID, r#""abort""#), Refusal::Unfinished),
        (answering(SAID, r#""insufficient_system_resource""#), Refusal::Unfinished),
        (answering(SAID, r#""content_filter""#), Refusal::ContentFilter),
        (
            r#"{"choices":[{"index":0,"finish_reason":"content_filter"}]}"#.to_owned(),
            Refusal::ContentFilter,
        ),
        (answering(SAID, r#""SAFETY""#), Refusal::ContentFilter),
        (answering(r#"{"role":"assistant"}"#, r#""stop""#), Refusal::Empty),
        (answering(r#"{"role":"assistant","content":null}"#, r#""stop""#), Refusal::Empty),
        (
            answering(r#"{"role":"assistant","content":"","tool_calls":[],"annotations":[],"audio":null}"#, r#""stop""#),
            Refusal::Empty,
        ),
        (answering("null", r#""stop""#), Refusal::WrongShape),
    ];
    for (answer, expected) in rows {
        assert_eq!(judged(&answer, LIMITED), Err(expected), "{answer}");
    }
}

#[test]
fn each_choice_is_judged_and_none_is_missing() {
    let two = |first: u8, second: u8, reason: &str| {
        format!(
            r#"{{"choices":[{{"index":{first},"message":{SAID},"finish_reason":"stop"}},{{"index":{second},"message":{SAID},"finish_reason":{reason}}}]}}"#
        )
    };
    assert_eq!(judged(&two(0, 1, "\"stop\""), UNLIMITED), Ok(()));
    assert_eq!(judged(&two(1, 0, "\"stop\""), UNLIMITED), Ok(()));
    assert_eq!(
        judged(&two(0, 1, "null"), UNLIMITED),
        Err(Refusal::Unfinished)
    );
    assert_eq!(
        judged(&two(0, 2, "\"stop\""), UNLIMITED),
        Err(Refusal::WrongShape)
    );
    assert_eq!(
        judged(&two(0, 0, "\"stop\""), UNLIMITED),
        Err(Refusal::WrongShape)
    );
}

#[test]
fn a_cut_answer_is_stored_only_if_the_client_set_the_limit() {
    for reason in [r#""length""#, r#""MAX_TOKENS""#] {
        let cut = answering(SAID, reason);
        assert_eq!(judged(&cut, UNLIMITED), Err(Refusal::Length));
        assert_eq!(judged(&cut, LIMITED), Ok(()));
    }
    let facts = |request: &str| ChatFacts::of(&parse(request.as_bytes()).unwrap());
    assert_eq!(facts(r#"{"max_tokens":5}"#), LIMITED);
    assert_eq!(facts(r#"{"max_completion_tokens":5}"#), LIMITED);
    assert_eq!(facts(r#"{"max_tokens":null}"#), UNLIMITED);
    assert_eq!(facts("{}"), UNLIMITED);
}

#[test]
fn the_arguments_of_a_call_are_json() {
    let function = |arguments: &str| {
        calling(&format!(
            r#"{{"id":"c","type":"function","function":{{"name":"f","arguments":{arguments}}}}}"#
        ))
    };
    for arguments in [r#""{}""#, r#""{\"a\":1}""#, r#""""#, r#"" ""#, "{}", "null"] {
        assert_eq!(
            judged(&function(arguments), UNLIMITED),
            Ok(()),
            "{arguments}"
        );
    }
    for arguments in [
        r#""{\"a\":""#,
        r#""{\"a\":1,\"a\":2}""#,
        r#""NaN""#,
        "1",
        "[]",
    ] {
        assert_eq!(
            judged(&function(arguments), UNLIMITED),
            Err(Refusal::ToolArguments),
            "{arguments}"
        );
    }
    let refused = [
        r#"{"id":"c","type":"function","function":{"name":"","arguments":"{}"}}"#,
        r#"{"id":"c","type":"function","function":{"arguments":"{}"}}"#,
        r#"{"id":"c","type":"function"}"#,
        r#"{"id":"c","type":"custom","custom":{"name":"g"}}"#,
        "1",
    ];
    for call in refused {
        assert_eq!(
            judged(&calling(call), UNLIMITED),
            Err(Refusal::ToolArguments),
            "{call}"
        );
    }
    let custom = r#"{"id":"c","type":"custom","custom":{"name":"g","input":"free { text"}}"#;
    assert_eq!(judged(&calling(custom), UNLIMITED), Ok(()));
    let untyped = r#"{"id":"c","function":{"name":"f","arguments":"{}"}}"#;
    assert_eq!(judged(&calling(untyped), UNLIMITED), Ok(()));
    let legacy = answering(
        r#"{"content":null,"function_call":{"name":"f","arguments":"{"}}"#,
        r#""function_call""#,
    );
    assert_eq!(judged(&legacy, UNLIMITED), Err(Refusal::ToolArguments));
}

#[test]
fn the_head_and_the_size_are_judged_too() {
    let with = |line: &'static str| {
        HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static(line))])
    };
    let none = HeaderMap::new();
    let heeds = PolicyOptions::default();
    assert_eq!(head(StatusCode::OK, &none, &heeds), Ok(()));
    assert_eq!(
        head(StatusCode::CREATED, &with("no-cache, private"), &heeds),
        Ok(())
    );
    assert_eq!(
        head(StatusCode::OK, &with("private, No-Store"), &heeds),
        Err(Refusal::UpstreamNoStore)
    );
    let heeds_not = PolicyOptions {
        heed_upstream_no_store: false,
        ..PolicyOptions::default()
    };
    let stored = head(StatusCode::OK, &with("no-store"), &heeds_not);
    assert_eq!(stored, Ok(()));
    for status in [
        StatusCode::FOUND,
        StatusCode::NOT_FOUND,
        StatusCode::BAD_GATEWAY,
    ] {
        assert_eq!(head(status, &none, &heeds), Err(Refusal::Status));
    }
    let options = PolicyOptions {
        entry_bytes_max: 10,
        ..PolicyOptions::default()
    };
    assert_eq!(size(10, &options), Ok(()));
    assert_eq!(size(11, &options), Err(Refusal::TooLarge));
}

#[test]
fn completions_are_held_to_the_same_rules() {
    let judged = |choices: &str, facts| {
        let text = format!(r#"{{"id":"1","object":"text_completion","choices":{choices}}}"#);
        completion(&parse(text.as_bytes()).unwrap(), facts)
    };
    let one = |text: &str, reason: &str| {
        format!(r#"[{{"index":0,"text":{text},"logprobs":null,"finish_reason":{reason}}}]"#)
    };
    for (choices, expected) in [
        (one(r#""x""#, r#""stop""#), Ok(())),
        (one(r#"" ""#, r#""stop""#), Ok(())),
        (one(r#""""#, r#""stop""#), Err(Refusal::Empty)),
        (one("null", r#""stop""#), Err(Refusal::WrongShape)),
        (one(r#""x""#, "null"), Err(Refusal::Unfinished)),
        (
            one(r#""x""#, r#""content_filter""#),
            Err(Refusal::ContentFilter),
        ),
        (one(r#""x""#, r#""length""#), Err(Refusal::Length)),
        ("[]".to_owned(), Err(Refusal::Empty)),
        (
            one(r#""x""#, r#""stop""#).replace(":0", ":1"),
            Err(Refusal::WrongShape),
        ),
        (
            r#"[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]"#.to_owned(),
            Err(Refusal::WrongShape),
        ),
    ] {
        assert_eq!(judged(&choices, UNLIMITED), expected, "{choices}");
    }
    assert_eq!(judged(&one(r#""x""#, r#""length""#), LIMITED), Ok(()));
}
