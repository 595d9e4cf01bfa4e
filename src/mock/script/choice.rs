//! One choice of an answer, in pieces of a token each.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::question::{Question, Tool, Wanted};
use super::sample::sample;

/// Each with the space before it.
const WORDS: [&str; 32] = [
    " a",
    " cache",
    " answers",
    " what",
    " was",
    " asked",
    " before",
    " and",
    " the",
    " same",
    " question",
    " gets",
    " words",
    " again",
    " so",
    " nothing",
    " is",
    " paid",
    " twice",
    " while",
    " every",
    " new",
    " one",
    " goes",
    " on",
    " to",
    " model",
    " that",
    " thinks",
    " about",
    " it",
    " first",
];

/// How many words an answer has that nothing cuts short.
const LENGTH: usize = 24;

/// How many characters of JSON a token has.
const PIECE_CHARS: usize = 6;

/// The model that always refuses.
const REFUSING_MODEL: &str = "mock-refusal";

const REFUSAL: [&str; 7] = ["I'm", " sorry", ",", " I", " can't", " do", " that."];

/// One choice.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) form: Form,
    pub(super) pieces: Vec<Cow<'static, str>>,
    pub(super) finish_reason: &'static str,
}

/// Where the pieces go.
#[derive(Debug)]
pub(super) enum Form {
    /// To the content.
    Text,
    /// To the refusal.
    Refusal,
    /// To the arguments of a call.
    Call {
        id: String,
        name: String,
        is_custom: bool,
    },
}

impl Choice {
    pub(super) fn of(question: &Question<'_>, seed: &[u8; 32], index: u32) -> Self {
        let words = words(seed, index);
        let (form, mut pieces) = match question.wanted() {
            _ if question.model == REFUSING_MODEL => {
                let pieces = REFUSAL.into_iter().map(Cow::Borrowed).collect();
                (Form::Refusal, pieces)
            }
            Wanted::Text => (Form::Text, words),
            Wanted::Json(schema) => {
                let words = words.concat();
                let value = schema.map_or_else(
                    || json!({ "answer": words }),
                    |schema| sample(&schema, &words),
                );
                (Form::Text, cut(&value.to_string()))
            }
            Wanted::Call(tool) => call(tool, &words.concat(), (seed, index)),
        };
        let is_cut = question.limit() < pieces.len();
        pieces.truncate(question.limit());
        let finish_reason = match form {
            _ if is_cut => "length",
            Form::Call { .. } => "tool_calls",
            Form::Text | Form::Refusal => "stop",
        };
        Self {
            form,
            pieces,
            finish_reason,
        }
    }

    /// The message of a whole answer.
    pub(super) fn message(&self) -> Value {
        let said = self.pieces.concat();
        match &self.form {
            Form::Text => {
                json!({"role": "assistant", "content": said, "refusal": null, "annotations": []})
            }
            Form::Refusal => {
                json!({"role": "assistant", "content": null, "refusal": said, "annotations": []})
            }
            Form::Call {
                id,
                name,
                is_custom,
            } => {
                let call = if *is_custom {
                    json!({"id": id, "type": "custom", "custom": {"name": name, "input": said}})
                } else {
                    json!({
                        "id": id,
                        "type": "function",
                        "function": {"name": name, "arguments": said},
                    })
                };
                json!({
                    "role": "assistant", "content": null, "refusal": null, "annotations": [],
                    "tool_calls": [call],
                })
            }
        }
    }
}

fn call(
    tool: Tool,
    words: &str,
    (seed, index): (&[u8; 32], u32),
) -> (Form, Vec<Cow<'static, str>>) {
    let schema = tool.parameters.filter(Value::is_object);
    let arguments = if tool.is_custom {
        words.to_owned()
    } else {
        let value = schema.map_or_else(
            || json!({ "query": words }),
            |schema| sample(&schema, words),
        );
        value.to_string()
    };
    let start = seed.first_chunk().copied().unwrap_or_default();
    let form = Form::Call {
        id: format!("call_{:016x}{index:04x}", u64::from_le_bytes(start)),
        name: tool.name,
        is_custom: tool.is_custom,
    };
    (form, cut(&arguments))
}

/// What is said in the choice of this index.
pub(in crate::mock) fn words(seed: &[u8; 32], index: u32) -> Vec<Cow<'static, str>> {
    let index = usize::try_from(index).unwrap_or_default();
    seed.iter()
        .take(LENGTH)
        .enumerate()
        .map(|(at, byte)| {
            let step = usize::from(*byte) + at * 7 + index * 5;
            let word = WORDS.get(step % WORDS.len()).copied().unwrap_or_default();
            Cow::Borrowed(if at == 0 { word.trim_start() } else { word })
        })
        .collect()
}

/// JSON in pieces of a token each.
pub(in crate::mock) fn cut(text: &str) -> Vec<Cow<'static, str>> {
    let letters: Vec<char> = text.chars().collect();
    letters
        .chunks(PIECE_CHARS)
        .map(|piece| Cow::Owned(piece.iter().collect()))
        .collect()
}
