//! Completions of the time before chat: what the prompt says comes again, and the words
//! of the scripted upstream after it.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::books::Call;
use super::refusal::Refusal;
use super::script::words;

/// The limit of who sets none.
const TOKENS: usize = 16;

/// As many completions as the real one gives.
const CHOICES_MAX: usize = 128;

/// A request for completions. What it holds beyond this changes nothing.
#[derive(Debug, Deserialize)]
struct Question {
    model: String,
    prompt: Value,
    suffix: Option<String>,
    max_tokens: Option<usize>,
    n: Option<usize>,
    seed: Option<i64>,
    temperature: Option<f64>,
    logprobs: Option<usize>,
    echo: Option<bool>,
    stream: Option<bool>,
    stream_options: Option<Value>,
}

/// The answer to `body`: the events of a stream, or one document.
#[derive(Debug)]
pub(super) enum Completions {
    Events(Vec<Bytes>),
    Document(Value),
}

/// One completion, in pieces of a token each.
#[derive(Debug)]
struct Choice {
    pieces: Vec<String>,
    finish_reason: &'static str,
}

impl Completions {
    /// The answer to `body`.
    ///
    /// # Errors
    /// If the request lacks what an answer needs.
    pub(super) fn of(body: &[u8], call: &Call) -> Result<Self, Refusal> {
        let question: Question =
            serde_json::from_slice(body).map_err(|error| Refusal::unread(&error))?;
        let prompts = prompts(&question.prompt)?;
        let n = question.n.unwrap_or(1);
        if !(1..=CHOICES_MAX).contains(&n) {
            return Err(Refusal::of("n", "'$.n' must be from 1 to 128."));
        }
        let all = prompts
            .iter()
            .flat_map(|prompt| (0..n).map(move |at| (prompt, at)));
        let choices: Vec<Choice> = all
            .map(|(prompt, at)| question.choice(prompt, at))
            .collect();
        let input: usize = prompts.iter().map(|prompt| prompt.len() / 4 + 1).sum();
        let output: usize = choices.iter().map(|choice| choice.pieces.len()).sum();
        let usage = json!({
            "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        });
        let around = |choices: Value| {
            json!({
                "id": format!("cmpl-{}", call.name()), "object": "text_completion",
                "created": 1_700_000_000 + call.number(), "model": question.model,
                "choices": choices,
            })
        };
        if question.stream == Some(true) {
            return Ok(Self::Events(question.events(&choices, &around, &usage)));
        }
        let choices = choices.iter().zip(0..);
        let choices = choices.map(|(choice, index)| {
            question.told(index, &choice.pieces, 0, Some(choice.finish_reason))
        });
        let mut whole = around(choices.collect());
        if let Some(members) = whole.as_object_mut() {
            members.insert("usage".to_owned(), usage);
        }
        Ok(Self::Document(whole))
    }
}

impl Question {
    fn choice(&self, prompt: &str, at: usize) -> Choice {
        let parts = [
            self.model.clone(),
            prompt.to_owned(),
            json!([self.suffix, self.seed, self.temperature]).to_string(),
        ];
        let seed = parts.iter().fold(Sha256::new(), |hash, part| {
            hash.chain_update(part).chain_update([0])
        });
        let said = words(
            &seed.finalize().into(),
            u32::try_from(at).unwrap_or_default(),
        );
        let limit = self.max_tokens.unwrap_or(TOKENS);
        let finish_reason = if limit < said.len() { "length" } else { "stop" };
        let echo = (self.echo == Some(true)).then(|| prompt.to_owned());
        let said = said
            .iter()
            .take(limit)
            .map(|word| word.clone().into_owned());
        Choice {
            pieces: echo.into_iter().chain(said).collect(),
            finish_reason,
        }
    }

    fn events(
        &self,
        choices: &[Choice],
        around: &dyn Fn(Value) -> Value,
        usage: &Value,
    ) -> Vec<Bytes> {
        let options = self.stream_options.as_ref();
        let tells_usage = options.is_some_and(|options| options["include_usage"] == true);
        let mut events = Vec::new();
        let mut event = |choices: Value, usage: &Value| {
            let mut chunk = around(choices);
            if let (Some(members), true) = (chunk.as_object_mut(), tells_usage) {
                members.insert("usage".to_owned(), usage.clone());
            }
            events.push(Bytes::from(format!("data: {chunk}\n\n")));
        };
        for (choice, index) in choices.iter().zip(0..) {
            let mut offset = 0;
            for piece in &choice.pieces {
                let told = self.told(index, std::slice::from_ref(piece), offset, None);
                event(json!([told]), &Value::Null);
                offset += piece.chars().count();
            }
            let last = json!({
                "text": "", "index": index, "logprobs": null,
                "finish_reason": choice.finish_reason,
            });
            event(json!([last]), &Value::Null);
        }
        if tells_usage {
            event(json!([]), usage);
        }
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        events
    }

    /// Pieces of the choice at `index` that begin at `offset` of its text.
    fn told(&self, index: usize, pieces: &[String], offset: usize, reason: Option<&str>) -> Value {
        let logprobs = self.logprobs.map(|_alternatives| {
            let offsets = pieces.iter().scan(offset, |at, piece| {
                let here = *at;
                *at += piece.chars().count();
                Some(here)
            });
            json!({
                "tokens": pieces,
                "token_logprobs": vec![-0.125; pieces.len()],
                "top_logprobs": pieces.iter().map(|piece| json!({piece: -0.125})).collect::<Value>(),
                "text_offset": offsets.collect::<Value>(),
            })
        });
        json!({
            "text": pieces.concat(), "index": index, "logprobs": logprobs,
            "finish_reason": reason,
        })
    }
}

/// The prompts as texts; tokens stand for themselves.
fn prompts(prompt: &Value) -> Result<Vec<String>, Refusal> {
    let one = |item: &Value| {
        item.as_str()
            .map_or_else(|| item.to_string(), str::to_owned)
    };
    let list = prompt
        .as_array()
        .filter(|items| !items.iter().all(Value::is_u64));
    let items = list.map_or(std::slice::from_ref(prompt), Vec::as_slice);
    let is_empty = |item: &Value| item.is_null() || item.as_array().is_some_and(Vec::is_empty);
    if items.iter().any(is_empty) {
        return Err(Refusal::of("prompt", "'$.prompt' is invalid."));
    }
    Ok(items.iter().map(one).collect())
}
