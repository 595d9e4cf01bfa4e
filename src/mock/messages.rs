//! Anthropic's messages: the same words as a chat completion has, in blocks.
//!
//! A tool is called if `tool_choice` wants one, and with `thinking` there is a block of
//! it before the words.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::books::Call;
use super::refusal::Refusal;
use super::script::{Event, cut, sample, words};

const THOUGHT: &str = "What was asked before?";

/// A request for a message. What it holds beyond this changes nothing.
#[derive(Deserialize)]
struct Question<'a> {
    model: String,
    max_tokens: Option<usize>,
    #[serde(borrow)]
    messages: &'a RawValue,
    #[serde(borrow)]
    system: Option<&'a RawValue>,
    #[serde(borrow)]
    temperature: Option<&'a RawValue>,
    stream: Option<bool>,
    thinking: Option<Value>,
    tools: Option<Vec<Value>>,
    tool_choice: Option<Value>,
}

/// One answer.
#[derive(Debug)]
pub(super) struct Message {
    id: String,
    model: String,
    input_tokens: usize,
    streams: bool,
    /// What was thought before, if anything.
    thought: Option<&'static str>,
    said: Said,
    pieces: Vec<String>,
    stop_reason: &'static str,
}

/// Where the pieces go.
#[derive(Debug)]
enum Said {
    Text,
    Call { id: String, name: String },
}

/// How many tokens the request in `body` has.
///
/// # Errors
/// If it lacks what an answer needs.
pub(super) fn count(body: &[u8]) -> Result<Value, Refusal> {
    let question = Question::read(body)?;
    Ok(json!({"input_tokens": question.tokens()}))
}

impl<'a> Question<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Refusal> {
        let question: Self =
            serde_json::from_slice(body).map_err(|error| Refusal::unread(&error))?;
        if !question.messages.get().starts_with('[') {
            let message = "messages: Input should be a valid list";
            return Err(Refusal::of("messages", message));
        }
        Ok(question)
    }

    fn tokens(&self) -> usize {
        let length = |raw: Option<&RawValue>| raw.map_or(0, |raw| raw.get().len());
        (length(Some(self.messages)) + length(self.system)) / 4 + 1
    }

    /// What the words come from: all that makes it this question and no other.
    fn seed(&self) -> [u8; 32] {
        let text = |raw: Option<&'a RawValue>| raw.map_or("null", RawValue::get);
        let parts = [
            self.model.as_str(),
            self.messages.get(),
            text(self.system),
            text(self.temperature),
        ];
        let hash = parts.iter().fold(Sha256::new(), |hash, part| {
            hash.chain_update(part).chain_update([0])
        });
        hash.finalize().into()
    }

    /// The tool that has to be called.
    fn tool(&self) -> Option<&Value> {
        let (tools, choice) = (self.tools.as_ref()?, self.tool_choice.as_ref()?);
        match choice.get("type")?.as_str()? {
            "any" => tools.first(),
            "tool" => tools
                .iter()
                .find(|tool| tool.get("name") == choice.get("name")),
            _ => None,
        }
    }

    fn thinks(&self) -> bool {
        let kind = self.thinking.as_ref().and_then(|how| how.get("type"));
        kind.is_some_and(|kind| kind == "enabled" || kind == "adaptive")
    }
}

impl Message {
    /// The answer to `body`. The call shows in `id`, and nowhere else.
    ///
    /// # Errors
    /// If the request lacks what an answer needs.
    pub(super) fn of(body: &[u8], call: &Call) -> Result<Self, Refusal> {
        let question = Question::read(body)?;
        let limit = question
            .max_tokens
            .ok_or_else(|| Refusal::of("max_tokens", "max_tokens: Field required"))?;
        let seed = question.seed();
        let words = words(&seed, 0);
        let (said, mut pieces) = match question.tool() {
            None => (Said::Text, words.iter().map(ToString::to_string).collect()),
            Some(tool) => {
                let said = Said::Call {
                    id: format!("toolu_{:.24}", hex::encode(seed)),
                    name: tool
                        .get("name")
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned(),
                };
                let schema = tool.get("input_schema").unwrap_or(&Value::Null);
                let input = sample(schema, &words.concat()).to_string();
                let pieces: Vec<String> = cut(&input).into_iter().map(Cow::into_owned).collect();
                (said, pieces)
            }
        };
        let is_cut = matches!(said, Said::Text) && limit < pieces.len();
        if is_cut {
            pieces.truncate(limit);
        }
        let stop_reason = match said {
            _ if is_cut => "max_tokens",
            Said::Call { .. } => "tool_use",
            Said::Text => "end_turn",
        };
        Ok(Self {
            id: format!("msg_{}", call.name()),
            input_tokens: question.tokens(),
            streams: question.stream.unwrap_or_default(),
            thought: question.thinks().then_some(THOUGHT),
            model: question.model,
            said,
            pieces,
            stop_reason,
        })
    }

