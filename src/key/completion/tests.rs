//! The table of the fields of completions: what makes another key, what does not, what
//! has none.

use crate::wire::UpstreamKind;
use crate::wire::json::parse;

use super::super::generation::ASIDE;
use super::*;

const OPENAI: Rules = Rules::of(UpstreamKind::OpenAi);
const COMPATIBLE: Rules = Rules::of(UpstreamKind::Compatible);

fn outcome(text: &str, rules: Rules) -> Result<Canonical, Bypass> {
    identify(&parse(text.as_bytes())?, rules)
}

/// A request with some more members.
fn with(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(r#"{{"model":"m","prompt":"hi"{comma}{members}}}"#)
}

fn question(members: &str, rules: Rules) -> Canonical {
    outcome(&with(members), rules).unwrap_or_else(|bypass| panic!("{bypass:?} for {members}"))
}

fn prompted(prompt: &str) -> Result<Canonical, Bypass> {
    outcome(&format!(r#"{{"model":"m","prompt":{prompt}}}"#), OPENAI)
}

#[test]
fn one_prompt_is_a_list_of_one_and_text_is_no_token() {
    assert_eq!(prompted(r#""x""#), prompted(r#"["x"]"#));
    assert_eq!(prompted("[1,2]"), prompted("[[1,2]]"));
    let forms = [
        r#""x""#,
        r#""x ""#,
        r#""1""#,
        "[1]",
        "[1,2]",
        "[[1],[2]]",
        "[2,1]",
        r#"["x","y"]"#,
        r#"["y","x"]"#,
        r#"["xy"]"#,
        r#"["[1]"]"#,
        r#""""#,
    ];
    for (at, one) in forms.iter().enumerate() {
        assert!(prompted(one).is_ok(), "{one}");
        for other in forms.iter().skip(at + 1) {
            assert_ne!(prompted(one), prompted(other), "{one} and {other}");
        }
    }
}

#[test]
fn a_prompt_that_is_neither_text_nor_tokens_is_the_upstreams_to_judge() {
    for odd in [
        "null",
        "1",
        "{}",
        "[]",
        "[[]]",
        r#"["a",1]"#,
        r#"["a",[1]]"#,
        "[[1],2]",
        "[-1]",
        "[1.5]",
        r#"[["a"]]"#,
    ] {
        assert_eq!(prompted(odd), Err(Bypass::Invalid), "{odd}");
    }
    assert_eq!(outcome(r#"{"model":"m"}"#, OPENAI), Err(Bypass::Invalid));
    assert_eq!(outcome(r#"{"prompt":"x"}"#, OPENAI), Err(Bypass::Invalid));
    assert_eq!(outcome("[]", OPENAI), Err(Bypass::Invalid));
    for (odd, reason) in [
        (r#""stream":"yes""#, Bypass::Invalid),
        (r#""stream_options":1"#, Bypass::Invalid),
        (r#""store":true"#, Bypass::Stateful),
        (r#""plugins":[{"id":"web"}]"#, Bypass::Volatile),
    ] {
        assert_eq!(outcome(&with(odd), OPENAI), Err(reason), "{odd}");
    }
}

/// The documented fields, each with a value that is no default, and whether it is in
/// the question (`CreateCompletionRequest` of the OpenAPI document).
const DOCUMENTED: [(&str, &str, bool); 18] = [
    ("best_of", "3", true),
    ("echo", "true", true),
    ("frequency_penalty", "0.5", true),
    ("logit_bias", r#"{"50256":-100}"#, true),
    ("logprobs", "0", true),
    ("max_tokens", "17", true),
    ("model", r#""other""#, true),
    ("n", "2", true),
    ("presence_penalty", "0.5", true),
    ("prompt", r#""ho""#, true),
    ("seed", "1", true),
    ("stop", r#""x""#, true),
    ("stream", "true", false),
    ("stream_options", r#"{"include_usage":true}"#, false),
    ("suffix", r#""""#, true),
    ("temperature", "0", true),
    ("top_p", "0.5", true),
    ("user", r#""u""#, false),
];

#[test]
fn each_documented_field_is_in_the_question_or_named_as_out_of_it() {
    for rules in [OPENAI, COMPATIBLE] {
        let plain = question("", rules);
        for (name, value, in_question) in DOCUMENTED {
            assert_eq!(QUESTION.contains(&name), in_question, "{name}");
            let changed = match name {
                "model" => with("").replace(r#""m""#, value),
                "prompt" => with("").replace(r#""hi""#, value),
                _ => with(&format!(r#""{name}":{value}"#)),
            };
            assert_eq!(
                outcome(&changed, rules).unwrap() != plain,
                in_question,
                "{name}"
            );
            if in_question && !matches!(name, "model" | "prompt") {
                let null = question(&format!(r#""{name}":null"#), rules);
                assert_eq!(null, plain, "{name}");
            }
        }
        // What nobody documents is in the question, null included.
        for other in [r#""top_k":5"#, r#""top_k":null"#, r#""guided_json":{}"#] {
            assert_ne!(question(other, rules), plain, "{other}");
        }
        for name in ASIDE
            .iter()
            .filter(|name| !matches!(**name, "store" | "stream"))
        {
            assert_eq!(
                question(&format!(r#""{name}":"x""#), rules),
                plain,
                "{name}"
            );
        }
        assert_eq!(
            question(r#""stop":["a","b"]"#, rules),
            question(r#""stop":["b","a"]"#, rules)
        );
        assert_eq!(
            question(r#""stop":"a""#, rules),
            question(r#""stop":["a"]"#, rules)
        );
    }
}

#[test]
fn a_documented_default_is_the_same_only_where_it_is_documented() {
    for default in [
        r#""max_tokens":16"#,
        r#""temperature":1"#,
        r#""top_p":1.0"#,
        r#""n":1"#,
        r#""best_of":1"#,
        r#""n":1,"best_of":1"#,
        r#""echo":false"#,
        r#""presence_penalty":0"#,
        r#""frequency_penalty":0.0"#,
        r#""logit_bias":{}"#,
    ] {
        assert_eq!(question(default, OPENAI), question("", OPENAI), "{default}");
        let elsewhere = question(default, COMPATIBLE);
        assert_ne!(elsewhere, question("", COMPATIBLE), "{default}");
    }
    // The upstream refuses it: not what is stored for two completions.
    assert_ne!(
        question(r#""n":2,"best_of":1"#, OPENAI),
        question(r#""n":2"#, OPENAI)
    );
}
