//! The same script as a response: a request for one is told as a chat completion's, and
//! what is said to that in the response's terms.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::Script;
use super::choice::{Choice, Form};
use super::events::Event;
use crate::mock::books::Call;
use crate::mock::refusal::Refusal;

/// What a response repeats of its request.
const REPEATED: [&str; 12] = [
    "instructions",
    "max_output_tokens",
    "previous_response_id",
    "prompt_cache_key",
    "safety_identifier",
    "tool_choice",
    "parallel_tool_calls",
    "store",
    "temperature",
    "text",
    "top_p",
    "user",
];

/// One answer to a request for a response.
#[derive(Debug)]
pub(in crate::mock) struct ResponseScript {
    script: Script,
    asked: Map<String, Value>,
    id: String,
    created_at: u64,
}

/// Events one after the other.
#[derive(Default)]
struct Writer {
    events: Vec<Event>,
    tokens: u32,
}

impl ResponseScript {
    /// The answer to `body`. The call shows in ids and times, and nowhere else.
    ///
    /// # Errors
    /// If the request lacks what an answer needs.
    pub(in crate::mock) fn of(body: &[u8], call: &Call) -> Result<Self, Refusal> {
        let asked: Map<String, Value> =
            serde_json::from_slice(body).map_err(|error| Refusal::unread(&error))?;
        let script = Script::of(as_chat(&asked)?.to_string().as_bytes(), call)?;
        Ok(Self {
            script,
            asked,
            id: call.name(),
            created_at: 1_700_000_000 + call.number(),
        })
    }

    pub(in crate::mock) const fn streams(&self) -> bool {
        self.script.streams()
    }

    /// How many tokens the answer has.
    pub(in crate::mock) fn tokens(&self) -> u32 {
        self.script.tokens()
    }

    /// The answer as one document.
    pub(in crate::mock) fn document(&self) -> String {
        self.whole().to_string()
    }

    /// The answer as events.
    pub(in crate::mock) fn events(&self) -> Vec<Event> {
        let whole = self.whole();
        let mut shell = whole.clone();
        for (name, value) in [
            ("status", json!("in_progress")),
            ("output", json!([])),
            ("usage", Value::Null),
            ("incomplete_details", Value::Null),
        ] {
            set(&mut shell, name, value);
        }
        let mut writer = Writer::default();
        writer.tell("response.created", json!({"response": shell}));
        writer.tell("response.in_progress", json!({"response": shell}));
        if let Some(choice) = self.script.choices.first() {
            self.tell_item(&mut writer, choice);
        }
        let last = if self.is_cut() {
            "response.incomplete"
        } else {
            "response.completed"
        };
        writer.tell(last, json!({"response": whole}));
        writer.events
    }

    fn is_cut(&self) -> bool {
        let mut choices = self.script.choices.iter();
        choices.any(|choice| choice.finish_reason == "length")
    }

    fn whole(&self) -> Value {
        let (input, output) = (self.script.prompt_tokens, self.tokens());
        let is_cut = self.is_cut();
        let status = if is_cut { "incomplete" } else { "completed" };
        let details = is_cut.then(|| json!({"reason": "max_output_tokens"}));
        let items: Vec<Value> = self
            .script
            .choices
            .iter()
            .map(|one| self.item(one))
            .collect();
        let mut whole = json!({
            "id": format!("resp_{}", self.id), "object": "response",
            "created_at": self.created_at, "status": status, "background": false,
            "error": null, "incomplete_details": details, "model": self.asked.get("model"),
            "output": items, "service_tier": "default", "truncation": "disabled",
            "tools": self.asked.get("tools").unwrap_or(&json!([])),
            "reasoning": {"effort": null, "summary": null},
            "metadata": self.asked.get("metadata").filter(|own| !own.is_null()).unwrap_or(&json!({})),
            "usage": {
                "input_tokens": input, "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": output, "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": input + output as usize,
            },
        });
        for name in REPEATED {
            let given = self.asked.get(name).filter(|value| !value.is_null());
            let value = given.cloned().unwrap_or_else(|| usual(name));
            set(&mut whole, name, value);
        }
        whole
    }

    fn item(&self, choice: &Choice) -> Value {
        let said = choice.pieces.concat();
        let status = if self.is_cut() {
            "incomplete"
        } else {
            "completed"
        };
        match &choice.form {
            Form::Text | Form::Refusal => {
                let part = part(choice, &said);
                json!({"id": format!("msg_{}", self.id), "type": "message", "status": status,
                    "role": "assistant", "content": [part]})
            }
            Form::Call {
                id,
                name,
                is_custom,
            } => {
                let (kind, prefix, member) = call_terms(*is_custom);
                let mut item = json!({"id": format!("{prefix}_{}", self.id), "type": kind,
                    "status": status, "call_id": id, "name": name});
                set(&mut item, member, json!(said));
                item
            }
        }
    }

