//! A small sketch of a request, kept with its answer: enough to say later what another
//! request has that this one has not, and nothing to read a prompt from.
//!
//! All of it are short digests under a secret derived from the cache's, and another for
//! each tenant. Whoever reads the store learns how many members and messages a request
//! had, who spoke in which order, and nothing of what was said. Digests this short do not
//! prove anything either: what they tell is a hint for people, never a reason to answer.

mod compare;
mod hint;
mod pack;
mod text;

use std::borrow::Cow;
use std::fmt;

use crate::wire::Json;

use super::canonical::Form;
use super::frame::put_part;
use super::mac::KeyedDigest;
use super::{CacheSecret, Canonical};
use super::{Rules, chat};

pub use compare::{Difference, DifferenceKind};
pub use hint::Volatile;
use text::TextSketch;

/// The most a sketch takes, in bytes.
pub const SKETCH_BYTES_MAX: usize = 160;

/// In how many pieces a text is digested, the finest that fits first.
const PIECES: [usize; 6] = [12, 8, 6, 4, 3, 2];

/// How many of the last messages with text are digested in pieces.
const LAST_TEXTS: usize = 2;

/// The roles of messages; their places here are kept in the store, so new ones go behind.
const ROLES: [&str; 6] = [
    "system",
    "developer",
    "user",
    "assistant",
    "tool",
    "function",
];

/// Makes sketches. Built once from the secret, shared by all requests.
#[derive(Clone)]
pub struct Sketcher(KeyedDigest);

impl Sketcher {
    /// Derives the secret of the digests.
    pub fn new(secret: &CacheSecret) -> Self {
        Self(secret.keyed_digest("sketch"))
    }

    /// Reads a chat request of a tenant; `None` if it is none.
    pub fn read<'a>(
        &self,
        tenant: &str,
        body: &'a Json<'a>,
        rules: Rules,
    ) -> Option<Sketchable<'a>> {
        body.get("messages")?.as_array()?;
        let Form::Object(members) = chat::form(body, rules)? else {
            return None;
        };
        let mut start = Vec::new();
        put_part(&mut start, tenant.as_bytes());
        let digests = Digests(self.0.begun(&start));
        let mut own = Sketchable {
            digests,
            members: Vec::new(),
            messages: Vec::new(),
        };
        for (name, form) in &members {
            let value = body.get(name)?;
            match (*name, form, value) {
                ("messages", Form::List(forms), Json::Array(items)) => {
                    let messages = forms.iter().zip(items);
                    own.messages = messages
                        .map(|(form, item)| own.digests.message(form, item))
                        .collect();
                }
                _ => own.members.push(own.digests.member(name, form, value)),
            }
        }
        own.members.sort_unstable_by_key(|member| member.name);
        Some(own)
    }
}

impl fmt::Debug for Sketcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sketcher(…)")
    }
}

/// What is kept of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    /// Digests of the names and values of what is in the key, but for the messages.
    members: Vec<(u16, u32)>,
    /// How many messages there were.
    count: usize,
    /// The first of them.
    head: Vec<Said>,
    /// The last of them, where not all are in `head`.
    tail: Vec<Said>,
    texts: Vec<TextSketch>,
}

/// Who says something, and a digest of all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    /// The place in [`ROLES`]; what is none of them is behind them.
    role: u8,
    hash: u32,
}

impl Said {
    /// Whether it is an instruction for the whole of a conversation.
    const fn is_system(self) -> bool {
        self.role < 2
    }
}

/// A request that can be sketched, and compared with what was.
pub struct Sketchable<'a> {
    digests: Digests,
    members: Vec<OwnMember<'a>>,
    messages: Vec<OwnMessage<'a>>,
}

struct OwnMember<'a> {
    name: &'a str,
    value: &'a Json<'a>,
    name_hash: u16,
    hash: u32,
}

struct OwnMessage<'a> {
    said: Said,
    role: Option<&'a str>,
    text: Option<Cow<'a, str>>,
}

impl fmt::Debug for Sketchable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (members, messages) = (self.members.len(), self.messages.len());
        write!(f, "Sketchable({members} members, {messages} messages)")
    }
}

