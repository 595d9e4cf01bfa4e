//! What the scripted upstream says to a chat completion: a function of what it is
//! asked, in one document or in events.

mod choice;
mod events;
mod question;
mod response;
mod sample;

use serde_json::{Value, json};

use super::books::Call;
use super::refusal::Refusal;
use choice::{Choice, Form};
use question::Question;

pub(super) use choice::{cut, words};
pub(super) use events::Event;
pub(super) use response::ResponseScript;
pub(super) use sample::sample;

/// One answer to a chat completion.
#[derive(Debug)]
pub(super) struct Script {
    /// The members that every document and event of the answer has, after
    /// `object`, as JSON.
    common: String,
    id: String,
    choices: Vec<Choice>,
    prompt_tokens: usize,
    streams: bool,
    tells_usage: bool,
    logprobs: Option<usize>,
}

impl Script {
    /// The answer to `body`. The call shows in `id` and `created`, and nowhere else.
    ///
    /// # Errors
    /// If the request lacks what an answer needs.
    pub(super) fn of(body: &[u8], call: &Call) -> Result<Self, Refusal> {
        let question = Question::read(body)?;
        let seed = question.seed();
        let choices = (0..question.choices())
            .map(|index| Choice::of(&question, &seed, index))
            .collect();
        let common = format!(
            r#""created":{},"model":{},"service_tier":"default","system_fingerprint":"fp_mock""#,
            1_700_000_000 + call.number(),
            json!(question.model),
        );
        Ok(Self {
            common,
            id: format!("chatcmpl-{}", call.name()),
            choices,
            prompt_tokens: question.messages.get().len() / 4 + 1,
            streams: question.streams(),
            tells_usage: question.asks_for_usage(),
            logprobs: question.logprobs(),
        })
    }

    pub(super) const fn streams(&self) -> bool {
        self.streams
    }

    /// How many tokens the answer has.
    pub(super) fn tokens(&self) -> u32 {
        let pieces: usize = self.choices.iter().map(|choice| choice.pieces.len()).sum();
        u32::try_from(pieces).unwrap_or(u32::MAX)
    }

    /// The answer as one document.
    pub(super) fn document(&self) -> String {
        let choices: Vec<String> = self
            .choices
            .iter()
            .enumerate()
            .map(|(index, choice)| {
                let logprobs = self.logprobs(&choice.form, &choice.pieces);
                format!(
                    r#"{{"index":{index},"message":{},"logprobs":{logprobs},"finish_reason":"{}"}}"#,
                    choice.message(),
                    choice.finish_reason,
                )
            })
            .collect();
        format!(
            r#"{{"id":"{}","object":"chat.completion",{},"choices":[{}],"usage":{}}}"#,
            self.id,
            self.common,
            choices.join(","),
            self.usage(),
        )
    }

    fn usage(&self) -> Value {
        let (prompt, completion) = (self.prompt_tokens, self.tokens() as usize);
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        })
    }

    /// What is told about these tokens; null if nothing was asked about them.
    fn logprobs(&self, form: &Form, pieces: &[impl AsRef<str>]) -> Value {
        let Some(alternatives) = self.logprobs else {
            return Value::Null;
        };
        let told: Vec<Value> = pieces
            .iter()
            .map(|piece| logprob(piece.as_ref(), alternatives))
            .collect();
        match form {
            Form::Text => json!({"content": told, "refusal": null}),
            Form::Refusal => json!({"content": null, "refusal": told}),
            Form::Call { .. } => Value::Null,
        }
    }
}

fn logprob(token: &str, alternatives: usize) -> Value {
    let likely = |rank: usize| json!(-0.125 - f64::from(u8::try_from(rank).unwrap_or(u8::MAX)));
    let others: Vec<Value> = (0..alternatives)
        .map(|rank| {
            let other = format!("{token}{}", "~".repeat(rank));
            json!({"token": other, "logprob": likely(rank), "bytes": other.as_bytes()})
        })
        .collect();
    json!({
        "token": token,
        "logprob": likely(0),
        "bytes": token.as_bytes(),
        "top_logprobs": others,
    })
}