    fn tell_item(&self, writer: &mut Writer, choice: &Choice) {
        let item = self.item(choice);
        let mut begun = item.clone();
        set(&mut begun, "status", json!("in_progress"));
        let member = match &choice.form {
            Form::Text | Form::Refusal => "content",
            Form::Call { is_custom, .. } => call_terms(*is_custom).2,
        };
        let nothing = if member == "content" {
            json!([])
        } else {
            json!("")
        };
        set(&mut begun, member, nothing);
        writer.tell(
            "response.output_item.added",
            json!({"output_index": 0, "item": begun}),
        );
        let id = item.get("id").cloned().unwrap_or_default();
        match &choice.form {
            Form::Text | Form::Refusal => tell_part(writer, choice, &id),
            Form::Call {
                name, is_custom, ..
            } => {
                let (kind, _, member) = call_terms(*is_custom);
                let at = json!({"item_id": id, "output_index": 0});
                let delta = format!("response.{kind}_{member}.delta");
                writer.say(&delta, choice, &at);
                let mut done = at;
                if !is_custom {
                    set(&mut done, "name", json!(name));
                }
                set(&mut done, member, json!(choice.pieces.concat()));
                writer.tell(&format!("response.{kind}_{member}.done"), done);
            }
        }
        writer.tell(
            "response.output_item.done",
            json!({"output_index": 0, "item": item}),
        );
    }
}

fn tell_part(writer: &mut Writer, choice: &Choice, id: &Value) {
    let at = || json!({"item_id": id, "output_index": 0, "content_index": 0});
    let said = choice.pieces.concat();
    let (kind, member) = match &choice.form {
        Form::Refusal => ("refusal", "refusal"),
        Form::Text | Form::Call { .. } => ("output_text", "text"),
    };
    let mut added = at();
    set(&mut added, "part", part(choice, ""));
    writer.tell("response.content_part.added", added);
    let mut delta = at();
    if kind == "output_text" {
        set(&mut delta, "logprobs", json!([]));
    }
    writer.say(&format!("response.{kind}.delta"), choice, &delta);
    set(&mut delta, member, json!(said));
    writer.tell(&format!("response.{kind}.done"), delta);
    let mut done = at();
    set(&mut done, "part", part(choice, &said));
    writer.tell("response.content_part.done", done);
}

fn part(choice: &Choice, said: &str) -> Value {
    match &choice.form {
        Form::Refusal => json!({"type": "refusal", "refusal": said}),
        Form::Text | Form::Call { .. } => {
            json!({"type": "output_text", "text": said, "annotations": [], "logprobs": []})
        }
    }
}

/// The type of a call, what its id begins with, and the member with what it is called with.
const fn call_terms(is_custom: bool) -> (&'static str, &'static str, &'static str) {
    if is_custom {
        ("custom_tool_call", "ctc", "input")
    } else {
        ("function_call", "fc", "arguments")
    }
}

impl Writer {
    fn tell(&mut self, kind: &str, mut event: Value) {
        set(&mut event, "type", json!(kind));
        set(&mut event, "sequence_number", json!(self.events.len()));
        self.events.push(Event {
            bytes: Bytes::from(format!("event: {kind}\ndata: {event}\n\n")),
            tokens_so_far: self.tokens,
        });
    }

    /// What is said, token by token.
    fn say(&mut self, kind: &str, choice: &Choice, at: &Value) {
        for piece in &choice.pieces {
            let mut delta = at.clone();
            set(&mut delta, "delta", json!(piece));
            self.tokens = self.tokens.saturating_add(1);
            self.tell(kind, delta);
        }
    }
}

/// What the real one says of a member that was not given.
fn usual(name: &str) -> Value {
    match name {
        "tool_choice" => json!("auto"),
        "parallel_tool_calls" | "store" => json!(true),
        "temperature" | "top_p" => json!(1.0),
        "text" => json!({"format": {"type": "text"}}),
        _ => Value::Null,
    }
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// The request in the terms of a chat completion.
fn as_chat(asked: &Map<String, Value>) -> Result<Value, Refusal> {
    let get = |name: &str| asked.get(name).cloned().unwrap_or_default();
    let messages = match get("input") {
        Value::String(text) => json!([{"role": "user", "content": text}]),
        Value::Array(items) => Value::Array(items),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return Err(Refusal::of(
                "input",
                "'$.input' is neither text nor an array.",
            ));
        }
    };
    let tools = asked.get("tools").and_then(Value::as_array);
    let mut chat = json!({
        "model": get("model"), "messages": [get("instructions"), messages],
        "stream": get("stream"), "temperature": get("temperature"),
        "max_tokens": get("max_output_tokens"), "tool_choice": chosen(&get("tool_choice")),
    });
    if let Some(tools) = tools.filter(|tools| !tools.is_empty()) {
        set(&mut chat, "tools", tools.iter().map(tool).collect());
    }
    let format = asked.get("text").and_then(|text| text.get("format"));
    if let Some(format) = format {
        let kind = format.get("type").cloned().unwrap_or_default();
        set(
            &mut chat,
            "response_format",
            json!({"type": kind, "json_schema": format}),
        );
    }
    Ok(chat)
}

/// A tool, which has its members one level higher than a chat completion's.
fn tool(tool: &Value) -> Value {
    match tool.get("type").and_then(Value::as_str) {
        Some("custom") => json!({"type": "custom", "custom": tool}),
        Some(_) | None => json!({"type": "function", "function": tool}),
    }
}

fn chosen(choice: &Value) -> Value {
    match choice.get("type").and_then(Value::as_str) {
        Some("allowed_tools") => json!({"type": "allowed_tools", "allowed_tools": {
            "mode": choice.get("mode"),
            "tools": choice.get("tools").and_then(Value::as_array)
                .map(|tools| tools.iter().map(tool).collect::<Value>()),
        }}),
        Some(_) => tool(choice),
        None => choice.clone(),
    }
}
