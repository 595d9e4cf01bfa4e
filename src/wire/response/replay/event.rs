//! Writing events: their name, their type, what they tell and their number.

use crate::wire::Json;
use crate::wire::json::{Member, write_string};

/// A stream being written.
#[derive(Debug, Default)]
pub(super) struct Events {
    out: Vec<u8>,
    number: u64,
}

/// An event being written.
pub(super) struct Event<'o> {
    out: &'o mut Vec<u8>,
}

/// What an event is about: an item, or a part of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'j> {
    item: &'j str,
    output: u64,
    part: Option<(&'static str, u64)>,
}

impl<'j> At<'j> {
    pub(super) const fn item(item: &'j str, output: u64) -> Self {
        Self {
            item,
            output,
            part: None,
        }
    }

    /// A part of it, by the name that its place goes under.
    pub(super) const fn part(self, name: &'static str, place: u64) -> Self {
        Self {
            part: Some((name, place)),
            ..self
        }
    }
}

impl Events {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// An event of a type with the members that `write` writes.
    pub(super) fn tell(&mut self, kind: &str, write: impl FnOnce(&mut Event<'_>)) {
        self.out.extend_from_slice(b"event: ");
        self.out.extend_from_slice(kind.as_bytes());
        self.out.extend_from_slice(b"\ndata: {\"type\":");
        write_string(kind, &mut self.out);
        let mut event = Event { out: &mut self.out };
        write(&mut event);
        event.number("sequence_number", self.number);
        self.out.extend_from_slice(b"}\n\n");
        self.number += 1;
    }

    /// The same about something.
    pub(super) fn at(&mut self, kind: &str, at: &At<'_>, write: impl FnOnce(&mut Event<'_>)) {
        self.tell(kind, |event| {
            event.text("item_id", at.item);
            event.number("output_index", at.output);
            if let Some((name, place)) = at.part {
                event.number(name, place);
            }
            write(event);
        });
    }
}

impl Event<'_> {
    pub(super) fn member(&mut self, name: &str, value: &Json<'_>) {
        self.name(name);
        value.write(self.out);
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        write_string(text, self.out);
    }

    pub(super) fn number(&mut self, name: &str, number: u64) {
        self.name(name);
        self.out.extend_from_slice(number.to_string().as_bytes());
    }

    /// The name of a member behind another.
    fn name(&mut self, name: &str) {
        self.out.push(b',');
        write_string(name, self.out);
        self.out.push(b':');
    }
}

/// An object with other values for some members; one that is not there is added.
pub(super) fn changed<'j, const N: usize>(
    object: &'j Json<'j>,
    values: [(&'static str, Json<'j>); N],
) -> Json<'j> {
    let mut members: Vec<Member<'j>> = object.as_object().unwrap_or_default().to_vec();
    for (name, value) in values {
        match members.iter_mut().find(|(member, _)| member == name) {
            Some((_, old)) => *old = value,
            None => members.push((name.into(), value)),
        }
    }
    Json::Object(members)
}
