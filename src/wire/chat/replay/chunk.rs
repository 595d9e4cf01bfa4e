//! Writing chunks: what is the same on each is written once and copied.

use super::{Choice, PIECE_BYTES_MAX, is_nothing, members};
use crate::wire::Json;
use crate::wire::json::Member;
use crate::wire::json::write_string;

/// The members of an answer that are not repeated on its chunks.
const NOT_REPEATED: [&str; 4] = ["choices", "moderation", "object", "usage"];

const NO_USAGE: &[u8] = b",\"usage\":null";

/// A stream being written.
pub(super) struct Chunks {
    out: Vec<u8>,
    /// How every chunk begins, up to its choices.
    opening: Vec<u8>,
    /// Whether chunks say that they have no usage.
    include_usage: bool,
}

/// The members of an object being written.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

/// The log probabilities of a choice, parted as chunks carry them.
pub(super) struct Logprobs<'j> {
    stored: Option<&'j Json<'j>>,
}

impl Chunks {
    pub(super) fn new(top: &[Member<'_>], include_usage: bool) -> Self {
        let mut opening = b"data: {".to_vec();
        let mut object = Object::new(&mut opening);
        for (name, value) in top {
            if !NOT_REPEATED.contains(&name.as_ref()) {
                object.member(name, value);
            }
        }
        object.text("object", "chat.completion.chunk");
        opening.extend_from_slice(b",\"choices\":[");
        Self {
            out: Vec::new(),
            opening,
            include_usage,
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

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
        self.open(choice);
        write(&mut Object::new(&mut self.out));
        self.out.extend_from_slice(b"},\"logprobs\":");
        self.out.extend_from_slice(logprobs.unwrap_or(b"null"));
        self.out.extend_from_slice(b",\"finish_reason\":null}");
        self.close(None);
    }

    /// The last chunk of a choice.
    pub(super) fn finish<'m>(
        &mut self,
        choice: u64,
        reason: &Json<'_>,
        unknown: impl Iterator<Item = &'m Member<'m>>,
    ) {
        self.open(choice);
        self.out
            .extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":");
        reason.write(&mut self.out);
        let mut object = Object::continuing(&mut self.out);
        for (name, value) in unknown {
            object.member(name, value);
        }
        self.out.push(b'}');
        self.close(None);
    }

    /// The chunk of a moderation, which belongs to no choice.
    pub(super) fn moderation(&mut self, moderation: &Json<'_>) {
        self.out.extend_from_slice(&self.opening);
        self.close(Some(("moderation", moderation)));
    }

    /// The chunk of the usage, which belongs to no choice.
    pub(super) fn usage(&mut self, usage: &Json<'_>) {
        self.out.extend_from_slice(&self.opening);
        self.include_usage = false;
        self.close(Some(("usage", usage)));
    }

    fn open(&mut self, choice: u64) {
        self.out.extend_from_slice(&self.opening);
        self.out
            .extend_from_slice(format!("{{\"index\":{choice},\"delta\":{{").as_bytes());
    }

    fn close(&mut self, besides: Option<(&str, &Json<'_>)>) {
        self.out.push(b']');
        if let Some((name, value)) = besides {
            Object::continuing(&mut self.out).member(name, value);
        }
        if self.include_usage {
            self.out.extend_from_slice(NO_USAGE);
        }
        self.out.extend_from_slice(b"}\n\n");
    }
}

impl<'o> Object<'o> {
    /// Behind an opening brace.
    fn new(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            is_empty: true,
        }
    }

    /// Behind another member.
    fn continuing(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            is_empty: false,
        }
    }

    pub(super) fn member(&mut self, name: &str, value: &Json<'_>) {
        self.name(name);
        value.write(self.out);
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        write_string(text, self.out);
    }

    pub(super) fn object(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.name(name);
        self.out.push(b'{');
        write(&mut Object::new(self.out));
        self.out.push(b'}');
    }

    /// `tool_calls` with the one call at `index`.
    pub(super) fn tool_call(&mut self, index: u64, write: impl FnOnce(&mut Object<'_>)) {
        self.name("tool_calls");
        self.out
            .extend_from_slice(format!("[{{\"index\":{index}").as_bytes());
        write(&mut Object::continuing(self.out));
        self.out.extend_from_slice(b"}]");
    }

    /// The members of a call, with nothing yet in the one that comes in pieces.
    pub(super) fn call(&mut self, call: &Json<'_>, growing: &str) {
        for (name, value) in members(call).filter(|(name, _)| name != growing) {
            self.member(name, value);
        }
        self.text(growing, "");
    }

    fn name(&mut self, name: &str) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
        write_string(name, self.out);
        self.out.push(b':');
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

/// Cuts text into pieces of at most [`PIECE_BYTES_MAX`], between characters.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at_checked(rest.floor_char_boundary(PIECE_BYTES_MAX))?;
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
