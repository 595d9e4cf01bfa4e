//! Which requests for a response are the same question, and which have no key.

use super::*;
use crate::wire::UpstreamKind;
use crate::wire::json::parse;

fn read(members: &str, kind: UpstreamKind) -> Result<Canonical, Bypass> {
    let text = format!("{{\"model\":\"m\"{members}}}");
    identify(&parse(text.as_bytes()).unwrap(), Rules::of(kind))
}

fn openai(members: &str) -> Canonical {
    read(members, UpstreamKind::OpenAi).unwrap()
}

fn compatible(members: &str) -> Canonical {
    read(members, UpstreamKind::Compatible).unwrap()
}

fn bypass(members: &str) -> Bypass {
    read(members, UpstreamKind::OpenAi).unwrap_err()
}

const PLAIN: &str = r#","input":"x""#;

#[test]
fn what_only_names_the_caller_or_the_transport_is_no_other_question() {
    for aside in [
        r#""stream":true"#,
        r#""stream_options":{"include_obfuscation":false}"#,
        r#""background":false"#,
        r#""metadata":{"a":"b"}"#,
        r#""user":"u""#,
        r#""safety_identifier":"s""#,
        r#""prompt_cache_key":"k""#,
        r#""prompt_cache_retention":"24h""#,
        r#""prompt_cache_options":{"ttl":5}"#,
        r#""service_tier":"flex""#,
        r#""temperature":null"#,
    ] {
        let with = format!("{PLAIN},{aside}");
        assert_eq!(openai(&with), openai(PLAIN), "{aside}");
        assert_eq!(compatible(&with), compatible(PLAIN), "{aside}");
    }
}

