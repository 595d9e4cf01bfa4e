//! The tool calls of a streamed choice.

use std::collections::BTreeMap;

use crate::wire::Json;
use crate::wire::choices::members::{Field, Joins, Members, is_truthy, pull};
use crate::wire::choices::{FoldError, Incomplete};
use crate::wire::json::Member;

/// The most tool calls of one choice. It bounds what looking an id up costs.
const CALLS_MAX: usize = 1024;

/// The tool calls of a choice by their index.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: BTreeMap<u64, ToolCall>,
}

/// One tool call.
#[derive(Debug, Default)]
struct ToolCall {
    id: String,
    kind: String,
    function: Option<Call>,
    custom: Option<Call>,
    extra: Members<Json<'static>>,
}

/// A named thing and what it is called with.
#[derive(Debug, Default)]
pub(super) struct Call {
    members: Members<Field>,
}

impl Calls {
    /// Takes in the `tool_calls` of a delta.
    pub(super) fn take(&mut self, calls: Json<'_>) -> Result<(), FoldError> {
        let calls = match calls {
            Json::Null => return Ok(()),
            Json::Array(calls) => calls,
            Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => {
                return Err(FoldError::Shape);
            }
        };
        for call in calls {
            let Json::Object(mut members) = call else {
                return Err(FoldError::Shape);
            };
            let id = text(pull(&mut members, "id"))?;
            let index = match pull(&mut members, "index") {
                None | Some(Json::Null) => self.implied_index(&id),
                Some(index) => index.as_u64().ok_or(FoldError::Shape)?,
            };
            let call = self.calls.entry(index).or_default();
            call.take(&id, members)?;
            if self.calls.len() > CALLS_MAX {
                return Err(FoldError::TooWide);
            }
        }
        Ok(())
    }

    /// Where a piece without an index belongs: to the call with its id, or if it
    /// has none to the last one. A new id is a new call.
    fn implied_index(&self, id: &str) -> u64 {
        let Some((last, _)) = self.calls.last_key_value() else {
            return 0;
        };
        if id.is_empty() {
            return *last;
        }
        self.calls
            .iter()
            .rev()
            .find(|(_, call)| call.id == id)
            .map_or(last.saturating_add(1), |(index, _)| *index)
    }

    /// The calls as in an answer that was not streamed.
    pub(super) fn finish(self) -> Result<Vec<Json<'static>>, Incomplete> {
        if !self.calls.keys().copied().eq((0..).take(self.calls.len())) {
            return Err(Incomplete::CallGap);
        }
        self.calls.into_values().map(ToolCall::finish).collect()
    }
}

impl ToolCall {
    fn take(&mut self, id: &str, members: Vec<Member<'_>>) -> Result<(), FoldError> {
        let is_other = !id.is_empty() && !self.id.is_empty() && self.id != id;
        // Some servers give every piece an id of its own, others every call the
        // index 0. A second name tells the latter.
        if is_other && self.is_named() && members.iter().any(|(_, value)| has_name(value)) {
            return Err(FoldError::AmbiguousCalls);
        }
        if self.id.is_empty() {
            id.clone_into(&mut self.id);
        }
        for (name, value) in members {
            match (name.as_ref(), value) {
                (_, Json::Null) => {}
                ("type", kind) => {
                    let kind = text(Some(kind))?;
                    if !kind.is_empty() {
                        self.kind = kind;
                    }
                }
                ("function", Json::Object(members)) => {
                    let call = self.function.get_or_insert_default();
                    call.take(members, "arguments")?;
                }
                ("custom", Json::Object(members)) => {
                    let call = self.custom.get_or_insert_default();
                    call.take(members, "input")?;
                }
                ("function" | "custom", _) => return Err(FoldError::Shape),
                (name, value) => *self.extra.slot(name)?.0 = value.into_owned(),
            }
        }
        Ok(())
    }

    fn is_named(&self) -> bool {
        let mut calls = self.function.iter().chain(&self.custom);
        calls.any(Call::is_named)
    }

    fn finish(self) -> Result<Json<'static>, Incomplete> {
        let mut calls = self.function.iter().chain(&self.custom);
        if self.id.is_empty() || !calls.all(Call::is_named) {
            return Err(Incomplete::UnnamedCall);
        }
        let kind = if self.kind.is_empty() {
            "function".to_owned()
        } else {
            self.kind
        };
        let mut members: Vec<Member<'static>> = vec![
            ("id".into(), Json::string(self.id)),
            ("type".into(), Json::string(kind)),
        ];
        if let Some(call) = self.function {
            members.push(("function".into(), call.finish("arguments")));
        }
        if let Some(call) = self.custom {
            members.push(("custom".into(), call.finish("input")));
        }
        members.extend(self.extra.into_iter());
        Ok(Json::Object(members))
    }
}

impl Call {
    /// Takes in a piece; `growing` is the member that comes in pieces itself.
    pub(super) fn take(
        &mut self,
        members: Vec<Member<'_>>,
        growing: &str,
    ) -> Result<(), FoldError> {
        for (name, value) in members {
            if name == growing {
                self.members.slot(growing)?.0.add(value, Joins::Never)?;
            } else if is_truthy(&value) {
                self.members.slot(&name)?.0.set(value);
            }
        }
        Ok(())
    }

    fn is_named(&self) -> bool {
        self.members.has_text("name")
    }

    /// The name and what it is called with, which is never left out.
    pub(super) fn finish(mut self, growing: &'static str) -> Json<'static> {
        let empty = || Json::string("");
        let mut pull = |name: &str| match self.members.pull(name) {
            None | Some(Field::Null) => empty(),
            Some(field) => field.into(),
        };
        let mut members: Vec<Member<'static>> = vec![
            ("name".into(), pull("name")),
            (growing.into(), pull(growing)),
        ];
        members.extend(self.members.into_iter());
        Json::Object(members)
    }
}

/// Whether a member of a tool call is a payload with a name.
fn has_name(payload: &Json<'_>) -> bool {
    payload.get("name").is_some_and(is_truthy)
}

/// A string that may be missing.
fn text(value: Option<Json<'_>>) -> Result<String, FoldError> {
    match value {
        None | Some(Json::Null) => Ok(String::new()),
        Some(Json::String(text)) => Ok(text.into_owned()),
        Some(Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
            Err(FoldError::Shape)
        }
    }
}
