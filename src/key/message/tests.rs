//! Which requests are the same question, and which have no key.

use super::*;
use crate::wire::json::parse;

fn key(kind: UpstreamKind, text: &str) -> Result<Canonical, Bypass> {
    let body = parse(text.as_bytes()).unwrap();
    identify(&body, Wanted::Message, Rules::of(kind))
}

/// A request with these members besides what every one has.
fn with(members: &str) -> String {
    format!(
        r#"{{"model":"claude","max_tokens":9,"messages":[{{"role":"user","content":"Hi"}}]{members}}}"#
    )
}

fn asked(content: &str) -> String {
    format!(
        r#"{{"model":"claude","max_tokens":9,"messages":[{{"role":"user","content":{content}}}]}}"#
    )
}

fn of(text: &str) -> Result<Canonical, Bypass> {
    key(UpstreamKind::Anthropic, text)
}

#[track_caller]
fn assert_same(left: &str, right: &str) {
    assert_eq!(of(left).unwrap(), of(right).unwrap(), "{left} {right}");
}

#[track_caller]
fn assert_differ(left: &str, right: &str) {
    assert_ne!(of(left).unwrap(), of(right).unwrap(), "{left} {right}");
}

#[test]
fn what_names_the_caller_or_steers_the_transport_is_out() {
    let plain = with("");
    for members in [
        r#","stream":true"#,
        r#","stream":false"#,
        r#","metadata":{"user_id":"u"}"#,
        r#","service_tier":"auto""#,
        r#","cache_control":{"type":"ephemeral"}"#,
    ] {
        assert_same(&plain, &with(members));
    }
}

