//! What is told of a request is what its key does.

use proptest::prelude::*;

use super::super::{Batch, Bypass, Canonical, generation};
use super::*;
use crate::wire::UpstreamKind;
use crate::wire::json::parse;

const KINDS: [UpstreamKind; 3] = [
    UpstreamKind::OpenAi,
    UpstreamKind::Anthropic,
    UpstreamKind::Compatible,
];

/// Members of requests, with some values each.
type Choices = &'static [(&'static str, &'static [&'static str])];

/// Those of chat requests.
const CHAT: Choices = &[
    ("temperature", &["1", "0.5", "null", "1.0e0"]),
    ("n", &["1", "2"]),
    ("stream", &["true", "false"]),
    (
        "stream_options",
        &[
            r#"{"include_usage":true}"#,
            r#"{"include_usage":true,"odd":1}"#,
        ],
    ),
    ("user", &[r#""u""#]),
    ("metadata", &[r#"{"a":"b"}"#]),
    ("store", &["false", "null"]),
    ("service_tier", &[r#""flex""#]),
    ("prompt_cache_key", &[r#""k""#]),
    ("seed", &["1", "18446744073709551617", "null"]),
    ("stop", &[r#""x""#, r#"["b","a"]"#]),
    ("top_k", &["5", "null"]),
    ("logit_bias", &["{}", r#"{"5":-1.50}"#]),
    (
        "response_format",
        &[r#"{"type":"text"}"#, r#"{"type":"json_object"}"#],
    ),
    (
        "tools",
        &[
            r#"[{"type":"function","function":{"name":"f","parameters":{"z":1,"a":2}},"cache_control":{}}]"#,
        ],
    ),
    ("tool_choice", &[r#""auto""#, r#""none""#]),
    ("parallel_tool_calls", &["true", "false"]),
    ("max_tokens", &["9"]),
];

const EMBEDDING: Choices = &[
    ("dimensions", &["256", "256.0", "null"]),
    ("encoding_format", &[r#""float""#, r#""base64""#]),
    ("user", &[r#""u""#]),
    ("input_type", &[r#""query""#, "null"]),
];

const MODERATION: Choices = &[
    (
        "model",
        &[r#""omni-moderation-latest""#, r#""other""#, "null"],
    ),
    ("user", &[r#""u""#]),
    ("odd", &["1", "null"]),
];

const RESPONSE: Choices = &[
    ("temperature", &["1", "0.5", "null", "1.0e0"]),
    ("stream", &["true", "false"]),
    ("stream_options", &[r#"{"include_obfuscation":true}"#]),
    ("user", &[r#""u""#]),
    ("metadata", &[r#"{"a":"b"}"#]),
    ("store", &["true", "false", "null"]),
    ("background", &["false"]),
    ("safety_identifier", &[r#""s""#]),
    ("prompt_cache_retention", &[r#""24h""#]),
    ("include", &["[]", r#"["b","a"]"#]),
    ("truncation", &[r#""disabled""#, r#""auto""#]),
    (
        "text",
        &[
            r#"{"format":{"type":"text"}}"#,
            r#"{"format":{"type":"text"},"verbosity":"low"}"#,
            r#"{"format":{"type":"json_schema","schema":{"z":1,"a":2}}}"#,
        ],
    ),
    (
        "tools",
        &[
            "[]",
            r#"[{"type":"function","name":"f","parameters":{"z":1,"a":2},"cache_control":{}}]"#,
        ],
    ),
    ("tool_choice", &[r#""auto""#, r#""none""#]),
    ("parallel_tool_calls", &["true", "false"]),
    ("max_output_tokens", &["9"]),
    ("reasoning", &[r#"{"effort":"low"}"#, "null"]),
    ("odd", &["1", "null"]),
];

const COMPLETION: Choices = &[
    ("best_of", &["1", "3", "null"]),
    ("echo", &["false", "true"]),
    ("logprobs", &["0", "null"]),
    ("max_tokens", &["16", "1.6e1", "9"]),
    ("n", &["1", "2", "null"]),
    ("stop", &[r#""x""#, r#"["b","a"]"#]),
    ("stream", &["true"]),
    ("stream_options", &[r#"{"include_usage":true}"#]),
    ("suffix", &[r#""""#]),
    ("top_k", &["5", "null"]),
    ("user", &[r#""u""#]),
];

const MESSAGE: Choices = &[
    ("temperature", &["1", "0.50", "null"]),
    ("stream", &["true", "false"]),
    ("metadata", &[r#"{"user_id":"u"}"#]),
    ("service_tier", &[r#""auto""#]),
    ("cache_control", &[r#"{"type":"ephemeral"}"#]),
    (
        "system",
        &[
            r#""s""#,
            r#"[{"type":"text","text":"s","cache_control":{}}]"#,
        ],
    ),
    (
        "tools",
        &[r#"[{"name":"f","input_schema":{"z":1,"a":2.0},"cache_control":{}}]"#],
    ),
    ("tool_choice", &[r#"{"type":"auto"}"#]),
    ("thinking", &[r#"{"type":"disabled"}"#, "null"]),
    ("stop_sequences", &[r#"["b","a"]"#]),
    (
        "output_config",
        &[r#"{"format":{"type":"json_schema","schema":{"z":1,"a":2}}}"#],
    ),
    ("unheard_of", &["1", r#"{"z":1.0}"#]),
];

const RERANK: Choices = &[
    ("top_n", &["1", "1.0", "null"]),
    ("return_documents", &["true", "false"]),
    ("user", &[r#""u""#]),
    ("odd", &["1", "null"]),
];

const SPEECH: Choices = &[
    ("speed", &["1", "1.5", "null"]),
    ("response_format", &[r#""mp3""#, r#""wav""#]),
    ("odd", &["1", "null"]),
];

/// An operation, what its requests begin with, and the members they may have.
const FAMILIES: [(Operation, &str, Choices); 8] = [
    (
        Operation::Chat,
        r#""model":"m","messages":[{"role":"system","content":[{"type":"text","text":"s","cache_control":{}}]},{"role":"user","content":"hi"}]"#,
        CHAT,
    ),
    (
        Operation::Embedding,
        r#""model":"m","input":["a","b"]"#,
        EMBEDDING,
    ),
    (Operation::Moderation, r#""input":"a""#, MODERATION),
    (
        Operation::Response,
        r#""model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"s","cache_control":{}}]}]"#,
        RESPONSE,
    ),
    (
        Operation::Completion,
        r#""model":"m","prompt":["a"]"#,
        COMPLETION,
    ),
    (
        Operation::Message,
        r#""model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"s","cache_control":{}}]}]"#,
        MESSAGE,
    ),
    (
        Operation::Rerank,
        r#""model":"m","query":"q","documents":["a",{"text":"b"}]"#,
        RERANK,
    ),
    (
        Operation::Speech,
        r#""model":"m","input":"a","voice":"alloy""#,
        SPEECH,
    ),
];

fn rules(kind: UpstreamKind) -> Rules {
    Rules::of(kind)
}

/// What the key of a request is made of.
fn question(
    operation: Operation,
    body: &Json<'_>,
    kind: UpstreamKind,
) -> Result<(Canonical, Vec<Canonical>), Bypass> {
    let parts = |batch: Batch| (batch.shared, batch.items);
    match operation {
        Operation::Chat => chat::identify(body, rules(kind)).map(|one| (one, Vec::new())),
        Operation::Response => response::identify(body, rules(kind)).map(|one| (one, Vec::new())),
        Operation::Completion => {
            completion::identify(body, rules(kind)).map(|one| (one, Vec::new()))
        }
        Operation::Message => message::identify(body, message::Wanted::Message, rules(kind))
            .map(|one| (one, Vec::new())),
        Operation::Embedding => embedding::identify(body, rules(kind)).map(parts),
        Operation::Moderation => moderation::identify(body, rules(kind)).map(parts),
        Operation::Rerank => rerank::identify(body, rules(kind)).map(|one| (one, Vec::new())),
        Operation::Speech => speech::identify(body, rules(kind)).map(|one| (one, Vec::new())),
        Operation::Models
        | Operation::Passthrough
        | Operation::TokenCount
        | Operation::Transcription
        | Operation::Translation => Err(Bypass::Invalid),
    }
}

fn text_of(value: &Json<'_>) -> String {
    let mut out = Vec::new();
    value.write(&mut out);
    String::from_utf8(out).unwrap()
}

fn told(operation: Operation, text: &str, kind: UpstreamKind) -> Explanation {
    explain(operation, &parse(text.as_bytes()).unwrap(), rules(kind)).unwrap()
}

proptest! {
    /// A member said to be in the key changes it by going; one said to be out does not.
    #[test]
    fn what_is_told_of_a_member_is_what_the_key_does(
        picks in proptest::collection::vec((0_usize..5, any::<bool>()), 18),
        family in 0..FAMILIES.len(),
        folds in 0..KINDS.len(),
    ) {
        let (operation, start, choices) = FAMILIES[family];
        let kind = KINDS[folds];
        let members: Vec<String> = choices
            .iter()
            .zip(&picks)
            .filter(|(_, (_, there))| *there)
            .map(|((name, values), (at, _))| format!(r#""{name}":{}"#, values[at % values.len()]))
            .collect();
        let text = |members: &[String]| {
            let all: Vec<&str> =
                std::iter::once(start).chain(members.iter().map(String::as_str)).collect();
            format!("{{{}}}", all.join(","))
        };
        let whole = text(&members);
        let body = parse(whole.as_bytes()).unwrap();
        let with = question(operation, &body, kind);
        let told = told(operation, &whole, kind);
        for at in 0..members.len() {
            let name = members[at].split('"').nth(1).unwrap().to_owned();
            // Others hang on whether there are tools.
            if name == "tools" {
                continue;
            }
            let mut fewer = members.clone();
            fewer.remove(at);
            let fewer = text(&fewer);
            let without = question(operation, &parse(fewer.as_bytes()).unwrap(), kind);
            let is_out = told.defaulted.contains(&name)
                || told.left_out.iter().any(|out| out.field == name);
            prop_assert_eq!(is_out, told.canonical.get(&name).is_none(), "{} in {}", name, whole);
            prop_assert_eq!(is_out, with == without, "{} in {}", name, whole);
        }
        // What is shown is a question of its own: the same one.
        let shown = text_of(&told.canonical);
        prop_assert_eq!(question(operation, &parse(shown.as_bytes()).unwrap(), kind), with);
    }
}

#[test]
fn marks_inside_are_told_with_their_place() {
    let told = told(
        Operation::Chat,
        r#"{"model":"m","messages":[
            {"role":"system","content":[{"type":"text","text":"s","cache_control":{}}]},
            {"role":"user","cache_control":{},"content":[
                {"type":"text","text":"look"},
                {"type":"image_url","image_url":{"url":"data:,a","detail":"auto"}}]}]}"#,
        UpstreamKind::OpenAi,
    );
    let fields: Vec<_> = told.left_out.iter().map(|out| out.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "messages[0].content[0].cache_control",
            "messages[1].cache_control"
        ]
    );
    assert_eq!(told.defaulted, ["messages[1].content[1].image_url.detail"]);
}

#[test]
fn what_goes_without_saying_in_a_response_is_told_with_its_place() {
    let told = told(
        Operation::Response,
        r#"{"model":"m","input":[{"type":"message","role":"user","content":[
            {"type":"input_text","text":"s","cache_control":{}}]}],"store":true,
            "background":false,"text":{"format":{"type":"text"},"verbosity":"low"}}"#,
        UpstreamKind::OpenAi,
    );
    assert_eq!(told.defaulted, ["input[0].type", "store", "text.format"]);
    let fields: Vec<_> = told.left_out.iter().map(|out| out.field.as_str()).collect();
    assert_eq!(fields, ["input[0].content[0].cache_control", "background"]);
    assert_eq!(
        text_of(&told.canonical),
        r#"{"input":[{"content":"s","role":"user"}],"model":"m","text":{"verbosity":"low"}}"#
    );
}

#[test]
fn numbers_are_shown_in_one_spelling() {
    let shown = |temperature: &str| {
        let text = format!(r#"{{"model":"m","messages":[],"temperature":{temperature}}}"#);
        let told = told(Operation::Chat, &text, UpstreamKind::Compatible);
        text_of(told.canonical.get("temperature").unwrap())
    };
    for (written, read) in [
        ("0.70", "0.7"),
        ("7E-1", "0.7"),
        ("-12.50", "-12.5"),
        ("1.0", "1"),
        ("1200", "1200"),
        ("0.00", "0"),
        ("1e99", "1e99"),
        ("5e-3", "0.005"),
    ] {
        assert_eq!(shown(written), read);
    }
}

#[test]
fn every_member_that_is_out_has_a_reason() {
    let all = generation::ASIDE.iter().chain(&embedding::ASIDE);
    for name in all.chain(&response::ASIDE).chain(&message::ASIDE) {
        if *name != "input" {
            assert_ne!(reason::of(name), reason::UNTOLD, "{name}");
        }
    }
}
