//! What the scripted upstream says: a function of what it is asked.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

const WORDS: [&str; 32] = [
    "a", "cache", "answers", "what", "was", "asked", "before", "and", "the", "same", "question",
    "gets", "words", "again", "so", "nothing", "is", "paid", "twice", "while", "every", "new",
    "one", "goes", "on", "to", "model", "that", "thinks", "about", "it", "first",
];

/// How many words an answer has that nothing cuts short.
const LENGTH: usize = 24;

const CHOICES_MAX: u64 = 8;

/// One answer to a chat completion.
#[derive(Debug)]
pub(super) struct Script {
    id: String,
    created: u64,
    model: String,
    choices: Vec<Choice>,
    prompt_tokens: usize,
    streams: bool,
    tells_usage: bool,
}

#[derive(Debug)]
struct Choice {
    words: Vec<String>,
    tool: Option<String>,
    finish_reason: &'static str,
}

impl Script {
    /// The answer to `request`; `None` if it lacks what an answer needs. `number`
    /// is the call's own: it shows in the id, and nowhere else.
    pub(super) fn of(request: &Value, number: u64) -> Option<Self> {
        let model = request.get("model")?.as_str()?.to_owned();
        let messages = request.get("messages")?.as_array()?;
        let limit = ["max_completion_tokens", "max_tokens"]
            .iter()
            .find_map(|name| request.get(*name)?.as_u64())
            .and_then(|limit| usize::try_from(limit).ok());
        let tool = wanted_tool(request);
        let seed = seed_of(&json!([
            model,
            messages,
            request.get("seed"),
            request.get("temperature")
        ]));
        let count = request
            .get("n")
            .and_then(Value::as_u64)
            .unwrap_or(1)
            .clamp(1, CHOICES_MAX);
        let choices = (0..count)
            .map(|index| Choice::of(&seed, index, limit, tool.clone()))
            .collect();
        let option = |name: &str| {
            request
                .pointer(name)
                .and_then(Value::as_bool)
                .unwrap_or_default()
        };
        Some(Self {
            id: format!("chatcmpl-mock{number:08}"),
            created: 1_700_000_000 + number,
            model,
            choices,
            prompt_tokens: messages
                .to_owned()
                .iter()
                .map(|message| message.to_string().len() / 4 + 1)
                .sum(),
            streams: option("/stream"),
            tells_usage: option("/stream_options/include_usage"),
        })
    }

    pub(super) const fn streams(&self) -> bool {
        self.streams
    }

    /// How many tokens the answer has.
    pub(super) fn length(&self) -> u32 {
        let words: usize = self.choices.iter().map(|choice| choice.words.len()).sum();
        u32::try_from(words).unwrap_or(u32::MAX)
    }

    /// The answer as one document.
    pub(super) fn document(&self) -> Vec<u8> {
        let choices: Vec<Value> = self
            .choices
            .iter()
            .enumerate()
            .map(|(index, choice)| {
                json!({
                    "index": index,
                    "message": choice.message(),
                    "logprobs": null,
                    "finish_reason": choice.finish_reason,
                })
            })
            .collect();
        let mut document = self.envelope("chat.completion");
        document.insert("choices".to_owned(), choices.into());
        document.insert("usage".to_owned(), self.usage());
        Value::Object(document).to_string().into_bytes()
    }

    /// The answer as events.
    pub(super) fn events(&self) -> Vec<Bytes> {
        let mut events = Vec::new();
        for index in 0..self.choices.len() {
            let delta = json!({"role": "assistant", "content": "", "refusal": null});
            events.push(self.chunk(index, &delta, None));
        }
        for (index, choice) in self.choices.iter().enumerate() {
            match &choice.tool {
                Some(name) => {
                    let call = choice.call(name);
                    let delta = json!({"tool_calls": [merge(&json!({"index": 0}), &call)]});
                    events.push(self.chunk(index, &delta, None));
                }
                None => {
                    for word in &choice.words {
                        events.push(self.chunk(index, &json!({"content": word}), None));
                    }
                }
            }
            events.push(self.chunk(index, &json!({}), Some(choice.finish_reason)));
        }
        if self.tells_usage {
            let mut chunk = self.envelope("chat.completion.chunk");
            chunk.insert("choices".to_owned(), json!([]));
            chunk.insert("usage".to_owned(), self.usage());
            events.push(frame(&Value::Object(chunk)));
        }
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        events
    }

