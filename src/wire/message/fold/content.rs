//! The blocks of a message, put together from their pieces.

use super::{Kind, Odd, Seen, member, pull, put};
use crate::wire::Json;
use crate::wire::json::{Member, parse};

/// The content of a message so far.
#[derive(Debug, Default)]
pub(super) struct Content {
    blocks: Vec<Block>,
}

/// A block of content.
#[derive(Debug)]
struct Block {
    kind: Kind,
    members: Vec<Member<'static>>,
    /// The text of the input of a call.
    input: String,
    is_open: bool,
}

impl Content {
    /// A block begins. They are numbered from 0 without gaps.
    pub(super) fn start(&mut self, mut event: Json<'_>) -> Result<Seen, Odd> {
        let block = pull(&mut event, "content_block").ok_or("wrong-shape")?;
        let Json::Object(members) = block.into_owned() else {
            return Err("wrong-shape");
        };
        if index(&event) != Some(self.blocks.len()) {
            return Err("block-gap");
        }
        let kind = member(&members, "type").and_then(Json::as_str);
        self.blocks.push(Block {
            kind: kind.and_then(Kind::of).ok_or("unknown-block")?,
            members,
            input: String::new(),
            is_open: true,
        });
        Ok(Seen::Part)
    }

    /// A block grows.
    pub(super) fn delta(&mut self, event: &Json<'_>) -> Result<Seen, Odd> {
        let block = self.open_block(event)?;
        let delta = event.get("delta").and_then(Json::as_object);
        block.grow(delta.ok_or("wrong-shape")?)?;
        Ok(Seen::Part)
    }

    /// A block is whole.
    pub(super) fn stop(&mut self, event: &Json<'_>) -> Result<Seen, Odd> {
        self.open_block(event)?.close()?;
        Ok(Seen::Part)
    }

    /// All blocks.
    pub(super) fn finish(self) -> Result<Vec<Json<'static>>, Odd> {
        if self.blocks.iter().any(|block| block.is_open) {
            return Err("open-block");
        }
        let blocks = self.blocks.into_iter();
        Ok(blocks.map(|block| Json::Object(block.members)).collect())
    }

    fn open_block(&mut self, event: &Json<'_>) -> Result<&mut Block, Odd> {
        let block = index(event).and_then(|at| self.blocks.get_mut(at));
        block.filter(|block| block.is_open).ok_or("block-gap")
    }
}

impl Block {
    fn grow(&mut self, delta: &[Member<'_>]) -> Result<(), Odd> {
        let kind = delta.iter().find(|(name, _)| name == "type");
        let kind = kind.and_then(|(_, value)| value.as_str());
        let grows = match (self.kind, kind) {
            (Kind::Text, Some("text_delta")) => "text",
            (Kind::Text, Some("citations_delta")) => "citation",
            (Kind::Thinking, Some("thinking_delta")) => "thinking",
            (Kind::Thinking, Some("signature_delta")) => "signature",
            (Kind::Call, Some("input_json_delta")) => "partial_json",
            _ => return Err("unknown-delta"),
        };
        for (name, value) in delta {
            match name.as_ref() {
                "type" => {}
                // How far the reasoning has come: of use only while it goes on.
                "estimated_tokens" if self.kind == Kind::Thinking => {}
                name if name == grows => self.add(grows, value)?,
                _ => return Err("unknown-delta"),
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &'static str, value: &Json<'_>) -> Result<(), Odd> {
        if name == "citation" {
            return self.cite(value.clone().into_owned());
        }
        let text = value.as_str().ok_or("wrong-shape")?;
        match name {
            "partial_json" => self.input.push_str(text),
            // It comes in one piece; of two, clients keep the last.
            "signature" => put(&mut self.members, name, Json::string(text.to_owned())),
            name => match self.place(name, Json::string("")) {
                Some(Json::String(known)) => known.to_mut().push_str(text),
                _ => return Err("wrong-shape"),
            },
        }
        Ok(())
    }

    fn cite(&mut self, citation: Json<'static>) -> Result<(), Odd> {
        match self.place("citations", Json::Array(Vec::new())) {
            Some(Json::Array(citations)) => citations.push(citation),
            _ => return Err("wrong-shape"),
        }
        Ok(())
    }

    /// The value of a member that grows, which is empty if it is not there or `null`.
    fn place(&mut self, name: &'static str, empty: Json<'static>) -> Option<&mut Json<'static>> {
        if member(&self.members, name).is_none_or(Json::is_null) {
            put(&mut self.members, name, empty);
        }
        let place = self.members.iter_mut().find(|(member, _)| member == name);
        place.map(|(_, value)| value)
    }

    /// Reads the input of a call. Without any text it is what its start says: `{}`.
    fn close(&mut self) -> Result<(), Odd> {
        self.is_open = false;
        if self.kind != Kind::Call {
            return Ok(());
        }
        let text = self.input.trim();
        if text.is_empty() {
            if member(&self.members, "input").is_none_or(Json::is_null) {
                put(&mut self.members, "input", Json::Object(Vec::new()));
            }
            return Ok(());
        }
        let input = parse(text.as_bytes()).map_err(|_error| "tool-input")?;
        put(&mut self.members, "input", input.into_owned());
        Ok(())
    }
}

fn index(event: &Json<'_>) -> Option<usize> {
    event.get("index")?.as_u64()?.try_into().ok()
}
