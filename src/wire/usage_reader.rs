//! Reading the tokens off an answer that passes by.
//!
//! Answers that are forwarded, and those too large to keep, are counted as well.
//! They are of any API: the usage stands at the top of a document, of an event or of
//! the object an event carries (`response`, `message`), and in a stream the last
//! numbers are the largest.

use bytes::Bytes;

use super::json::members::MembersReader;
use super::json::{self, Json};
use super::sse::FrameReader;
use super::usage::Usage;

const USAGE: &str = "usage";
const MODEL: &str = "model";

/// What an event may carry its answer in: Responses, Anthropic's Messages.
const CARRIERS: [&str; 2] = ["response", "message"];

/// Reads one answer.
#[derive(Debug)]
pub struct UsageReader(Form);

#[derive(Debug)]
enum Form {
    Document(MembersReader),
    Events(Box<Events>),
}

#[derive(Debug)]
struct Events {
    frames: FrameReader,
    found: Found,
}

/// What was found in an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its tokens.
    pub usage: Option<Usage>,
    /// The model that answered.
    pub model: Option<String>,
}

impl UsageReader {
    /// A reader of a document, or of server-sent events.
    pub fn new(is_stream: bool) -> Self {
        Self(if is_stream {
            Form::Events(Box::new(Events {
                frames: FrameReader::new(),
                found: Found::default(),
            }))
        } else {
            Form::Document(MembersReader::new(&[USAGE, MODEL]))
        })
    }

    /// Takes in what came.
    pub fn take(&mut self, chunk: &Bytes) {
        match &mut self.0 {
            Form::Document(members) => members.take(chunk),
            Form::Events(events) => {
                events.frames.push(chunk.clone());
                while let Some(Ok(frame)) = events.frames.next_frame() {
                    if let Ok(Some(data)) = frame.data() {
                        events.found.note(data.as_bytes());
                    }
                }
            }
        }
    }

    /// What was found.
    pub fn finish(self) -> Found {
        match self.0 {
            Form::Document(members) => {
                let parsed = |name| json::parse(members.get(name)?).ok();
                Found {
                    usage: parsed(USAGE).as_ref().and_then(Usage::read_any),
                    model: parsed(MODEL).as_ref().and_then(name_of),
                }
            }
            Form::Events(mut events) => {
                if let Some(frame) = events.frames.finish()
                    && let Ok(Some(data)) = frame.data()
                {
                    events.found.note(data.as_bytes());
                }
                events.found
            }
        }
    }
}

impl Found {
    /// Takes in the data of an event. Most have nothing new: they are not parsed.
    fn note(&mut self, data: &[u8]) {
        let mentions = |name: &str| {
            let quoted = format!("\"{name}\"");
            data.windows(quoted.len())
                .any(|window| window == quoted.as_bytes())
        };
        let wants_model = self.model.is_none() && mentions(MODEL);
        if !wants_model && !mentions(USAGE) {
            return;
        }
        let Ok(event) = json::parse(data) else {
            return;
        };
        let carried = CARRIERS.iter().filter_map(|carrier| event.get(carrier));
        for object in std::iter::once(&event).chain(carried) {
            if let Some(usage) = object.get(USAGE).and_then(Usage::read) {
                self.usage = Some(self.usage.map_or(usage, |known| known.at_least(usage)));
            }
            if self.model.is_none() {
                self.model = object.get(MODEL).and_then(name_of);
            }
        }
    }
}

fn name_of(name: &Json<'_>) -> Option<String> {
    name.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(is_stream: bool, answer: &str) -> (Option<(u64, u64, u64)>, Option<String>) {
        let mut found = None;
        for cut in [1, 7, answer.len().max(1)] {
            let mut reader = UsageReader::new(is_stream);
            for piece in answer.as_bytes().chunks(cut) {
                reader.take(&Bytes::copy_from_slice(piece));
            }
            let now = reader.finish();
            assert_eq!(*found.get_or_insert_with(|| now.clone()), now);
        }
        let Found { usage, model } = found.unwrap();
        let usage = usage.map(|usage| (usage.input, usage.cached_input, usage.output));
        (usage, model)
    }

    fn of(
        input: u64,
        cached: u64,
        output: u64,
        model: &str,
    ) -> (Option<(u64, u64, u64)>, Option<String>) {
        (Some((input, cached, output)), Some(model.to_owned()))
    }

    #[test]
    fn documents_of_every_api_are_read() {
        let chat = r#"{"id":"c","model":"gpt","choices":[{"message":{"content":"\"usage\":"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
        assert_eq!(read(false, chat), of(3, 0, 4, "gpt"));
        let response = r#"{"model":"gpt","output":[],"usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":2},"output_tokens":4}}"#;
        assert_eq!(read(false, response), of(3, 2, 4, "gpt"));
        let message = r#"{"model":"claude","usage":{"input_tokens":3,"cache_read_input_tokens":20,"cache_creation_input_tokens":100,"output_tokens":4}}"#;
        assert_eq!(read(false, message), of(123, 20, 4, "claude"));
        assert_eq!(read(false, "<html>"), (None, None));
        assert_eq!(read(false, ""), (None, None));
    }

    #[test]
    fn streams_of_every_api_are_read() {
        let chat = "data: {\"model\":\"gpt\",\"usage\":null}\n\ndata: {\"model\":\"gpt\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
        assert_eq!(read(true, chat), of(3, 0, 4, "gpt"));
        let response = "event: response.created\ndata: {\"response\":{\"model\":\"gpt\",\"usage\":null}}\n\nevent: response.completed\ndata: {\"response\":{\"model\":\"gpt\",\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}}\n\n";
        assert_eq!(read(true, response), of(3, 0, 4, "gpt"));
        let message = "event: message_start\ndata: {\"message\":{\"model\":\"claude\",\"usage\":{\"input_tokens\":3,\"cache_read_input_tokens\":20,\"output_tokens\":1}}}\n\nevent: message_delta\ndata: {\"usage\":{\"output_tokens\":9}}";
        assert_eq!(read(true, message), of(23, 20, 9, "claude"));
        assert_eq!(
            read(true, "data: {\"choices\":[]}\n\ndata: [DONE]\n\n"),
            (None, None)
        );
    }
}