#[test]
fn documented_defaults_are_folded_where_they_are_documented() {
    for default in [
        r#""temperature":1.0"#,
        r#""top_p":1"#,
        r#""truncation":"disabled""#,
        r#""parallel_tool_calls":true"#,
        r#""tool_choice":"auto""#,
        r#""tools":[]"#,
        r#""include":[]"#,
        r#""store":true"#,
        r#""text":{"format":{"type":"text"}}"#,
        r#""text":{}"#,
    ] {
        let with = format!("{PLAIN},{default}");
        assert_eq!(openai(&with), openai(PLAIN), "{default}");
        assert_ne!(compatible(&with), compatible(PLAIN), "{default}");
    }
    let verbosity =
        |format: &str| openai(&format!(r#"{PLAIN},"text":{{{format}"verbosity":"low"}}"#));
    assert_eq!(verbosity(r#""format":{"type":"text"},"#), verbosity(""));
}

#[test]
fn what_changes_the_answer_is_another_question() {
    let all = [
        r#""store":false"#,
        r#""temperature":0"#,
        r#""instructions":"i""#,
        r#""reasoning":{"effort":"low"}"#,
        r#""reasoning":{}"#,
        r#""include":["reasoning.encrypted_content"]"#,
        r#""max_output_tokens":9"#,
        r#""text":{"verbosity":"low"}"#,
        r#""text":{"format":{"type":"json_schema","name":"n","schema":{"a":1,"b":2}}}"#,
        r#""text":{"format":{"type":"json_schema","name":"n","schema":{"b":2,"a":1}}}"#,
        r#""tools":[{"type":"function","name":"f","parameters":{"a":1,"b":2}}]"#,
        r#""tools":[{"type":"function","name":"f","parameters":{"b":2,"a":1}}]"#,
        r#""stream_options":{"odd":1}"#,
        r#""top_k":5"#,
    ];
    let mut seen = vec![openai(PLAIN)];
    for one in all {
        let with = openai(&format!("{PLAIN},{one}"));
        assert!(!seen.contains(&with), "{one}");
        seen.push(with);
    }
}

#[test]
fn the_order_of_sets_and_the_marks_of_a_prefix_cache_do_not_matter() {
    let include = |list: &str| openai(&format!(r#"{PLAIN},"include":[{list}]"#));
    assert_eq!(include(r#""a","b""#), include(r#""b","a""#));
    let marked = r#","input":[{"role":"user","content":[
        {"type":"input_text","text":"x","prompt_cache_breakpoint":{"mode":"explicit"}}]}]"#;
    assert_eq!(openai(marked), openai(PLAIN));
    let tool = |mark: &str| {
        openai(&format!(
            r#"{PLAIN},"tools":[{{"type":"function","name":"f"{mark}}}]"#
        ))
    };
    assert_eq!(tool(r#","cache_control":{}"#), tool(""));
}

#[test]
fn the_spellings_of_an_input_are_one_where_that_is_documented() {
    let message = r#","input":[{"role":"user","content":"x"}]"#;
    let typed = r#","input":[{"type":"message","role":"user","content":"x"}]"#;
    let parts = r#","input":[{"type":"message","role":"user",
        "content":[{"type":"input_text","text":"x"}]}]"#;
    for same in [message, typed, parts] {
        assert_eq!(openai(same), openai(PLAIN), "{same}");
        assert_ne!(compatible(same), compatible(PLAIN), "{same}");
    }
    for other in [
        r#","input":[{"role":"system","content":"x"}]"#,
        r#","input":[{"role":"user","content":"x","phase":"p"}]"#,
        r#","input":[{"role":"user","content":[{"type":"output_text","text":"x"}]}]"#,
        r#","input":[{"role":"assistant","content":[{"type":"input_text","text":"x"}]}]"#,
        r#","input":[{"role":"assistant","content":"x"}]"#,
        r#","input":[{"role":"user","content":"x"},{"role":"user","content":"x"}]"#,
        r#","input":"X""#,
    ] {
        assert_ne!(openai(other), openai(PLAIN), "{other}");
    }
    let said = |content: &str| {
        openai(&format!(
            r#","input":[{{"role":"assistant","content":{content}}}]"#
        ))
    };
    assert_ne!(
        said(r#""x""#),
        said(r#"[{"type":"input_text","text":"x"}]"#)
    );
}

#[test]
fn what_depends_on_the_providers_memory_has_no_key() {
    for stateful in [
        r#","input":"x","previous_response_id":"resp_1""#,
        r#","input":"x","conversation":"conv_1""#,
        r#","input":"x","conversation":{"id":"conv_1"}"#,
        r#","input":"x","background":true"#,
        r#","input":[{"type":"item_reference","id":"msg_1"}]"#,
        r#","prompt":{"id":"pmpt_1"}"#,
        r#","input":"x","prompt":{"id":"pmpt_1","version":null}"#,
    ] {
        assert_eq!(bypass(stateful), Bypass::Stateful, "{stateful}");
    }
    openai(r#","prompt":{"id":"pmpt_1","version":"2","variables":{"a":"b"}}"#);
    openai(r#","input":"x","previous_response_id":null,"conversation":null"#);
}

#[test]
fn what_the_provider_runs_or_fetches_has_no_key() {
    for kind in [
        "web_search",
        "mcp",
        "code_interpreter",
        "file_search",
        "shell",
        "new",
    ] {
        let tools =
            format!(r#"{PLAIN},"tools":[{{"type":"function","name":"f"}},{{"type":"{kind}"}}]"#);
        assert_eq!(bypass(&tools), Bypass::HostedTool, "{kind}");
    }
    assert_eq!(
        bypass(r#","input":"x","tool_choice":{"type":"web_search"}"#),
        Bypass::HostedTool
    );
    openai(
        r#","input":"x","tools":[{"type":"custom","name":"c"}],"tool_choice":{"type":"custom","name":"c"}"#,
    );
    for remote in [
        r#"[{"role":"user","content":[{"type":"input_image","image_url":"https://a/b.png"}]}]"#,
        r#"[{"role":"user","content":[{"type":"input_file","file_url":"https://a/b.pdf"}]}]"#,
        r#"[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]"#,
        r#"[{"type":"input_file","file_id":"file-1"}]"#,
        r#"[{"type":"function_call_output","call_id":"c","output":[{"type":"input_image","image_url":"http://a"}]}]"#,
    ] {
        assert_eq!(
            bypass(&format!(r#","input":{remote}"#)),
            Bypass::RemoteReference,
            "{remote}"
        );
    }
    let prompt = r#","prompt":{"id":"p","version":"1","variables":{"f":{"type":"input_file","file_id":"file-1"}}}"#;
    assert_eq!(bypass(prompt), Bypass::RemoteReference);
    openai(
        r#","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AA"}]}]"#,
    );
    openai(
        r#","input":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"t",
        "annotations":[{"type":"url_citation","url":"https://a"}]}]}]"#,
    );
    let deep = parse(br#"{"model":"o4-mini-deep-research","input":"x"}"#).unwrap();
    assert_eq!(
        identify(&deep, Rules::of(UpstreamKind::OpenAi)),
        Err(Bypass::Volatile)
    );
}

#[test]
fn what_the_provider_would_refuse_has_no_key() {
    for wrong in [
        "",
        r#","input":null"#,
        r#","input":5"#,
        r#","input":[]"#,
        r#","input":["x"]"#,
        r#","input":"x","stream":"yes""#,
        r#","input":"x","store":1"#,
        r#","input":"x","background":"no""#,
        r#","input":"x","metadata":"m""#,
        r#","input":"x","metadata":{"a":1}"#,
        r#","input":"x","user":7"#,
        r#","input":"x","safety_identifier":[]"#,
        r#","input":"x","prompt":"p""#,
    ] {
        assert_eq!(bypass(wrong), Bypass::Invalid, "{wrong}");
    }
    let long = format!(r#"{PLAIN},"metadata":{{"a":"{}"}}"#, "x".repeat(513));
    assert_eq!(bypass(&long), Bypass::Invalid);
    let unnamed = parse(br#"{"input":"x"}"#).unwrap();
    assert_eq!(
        identify(&unnamed, Rules::of(UpstreamKind::OpenAi)),
        Err(Bypass::Invalid)
    );
}
