//! The items of a response that can be told as events.
//!
//! Of those that are said by a model alone there are four. What a provider's own tools
//! add has events of its own that cannot be made up, so it is not read.

use crate::wire::Json;

/// An item of a response.
#[derive(Clone, Debug)]
pub struct Item<'j> {
    /// All of it.
    pub json: &'j Json<'j>,
    /// Its id, under which its events are.
    pub id: &'j str,
    /// What it is.
    pub kind: Kind<'j>,
}

/// What an item is.
#[derive(Clone, Debug)]
pub enum Kind<'j> {
    /// Something that is said.
    Message(Vec<Part<'j>>),
    /// A function is to be called.
    FunctionCall {
        /// Which.
        name: &'j str,
        /// With what: JSON as text.
        arguments: &'j str,
    },
    /// A tool without a schema is to be called.
    CustomToolCall {
        /// Which.
        name: &'j str,
        /// With what: any text.
        input: &'j str,
    },
    /// What was thought, as far as it is shown.
    Reasoning {
        /// Summaries.
        summary: Vec<Part<'j>>,
        /// The thoughts themselves.
        content: Vec<Part<'j>>,
    },
}

/// A part of an item.
#[derive(Clone, Copy, Debug)]
pub struct Part<'j> {
    /// All of it.
    pub json: &'j Json<'j>,
    /// Its text.
    pub text: &'j str,
    /// Whether it is a refusal.
    pub is_refusal: bool,
}

impl<'j> Item<'j> {
    /// Reads an item; `None` if it is of another type, or not as those are.
    pub fn read(json: &'j Json<'j>) -> Option<Self> {
        let text = |name: &str| json.get(name)?.as_str();
        let kind = match text("type")? {
            "message" => Kind::Message(parts(json.get("content")?, spoken)?),
            "function_call" => Kind::FunctionCall {
                name: text("name").unwrap_or_default(),
                arguments: text("arguments")?,
            },
            "custom_tool_call" => Kind::CustomToolCall {
                name: text("name").unwrap_or_default(),
                input: text("input")?,
            },
            "reasoning" => Kind::Reasoning {
                summary: optional(json.get("summary"), "summary_text")?,
                content: optional(json.get("content"), "reasoning_text")?,
            },
            _ => return None,
        };
        let id = text("id").filter(|id| !id.is_empty())?;
        Some(Self { json, id, kind })
    }

    /// How it ended, where it says so.
    pub fn status(&self) -> Option<&'j str> {
        self.json.get("status").and_then(Json::as_str)
    }
}

fn parts<'j>(
    list: &'j Json<'j>,
    read: impl Fn(&'j Json<'j>) -> Option<Part<'j>>,
) -> Option<Vec<Part<'j>>> {
    list.as_array()?.iter().map(read).collect()
}

fn optional<'j>(list: Option<&'j Json<'j>>, kind: &str) -> Option<Vec<Part<'j>>> {
    match list {
        None | Some(Json::Null) => Some(Vec::new()),
        Some(list) => parts(list, |json| part(json, kind, "text")),
    }
}

fn spoken<'j>(json: &'j Json<'j>) -> Option<Part<'j>> {
    part(json, "output_text", "text").or_else(|| {
        let part = part(json, "refusal", "refusal")?;
        Some(Part {
            is_refusal: true,
            ..part
        })
    })
}

fn part<'j>(json: &'j Json<'j>, kind: &str, name: &str) -> Option<Part<'j>> {
    let is_of_kind = json.get("type").and_then(Json::as_str) == Some(kind);
    is_of_kind.then_some(Part {
        json,
        text: json.get(name)?.as_str()?,
        is_refusal: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::parse;

    #[test]
    fn what_a_model_says_is_read_and_what_a_tool_adds_is_not() {
        for (text, is_read) in [
            (
                r#"{"type":"message","id":"m","content":[{"type":"output_text","text":"x"}]}"#,
                true,
            ),
            (
                r#"{"type":"message","id":"m","content":[{"type":"refusal","refusal":"x"}]}"#,
                true,
            ),
            (
                r#"{"type":"message","id":"m","content":[{"type":"output_audio","data":"x"}]}"#,
                false,
            ),
            (r#"{"type":"message","id":"m","content":"x"}"#, false),
            (r#"{"type":"message","content":[]}"#, false),
            (
                r#"{"type":"function_call","id":"f","name":"f","arguments":"{}"}"#,
                true,
            ),
            (
                r#"{"type":"function_call","id":"f","name":"f","arguments":{}}"#,
                false,
            ),
            (
                r#"{"type":"custom_tool_call","id":"c","name":"c","input":""}"#,
                true,
            ),
            (
                r#"{"type":"reasoning","id":"r","summary":[],"content":null}"#,
                true,
            ),
            (
                r#"{"type":"reasoning","id":"r","summary":[{"type":"odd","text":"x"}]}"#,
                false,
            ),
            (
                r#"{"type":"web_search_call","id":"w","status":"completed"}"#,
                false,
            ),
            (r#"{"id":"w"}"#, false),
        ] {
            let json = parse(text.as_bytes()).unwrap();
            assert_eq!(Item::read(&json).is_some(), is_read, "{text}");
        }
    }
}
