//! Writing chunks: what is the same on each is written once and copied.

use super::UsageTold;
use crate::wire::Json;
use crate::wire::json::{Member, write_string};
use crate::wire::sse::DONE;

/// The members of an answer that are not repeated on its chunks.
const NOT_REPEATED: [&str; 4] = ["choices", "moderation", "object", "usage"];

/// How every chunk ends.
const END: &[u8] = b"}\n\n";

const NO_USAGE: &[u8] = b",\"usage\":null";

/// A stream being written.
pub(in crate::wire) struct Chunks {
    out: Vec<u8>,
    /// How every chunk begins, up to its choices.
    opening: Vec<u8>,
    usage: UsageTold,
}

/// The members of an object being written.
pub(in crate::wire) struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl Chunks {
    /// The chunks of an answer with these members, each of which is called `object`.
    pub(in crate::wire) fn new(top: &[Member<'_>], object: &str, usage: UsageTold) -> Self {
        let mut opening = b"data: {".to_vec();
        let mut members = Object::new(&mut opening);
        for (name, value) in top {
            if !NOT_REPEATED.contains(&name.as_ref()) {
                members.member(name, value);
            }
        }
        members.text("object", object);
        opening.extend_from_slice(b",\"choices\":[");
        Self {
            out: Vec::new(),
            opening,
            usage,
        }
    }

    /// A chunk with a part of the choice at `index`, its members written by `write`.
    pub(in crate::wire) fn part(&mut self, index: u64, write: impl FnOnce(&mut Object<'_>)) {
        self.out.extend_from_slice(&self.opening);
        self.out
            .extend_from_slice(format!("{{\"index\":{index}").as_bytes());
        write(&mut Object::continuing(&mut self.out));
        self.out.push(b'}');
        self.close(None);
    }

    /// The chunk of a moderation, which belongs to no choice.
    pub(in crate::wire) fn moderation(&mut self, moderation: &Json<'_>) {
        self.out.extend_from_slice(&self.opening);
        self.close(Some(("moderation", moderation)));
    }

    /// The whole stream: behind what was written the usage, where that is told, and the
    /// mark that ends it.
    pub(in crate::wire) fn end(mut self, usage: Option<&Json<'_>>) -> Vec<u8> {
        match (self.usage, usage) {
            (UsageTold::Apart, told) => {
                self.out.extend_from_slice(&self.opening);
                self.usage = UsageTold::Nowhere;
                self.close(Some(("usage", told.unwrap_or(&Json::Null))));
            }
            (UsageTold::Beside, Some(told)) => self.tell_beside(told),
            (UsageTold::Beside, None) | (UsageTold::Nowhere, _) => {}
        }
        self.out.extend_from_slice(DONE);
        self.out
    }

    /// Tells the usage on the last chunk that was written.
    fn tell_beside(&mut self, usage: &Json<'_>) {
        if let Some(open) = self.out.len().checked_sub(END.len()) {
            self.out.truncate(open);
            Object::continuing(&mut self.out).member("usage", usage);
            self.out.extend_from_slice(END);
        }
    }

    fn close(&mut self, besides: Option<(&str, &Json<'_>)>) {
        self.out.push(b']');
        if let Some((name, value)) = besides {
            Object::continuing(&mut self.out).member(name, value);
        }
        if self.usage == UsageTold::Apart {
            self.out.extend_from_slice(NO_USAGE);
        }
        self.out.extend_from_slice(END);
    }
}

impl<'o> Object<'o> {
    /// Behind an opening brace.
    pub(in crate::wire) fn new(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            is_empty: true,
        }
    }

    /// Behind another member.
    pub(in crate::wire) fn continuing(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            is_empty: false,
        }
    }

    pub(in crate::wire) fn member(&mut self, name: &str, value: &Json<'_>) {
        self.name(name);
        value.write(self.out);
    }

    pub(in crate::wire) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        write_string(text, self.out);
    }

    pub(in crate::wire) fn object(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.name(name);
        self.out.push(b'{');
        write(&mut Object::new(self.out));
        self.out.push(b'}');
    }

    /// A member whose value is JSON already.
    pub(in crate::wire) fn written(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.out.extend_from_slice(value);
    }

    /// A list with one object in it.
    pub(in crate::wire) fn sole(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.name(name);
        self.out.extend_from_slice(b"[{");
        write(&mut Object::new(self.out));
        self.out.extend_from_slice(b"}]");
    }

    fn name(&mut self, name: &str) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
        write_string(name, self.out);
        self.out.push(b':');
    }
}

/// The members of a value that is an object.
pub(in crate::wire) fn members<'j>(value: &'j Json<'j>) -> impl Iterator<Item = &'j Member<'j>> {
    value.as_object().unwrap_or_default().iter()
}

/// Whether a value is not worth a chunk.
pub(in crate::wire) fn is_nothing(value: &Json<'_>) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    }
}