    pub(super) const fn streams(&self) -> bool {
        self.streams
    }

    /// How many tokens the answer has.
    pub(super) fn tokens(&self) -> u32 {
        u32::try_from(self.pieces.len()).unwrap_or(u32::MAX)
    }

    /// The answer as one document.
    pub(super) fn document(&self) -> Value {
        let said = self.pieces.concat();
        let mut content = Vec::new();
        if let Some(thought) = self.thought {
            content.push(json!({"type": "thinking", "thinking": thought, "signature": "bW9jaw=="}));
        }
        content.push(match &self.said {
            Said::Text => json!({"type": "text", "text": said}),
            Said::Call { id, name } => {
                let input: Value = serde_json::from_str(&said).unwrap_or_else(|_no_json| json!({}));
                json!({"type": "tool_use", "id": id, "name": name, "input": input})
            }
        });
        self.message(&content, &json!(self.stop_reason), self.tokens())
    }

    /// The answer as events.
    pub(super) fn events(&self) -> Vec<Event> {
        let mut events = vec![event(
            &json!({"type": "message_start", "message": self.message(&[], &Value::Null, 1)}),
            0,
        )];
        if let Some(thought) = self.thought {
            let start = json!({"type": "thinking", "thinking": "", "signature": ""});
            let deltas = [
                json!({"type": "thinking_delta", "thinking": thought}),
                json!({"type": "signature_delta", "signature": "bW9jaw=="}),
            ];
            block(&mut events, 0, &start, deltas.map(|delta| (delta, 0)));
        }
        events.push(event(&json!({"type": "ping"}), 0));
        let index = usize::from(self.thought.is_some());
        let start = match &self.said {
            Said::Text => json!({"type": "text", "text": ""}),
            Said::Call { id, name } => {
                json!({"type": "tool_use", "id": id, "name": name, "input": {}})
            }
        };
        let deltas = (1..).zip(&self.pieces).map(|(tokens, piece)| {
            let delta = match self.said {
                Said::Text => json!({"type": "text_delta", "text": piece}),
                Said::Call { .. } => json!({"type": "input_json_delta", "partial_json": piece}),
            };
            (delta, tokens)
        });
        block(&mut events, index, &start, deltas);
        let end = json!({
            "type": "message_delta",
            "delta": {"stop_reason": self.stop_reason, "stop_sequence": null},
            "usage": {"input_tokens": self.input_tokens, "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0, "output_tokens": self.tokens()},
        });
        events.push(event(&end, self.tokens()));
        events.push(event(&json!({"type": "message_stop"}), self.tokens()));
        events
    }

    fn message(&self, content: &[Value], stop_reason: &Value, output_tokens: u32) -> Value {
        json!({
            "id": self.id, "type": "message", "role": "assistant", "model": self.model,
            "content": content, "stop_reason": stop_reason, "stop_sequence": null,
            "usage": {"input_tokens": self.input_tokens, "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0, "output_tokens": output_tokens,
                "service_tier": "standard"},
        })
    }
}

/// A block's events: its start, these deltas, its end.
fn block(
    events: &mut Vec<Event>,
    index: usize,
    start: &Value,
    deltas: impl IntoIterator<Item = (Value, u32)>,
) {
    let start = json!({"type": "content_block_start", "index": index, "content_block": start});
    events.push(event(&start, 0));
    let mut said = 0;
    for (delta, tokens) in deltas {
        said = tokens;
        let delta = json!({"type": "content_block_delta", "index": index, "delta": delta});
        events.push(event(&delta, said));
    }
    events.push(event(
        &json!({"type": "content_block_stop", "index": index}),
        said,
    ));
}

fn event(data: &Value, tokens_so_far: u32) -> Event {
    let name = data.get("type").and_then(Value::as_str).unwrap_or_default();
    Event {
        bytes: Bytes::from(format!("event: {name}\ndata: {data}\n\n")),
        tokens_so_far,
    }
}
