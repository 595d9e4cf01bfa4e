//! The table of the chat fields: what makes another key, what does not, what has none.

use crate::wire::UpstreamKind;
use crate::wire::json::parse;

use super::super::generation::ASIDE;
use super::super::{Bypass, Canonical};
use super::{QUESTION, Rules, identify, is_control_field};

const OPENAI: Rules = Rules::of(UpstreamKind::OpenAi);
const COMPATIBLE: Rules = Rules::of(UpstreamKind::Compatible);

fn outcome(text: &str, rules: Rules) -> Result<Canonical, Bypass> {
    let body = parse(text.as_bytes())?;
    identify(&body, rules)
}

fn question(text: &str, rules: Rules) -> Canonical {
    outcome(text, rules).unwrap_or_else(|bypass| panic!("{bypass:?} for {text}"))
}

/// A request with some more members.
fn with(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{comma}{members}}}"#)
}

/// A request whose only message has this content.
fn saying(content: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#)
}

const TOOL: &str = r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"zebra":{},"apple":{}}}}}]"#;

/// Pairs of members that ask different questions, whatever the upstream.
const DIFFERENT: &[(&str, &str)] = &[
    ("", r#""temperature":0"#),
    ("", r#""top_p":0.5"#),
    ("", r#""n":2"#),
    ("", r#""seed":1"#),
    (r#""seed":1"#, r#""seed":2"#),
    (
        r#""seed":18446744073709551616"#,
        r#""seed":18446744073709551617"#,
    ),
    ("", r#""max_tokens":5"#),
    ("", r#""max_completion_tokens":5"#),
    (r#""max_tokens":5"#, r#""max_completion_tokens":5"#),
    ("", r#""stop":"x""#),
    (r#""stop":"x""#, r#""stop":["x","y"]"#),
    (r#""stop":["x"]"#, r#""stop":["x","x"]"#),
    (r#""stop":[]"#, ""),
    ("", r#""presence_penalty":1"#),
    ("", r#""frequency_penalty":1"#),
    (r#""frequency_penalty":1"#, r#""frequency_penalty":-1"#),
    ("", r#""logit_bias":{"50256":-100}"#),
    ("", r#""logprobs":true"#),
    ("", r#""top_logprobs":0"#),
    ("", r#""tools":[]"#),
    ("", TOOL),
    ("", r#""tool_choice":"auto""#),
    ("", r#""parallel_tool_calls":true"#),
    ("", r#""functions":[{"name":"f","parameters":{}}]"#),
    ("", r#""function_call":"auto""#),
    ("", r#""response_format":{"type":"json_object"}"#),
    (
        r#""response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"properties":{"zebra":{},"apple":{}}}}}"#,
        r#""response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"properties":{"apple":{},"zebra":{}}}}}"#,
    ),
    (
        r#""response_format":{"type":"json_object","schema":{"a":1,"b":2}}"#,
        r#""response_format":{"type":"json_object","schema":{"b":2,"a":1}}"#,
    ),
    (
        r#""functions":[{"name":"f","parameters":{"a":1,"b":2}}]"#,
        r#""functions":[{"name":"f","parameters":{"b":2,"a":1}}]"#,
    ),
    (
        r#""functions":[{"name":"f","parameters":{"minimum":1}}]"#,
        r#""functions":[{"name":"f","parameters":{"minimum":1.0}}]"#,
    ),
    ("", r#""reasoning_effort":"medium""#),
    ("", r#""verbosity":"medium""#),
    ("", r#""modalities":["text","image"]"#),
    ("", r#""prediction":{"type":"content","content":"x"}"#),
    ("", r#""moderation":{"model":"omni-moderation-latest"}"#),
    ("", r#""stream_options":{"unheard_of":1}"#),
    // Fields nobody documents are in the question, null and order included.
    ("", r#""top_k":5"#),
    ("", r#""top_k":null"#),
    ("", r#""chat_template_kwargs":{}"#),
    (r#""provider":{"a":1,"b":2}"#, r#""provider":{"b":2,"a":1}"#),
    (r#""provider":{"a":1}"#, r#""provider":{"a":1.0}"#),
    (
        r#""provider":{"a":1}"#,
        r#""provider":{"a":1,"cache_control":{}}"#,
    ),
    (r#""x":["a-b","c"]"#, r#""x":["a","b-c"]"#),
    (r#""x":[["a"],"b"]"#, r#""x":[["a","b"]]"#),
    (r#""x":"1""#, r#""x":1"#),
    (r#""x":"null""#, r#""x":null"#),
    (r#""x":"t""#, r#""x":true"#),
    (r#""ab":"c""#, r#""a":"bc""#),
];

/// Pairs of members that ask the same question, whatever the upstream.
const SAME: &[(&str, &str)] = &[
    ("", r#""stream":true"#),
    (r#""stream":false"#, r#""stream":true"#),
    (
        "",
        r#""stream_options":{"include_usage":true,"include_obfuscation":false}"#,
    ),
    ("", r#""stream_options":null"#),
    ("", r#""user":"u""#),
    ("", r#""safety_identifier":"s""#),
    ("", r#""metadata":{"who":"a"}"#),
    ("", r#""store":false"#),
    ("", r#""store":null"#),
    ("", r#""prompt_cache_key":"k""#),
    ("", r#""prompt_cache_retention":"24h""#),
    ("", r#""prompt_cache_options":{"a":1}"#),
    ("", r#""cache_control":{"type":"ephemeral"}"#),
    ("", r#""service_tier":"flex""#),
    ("", r#""cache":{"no-cache":true}"#),
    ("", r#""litellm_metadata":{"a":1}"#),
    (r#""stop":"x""#, r#""stop":["x"]"#),
    (r#""stop":["x","y"]"#, r#""stop":["y","x"]"#),
    (
        r#""modalities":["image","text"]"#,
        r#""modalities":["text","image"]"#,
    ),
    (r#""temperature":0.5"#, r#""temperature":5e-1"#),
    (r#""seed":1,"top_k":2"#, r#" "top_k" : 2 , "seed" : 1.0 "#),
    (
        r#""logit_bias":{"1":2,"3":4}"#,
        r#""logit_bias":{"3":4,"1":2}"#,
    ),
    (r#""x":"é""#, r#""x":"\u00e9""#),
    (
        r#""tools":[{"type":"function","function":{"name":"f","description":"d"}}]"#,
        r#""tools":[{"function":{"description":"d","name":"f","cache_control":{}},"type":"function","cache_control":{}}]"#,
    ),
];

/// Pairs of members that ask the same question of an upstream that documents its defaults.
const FOLDED: &[(&str, &str)] = &[
    ("", r#""temperature":1"#),
    ("", r#""temperature":10E-1"#),
    ("", r#""top_p":1.0"#),
    ("", r#""n":1"#),
    ("", r#""presence_penalty":0"#),
    ("", r#""frequency_penalty":-0.0"#),
    ("", r#""logprobs":false"#),
    ("", r#""logit_bias":{}"#),
    ("", r#""response_format":{"type":"text"}"#),
    ("", r#""modalities":["text"]"#),
    ("", r#""tool_choice":"none""#),
];

/// Defaults that hold only beside tools.
const FOLDED_WITH_TOOLS: [&str; 2] = [r#","tool_choice":"auto""#, r#","parallel_tool_calls":true"#];

#[test]
fn members_that_change_the_answer_change_the_question() {
    for rules in [OPENAI, COMPATIBLE] {
        for (left, right) in DIFFERENT {
            assert_ne!(
                question(&with(left), rules),
                question(&with(right), rules),
                "{left} and {right}"
            );
        }
    }
}

#[test]
fn members_that_do_not_change_the_answer_do_not_change_the_question() {
    for rules in [OPENAI, COMPATIBLE] {
        for (left, right) in SAME {
            assert_eq!(
                question(&with(left), rules),
                question(&with(right), rules),
                "{left} and {right}"
            );
        }
    }
}

#[test]
fn documented_defaults_are_folded_where_they_are_documented() {
    let azure = Rules {
        kind: UpstreamKind::Azure,
        ..OPENAI
    };
    let anthropic = Rules {
        kind: UpstreamKind::Anthropic,
        ..OPENAI
    };
    let beside_tools =
        FOLDED_WITH_TOOLS.map(|default| (TOOL.to_owned(), format!("{TOOL}{default}")));
    let pairs = FOLDED
        .iter()
        .map(|(left, right)| ((*left).to_owned(), (*right).to_owned()))
        .chain(beside_tools);
    for (left, right) in pairs {
        let (left, right) = (with(&left), with(&right));
        for rules in [OPENAI, azure] {
            assert_eq!(question(&left, rules), question(&right, rules), "{right}");
        }
        for rules in [COMPATIBLE, anthropic] {
            assert_ne!(question(&left, rules), question(&right, rules), "{right}");
        }
    }
}

#[test]
fn defaults_of_tool_choice_hang_on_the_tools() {
    let choice = |tools: &str, choice: &str| question(&with(&format!("{tools}{choice}")), OPENAI);
    assert_ne!(choice(TOOL, ""), choice(TOOL, r#","tool_choice":"none""#));
    let empty = r#""tools":[]"#;
    for default in [
        r#","tool_choice":"auto""#,
        r#","tool_choice":"none""#,
        r#","parallel_tool_calls":true"#,
    ] {
        assert_ne!(choice(empty, ""), choice(empty, default), "{default}");
    }
    let null = r#""tools":null"#;
    assert_eq!(
        choice(null, r#","tool_choice":"none""#),
        question(&with(""), OPENAI)
    );
}

#[test]
fn null_is_the_same_as_leaving_a_documented_field_out() {
    for rules in [OPENAI, COMPATIBLE] {
        for name in QUESTION
            .iter()
            .filter(|name| !matches!(**name, "model" | "messages"))
        {
            let null = with(&format!(r#""{name}":null"#));
            assert_eq!(question(&null, rules), question(&with(""), rules), "{name}");
        }
    }
}

/// The 37 documented fields, each with a value that is no default, and whether it
/// is in the question.
const DOCUMENTED: [(&str, &str, bool); 37] = [
    ("audio", r#"{"voice":"alloy","format":"wav"}"#, true),
    ("frequency_penalty", "0.5", true),
    ("function_call", r#"{"name":"f"}"#, true),
    ("functions", r#"[{"name":"f"}]"#, true),
    ("logit_bias", r#"{"1":1}"#, true),
    ("logprobs", "true", true),
    ("max_completion_tokens", "9", true),
    ("max_tokens", "9", true),
    ("messages", r#"[{"role":"user","content":"ho"}]"#, true),
    ("metadata", r#"{"a":"b"}"#, false),
    ("modalities", r#"["image"]"#, true),
    ("model", r#""other""#, true),
    ("moderation", r#"{"model":"m"}"#, true),
    ("n", "3", true),
    ("parallel_tool_calls", "false", true),
    ("prediction", r#"{"type":"content","content":"x"}"#, true),
    ("presence_penalty", "0.5", true),
    ("prompt_cache_key", r#""k""#, false),
    ("prompt_cache_options", "{}", false),
    ("prompt_cache_retention", r#""24h""#, false),
    ("reasoning_effort", r#""low""#, true),
    ("response_format", r#"{"type":"json_object"}"#, true),
    ("safety_identifier", r#""s""#, false),
    ("seed", "9", true),
    ("service_tier", r#""flex""#, false),
    ("stop", r#""x""#, true),
    ("store", "false", false),
    ("stream", "true", false),
    ("stream_options", r#"{"include_usage":true}"#, false),
    ("temperature", "0.5", true),
    ("tool_choice", r#""required""#, true),
    (
        "tools",
        r#"[{"type":"function","function":{"name":"f"}}]"#,
        true,
    ),
    ("top_logprobs", "9", true),
    ("top_p", "0.5", true),
    ("user", r#""u""#, false),
    ("verbosity", r#""low""#, true),
    ("web_search_options", "{}", true),
];

#[test]
fn each_documented_field_is_in_the_question_or_named_as_out_of_it() {
    for rules in [OPENAI, COMPATIBLE] {
        let plain = outcome(&with(""), rules);
        for (name, value, in_question) in DOCUMENTED {
            assert_eq!(QUESTION.contains(&name), in_question, "{name}");
            let flipped = match name {
                "model" => with("").replace(r#""m""#, value),
                "messages" => format!(r#"{{"model":"m","messages":{value}}}"#),
                _ => with(&format!(r#""{name}":{value}"#)),
            };
            // A bypass differs from every question.
            assert_eq!(outcome(&flipped, rules) != plain, in_question, "{name}");
        }
    }
    assert!(
        QUESTION
            .iter()
            .all(|name| !ASIDE.contains(name) && !is_control_field(name))
    );
}

/// Pairs of messages that are different questions, whatever the upstream.
const DIFFERENT_MESSAGES: &[(&str, &str)] = &[
    (
        r#"{"role":"user","content":"US"}"#,
        r#"{"role":"user","content":"us"}"#,
    ),
    (
        r#"{"role":"user","content":"a"}"#,
        r#"{"role":"user","content":"a "}"#,
    ),
    (
        r#"{"role":"user","content":"é"}"#,
        r#"{"role":"user","content":"e\u0301"}"#,
    ),
    (
        r#"{"role":"system","content":"a"}"#,
        r#"{"role":"developer","content":"a"}"#,
    ),
    (
        r#"{"role":"user","content":"a"}"#,
        r#"{"role":"user","content":"a","name":"b"}"#,
    ),
    (
        r#"{"role":"assistant","content":null}"#,
        r#"{"role":"assistant","content":""}"#,
    ),
    (
        r#"{"role":"assistant","content":null}"#,
        r#"{"role":"assistant"}"#,
    ),
    (
        r#"{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}"#,
        r#"{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{ }"}}]}"#,
    ),
    (
        r#"{"role":"tool","tool_call_id":"1","content":"a"}"#,
        r#"{"role":"tool","tool_call_id":"2","content":"a"}"#,
    ),
    (
        r#"{"role":"assistant","refusal":"a"}"#,
        r#"{"role":"assistant","refusal":"b"}"#,
    ),
    (
        r#"{"role":"assistant","content":"","function_call":{"name":"a","arguments":""}}"#,
        r#"{"role":"assistant","content":"","function_call":{"name":"b","arguments":""}}"#,
    ),
    (
        r#"{"role":"assistant","prefix":true,"content":"a"}"#,
        r#"{"role":"assistant","content":"a"}"#,
    ),
    (
        r#"{"role":"assistant","unheard_of":{"a":1,"b":2}}"#,
        r#"{"role":"assistant","unheard_of":{"b":2,"a":1}}"#,
    ),
    (
        r#"{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#,
        r#"{"role":"user","content":[{"type":"text","text":"b"},{"type":"text","text":"a"}]}"#,
    ),
    (
        r#"{"role":"user","content":[{"type":"text","text":"a","unheard_of":1}]}"#,
        r#"{"role":"user","content":"a"}"#,
    ),
    (
        r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,a","detail":"low"}}]}"#,
        r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,a"}}]}"#,
    ),
];

#[test]
fn messages_that_differ_are_different_questions() {
    for rules in [OPENAI, COMPATIBLE] {
        for (left, right) in DIFFERENT_MESSAGES {
            let ask =
                |message| question(&format!(r#"{{"model":"m","messages":[{message}]}}"#), rules);
            assert_ne!(ask(left), ask(right), "{left} and {right}");
        }
        let order = |first, second| {
            question(
                &format!(
                    r#"{{"model":"m","messages":[{{"role":"user","content":"{first}"}},{{"role":"user","content":"{second}"}}]}}"#
                ),
                rules,
            )
        };
        assert_ne!(order("a", "b"), order("b", "a"));
    }
    assert_ne!(
        question(&with(""), OPENAI),
        question(&with("").replace(r#""m""#, r#""M""#), OPENAI)
    );
}

#[test]
fn marks_for_the_prefix_cache_are_not_in_the_question() {
    let plain = r#"[{"type":"text","text":"a"},{"type":"text","text":"b"}]"#;
    let marked = r#"[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"text":"b","prompt_cache_breakpoint":{"x":1},"type":"text"}]"#;
    for rules in [OPENAI, COMPATIBLE] {
        assert_eq!(
            question(&saying(plain), rules),
            question(&saying(marked), rules)
        );
    }
    let in_message = r#"{"model":"m","messages":[{"role":"user","content":"hi","cache_control":{"type":"ephemeral"}}]}"#;
    assert_eq!(
        question(in_message, COMPATIBLE),
        question(&with(""), COMPATIBLE)
    );
    // In a schema it is somebody's property.
    let property = TOOL.replace(r#""zebra":{}"#, r#""zebra":{},"cache_control":{}"#);
    assert_ne!(
        question(&with(TOOL), OPENAI),
        question(&with(&property), OPENAI)
    );
}

#[test]
fn a_text_alone_is_one_part_of_text_where_templates_agree() {
    let text = saying(r#""hi""#);
    for part in [
        r#"[{"type":"text","text":"hi"}]"#,
        r#"[{"text":"hi","type":"text","cache_control":{"type":"ephemeral"}}]"#,
    ] {
        assert_eq!(question(&text, OPENAI), question(&saying(part), OPENAI));
        assert_ne!(
            question(&text, COMPATIBLE),
            question(&saying(part), COMPATIBLE)
        );
    }
}

#[test]
fn the_default_detail_of_an_image_is_folded_where_it_is_documented() {
    let auto = saying(r#"[{"type":"image_url","image_url":{"url":"data:,a","detail":"auto"}}]"#);
    let none = saying(r#"[{"type":"image_url","image_url":{"url":"data:,a"}}]"#);
    assert_eq!(question(&auto, OPENAI), question(&none, OPENAI));
    assert_ne!(question(&auto, COMPATIBLE), question(&none, COMPATIBLE));
}

#[test]
fn the_order_of_a_schema_is_in_the_question() {
    let swapped = TOOL.replace(r#""zebra":{},"apple":{}"#, r#""apple":{},"zebra":{}"#);
    assert_ne!(swapped, TOOL);
    for rules in [OPENAI, COMPATIBLE] {
        assert_ne!(
            question(&with(TOOL), rules),
            question(&with(&swapped), rules)
        );
    }
}

#[test]
fn what_cannot_be_repeated_is_not_identified() {
    let cases: &[(&str, Bypass)] = &[
        (r#""store":true"#, Bypass::Stateful),
        (r#""store":"yes""#, Bypass::Stateful),
        (r#""web_search_options":{}"#, Bypass::Volatile),
        (r#""search_parameters":{"mode":"auto"}"#, Bypass::Volatile),
        (r#""plugins":[{"id":"web"}]"#, Bypass::Volatile),
        (r#""models":["a","b:online"]"#, Bypass::Volatile),
        (r#""tools":[{"type":"web_search"}]"#, Bypass::HostedTool),
        (r#""modalities":["text","audio"]"#, Bypass::AudioOutput),
        (
            r#""audio":{"voice":"alloy","format":"wav"}"#,
            Bypass::AudioOutput,
        ),
        (r#""stream":"yes""#, Bypass::Invalid),
        (r#""stream_options":[]"#, Bypass::Invalid),
        (r#""x":1,"x":2"#, Bypass::Uncanonical),
        (r#""x":"\ud800""#, Bypass::Uncanonical),
        (r#""x":NaN"#, Bypass::Uncanonical),
    ];
    for (members, expected) in cases {
        assert_eq!(outcome(&with(members), OPENAI), Err(*expected), "{members}");
    }
    for model in [
        "gpt-4o-search-preview",
        "gpt-4o-mini-search-preview-2025-03-11",
        "o3-deep-research",
        "o4-mini-deep-research-2025-06-26",
        "gpt-5-search-api",
        "openai/gpt-4o:online",
    ] {
        let body = with("").replace(r#""m""#, &format!(r#""{model}""#));
        assert_eq!(outcome(&body, OPENAI), Err(Bypass::Volatile), "{model}");
    }
}

#[test]
fn content_behind_an_address_is_not_identified_unless_allowed() {
    let allowed = Rules {
        remote_references: true,
        ..OPENAI
    };
    let remote = [
        r#"[{"type":"image_url","image_url":{"url":"https://a/b.png"}}]"#,
        r#"[{"type":"image_url","image_url":{"url":" HTTP://a/b.png"}}]"#,
        r#"[{"type":"image_url","image_url":{"url":"http:a/b.png"}}]"#,
        r#"[{"type":"image_url","image_url":"https://a/b.png"}]"#,
        r#"[{"type":"video_url","video_url":{"url":"gs://a/b"}}]"#,
        r#"[{"type":"document_url","document_url":"https://a/b.pdf"}]"#,
        r#"[{"type":"file_url","file_url":{"url":"file:///etc/x"}}]"#,
        r#"[{"type":"file","file":{"file_id":"file-1"}}]"#,
        r#"[{"type":"file","file":{"file_data":"https://a/b.pdf"}}]"#,
        r#"[{"type":"image","source":{"type":"url","url":"https://a"}}]"#,
    ];
    for content in remote {
        assert_eq!(
            outcome(&saying(content), OPENAI),
            Err(Bypass::RemoteReference),
            "{content}"
        );
        assert!(outcome(&saying(content), allowed).is_ok(), "{content}");
    }
    let inline = [
        r#""see https://example.com""#,
        r#"[{"type":"text","text":"https://example.com"}]"#,
        r#"[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]"#,
        r#"[{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}]"#,
        r#"[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}}]"#,
    ];
    for content in inline {
        assert!(outcome(&saying(content), OPENAI).is_ok(), "{content}");
    }
    let spoken = r#"{"model":"m","messages":[{"role":"assistant","audio":{"id":"audio_1"}}]}"#;
    assert_eq!(outcome(spoken, allowed), Err(Bypass::AudioOutput));
}

#[test]
fn a_request_without_model_or_messages_is_left_to_the_upstream() {
    let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
    let invalid = [
        "[]".to_owned(),
        "1".to_owned(),
        "{}".to_owned(),
        format!("{{{messages}}}"),
        format!(r#"{{"model":"",{messages}}}"#),
        format!(r#"{{"model":1,{messages}}}"#),
        format!(r#"{{"model":null,{messages}}}"#),
        r#"{"model":"m"}"#.to_owned(),
        r#"{"model":"m","messages":[]}"#.to_owned(),
        r#"{"model":"m","messages":"hi"}"#.to_owned(),
        r#"{"model":"m","messages":["hi"]}"#.to_owned(),
    ];
    for body in invalid {
        assert_eq!(outcome(&body, OPENAI), Err(Bypass::Invalid), "{body}");
    }
    let azure = Rules {
        model_in_address: true,
        ..OPENAI
    };
    assert!(outcome(&format!("{{{messages}}}"), azure).is_ok());
    assert!(outcome(&format!(r#"{{"models":["a","b"],{messages}}}"#), COMPATIBLE).is_ok());
}