impl Sketchable<'_> {
    /// The sketch, as it is stored; `None` if the request has too many members for one.
    ///
    /// What does not fit is left out: pieces of texts first, then messages in the middle.
    pub fn sketch(&self) -> Option<Vec<u8>> {
        let mut sketch = Sketch {
            members: self
                .members
                .iter()
                .map(|member| (member.name_hash, member.hash))
                .collect(),
            count: self.messages.len(),
            head: self.messages.iter().map(|message| message.said).collect(),
            ..Sketch::default()
        };
        for pieces in PIECES {
            sketch.texts = self.texts(pieces);
            let packed = sketch.pack();
            if packed.len() <= SKETCH_BYTES_MAX {
                return Some(packed);
            }
        }
        sketch.texts.clear();
        while SKETCH_BYTES_MAX < sketch.pack().len() {
            if sketch.head.len() == sketch.count {
                let half = sketch.count.div_ceil(2);
                sketch.tail = sketch.head.split_off(half);
            }
            // The end of a conversation differs more often than its beginning.
            if sketch.tail.len() <= sketch.head.len() {
                sketch.head.pop()?;
            } else {
                sketch.tail.remove(0);
            }
        }
        Some(sketch.pack())
    }

    /// The texts that are digested in pieces: the first instruction and the last ones.
    fn texts(&self, pieces: usize) -> Vec<TextSketch> {
        let with_text = |(at, message): (usize, &OwnMessage<'_>)| {
            message.text.as_ref()?;
            Some((at, message.said.is_system()))
        };
        let all: Vec<_> = self
            .messages
            .iter()
            .enumerate()
            .filter_map(with_text)
            .collect();
        let system = all.iter().position(|(_, is_system)| *is_system);
        let last = all.len().saturating_sub(LAST_TEXTS);
        let chosen = all.iter().enumerate();
        chosen
            .filter(|(place, _)| last <= *place || Some(*place) == system)
            .filter_map(|(_, (at, _))| {
                let text = self.messages.get(*at)?.text.as_ref()?;
                self.digests.text(*at, text, pieces)
            })
            .collect()
    }
}

/// The digests of one tenant's requests.
struct Digests(KeyedDigest);

impl Digests {
    fn member<'a>(&self, name: &'a str, form: &Form<'_>, value: &'a Json<'a>) -> OwnMember<'a> {
        let mut framed = Vec::new();
        put_part(&mut framed, name.as_bytes());
        let canonical = Canonical::of(form);
        OwnMember {
            name,
            value,
            name_hash: self.name(name),
            hash: self.long(b"value", &[&framed, canonical.as_bytes()]),
        }
    }

    fn message<'a>(&self, form: &Form<'_>, item: &'a Json<'a>) -> OwnMessage<'a> {
        let role = item.get("role").and_then(Json::as_str);
        let place = ROLES.iter().position(|known| Some(*known) == role);
        let place = place.unwrap_or(ROLES.len());
        OwnMessage {
            said: Said {
                role: u8::try_from(place).unwrap_or(u8::MAX),
                hash: self.long(b"message", &[Canonical::of(form).as_bytes()]),
            },
            role,
            text: text_of(item),
        }
    }

    fn name(&self, name: &str) -> u16 {
        self.short(b"name", &[name.as_bytes()])
    }

    fn short(&self, label: &[u8], parts: &[&[u8]]) -> u16 {
        let digest = self.digest(label, parts);
        u16::from_be_bytes(digest.first_chunk().copied().unwrap_or_default())
    }

    fn long(&self, label: &[u8], parts: &[&[u8]]) -> u32 {
        let digest = self.digest(label, parts);
        u32::from_be_bytes(digest.first_chunk().copied().unwrap_or_default())
    }

    fn digest(&self, label: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let mut front = Vec::new();
        put_part(&mut front, label);
        self.0.begun(&front).digest(parts)
    }
}

/// The text of a message: its content, or the parts of it that are text.
fn text_of<'a>(message: &'a Json<'a>) -> Option<Cow<'a, str>> {
    let content = message.get("content")?;
    if let Some(text) = content.as_str() {
        return Some(Cow::Borrowed(text));
    }
    let parts = content.as_array()?.iter();
    let texts: Vec<_> = parts
        .filter_map(|part| part.get("text")?.as_str())
        .collect();
    (!texts.is_empty()).then(|| Cow::Owned(texts.join("\n")))
}

#[cfg(test)]
mod tests;
