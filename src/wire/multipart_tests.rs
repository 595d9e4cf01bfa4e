//! Forms: what is read, what is refused, and that another reader reads the same.

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use proptest::prelude::*;

use super::*;

const FILE: &str =
    "Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav";
const MODEL: &str = "Content-Disposition: form-data; name=\"model\"";

/// A form of parts, each of a head and a content.
fn body_of(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (head, content) in parts {
        body.extend_from_slice(format!("--b\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    body
}

fn sound() -> Vec<u8> {
    body_of(&[(FILE, b"RIFF\0\r\n\xff"), (MODEL, b"whisper-1")])
}

/// Names and contents as `multer` reads them; `None` if it does not.
fn by_multer(body: &[u8]) -> Option<Vec<(String, bool, Vec<u8>)>> {
    let whole = stream::iter([Ok::<_, std::io::Error>(Bytes::copy_from_slice(body))]);
    let mut form = multer::Multipart::new(whole, "b");
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().now_or_never()?.ok()? {
        let name = field.name()?.to_owned();
        let is_file = field.file_name().is_some();
        parts.push((name, is_file, field.bytes().now_or_never()?.ok()?.to_vec()));
    }
    Some(parts)
}

fn by_us(body: &[u8]) -> Option<Vec<(String, bool, Vec<u8>)>> {
    let form = Multipart::read(body, "b").ok()?;
    let told = |part: &Part<'_>| (part.name.to_owned(), part.is_file, part.content.to_vec());
    Some(form.parts().iter().map(told).collect())
}

#[test]
fn a_form_of_any_client_is_read() {
    let body = sound();
    let form = Multipart::read(&body, "b").unwrap();
    assert_eq!(form.text("model"), Some("whisper-1"));
    let file = &form.parts()[0];
    assert_eq!((file.name, file.is_file), ("file", true));
    assert_eq!(file.content, b"RIFF\0\r\n\xff");
    assert_eq!(file.content_type, Some("audio/wav"));
    for head in [
        "content-disposition:form-data;name=model",
        "Content-Disposition: form-data; name=\"model\"\r\nContent-Length: 1",
        "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=model",
        "Content-Transfer-Encoding: binary\r\nContent-Disposition: form-data; name=\"model\"",
    ] {
        let body = body_of(&[(head, b"m")]);
        assert_eq!(
            Multipart::read(&body, "b").map(|form| form.text("model").map(str::to_owned)),
            Ok(Some("m".to_owned())),
            "{head}"
        );
    }
    let named =
        "Content-Disposition: form-data; name=file; filename=a.wav; filename*=utf-8''%C3%A4.wav";
    assert!(Multipart::read(&body_of(&[(named, b"x")]), "b").is_ok());
}

#[test]
fn what_two_servers_might_read_differently_is_refused() {
    let good = sound();
    let with = |before: &[u8], after: &[u8]| [before, &good, after].concat();
    let mut odd = vec![
        with(b"preamble\r\n", b""),
        with(b"\r\n", b""),
        with(b"", b"epilogue"),
        with(b"", b"--b--\r\n"),
        good[..good.len() - 4].to_vec(),
        good[..20].to_vec(),
        b"--b--\r\n".to_vec(),
        Vec::new(),
        // The boundary inside of a file, behind a line feed alone.
        body_of(&[(
            FILE,
            b"x\n--b\nContent-Disposition: form-data; name=\"model\"\n\nevil\n",
        )]),
    ];
    for head in [
        "Content-Disposition: form-data",
        "Content-Disposition: form-data; name=\"\"",
        "Content-Disposition: form-data; name=\"a\"; name=\"model\"",
        "Content-Disposition: form-data; name=\"mo\\del\"",
        "Content-Disposition: form-data; name=\"m%6fdel\"",
        "Content-Disposition: form-data; name*=utf-8''model",
        "Content-Disposition: attachment; name=\"model\"",
        "Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"",
        "Content-Disposition: form-data; name=\"a\"\r\n continued",
        "Content-Disposition: form-data; name=\"a\"\nX: y",
        "Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64",
        "Content-Disposition: form-data; name=\"a\"\r\nContent-Length: 9",
        "Content-Disposition: form-data; name=\"a\"\r\nX-Odd: 1",
        "Content-Disposition: form-data; name=\"a\"; filename=\"b\\\"; name=\\\"c\"",
        "X: y",
    ] {
        odd.push(body_of(&[(head, b"x")]));
    }
    for body in odd {
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(Multipart::read(&body, "b"), Err(Unreadable), "{shown}");
    }
}

#[test]
fn a_field_is_changed_in_its_place() {
    let body = sound();
    let form = Multipart::read(&body, "b").unwrap();
    let other = form.with("model", "large").unwrap();
    let expected = body_of(&[(FILE, b"RIFF\0\r\n\xff"), (MODEL, b"large")]);
    assert_eq!(other, expected);
    let more = form.with("language", "en").unwrap();
    let read = Multipart::read(&more, "b").unwrap();
    assert_eq!(read.text("language"), Some("en"));
    assert_eq!(read.text("model"), Some("whisper-1"));
    assert_eq!(form.with("model", "x\r\n--b--"), None);
    assert_eq!(form.with("a\"b", "x"), None);
}

#[test]
fn a_content_type_names_one_boundary() {
    for (content_type, expected) in [
        ("multipart/form-data; boundary=b", Some("b")),
        ("Multipart/Form-Data;BOUNDARY=\"a-b_c\"", Some("a-b_c")),
        ("multipart/form-data", None),
        ("multipart/mixed; boundary=b", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary=a; boundary=b", None),
        ("multipart/form-data; charset=utf-8; boundary=b", None),
        ("multipart/form-data; boundary=\"a\"b", None),
        ("application/json", None),
    ] {
        assert_eq!(boundary(content_type), expected, "{content_type}");
    }
}

proptest! {
    /// Whatever is accepted, another reader reads the same.
    #[test]
    fn what_is_read_is_what_others_read(
        names in proptest::collection::vec("[a-z]{1,5}(\\[\\])?", 1..5),
        contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 5),
        files in proptest::collection::vec(any::<bool>(), 5),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        splice in proptest::sample::select(vec!["", "\r\n", "--b", "\r\n\r\n", "\""]),
    ) {
        let heads: Vec<String> = names.iter().zip(&files).map(|(name, is_file)| {
            let file = if *is_file { "; filename=\"f\"" } else { "" };
            format!("Content-Disposition: form-data; name=\"{name}\"{file}")
        }).collect();
        let parts: Vec<(&str, &[u8])> = heads.iter().map(String::as_str)
            .zip(contents.iter().map(Vec::as_slice)).collect();
        let mut body = body_of(&parts);
        let place = at.index(body.len());
        if byte > 100 {
            body[place] = byte;
        }
        body.splice(place..place, splice.bytes());
        if let Some(ours) = by_us(&body) {
            prop_assert_eq!(by_multer(&body), Some(ours));
        }
    }
}
