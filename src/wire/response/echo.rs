//! What a response repeats of its request besides the question.
//!
//! A provider tells every caller the metadata and the names that came with the request.
//! They are no part of the question, so an answer that is given to another is rid of them
//! and told with that one's own. All changes are cuts in the text: every other byte stays.

use bytes::Bytes;

use crate::wire::Json;
use crate::wire::json::parse;
use crate::wire::json::span::ObjectSpan;
use crate::wire::sse::{Frame, FrameReader};

/// The members, what each says where nothing was given, and what it is about.
const ECHOED: [(&str, &str, About); 6] = [
    ("metadata", "{}", About::Itself),
    ("user", "null", About::WhoAsks),
    ("safety_identifier", "null", About::WhoAsks),
    ("prompt_cache_key", "null", About::WhoAsks),
    ("prompt_cache_options", "null", About::Setting),
    ("prompt_cache_retention", "null", About::Setting),
];

/// A frame that tells nothing, in the place of one that cannot be told.
const NOTHING: &[u8] = b": \n\n";

/// What a member is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// Nothing but what was given.
    Itself,
    /// Who asks. A provider may make one of these names of another.
    WhoAsks,
    /// How the provider goes about it: what it says there unasked, it says to everybody.
    Setting,
}

/// The members a request gives, with their values as JSON.
pub fn given(request: &Json<'_>) -> Vec<(&'static str, String)> {
    let value = |name: &str| {
        let value = request.get(name).filter(|value| !value.is_null())?;
        String::from_utf8(value.to_bytes()).ok()
    };
    let all = ECHOED.iter();
    all.filter_map(|(name, ..)| Some((*name, value(name)?)))
        .collect()
}

/// The text of an answer as if its request had given none of the members that it
/// `gave`. What the provider says of them unasked stays.
pub fn without(answer: &str, gave: impl Fn(&str) -> bool) -> Option<String> {
    let names_someone = ECHOED
        .iter()
        .any(|(name, _, about)| *about == About::WhoAsks && gave(name));
    edited(answer, |name, neutral, about| match about {
        About::Itself | About::Setting => gave(name).then_some(neutral),
        About::WhoAsks => names_someone.then_some(neutral),
    })
}

/// The text of an answer of which nobody's own was left, with what this caller `gave`.
pub fn with<'e>(answer: &str, gave: impl Fn(&str) -> Option<&'e str>) -> Option<String> {
    edited(answer, |name, _, _| gave(name))
}

/// A frame of a stream that was told to another, with what this caller `gave`. All but
/// the few that carry the whole response are as they came.
pub fn with_in_frame<'e>(raw: &Bytes, gave: impl Fn(&str) -> Option<&'e str>) -> Bytes {
    let name = b"\"response\"";
    if !raw.windows(name.len()).any(|window| window == name) {
        return raw.clone();
    }
    let own = |name: &str, neutral: &'static str, about| {
        gave(name).or(match about {
            About::Itself | About::WhoAsks => Some(neutral),
            About::Setting => None,
        })
    };
    let Some(frame) = frame(raw) else {
        return Bytes::from_static(NOTHING);
    };
    let Ok(Some(data)) = frame.data() else {
        return raw.clone();
    };
    match parse(data.as_bytes()) {
        Ok(event) if event.get("response").is_none() => return raw.clone(),
        Ok(_) => {}
        // What cannot be read cannot be rid of what is another's.
        Err(_odd) => return Bytes::from_static(NOTHING),
    }
    let told = ObjectSpan::read(&data).and_then(|event| {
        let response = edited(event.value("response")?, own)?;
        let edit = event.with("response", &response);
        String::from_utf8(edit.apply(data.as_bytes())).ok()
    });
    let Some(told) = told else {
        return raw.clone();
    };
    let Some(range) = frame.data_range() else {
        let name = frame.event().unwrap_or("message");
        let lines = told.lines().map(|line| format!("data: {line}\n"));
        return format!("event: {name}\n{}\n", lines.collect::<String>()).into();
    };
    let before = raw.get(..range.start).unwrap_or_default();
    let after = raw.get(range.end..).unwrap_or_default();
    [before, told.as_bytes(), after].concat().into()
}

