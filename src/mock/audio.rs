//! Sound: what is heard in a recording is the digest of its bytes, and what is said is
//! the digest of the text, as samples.

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::refusal::Refusal;
use crate::wire::multipart::{Multipart, boundary};

/// The answer to the form `body`.
pub(super) fn write_down(headers: &HeaderMap, body: &[u8]) -> Result<Response, Refusal> {
    let boundary = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(boundary)
        .ok_or_else(|| Refusal::of("file", "The body must be multipart/form-data."))?;
    let form = Multipart::read(body, boundary)
        .map_err(|error| Refusal::of("file", format!("Invalid form: {error}.")))?;
    let mut parts = form.parts().iter();
    let file = parts
        .find(|part| part.name == "file" && part.is_file)
        .ok_or_else(|| Refusal::of("file", "'file' is missing."))?;
    let text = format!("I hear {}.", hex::encode(Sha256::digest(file.content)));
    let seconds = file.content.len() / 32_000 + 1;
    Ok(match form.text("response_format").unwrap_or("json") {
        "text" => typed("text/plain; charset=utf-8", format!("{text}\n")),
        "srt" => typed(
            "text/plain; charset=utf-8",
            format!("1\n00:00:00,000 --> 00:00:01,000\n{text}\n\n"),
        ),
        "vtt" => typed(
            "text/vtt; charset=utf-8",
            format!("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{text}\n\n"),
        ),
        "verbose_json" => said(&json!({
            "task": "transcribe", "language": "english", "duration": seconds, "text": text,
            "segments": [{"id": 0, "start": 0.0, "end": 1.0, "text": text}],
            "usage": {"type": "duration", "seconds": seconds},
        })),
        _ => said(&json!({
            "text": text,
            "usage": {
                "type": "tokens", "input_tokens": seconds, "output_tokens": 3,
                "total_tokens": seconds + 3,
            },
        })),
    })
}

/// The answer to the request for speech `body`.
pub(super) fn speak(body: &[u8]) -> Result<Response, Refusal> {
    let request: Value = serde_json::from_slice(body).map_err(|error| Refusal::unread(&error))?;
    let input = request.get("input").and_then(Value::as_str);
    let input = input.ok_or_else(|| Refusal::of("input", "'input' is missing."))?;
    let voice = request.get("voice").unwrap_or(&Value::Null).to_string();
    let digest = Sha256::digest([input, &voice].join("\0").as_bytes());
    let format = request.get("response_format").and_then(Value::as_str);
    let content_type = match format.unwrap_or("mp3") {
        "wav" => "audio/wav",
        "opus" => "audio/opus",
        "aac" => "audio/aac",
        "flac" => "audio/flac",
        "pcm" => "audio/pcm",
        _ => "audio/mpeg",
    };
    // As many samples as the text has letters, and never anything that is a text.
    let samples: Vec<u8> = std::iter::once(0xff)
        .chain(digest.iter().copied().cycle().take(32 * input.len()))
        .collect();
    Ok(([(CONTENT_TYPE, content_type)], samples).into_response())
}

fn said(value: &Value) -> Response {
    typed("application/json", value.to_string())
}

fn typed(content_type: &'static str, text: String) -> Response {
    (
        [(CONTENT_TYPE, HeaderValue::from_static(content_type))],
        text,
    )
        .into_response()
}
