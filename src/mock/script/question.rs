//! What of a chat completion request decides what is said.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::mock::refusal::Refusal;

/// As many choices as the real one gives.
const CHOICES_MAX: u32 = 128;

/// A chat completion request. What it holds beyond this changes nothing.
#[derive(Deserialize)]
pub(super) struct Question<'a> {
    #[serde(borrow)]
    pub(super) model: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) messages: &'a RawValue,
    n: Option<u32>,
    #[serde(borrow)]
    seed: Option<&'a RawValue>,
    #[serde(borrow)]
    temperature: Option<&'a RawValue>,
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    logprobs: Option<bool>,
    top_logprobs: Option<usize>,
    tools: Option<Vec<Value>>,
    tool_choice: Option<Value>,
    response_format: Option<Value>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

/// What form the answer is to have.
pub(super) enum Wanted {
    /// Words.
    Text,
    /// JSON, of a schema if there is one.
    Json(Option<Value>),
    /// A call of a tool.
    Call(Tool),
}

/// A tool that has to be called.
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) is_custom: bool,
    /// The schema of its arguments.
    pub(super) parameters: Option<Value>,
}

impl<'a> Question<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Refusal> {
        let question: Self =
            serde_json::from_slice(body).map_err(|error| Refusal::unread(&error))?;
        if !question.messages.get().starts_with('[') {
            return Err(Refusal::of("messages", "'$.messages' is not an array."));
        }
        if !(1..=CHOICES_MAX).contains(&question.choices()) {
            return Err(Refusal::of("n", "'$.n' must be from 1 to 128."));
        }
        Ok(question)
    }

    pub(super) fn choices(&self) -> u32 {
        self.n.unwrap_or(1)
    }

    /// The most tokens of a choice.
    pub(super) fn limit(&self) -> usize {
        let limit = self.max_completion_tokens.or(self.max_tokens);
        limit.unwrap_or(usize::MAX)
    }

    pub(super) fn streams(&self) -> bool {
        self.stream.unwrap_or_default()
    }

    pub(super) fn asks_for_usage(&self) -> bool {
        let options = self.stream_options.as_ref();
        options
            .and_then(|options| options.include_usage)
            .unwrap_or_default()
    }

    /// How many alternatives to tell with each token, if anything about them.
    pub(super) fn logprobs(&self) -> Option<usize> {
        let is_asked = self.logprobs.unwrap_or_default();
        is_asked.then(|| self.top_logprobs.unwrap_or_default().min(20))
    }

    /// What the words come from: all that makes it this question and no other.
    pub(super) fn seed(&self) -> [u8; 32] {
        let optional = |raw: Option<&RawValue>| raw.map_or("null", RawValue::get).to_owned();
        let parts = [
            self.model.clone().into_owned(),
            self.messages.get().to_owned(),
            optional(self.seed),
            optional(self.temperature),
        ];
        let hash = parts.iter().fold(Sha256::new(), |hash, part| {
            hash.chain_update(part).chain_update([0])
        });
        hash.finalize().into()
    }

    /// The form of the answer.
    pub(super) fn wanted(&self) -> Wanted {
        if let Some(tool) = self.tool() {
            return Wanted::Call(tool);
        }
        let Some(format) = &self.response_format else {
            return Wanted::Text;
        };
        match format.get("type").and_then(Value::as_str) {
            Some("json_schema") => Wanted::Json(format.pointer("/json_schema/schema").cloned()),
            Some("json_object") => Wanted::Json(None),
            Some(_) | None => Wanted::Text,
        }
    }

    fn tool(&self) -> Option<Tool> {
        let tools = self.tools.as_ref()?;
        let choice = self.tool_choice.as_ref()?;
        let named = |tool: &Value| Some(member(tool)?.get("name")?.as_str()?.to_owned());
        let tool = if choice == "required" {
            tools.first()
        } else {
            // A choice among some comes down to the first of them.
            let allowed = choice.get("allowed_tools");
            let choice = match allowed {
                Some(allowed) if allowed.get("mode")? == "required" => {
                    allowed.pointer("/tools/0")?
                }
                Some(_) => return None,
                None => choice,
            };
            let name = named(choice)?;
            tools
                .iter()
                .find(|tool| named(tool).is_some_and(|known| known == name))
        }?;
        Some(Tool {
            name: named(tool)?,
            is_custom: tool.get("custom").is_some(),
            parameters: tool.pointer("/function/parameters").cloned(),
        })
    }
}

/// The part of a tool that has its name.
fn member(tool: &Value) -> Option<&Value> {
    tool.get("function").or_else(|| tool.get("custom"))
}
