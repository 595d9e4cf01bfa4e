//! Usage in a stream: asking the provider for it, and keeping it from a client
//! that did not ask.
//!
//! Both are surgical: no byte changes that does not have to.

use bytes::Bytes;

use crate::wire::json::span::ObjectSpan;
use crate::wire::sse::{Frame, write_data_frame};

const OPTIONS: &str = "stream_options";
const INCLUDE: &str = "include_usage";
const USAGE: &str = "usage";

/// What may stand in a usage chunk besides the usage without making it more than
/// that: what is on every chunk, padding, and figures about the answer.
const COMPANIONS: [&str; 15] = [
    "choices",
    "copilot_usage",
    "cost",
    "created",
    "id",
    "model",
    "object",
    "obfuscation",
    "p",
    "provider",
    "service_tier",
    "system_fingerprint",
    "time_info",
    "timings",
    "x_groq",
];

/// What a client sees of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// The frame as it came.
    Same,
    /// Nothing.
    Hidden,
    /// These bytes instead.
    Rewritten(Bytes),
}

/// The request with `stream_options.include_usage` true and every other byte as
/// the client wrote it. `None` if it is true already, or if there is no telling
/// where to put it: then the request is to go as it is, errors and all.
pub fn ask_for_usage(request: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(request).ok()?;
    let whole = ObjectSpan::read(text)?;
    let edit = match whole.value(OPTIONS) {
        None | Some("null") => whole.with(OPTIONS, r#"{"include_usage":true}"#),
        Some(value) => {
            let options = ObjectSpan::read(value)?;
            if options.value(INCLUDE) == Some("true") {
                return None;
            }
            let start = whole.value_start(OPTIONS)?;
            options.with(INCLUDE, "true").moved(start)
        }
    };
    Some(edit.apply(request))
}

/// The frame as a client sees it that did not ask for usage: a chunk that is only
/// there for it is left out, `"usage":null` is cut out. Usage on a chunk with
/// choices stays, because that comes from providers that always send it.
pub fn hide_usage(frame: &Frame) -> View {
    let Ok(Some(data)) = frame.data() else {
        return View::Same;
    };
    // Most frames are told apart here, without a look at their structure.
    if !data.contains("\"usage\"") {
        return View::Same;
    }
    let Some(chunk) = ObjectSpan::read(&data) else {
        return View::Same;
    };
    let Some(usage) = chunk.value(USAGE) else {
        return View::Same;
    };
    let is_null = usage == "null";
    if !is_null && has_choices(&chunk) {
        return View::Same;
    }
    if !is_null && is_only_usage(&chunk) {
        return View::Hidden;
    }
    let Some(edit) = chunk.without(USAGE) else {
        return View::Same;
    };
    match frame.data_range() {
        Some(range) => View::Rewritten(edit.moved(range.start).apply(&frame.raw).into()),
        None => View::Rewritten(rewrapped(frame.event(), &edit.apply(data.as_bytes()))),
    }
}

fn has_choices(chunk: &ObjectSpan<'_>) -> bool {
    match chunk.value("choices") {
        None | Some("null") => false,
        Some(choices) => choices
            .trim_start_matches('[')
            .trim_start()
            .starts_with('{'),
    }
}

fn is_only_usage(chunk: &ObjectSpan<'_>) -> bool {
    chunk.members().iter().all(|member| {
        let name = member.name.as_ref();
        name == USAGE || COMPANIONS.contains(&name) || chunk.value(name) == Some("null")
    })
}

/// An event whose data came in several lines, written anew: an edit may join
/// lines, which must not become fields of their own.
fn rewrapped(event: Option<&str>, data: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(data.len() + 32);
    if let Some(event) = event {
        out.extend_from_slice(format!("event: {event}\n").as_bytes());
    }
    // A line break outside of strings is white space in JSON, and there is none inside.
    let line: Vec<u8> = data
        .iter()
        .map(|byte| if *byte == b'\n' { b' ' } else { *byte })
        .collect();
    write_data_frame(&line, &mut out);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sse::FrameReader;

    fn asked(request: &str) -> Option<String> {
        ask_for_usage(request.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    fn hidden(raw: &str) -> View {
        let mut reader = FrameReader::new();
        reader.push(Bytes::copy_from_slice(raw.as_bytes()));
        hide_usage(&reader.next_frame().unwrap().unwrap())
    }

    fn rewritten(raw: &str) -> View {
        View::Rewritten(Bytes::copy_from_slice(raw.as_bytes()))
    }

    #[test]
    fn usage_is_asked_for_and_every_other_byte_stays() {
        for (request, expected) in [
            (
                "{\n  \"z\": 1.0,\n  \"a\" :[ ]\n}\n",
                "{\n  \"z\": 1.0,\n  \"a\" :[ ],\"stream_options\":{\"include_usage\":true}\n}\n",
            ),
            ("{}", r#"{"stream_options":{"include_usage":true}}"#),
            (
                r#"{"stream_options": null , "a":1}"#,
                r#"{"stream_options": {"include_usage":true} , "a":1}"#,
            ),
            (
                r#"{"stream_options":{ },"a":1}"#,
                r#"{"stream_options":{ "include_usage":true},"a":1}"#,
            ),
            (
                r#"{"stream_options":{"include_obfuscation":false},"a":1}"#,
                r#"{"stream_options":{"include_obfuscation":false,"include_usage":true},"a":1}"#,
            ),
            (
                r#"{"a":1,"stream_options":{"include_usage": false, "x":2}}"#,
                r#"{"a":1,"stream_options":{"include_usage": true, "x":2}}"#,
            ),
            (
                r#"{"stream_options":{"include_usage":null}}"#,
                r#"{"stream_options":{"include_usage":true}}"#,
            ),
        ] {
            assert_eq!(asked(request).as_deref(), Some(expected));
            assert_eq!(asked(expected), None);
        }
    }

    #[test]
    fn a_request_that_asks_or_cannot_be_made_to_goes_as_it_is() {
        for request in [
            r#"{"stream_options":{"include_usage":true}}"#,
            r#"{"stream_options":"all"}"#,
            r#"{"stream_options":[]}"#,
            "[1]",
            "oops",
        ] {
            assert_eq!(asked(request), None, "{request}");
        }
        assert_eq!(ask_for_usage(b"{\"a\":\"\xff\"}"), None);
    }

    #[test]
    fn a_chunk_that_is_only_there_for_usage_is_left_out() {
        for data in [
            r#"{"id":"1","choices":[],"usage":{"prompt_tokens":1}}"#,
            r#"{"id":"1","choices": [ ] ,"usage":{"prompt_tokens":1},"timings":{"n":1},"moderation":null}"#,
            r#"{"usage":{"prompt_tokens":1}}"#,
        ] {
            assert_eq!(hidden(&format!("data: {data}\n\n")), View::Hidden, "{data}");
        }
    }

    #[test]
    fn null_usage_is_cut_out_of_the_bytes_as_they_came() {
        assert_eq!(
            hidden("data:{\"id\" :\"1\", \"usage\":null, \"choices\":[{}]} \r\n\r\n"),
            rewritten("data:{\"id\" :\"1\", \"choices\":[{}]} \r\n\r\n")
        );
        assert_eq!(
            hidden(": note\nid: 7\ndata: {\"choices\":[{}],\"usage\":null}\n\n"),
            rewritten(": note\nid: 7\ndata: {\"choices\":[{}]}\n\n")
        );
        assert_eq!(
            hidden("event: x\ndata: {\"choices\":[{}],\ndata: \"usage\":null}\n\n"),
            rewritten("event: x\ndata: {\"choices\":[{}]}\n\n")
        );
    }

    #[test]
    fn what_else_a_usage_chunk_says_is_kept() {
        assert_eq!(
            hidden("data: {\"choices\":[],\"usage\":{\"n\":1},\"citations\":[\"u\"]}\n\n"),
            rewritten("data: {\"choices\":[],\"citations\":[\"u\"]}\n\n")
        );
    }

    #[test]
    fn all_other_frames_stay_the_same() {
        for raw in [
            "data: {\"choices\":[{\"index\":0}],\"usage\":{\"n\":1}}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\": null\"}}]}\n\n",
            "data: {\"choices\":[{\"usage\":null}]}\n\n",
            "data: [DONE]\n\n",
            "data: \"usage\"\n\n",
            ": \"usage\"\n\n",
            "\n",
        ] {
            assert_eq!(hidden(raw), View::Same, "{raw}");
        }
    }
}
