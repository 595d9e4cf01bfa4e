//! The chunks of a chat completion.

use super::Choice;
use crate::wire::Json;
use crate::wire::choices::chunks::{Chunks, Object, is_nothing, members};
use crate::wire::json::Member;

/// The log probabilities of a choice, parted as chunks carry them.
pub(super) struct Logprobs<'j> {
    stored: Option<&'j Json<'j>>,
}

impl Chunks {
    /// The first chunk of a choice.
    pub(super) fn role(&mut self, choice: &Choice<'_>) {
        let role = choice.message.get("role").filter(|role| !is_nothing(role));
        let content = choice.message.get("content");
        let refuses = choice.message.get("refusal").is_some();
        self.delta(choice.index, |delta| {
            match role {
                Some(role) => delta.member("role", role),
                None => delta.text("role", "assistant"),
            }
            match content {
                None | Some(Json::Null) => delta.member("content", &Json::Null),
                Some(_) => delta.text("content", ""),
            }
            if refuses {
                delta.member("refusal", &Json::Null);
            }
        });
    }

    /// A chunk of a choice that is not at its end.
    pub(super) fn delta(&mut self, choice: u64, write: impl FnOnce(&mut Object<'_>)) {
        self.told(choice, None, write);
    }

    /// The same with log probabilities.
    pub(super) fn told(
        &mut self,
        choice: u64,
        logprobs: Option<&[u8]>,
        write: impl FnOnce(&mut Object<'_>),
    ) {
        self.part(choice, |part| {
            part.object("delta", write);
            part.written("logprobs", logprobs.unwrap_or(b"null"));
            part.member("finish_reason", &Json::Null);
        });
    }

    /// The last chunk of a choice.
    pub(super) fn finish<'m>(
        &mut self,
        choice: u64,
        reason: &Json<'_>,
        unknown: impl Iterator<Item = &'m Member<'m>>,
    ) {
        self.part(choice, |part| {
            part.object("delta", |_delta| {});
            part.member("logprobs", &Json::Null);
            part.member("finish_reason", reason);
            for (name, value) in unknown {
                part.member(name, value);
            }
        });
    }
}

impl Object<'_> {
    /// `tool_calls` with the one call at `index`.
    pub(super) fn tool_call(&mut self, index: u64, write: impl FnOnce(&mut Object<'_>)) {
        self.sole("tool_calls", |call| {
            call.member("index", &Json::number(index));
            write(call);
        });
    }

    /// The members of a call, with nothing yet in the one that comes in pieces.
    pub(super) fn call(&mut self, call: &Json<'_>, growing: &str) {
        for (name, value) in members(call).filter(|(name, _)| name != growing) {
            self.member(name, value);
        }
        self.text(growing, "");
    }
}

impl<'j> Logprobs<'j> {
    pub(super) fn of(choice: &Choice<'j>) -> Self {
        let stored = choice
            .members
            .iter()
            .find(|(name, _)| name == "logprobs")
            .map(|(_, logprobs)| logprobs);
        Self { stored }
    }

    /// Those of the content, with what else there is.
    pub(super) fn content(&self) -> Option<Vec<u8>> {
        let stored = self.stored.filter(|stored| !is_nothing(stored))?;
        let Some(listed) = stored.as_object() else {
            return Some(stored.to_bytes());
        };
        let content = stored.get("content").unwrap_or(&Json::Null);
        let rest = || {
            listed
                .iter()
                .filter(|(name, value)| name != "content" && name != "refusal" && !value.is_null())
        };
        if content.is_null() && rest().next().is_none() {
            return None;
        }
        let mut text = b"{".to_vec();
        let mut object = Object::new(&mut text);
        object.member("content", content);
        object.member("refusal", &Json::Null);
        for (name, value) in rest() {
            object.member(name, value);
        }
        text.push(b'}');
        Some(text)
    }

    /// Those of the refusal.
    pub(super) fn refusal(&self) -> Option<Vec<u8>> {
        let refusal = self.stored?.get("refusal").filter(|list| !list.is_null())?;
        let mut text = b"{".to_vec();
        let mut object = Object::new(&mut text);
        object.member("content", &Json::Null);
        object.member("refusal", refusal);
        text.push(b'}');
        Some(text)
    }
}