#[test]
fn marks_for_the_prefix_cache_are_out_wherever_they_may_stand() {
    let mark = r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#;
    for marked in [
        r#"[{"type":"text","text":"a"MARK},{"type":"text","text":"b"}]"#,
        r#"[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}MARK}]"#,
        r#"[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"r"MARK}]MARK}]"#,
        r#"[{"type":"tool_use","id":"t","name":"f","input":{"a":1}MARK}]"#,
        r#"[{"type":"document","source":{"type":"content","content":[{"type":"text","text":"d"MARK}]}MARK}]"#,
    ] {
        let (with_it, without) = (marked.replace("MARK", mark), marked.replace("MARK", ""));
        assert_same(&asked(&with_it), &asked(&without));
    }
    for marked in [
        r#","system":[{"type":"text","text":"a"MARK},{"type":"text","text":"b"}]"#,
        r#","tools":[{"name":"f","input_schema":{"type":"object"}MARK}]"#,
    ] {
        let (with_it, without) = (marked.replace("MARK", mark), marked.replace("MARK", ""));
        assert_same(&with(&with_it), &with(&without));
    }
    // There it is somebody's own property.
    assert_differ(
        &asked(r#"[{"type":"tool_use","id":"t","name":"f","input":{"cache_control":1}}]"#),
        &asked(r#"[{"type":"tool_use","id":"t","name":"f","input":{}}]"#),
    );
    assert_differ(
        &with(r#","tools":[{"name":"f","input_schema":{"properties":{"cache_control":{}}}}]"#),
        &with(r#","tools":[{"name":"f","input_schema":{"properties":{}}}]"#),
    );
}

#[test]
fn a_text_alone_is_one_block_of_text_where_that_is_documented() {
    let pairs = [
        (asked(r#""Hi""#), asked(r#"[{"type":"text","text":"Hi"}]"#)),
        (
            with(r#","system":"Be brief.""#),
            with(
                r#","system":[{"text":"Be brief.","type":"text","cache_control":{"type":"ephemeral"}}]"#,
            ),
        ),
    ];
    for (text, block) in &pairs {
        assert_same(text, block);
        let elsewhere = |text| key(UpstreamKind::Compatible, text).unwrap();
        assert_ne!(elsewhere(text), elsewhere(block));
    }
    for block in [
        r#"[{"type":"text","text":"Hi","citations":null}]"#,
        r#"[{"type":"text","text":"H"},{"type":"text","text":"i"}]"#,
        r#"[{"type":"text","text":"hi"}]"#,
    ] {
        assert_differ(&asked(r#""Hi""#), &asked(block));
    }
}

#[test]
fn everything_else_is_in() {
    let plain = with("");
    for members in [
        r#","temperature":1"#,
        r#","top_p":1"#,
        r#","top_k":5"#,
        r#","stop_sequences":["a"]"#,
        r#","system":"s""#,
        r#","system":null"#,
        r#","tools":[]"#,
        r#","tool_choice":{"type":"auto"}"#,
        r#","thinking":{"type":"disabled"}"#,
        r#","output_config":{"effort":"low"}"#,
        r#","inference_geo":"us""#,
        r#","context_management":{"edits":[]}"#,
        r#","unheard_of":1"#,
    ] {
        assert_differ(&plain, &with(members));
    }
    assert_differ(
        &with(r#","stop_sequences":["a","b"]"#),
        &with(r#","stop_sequences":["b","a"]"#),
    );
    assert_differ(
        &with(r#","tools":[{"name":"f","input_schema":{}}]"#),
        &with(r#","tools":[{"name":"f","input_schema":{},"type":"custom"}]"#),
    );
    assert_same(&with(r#","temperature":1"#), &with(r#","temperature":1.0"#));
    assert_same(
        &with(r#","thinking":{"type":"enabled","budget_tokens":1024}"#),
        &with(r#","thinking":{"budget_tokens":1024,"type":"enabled"}"#),
    );
}

#[test]
fn schemas_and_inputs_are_taken_as_they_were_written() {
    for (left, right) in [
        (
            with(r#","tools":[{"name":"f","input_schema":{"a":1,"b":2}}]"#),
            with(r#","tools":[{"name":"f","input_schema":{"b":2,"a":1}}]"#),
        ),
        (
            with(r#","output_config":{"format":{"type":"json_schema","schema":{"a":1,"b":2}}}"#),
            with(r#","output_config":{"format":{"type":"json_schema","schema":{"b":2,"a":1}}}"#),
        ),
        (
            asked(r#"[{"type":"tool_use","id":"t","name":"f","input":{"a":1,"b":2}}]"#),
            asked(r#"[{"type":"tool_use","id":"t","name":"f","input":{"b":2,"a":1}}]"#),
        ),
        (
            asked(r#"[{"type":"tool_use","id":"t","name":"f","input":{"a":1.0}}]"#),
            asked(r#"[{"type":"tool_use","id":"t","name":"f","input":{"a":1}}]"#),
        ),
        (
            with(r#","unheard_of":{"a":1,"b":2}"#),
            with(r#","unheard_of":{"b":2,"a":1}"#),
        ),
    ] {
        assert_differ(&left, &right);
    }
    assert_same(
        &with(r#","output_config":{"effort":"low","format":{"type":"json_schema","schema":{}}}"#),
        &with(r#","output_config":{"format":{"schema":{},"type":"json_schema"},"effort":"low"}"#),
    );
}

#[test]
fn what_the_provider_runs_or_keeps_is_not_identified() {
    for (members, bypass) in [
        (r#","container":"c_1""#, Bypass::Stateful),
        (r#","container":{"skills":[]}"#, Bypass::Stateful),
        (
            r#","mcp_servers":[{"type":"url","url":"https://e","name":"m"}]"#,
            Bypass::HostedTool,
        ),
        (
            r#","tools":[{"type":"web_search_20250305","name":"web_search"}]"#,
            Bypass::HostedTool,
        ),
        (
            r#","tools":[{"name":"f","input_schema":{}},{"type":"code_execution_20250825","name":"c"}]"#,
            Bypass::HostedTool,
        ),
        (r#","tools":[{"type":1,"name":"c"}]"#, Bypass::HostedTool),
        (r#","stream":"yes""#, Bypass::Invalid),
        (r#","metadata":"u""#, Bypass::Invalid),
        (r#","service_tier":1"#, Bypass::Invalid),
        (r#","cache_control":true"#, Bypass::Invalid),
    ] {
        assert_eq!(of(&with(members)), Err(bypass), "{members}");
    }
    for members in [
        r#","container":null,"mcp_servers":[]"#,
        r#","tools":[{"name":"f","input_schema":{},"type":"custom"},{"name":"g","type":null}]"#,
    ] {
        assert!(of(&with(members)).is_ok(), "{members}");
    }
    for text in [
        "[]",
        r#"{"model":"m","max_tokens":1}"#,
        r#"{"model":"m","max_tokens":1,"messages":[]}"#,
        r#"{"model":"m","max_tokens":1,"messages":["x"]}"#,
        r#"{"max_tokens":1,"messages":[{}]}"#,
        r#"{"model":"m","messages":[{}]}"#,
        r#"{"model":"m","max_tokens":"1","messages":[{}]}"#,
        r#"{"model":"m","max_tokens":0,"messages":[{}]}"#,
    ] {
        assert_eq!(of(text), Err(Bypass::Invalid), "{text}");
    }
}

#[test]
fn a_count_of_tokens_needs_no_limit() {
    let body = parse(br#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#).unwrap();
    let rules = Rules::of(UpstreamKind::Anthropic);
    assert!(identify(&body, Wanted::TokenCount, rules).is_ok());
    assert_eq!(
        identify(&body, Wanted::Message, rules),
        Err(Bypass::Invalid)
    );
}

#[test]
fn what_is_behind_an_address_is_not_identified_unless_the_operator_allows_it() {
    for content in [
        r#"[{"type":"image","source":{"type":"url","url":"https://e/a.png"}}]"#,
        r#"[{"type":"document","source":{"type":"file","file_id":"file_1"}}]"#,
        r#"[{"type":"container_upload","file_id":"file_1"}]"#,
        r#"[{"type":"image","source":{"url":"https://e/a.png"}}]"#,
        r#"[{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"url","url":"https://e"}}]}]"#,
        r#"[{"type":"document","source":{"type":"content","content":[{"type":"image","source":{"type":"file","file_id":"f"}}]}}]"#,
    ] {
        let text = asked(content);
        assert_eq!(of(&text), Err(Bypass::RemoteReference), "{content}");
        let body = parse(text.as_bytes()).unwrap();
        let rules = Rules {
            remote_references: true,
            ..Rules::of(UpstreamKind::Anthropic)
        };
        assert!(identify(&body, Wanted::Message, rules).is_ok());
    }
    for content in [
        r#"[{"type":"tool_use","id":"t","name":"f","input":{"url":"https://e","file_id":"f"}}]"#,
        r#"[{"type":"search_result","source":"https://e","title":"t","content":[{"type":"text","text":"x"}]}]"#,
        r#"[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"note: x"}}]"#,
        r#"[{"type":"text","text":"x","citations":[{"type":"web_search_result_location","url":"https://e"}]}]"#,
    ] {
        assert!(of(&asked(content)).is_ok(), "{content}");
    }
}
