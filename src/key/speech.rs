//! What is in the question of a request for speech: everything.

use crate::wire::Json;

use super::canonical::Form;
use super::field::{as_written, given, is_control_field, names_one_model};
use super::{Bypass, Canonical, Rules};

/// The documented fields, all of them in the question (`OpenAI`, "Create speech").
pub(super) const QUESTION: [&str; 7] = [
    "input",
    "instructions",
    "model",
    "response_format",
    "speed",
    "stream_format",
    "voice",
];

/// The canonical question of a request for speech.
///
/// # Errors
/// Why the request has no key; it is to be forwarded as it came.
pub fn identify<'a>(body: &'a Json<'a>, rules: Rules) -> Result<Canonical, Bypass> {
    let form = form(body).ok_or(Bypass::Invalid)?;
    let is_spoken = given(body, "input").is_some_and(|input| input.as_str().is_some());
    if !is_spoken || !names_one_model(body, rules) {
        return Err(Bypass::Invalid);
    }
    if wants_events(body) {
        return Err(Bypass::Stream);
    }
    Ok(Canonical::of(&form))
}

/// Whether the sound is wanted as server-sent events, or might be.
fn wants_events(body: &Json<'_>) -> bool {
    let format = given(body, "stream_format");
    let stream = given(body, "stream");
    format.is_some_and(|format| format.as_str() != Some("audio"))
        || stream.is_some_and(|stream| stream.as_bool() != Some(false))
}

/// What of a request is in the question; `None` if it is no object.
pub(super) fn form<'a>(body: &'a Json<'a>) -> Option<Form<'a>> {
    let members = body.as_object()?.iter();
    let members = members.filter_map(|(name, value)| Some((name.as_ref(), field(name, value)?)));
    Some(Form::Object(members.collect()))
}

fn field<'a>(name: &str, value: &'a Json<'a>) -> Option<Form<'a>> {
    if is_control_field(name) {
        return None;
    }
    if QUESTION.contains(&name) {
        (!value.is_null()).then_some(Form::Normal(value))
    } else {
        Some(as_written(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::UpstreamKind;
    use crate::wire::json::parse;

    fn read(text: &str) -> Result<Canonical, Bypass> {
        let rules = Rules::of(UpstreamKind::OpenAi);
        identify(&parse(text.as_bytes()).unwrap(), rules)
    }

    #[test]
    fn all_that_is_said_is_in() {
        let plain = read(r#"{"model":"m","input":"Hi","voice":"alloy"}"#).unwrap();
        let null = r#"{"voice":"alloy","input":"Hi","model":"m","speed":null}"#;
        assert_eq!(read(null), Ok(plain.clone()));
        for other in [
            r#"{"model":"m","input":"hi","voice":"alloy"}"#,
            r#"{"model":"m","input":"Hi","voice":"nova"}"#,
            r#"{"model":"m","input":"Hi","voice":{"id":"alloy"}}"#,
            r#"{"model":"m","input":"Hi","voice":"alloy","response_format":"wav"}"#,
            r#"{"model":"m","input":"Hi","voice":"alloy","speed":1.5}"#,
            r#"{"model":"m","input":"Hi","voice":"alloy","instructions":"Whisper."}"#,
            r#"{"model":"m","input":"Hi","voice":"alloy","user":"u"}"#,
        ] {
            assert_ne!(read(other).as_ref(), Ok(&plain), "{other}");
        }
    }

    #[test]
    fn events_and_what_cannot_be_spoken_have_no_key() {
        for events in [
            r#"{"model":"m","input":"Hi","stream_format":"sse"}"#,
            r#"{"model":"m","input":"Hi","stream_format":7}"#,
            r#"{"model":"m","input":"Hi","stream":true}"#,
        ] {
            assert_eq!(read(events), Err(Bypass::Stream), "{events}");
        }
        for odd in [
            r#"{"model":"m"}"#,
            r#"{"input":"Hi"}"#,
            r#"{"model":"m","input":1}"#,
        ] {
            assert_eq!(read(odd), Err(Bypass::Invalid), "{odd}");
        }
        assert!(read(r#"{"model":"m","input":"Hi","stream_format":"audio"}"#).is_ok());
    }
}