    fn chunk(&self, index: usize, delta: &Value, finish_reason: Option<&str>) -> Bytes {
        let mut chunk = self.envelope("chat.completion.chunk");
        let choice = json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
        chunk.insert("choices".to_owned(), json!([choice]));
        if self.tells_usage {
            chunk.insert("usage".to_owned(), Value::Null);
        }
        frame(&Value::Object(chunk))
    }

    fn envelope(&self, object: &str) -> Map<String, Value> {
        let envelope = json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "service_tier": "default",
            "system_fingerprint": "fp_mock",
        });
        envelope.as_object().cloned().unwrap_or_default()
    }

    fn usage(&self) -> Value {
        let (prompt, completion) = (self.prompt_tokens, self.length() as usize);
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        })
    }
}

impl Choice {
    fn of(seed: &[u8; 32], index: u64, limit: Option<usize>, tool: Option<String>) -> Self {
        let length = limit.map_or(LENGTH, |limit| limit.min(LENGTH));
        let words = (0..length).map(|at| word(seed, index, at)).collect();
        let finish_reason = match (&tool, length < LENGTH) {
            (Some(_), _) => "tool_calls",
            (None, true) => "length",
            (None, false) => "stop",
        };
        Self {
            words,
            tool,
            finish_reason,
        }
    }

    fn message(&self) -> Value {
        match &self.tool {
            Some(name) => json!({
                "role": "assistant", "content": null, "refusal": null, "annotations": [],
                "tool_calls": [self.call(name)],
            }),
            None => json!({
                "role": "assistant", "content": self.words.concat(), "refusal": null, "annotations": [],
            }),
        }
    }

    fn call(&self, name: &str) -> Value {
        let arguments = json!({"query": self.words.concat().trim()}).to_string();
        json!({
            "id": format!("call_{name}"),
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        })
    }
}

/// The embeddings of every input; `None` if the request lacks a model or input.
pub(super) fn embeddings(request: &Value) -> Option<Value> {
    let model = request.get("model")?.as_str()?;
    let input = request.get("input")?;
    let inputs = match input.as_array() {
        Some(items) if !items.iter().all(Value::is_number) => items.clone(),
        Some(_) | None => vec![input.clone()],
    };
    let size = request
        .get("dimensions")
        .and_then(Value::as_u64)
        .unwrap_or(256);
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let vector = vector(&json!([model, input]), size);
            json!({"object": "embedding", "index": index, "embedding": vector})
        })
        .collect();
    let tokens: usize = inputs
        .iter()
        .map(|input| input.to_string().len() / 4 + 1)
        .sum();
    Some(json!({
        "object": "list", "data": data, "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }))
}

/// A unit vector that depends on `value` alone.
fn vector(value: &Value, size: u64) -> Vec<f32> {
    let seed = seed_of(value);
    let mut state = u64::from_le_bytes(seed.first_chunk().copied().unwrap_or_default()) | 1;
    let raw: Vec<f32> = (0..size)
        .map(|_| {
            // xorshift64: any cheap sequence does, it only has to repeat.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            f32::from(u16::try_from(state & 0xffff).unwrap_or_default()) / 32_768.0 - 1.0
        })
        .collect();
    let norm = raw
        .iter()
        .map(|one| one * one)
        .sum::<f32>()
        .sqrt()
        .max(f32::MIN_POSITIVE);
    raw.into_iter().map(|one| one / norm).collect()
}

/// The tool that has to be called, if one has to.
fn wanted_tool(request: &Value) -> Option<String> {
    let tools = request.get("tools")?.as_array()?;
    let choice = request.get("tool_choice")?;
    let named = choice.pointer("/function/name").and_then(Value::as_str);
    let first = || tools.first()?.pointer("/function/name")?.as_str();
    let wanted = match choice.as_str() {
        Some("required") => first(),
        Some(_) => None,
        None => named,
    };
    wanted.map(ToOwned::to_owned)
}

fn word(seed: &[u8; 32], index: u64, at: usize) -> String {
    let byte = seed.get(at % seed.len()).copied().unwrap_or_default();
    let step = usize::from(byte) + at * 7 + usize::try_from(index).unwrap_or_default() * 5;
    let word = WORDS.get(step % WORDS.len()).copied().unwrap_or_default();
    if at == 0 {
        word.to_owned()
    } else {
        format!(" {word}")
    }
}

fn seed_of(value: &Value) -> [u8; 32] {
    Sha256::digest(value.to_string()).into()
}

fn merge(first: &Value, second: &Value) -> Value {
    let members = [first, second]
        .into_iter()
        .filter_map(Value::as_object)
        .flatten();
    Value::Object(
        members
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}

fn frame(chunk: &Value) -> Bytes {
    format!("data: {chunk}\n\n").into()
}
