//! What is in the question of a transcription or a translation: the bytes of each file,
//! and every other field by its name and its value.
//!
//! What a file is called, what stands between the parts and in which order fields of
//! different names come says nothing of what is asked.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::wire::Json;
use crate::wire::multipart::{Multipart, Part};

use super::canonical::Form;
use super::field::{is_control_field, refuse_control_fields};
use super::reference::contains_reference;
use super::{Bypass, Canonical, Rules};

/// The field that is the sound.
const FILE: &str = "file";

/// The field that asks for events.
const STREAM: &str = "stream";

/// The canonical question of a form.
///
/// # Errors
/// Why the request has no key; it is to be forwarded as it came.
pub fn identify(form: &Multipart<'_>, rules: Rules) -> Result<Canonical, Bypass> {
    check(form, rules)?;
    let (mut files, mut fields) = (BTreeMap::new(), BTreeMap::new());
    for part in form.parts() {
        if part.is_file {
            let content = hex::encode(Sha256::digest(part.content));
            files
                .entry(part.name)
                .or_insert_with(Vec::new)
                .push(content);
        } else {
            let values: &mut Vec<_> = fields.entry(part.name).or_default();
            values.push(said(part)?);
        }
    }
    let files = files.iter().map(|(name, contents)| {
        let contents = contents.iter().map(|content| Form::Text(content));
        (*name, Form::List(contents.collect()))
    });
    let fields = fields.into_iter().map(|(name, values)| {
        let values = values.into_iter().map(|(text, kind)| {
            let kind = Form::Text(kind.unwrap_or_default());
            Form::List(vec![Form::Text(text), kind])
        });
        (name, Form::List(values.collect()))
    });
    Ok(Canonical::of(&Form::Object(vec![
        ("fields", Form::Object(fields.collect())),
        ("files", Form::Object(files.collect())),
    ])))
}

fn check(form: &Multipart<'_>, rules: Rules) -> Result<(), Bypass> {
    let parts = form.parts();
    let is_list = |name: &str| name.ends_with("[]");
    let times = |name: &str| parts.iter().filter(|part| part.name == name).count();
    if parts
        .iter()
        .any(|part| !is_list(part.name) && times(part.name) > 1)
    {
        return Err(Bypass::Uncanonical);
    }
    let is_sound = |part: &Part<'_>| part.name == FILE && part.is_file && !part.content.is_empty();
    let named = form.text("model");
    let has_model = match named {
        Some(model) => !model.is_empty(),
        None => times("model") == 0 && rules.model_in_address,
    };
    if !parts.iter().any(is_sound) || !has_model {
        return Err(Bypass::Invalid);
    }
    if times(STREAM) > 0 && form.text(STREAM) != Some("false") {
        return Err(Bypass::Stream);
    }
    let fields = Json::Object(
        parts
            .iter()
            .filter(|part| !part.is_file || is_control_field(part.name))
            .map(|part| {
                (
                    part.name.into(),
                    Json::String(String::from_utf8_lossy(part.content)),
                )
            })
            .collect(),
    );
    refuse_control_fields(&fields)?;
    if contains_reference(&fields) && !rules.remote_references {
        return Err(Bypass::RemoteReference);
    }
    Ok(())
}

/// What a field says, and as what, where it is not plainly text.
fn said<'a>(part: &Part<'a>) -> Result<(&'a str, Option<&'a str>), Bypass> {
    let text = std::str::from_utf8(part.content).map_err(|_odd| Bypass::Uncanonical)?;
    let is_plain = |kind: &str| {
        let kind = kind.to_ascii_lowercase().replace(' ', "");
        matches!(kind.as_str(), "text/plain" | "text/plain;charset=utf-8")
    };
    Ok((text, part.content_type.filter(|kind| !is_plain(kind))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::UpstreamKind;

    /// A form of fields, and of files, whose names are behind an `@`.
    fn read(parts: &[(&str, &str)]) -> Result<Canonical, Bypass> {
        let mut body = String::new();
        for (name, content) in parts {
            let (name, file) = match name.split_once('@') {
                Some((name, file)) => (name, format!("; filename=\"{file}\"")),
                None => (*name, String::new()),
            };
            let head = [
                "--b\r\nContent-Disposition: form-data; name=\"",
                name,
                "\"",
                &file,
            ];
            body.push_str(&head.concat());
            body.push_str(&["\r\n\r\n", content, "\r\n"].concat());
        }
        body.push_str("--b--\r\n");
        let form = Multipart::read(body.as_bytes(), "b").unwrap();
        identify(&form, Rules::of(UpstreamKind::OpenAi))
    }

    const FILE: (&str, &str) = ("file@a.wav", "RIFF");
    const MODEL: (&str, &str) = ("model", "whisper-1");

    #[test]
    fn names_of_files_and_the_order_of_fields_do_not_count() {
        let plain = read(&[FILE, MODEL, ("language", "en")]).unwrap();
        let same = read(&[("language", "en"), MODEL, ("file@b.mp3", "RIFF")]);
        assert_eq!(same, Ok(plain.clone()));
        for other in [
            &[("file@a.wav", "RIFG"), MODEL, ("language", "en")][..],
            &[FILE, MODEL, ("language", "de")],
            &[FILE, MODEL],
            &[FILE, ("model", "other"), ("language", "en")],
            &[FILE, MODEL, ("language", "en"), ("odd", "1")],
            &[FILE, MODEL, ("language@x", "en")],
            &[FILE, MODEL, ("language", "en"), ("file2@x", "RIFF")],
        ] {
            assert_ne!(read(other).as_ref(), Ok(&plain), "{other:?}");
        }
        let list = |first, second| read(&[FILE, MODEL, ("t[]", first), ("t[]", second)]).unwrap();
        assert_ne!(list("word", "segment"), list("segment", "word"));
    }

    #[test]
    fn what_is_no_one_question_has_no_key() {
        for (parts, expected) in [
            (&[MODEL][..], Bypass::Invalid),
            (&[("file@a.wav", ""), MODEL], Bypass::Invalid),
            (&[("file", "RIFF"), MODEL], Bypass::Invalid),
            (&[FILE], Bypass::Invalid),
            (&[FILE, ("model", "")], Bypass::Invalid),
            (&[FILE, FILE, MODEL], Bypass::Uncanonical),
            (&[FILE, MODEL, MODEL], Bypass::Uncanonical),
            (&[FILE, MODEL, ("stream", "true")], Bypass::Stream),
            (&[FILE, MODEL, ("stream", "1")], Bypass::Stream),
            (&[FILE, MODEL, ("stream@x", "false")], Bypass::Stream),
            (&[FILE, MODEL, ("cache", "{}")], Bypass::ControlField),
            (
                &[FILE, MODEL, ("url", "https://example.com/a.wav")],
                Bypass::RemoteReference,
            ),
        ] {
            assert_eq!(read(parts), Err(expected), "{parts:?}");
        }
        assert!(read(&[FILE, MODEL, ("stream", "false")]).is_ok());
    }
}
