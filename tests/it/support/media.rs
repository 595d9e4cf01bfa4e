//! Forms with recordings in them.

use super::app::ALICE;
use super::http::Request;

/// A form being filled in.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    boundary: String,
    parts: Vec<Vec<u8>>,
}

impl Form {
    /// One that asks for what is said in `sound`.
    pub(crate) fn of(sound: &[u8]) -> Self {
        let form = Self {
            boundary: "form-of-the-tests".to_owned(),
            parts: Vec::new(),
        };
        form.file("recording.wav", sound)
            .field("model", "whisper-1")
    }

    /// The same with other text between its parts.
    pub(crate) fn bounded_by(mut self, boundary: &str) -> Self {
        boundary.clone_into(&mut self.boundary);
        self
    }

    /// Adds a field.
    pub(crate) fn field(mut self, name: &str, text: &str) -> Self {
        let head = format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}");
        self.parts.push(head.into_bytes());
        self
    }

    /// Adds the recording under a name.
    fn file(mut self, name: &str, sound: &[u8]) -> Self {
        let head = format!(
            "Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: audio/wav\r\n\r\n"
        );
        self.parts.push([head.as_bytes(), sound].concat());
        self
    }

    /// The same with the recording under another name, and its parts the other way round.
    pub(crate) fn renamed(mut self, name: &str) -> Self {
        let head = String::from_utf8_lossy(&self.parts[0]).into_owned();
        let (_, sound) = head.split_once("\r\n\r\n").unwrap();
        let sound = sound.as_bytes().to_vec();
        self.parts.remove(0);
        let mut other = self.file(name, &sound);
        other.parts.reverse();
        other
    }

    /// The bytes on the wire.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for part in &self.parts {
            body.extend_from_slice(format!("--{}\r\n", self.boundary).as_bytes());
            body.extend_from_slice(part);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        body
    }

    /// A request of Alice's to transcribe it.
    pub(crate) fn asked(&self) -> Request {
        self.posted("/v1/audio/transcriptions").bearer(ALICE)
    }

    /// A request of nobody's.
    pub(crate) fn posted(&self, path: &str) -> Request {
        let content_type = format!("multipart/form-data; boundary={}", self.boundary);
        Request::new("POST", path)
            .header("content-type", &content_type)
            .body(self.body())
    }
}
