//! The answer as server-sent events.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Script;
use super::choice::{Choice, Form};

/// One event of an answer.
#[derive(Debug)]
pub(in crate::mock) struct Event {
    /// As it is sent.
    pub(in crate::mock) bytes: Bytes,
    /// How many tokens have been said when it is.
    pub(in crate::mock) tokens_so_far: u32,
}

/// Events one after the other in one piece of memory.
struct Writer<'a> {
    script: &'a Script,
    /// What every event begins with.
    start: String,
    text: String,
    /// Where each event ends, and the tokens said by then.
    ends: Vec<(usize, u32)>,
    tokens: u32,
}

impl Script {
    /// The answer as events, the last one `[DONE]` included.
    pub(in crate::mock) fn events(&self) -> Vec<Event> {
        let mut writer = Writer::new(self);
        for (index, choice) in self.choices.iter().enumerate() {
            let content = match choice.form {
                Form::Text => json!(""),
                Form::Refusal | Form::Call { .. } => Value::Null,
            };
            let delta = json!({"role": "assistant", "content": content, "refusal": null});
            writer.chunk(index, (&delta, &Value::Null), None);
        }
        for (index, choice) in self.choices.iter().enumerate() {
            writer.choice(index, choice);
        }
        if self.tells_usage {
            let usage = format!(r#""choices":[],"usage":{}"#, self.usage());
            writer.event(&usage);
        }
        writer.text.push_str("data: [DONE]\n\n");
        writer.finish()
    }
}

impl<'a> Writer<'a> {
    fn new(script: &'a Script) -> Self {
        Self {
            script,
            start: format!(
                r#"data: {{"id":"{}","object":"chat.completion.chunk",{},"#,
                script.id, script.common
            ),
            text: String::new(),
            ends: Vec::new(),
            tokens: 0,
        }
    }

    fn choice(&mut self, index: usize, choice: &Choice) {
        if let Form::Call {
            id,
            name,
            is_custom,
        } = &choice.form
        {
            let call = if *is_custom {
                json!({"index": 0, "id": id, "type": "custom", "custom": {"name": name, "input": ""}})
            } else {
                json!({
                    "index": 0, "id": id, "type": "function",
                    "function": {"name": name, "arguments": ""},
                })
            };
            let delta = json!({"tool_calls": [call]});
            self.chunk(index, (&delta, &Value::Null), None);
        }
        for piece in &choice.pieces {
            let delta = match &choice.form {
                Form::Text => json!({"content": piece}),
                Form::Refusal => json!({"refusal": piece}),
                Form::Call {
                    is_custom: true, ..
                } => json!({"tool_calls": [{"index": 0, "custom": {"input": piece}}]}),
                Form::Call {
                    is_custom: false, ..
                } => json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}),
            };
            self.tokens = self.tokens.saturating_add(1);
            let told = std::slice::from_ref(piece);
            let logprobs = self.script.logprobs(&choice.form, told);
            self.chunk(index, (&delta, &logprobs), None);
        }
        let reason = Some(choice.finish_reason);
        self.chunk(index, (&json!({}), &Value::Null), reason);
    }

    fn chunk(
        &mut self,
        index: usize,
        (delta, logprobs): (&Value, &Value),
        finish_reason: Option<&str>,
    ) {
        let reason = json!(finish_reason);
        let usage = if self.script.tells_usage {
            r#","usage":null"#
        } else {
            ""
        };
        self.event(&format!(
            r#""choices":[{{"index":{index},"delta":{delta},"logprobs":{logprobs},"finish_reason":{reason}}}]{usage}"#
        ));
    }

    fn event(&mut self, members: &str) {
        self.text.push_str(&self.start);
        self.text.push_str(members);
        self.text.push_str("}\n\n");
        self.ends.push((self.text.len(), self.tokens));
    }

    fn finish(mut self) -> Vec<Event> {
        self.ends.push((self.text.len(), self.tokens));
        let mut rest = Bytes::from(self.text);
        let mut start = 0;
        self.ends
            .into_iter()
            .map(|(end, tokens_so_far)| {
                let bytes = rest.split_to(end - start);
                start = end;
                Event {
                    bytes,
                    tokens_so_far,
                }
            })
            .collect()
    }
}