fn frame(raw: &Bytes) -> Option<Frame> {
    let mut reader = FrameReader::new();
    reader.push(raw.clone());
    match reader.next_frame() {
        Some(frame) => frame.ok(),
        None => reader.finish(),
    }
}

/// A text of an object with other values for some of the members it has; `None` if it
/// is no object.
fn edited<'e>(
    text: &str,
    value: impl Fn(&'static str, &'static str, About) -> Option<&'e str>,
) -> Option<String> {
    let object = ObjectSpan::read(text)?;
    let mut edits: Vec<_> = ECHOED
        .iter()
        .filter(|(name, ..)| object.value(name).is_some())
        .filter_map(|(name, neutral, about)| Some(object.with(name, value(name, neutral, *about)?)))
        .collect();
    edits.sort_unstable_by_key(|edit| std::cmp::Reverse(edit.range.start));
    let mut out = text.to_owned();
    for edit in edits {
        out.replace_range(edit.range, &edit.text);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{ "id": "r", "metadata": {"a": "b"}, "user": "u",
        "prompt_cache_key": "derived", "prompt_cache_retention": "24h", "output": [] }"#;

    #[test]
    fn what_was_given_goes_and_what_is_said_unasked_stays() {
        assert_eq!(without(ANSWER, |_| false).unwrap(), ANSWER);
        let told = without(ANSWER, |name| name == "metadata").unwrap();
        assert_eq!(told, ANSWER.replace(r#"{"a": "b"}"#, "{}"));
        // A name may be made of another.
        let told = without(ANSWER, |name| name == "user").unwrap();
        let expected = ANSWER
            .replace(r#""u""#, "null")
            .replace(r#""derived""#, "null");
        assert_eq!(told, expected);
        let told = without(ANSWER, |name| name == "prompt_cache_retention").unwrap();
        assert_eq!(told, ANSWER.replace(r#""24h""#, "null"));
    }

    #[test]
    fn each_caller_is_told_its_own_where_the_answer_has_a_place_for_it() {
        let own = |name: &str| match name {
            "metadata" => Some(r#"{"x":"y"}"#),
            "safety_identifier" => Some(r#""s""#),
            _ => None,
        };
        let told = with(ANSWER, own).unwrap();
        assert_eq!(told, ANSWER.replace(r#"{"a": "b"}"#, r#"{"x":"y"}"#));
    }

    #[test]
    fn what_a_request_gives_is_read() {
        let request = parse(br#"{"metadata":{ "a": "b" },"user":null,"prompt_cache_key":"k"}"#);
        let expected = [
            ("metadata", r#"{"a":"b"}"#.to_owned()),
            ("prompt_cache_key", r#""k""#.to_owned()),
        ];
        assert_eq!(given(&request.unwrap()), expected);
    }

    #[test]
    fn frames_of_anothers_stream_are_told_anew_where_they_repeat_anything() {
        let raw = Bytes::from(format!(
            "event: response.created\ndata: {{\"type\":\"response.created\",\"response\":{}}}\n\n",
            ANSWER.replace('\n', " ")
        ));
        let told = |raw: &Bytes, own: Option<&'static str>| {
            let told = with_in_frame(raw, |name| own.filter(|_| name == "user"));
            String::from_utf8(told.to_vec()).unwrap()
        };
        let text = told(&raw, None);
        assert!(text.contains(r#""metadata": {}, "user": null"#), "{text}");
        assert!(
            text.contains(r#""prompt_cache_retention": "24h""#),
            "{text}"
        );
        assert!(!text.contains("derived"), "{text}");
        assert!(told(&raw, Some("\"me\"")).contains(r#""user": "me""#));
        let delta =
            Bytes::from_static(b"data: {\"type\":\"x\",\"delta\":\"\\\"response\\\"\"}\n\n");
        assert_eq!(with_in_frame(&delta, |_| None), delta);
        let split = Bytes::from_static(
            b"event: response.created\ndata: {\"response\":\ndata: {\"user\":\"u\"}}\n\n",
        );
        assert_eq!(
            with_in_frame(&split, |_| None),
            "event: response.created\ndata: {\"response\":\ndata: {\"user\":null}}\n\n"
        );
        let odd = Bytes::from_static(b"data: {\"response\":{\"user\":\"u\",\"user\":\"v\"}}\n\n");
        assert_eq!(with_in_frame(&odd, |_| None), NOTHING);
    }
}
