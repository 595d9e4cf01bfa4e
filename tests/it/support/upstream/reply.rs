//! What the provider answers, step by step.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

/// Something the provider waits at until the test opens it.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<watch::Sender<bool>>);

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(super) before_head: Vec<Step>,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) steps: Vec<Step>,
    pub(super) framing: Framing,
    /// Whether status and body are yet to be computed from the request.
    is_usual: bool,
}

/// What is done next.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Sends a part of the body; a chunk of its own where the body is chunked.
    Send(Vec<u8>),
    /// Sends bytes outside all HTTP.
    Raw(Vec<u8>),
    Wait(Gate),
    Pause(Duration),
    /// Keeps the proxy waiting until it leaves.
    Hang,
    /// Resets the connection.
    Reset,
    /// Closes the connection, whatever was promised.
    Close,
}

/// How the body's end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length,
    Chunked,
    UntilClose,
}

impl Gate {
    /// A closed one.
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::channel(false).0))
    }

    /// Opens it, for good.
    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn passed(&self) {
        _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

impl Reply {
    /// A document of any type.
    pub(crate) fn document(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            before_head: Vec::new(),
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            steps: vec![Step::Send(body.into())],
            framing: Framing::Length,
            is_usual: false,
        }
    }

    /// JSON, these exact bytes.
    pub(crate) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::document(status, "application/json", body)
    }

    /// The error envelope.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        let body = serde_json::json!({"error": {
            "message": format!("the upstream says {code}"),
            "type": "upstream_test_error", "param": null, "code": code,
        }});
        Self::json(status, body.to_string())
    }

    /// A stream of these parts, each sent by itself.
    pub(crate) fn stream<B: Into<Vec<u8>>>(parts: impl IntoIterator<Item = B>) -> Self {
        Self {
            before_head: Vec::new(),
            status: 200,
            headers: vec![(
                "content-type".to_owned(),
                "text/event-stream; charset=utf-8".to_owned(),
            )],
            steps: parts
                .into_iter()
                .map(|part| Step::Send(part.into()))
                .collect(),
            framing: Framing::Chunked,
            is_usual: false,
        }
    }

    /// A stream of chunks, and `[DONE]`.
    pub(crate) fn chunks(chunks: &[Value]) -> Self {
        let done = "data: [DONE]\n\n".to_owned();
        Self::stream(
            chunks
                .iter()
                .map(|chunk| format!("data: {chunk}\n\n"))
                .chain([done]),
        )
    }

    /// The good answer that would have come anyhow, to be kept waiting.
    pub(crate) fn usual() -> Self {
        Self {
            is_usual: true,
            ..Self::json(200, "")
        }
    }

    /// No answer, ever.
    pub(crate) fn silence() -> Self {
        let mut reply = Self::json(200, "");
        reply.before_head = vec![Step::Hang];
        reply
    }

    /// A reset instead of an answer.
    pub(crate) fn reset() -> Self {
        let mut reply = Self::json(200, "");
        reply.before_head = vec![Step::Reset];
        reply
    }

    /// Bytes that are no HTTP.
    pub(crate) fn garbage(bytes: &[u8]) -> Self {
        let mut reply = Self::json(200, "");
        reply.before_head = vec![Step::Raw(bytes.to_vec()), Step::Close];
        reply
    }

    /// An answer that a program of another language asked for: `{"status", "json",
    /// "headers"}` or `{"stream": [chunk, …], "cut": true}`.
    pub(crate) fn described(by: &Value) -> Self {
        let mut reply = if let Some(chunks) = by["stream"].as_array() {
            Self::chunks(chunks)
        } else {
            let status = by["status"]
                .as_u64()
                .and_then(|status| status.try_into().ok());
            Self::json(status.unwrap_or(200), by["json"].to_string())
        };
        for (name, value) in by["headers"].as_object().into_iter().flatten() {
            reply = reply.header(name, value.as_str().unwrap_or_default());
        }
        if by["cut"] == true {
            let half = reply.body_bytes() / 2;
            reply = reply.reset_after(half);
        }
        reply
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Answers, or does not answer, only once the gate is open.
    pub(crate) fn after(mut self, gate: &Gate) -> Self {
        self.before_head.insert(0, Step::Wait(gate.clone()));
        self
    }

    /// Answers only after this time.
    pub(crate) fn late(mut self, pause: Duration) -> Self {
        self.before_head.insert(0, Step::Pause(pause));
        self
    }

    /// Waits at the gate before the part with this number.
    pub(crate) fn gate_before(mut self, part: usize, gate: &Gate) -> Self {
        self.steps.insert(part, Step::Wait(gate.clone()));
        self
    }

    /// Waits so long between any two parts.
    pub(crate) fn paced(mut self, pause: Duration) -> Self {
        self.steps = self
            .steps
            .into_iter()
            .flat_map(|step| [Step::Pause(pause), step])
            .collect();
        self
    }

    /// Sends only so much of the body and resets the connection.
    pub(crate) fn reset_after(self, bytes: usize) -> Self {
        self.cut(bytes, Step::Reset)
    }

    /// Sends only so much of the body and closes, as if it had crashed.
    pub(crate) fn closed_after(self, bytes: usize) -> Self {
        self.cut(bytes, Step::Close)
    }

    /// Sends only so much of the body and falls silent.
    pub(crate) fn silent_after(self, bytes: usize) -> Self {
        self.cut(bytes, Step::Hang)
    }

    /// Sends only so much of the body and ends it as if that were all.
    pub(crate) fn ended_after(mut self, bytes: usize) -> Self {
        self.truncate(bytes);
        self
    }

    /// Tells the end of the body by closing the connection.
    pub(crate) fn until_close(mut self) -> Self {
        self.framing = Framing::UntilClose;
        self
    }

    /// The body, without what is done between its parts.
    pub(super) fn body(&self) -> Vec<u8> {
        let sent = |step: &Step| match step {
            Step::Send(bytes) => bytes.clone(),
            Step::Raw(_)
            | Step::Wait(_)
            | Step::Pause(_)
            | Step::Hang
            | Step::Reset
            | Step::Close => Vec::new(),
        };
        self.steps.iter().flat_map(sent).collect()
    }

    /// How long the whole body is, in bytes.
    pub(crate) fn body_bytes(&self) -> usize {
        let length = |step: &Step| match step {
            Step::Send(bytes) => bytes.len(),
            Step::Raw(_)
            | Step::Wait(_)
            | Step::Pause(_)
            | Step::Hang
            | Step::Reset
            | Step::Close => 0,
        };
        self.steps.iter().map(length).sum()
    }

    /// The reply itself, or the good answer in its place.
    pub(super) fn resolved(self, usual: impl FnOnce() -> Self) -> Self {
        if !self.is_usual {
            return self;
        }
        Self {
            before_head: self.before_head,
            ..usual()
        }
    }

    fn cut(mut self, bytes: usize, how: Step) -> Self {
        let whole = self.body_bytes();
        self.truncate(bytes);
        if self.framing == Framing::Length {
            self = self.header("content-length", &whole.to_string());
        }
        self.steps.push(how);
        self
    }

    fn truncate(&mut self, bytes: usize) {
        let mut left = bytes;
        let mut kept = Vec::new();
        for step in self.steps.drain(..) {
            match step {
                Step::Send(part) => {
                    let part: Vec<u8> = part.into_iter().take(left).collect();
                    left -= part.len();
                    if !part.is_empty() {
                        kept.push(Step::Send(part));
                    }
                }
                other @ (Step::Raw(_)
                | Step::Wait(_)
                | Step::Pause(_)
                | Step::Hang
                | Step::Reset
                | Step::Close) => kept.push(other),
            }
        }
        self.steps = kept;
    }
}
