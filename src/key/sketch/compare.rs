//! What a request has that a stored one has not, as far as its sketch tells.

use std::ops::Range;

use super::super::chat;
use super::hint::{Volatile, volatile};
use super::{OwnMember, OwnMessage, ROLES, Said, Sketch, Sketchable};
use crate::wire::Json;

/// The most that is shown of a value, in bytes.
const SHOWN_BYTES_MAX: usize = 200;

/// Members that are in the key and that no list of documented ones has.
const OTHERS: [&str; 12] = [
    "extra_body",
    "guided_json",
    "ignore_eos",
    "min_p",
    "min_tokens",
    "provider",
    "reasoning",
    "repetition_penalty",
    "stream_options",
    "thinking",
    "top_k",
    "transforms",
];

/// Something that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where it stands in the request that was compared, as `messages[0].content`; of
    /// something it lacks, where that would stand.
    pub path: String,
    /// What became of it.
    pub kind: DifferenceKind,
    /// What the compared request has there, cut to 200 bytes.
    pub yours: Option<String>,
    /// What it looks like.
    pub looks_like: Option<Volatile>,
    /// The same in a sentence.
    pub message: String,
}

/// How a part of a request differs from that of a stored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// Both have it, with another value.
    Changed,
    /// The stored one has it not.
    Added,
    /// Only the stored one has it.
    Missing,
}

impl DifferenceKind {
    /// The name used in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Added => "added",
            Self::Missing => "missing",
        }
    }
}

/// A difference, before anything is said of it.
enum Step<'s> {
    Member(&'s OwnMember<'s>, DifferenceKind),
    LostMember(u16),
    /// A message, by its places here and there.
    Message(usize, usize),
    NewMessage(usize),
    LostMessage(usize),
    /// Some of the messages whose digests were left out.
    Middle(Range<usize>),
}

impl Sketchable<'_> {
    /// How many members and messages differ from those of a stored request.
    pub fn distance(&self, stored: &Sketch) -> usize {
        self.steps(stored).len()
    }

    /// What differs from a stored request. Empty if nothing does that is sketched.
    pub fn differences(&self, stored: &Sketch) -> Vec<Difference> {
        let steps = self.steps(stored).into_iter();
        steps.filter_map(|step| self.tell(&step, stored)).collect()
    }

    fn steps(&self, stored: &Sketch) -> Vec<Step<'_>> {
        let mut steps = Vec::new();
        for member in &self.members {
            let mut known = stored.members.iter();
            match known.find(|(name, _)| *name == member.name_hash) {
                Some((_, hash)) if *hash == member.hash => {}
                Some(_) => steps.push(Step::Member(member, DifferenceKind::Changed)),
                None => steps.push(Step::Member(member, DifferenceKind::Added)),
            }
        }
        let is_own = |name: u16| self.members.iter().any(|member| member.name_hash == name);
        let lost = stored.members.iter().filter(|(name, _)| !is_own(*name));
        steps.extend(lost.map(|(name, _)| Step::LostMember(*name)));
        if self.messages.len() == stored.count {
            self.compare_in_place(stored, &mut steps);
        } else {
            self.compare_from_ends(stored, &mut steps);
        }
        steps
    }

    fn compare_in_place(&self, stored: &Sketch, steps: &mut Vec<Step<'_>>) {
        let before = steps.len();
        for (at, message) in self.messages.iter().enumerate() {
            if stored.said(at).is_some_and(|said| said != message.said) {
                steps.push(Step::Message(at, at));
            }
        }
        let middle = stored.head.len()..stored.count.saturating_sub(stored.tail.len());
        if steps.len() == before && before == 0 && !middle.is_empty() {
            steps.push(Step::Middle(middle));
        }
    }

    /// Leaves what is the same at both ends; all between differs.
    fn compare_from_ends(&self, stored: &Sketch, steps: &mut Vec<Step<'_>>) {
        let (own, theirs) = (self.messages.len(), stored.count);
        let is_same = |own: usize, theirs: usize| {
            let own = self.messages.get(own);
            own.is_some_and(|own| stored.said(theirs) == Some(own.said))
        };
        let shorter = own.min(theirs);
        let front = (0..shorter).take_while(|at| is_same(*at, *at)).count();
        let back = (1..=shorter - front)
            .take_while(|end| is_same(own - end, theirs - end))
            .count();
        let (own_end, their_end) = (own - back, theirs - back);
        let both = own_end.min(their_end);
        // Nobody can be shown more than a few, and a stored count may lie.
        let their_end = their_end.min(own.saturating_add(SHOWN_MESSAGES_MAX));
        steps.extend((front..both).map(|at| Step::Message(at, at)));
        steps.extend((both..own_end).map(Step::NewMessage));
        steps.extend((both..their_end).map(Step::LostMessage));
    }

    fn tell(&self, step: &Step<'_>, stored: &Sketch) -> Option<Difference> {
        Some(match step {
            Step::Member(member, kind) => told_member(member, *kind),
            Step::LostMember(name) => self.told_lost(*name),
            Step::Message(own, theirs) => self.told_message(*own, *theirs, stored)?,
            Step::NewMessage(at) => {
                let text = self.messages.get(*at)?.text.as_deref();
                Difference {
                    yours: text.map(|text| window(text, 0..text.len(), None)),
                    ..plain(
                        format!("messages[{at}]"),
                        DifferenceKind::Added,
                        "the stored request has not this message",
                    )
                }
            }
            Step::LostMessage(at) => plain(
                format!("messages[{at}]"),
                DifferenceKind::Missing,
                "the stored request has a message more here",
            ),
            Step::Middle(range) => plain(
                format!("messages[{}..{}]", range.start, range.end),
                DifferenceKind::Changed,
                "one of these messages differs, or path, query or headers do",
            ),
        })
    }

    fn told_lost(&self, name: u16) -> Difference {
        let mut known = chat::QUESTION.iter().chain(&OTHERS);
        let known = known.find(|known| self.digests.name(known) == name);
        let path = known.map_or("another member", |known| *known);
        let message = match known {
            Some(known) => format!("the stored request has `{known}`, yours has not"),
            None => "the stored request has a member that yours has not".to_owned(),
        };
        plain(path.to_owned(), DifferenceKind::Missing, &message)
    }

    fn told_message(&self, own: usize, theirs: usize, stored: &Sketch) -> Option<Difference> {
        let message = self.messages.get(own)?;
        let there = stored.said(theirs);
        if there.is_some_and(|there| there.role != message.said.role) {
            return Some(told_role(own, message, there));
        }
        let mut difference = plain(
            format!("messages[{own}].content"),
            DifferenceKind::Changed,
            "",
        );
        let Some(text) = &message.text else {
            difference.path = format!("messages[{own}]");
            difference.message = format!("{} differs", difference.path);
            return Some(difference);
        };
        let sketched = stored.texts.iter().find(|text| text.at == theirs);
        let range = match sketched {
            None => 0..text.len(),
            Some(sketched) => {
                let Some(range) = self.digests.locate(text, sketched) else {
                    difference.path = format!("messages[{own}]");
                    difference.message = format!(
                        "the words of {} are the same: white space, or what is not text, differs",
                        difference.path
                    );
                    return Some(difference);
                };
                range
            }
        };
        let found = text.get(range.clone()).and_then(|part| {
            let (kind, within) = volatile(part, sketched.is_some())?;
            Some((kind, range.start + within.start..range.start + within.end))
        });
        let whose = if message.said.is_system() {
            "your system prompt".to_owned()
        } else {
            difference.path.clone()
        };
        difference.message = match &found {
            Some((kind, at)) => format!(
                "{whose} carries {}: {}; leave it out or make it coarser, if the answer does not hang on it",
                kind.noun(),
                window(text, at.clone(), None),
            ),
            None if range.is_empty() => format!("{whose} lacks words that the stored one has"),
            None if sketched.is_some() => format!("{whose} differs in this part"),
            None => format!("{whose} differs"),
        };
        difference.looks_like = found.as_ref().map(|(kind, _)| *kind);
        let shown = window(text, range, found.map(|(_, at)| at));
        difference.yours = (!shown.is_empty()).then_some(shown);
        Some(difference)
    }
}

/// The most messages told that only the stored request has.
const SHOWN_MESSAGES_MAX: usize = 100;

impl Sketch {
    /// What is known of a message.
    fn said(&self, at: usize) -> Option<Said> {
        if let Some(said) = self.head.get(at) {
            return Some(*said);
        }
        let from_end = self.count.checked_sub(at)?;
        let place = self.tail.len().checked_sub(from_end)?;
        self.tail.get(place).copied()
    }
}

fn told_role(at: usize, message: &OwnMessage<'_>, there: Option<Said>) -> Difference {
    let known = there.and_then(|there| ROLES.get(usize::from(there.role)));
    let known = known.copied().unwrap_or("another role");
    Difference {
        yours: message.role.map(|role| window(role, 0..role.len(), None)),
        ..plain(
            format!("messages[{at}].role"),
            DifferenceKind::Changed,
            &format!("the stored request has a message of `{known}` here"),
        )
    }
}

fn told_member(member: &OwnMember<'_>, kind: DifferenceKind) -> Difference {
    let name = member.name;
    let text = match member.value {
        Json::String(text) => text.to_string(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            let mut text = Vec::new();
            member.value.write(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        }
    };
    // Of a number only the seed is ever made up.
    let found = match member.value {
        Json::Number(_) if name != "seed" => None,
        Json::Number(_) => Some((Volatile::Number, 0..text.len())),
        Json::Null | Json::Bool(_) | Json::String(_) | Json::Array(_) | Json::Object(_) => {
            volatile(&text, false)
        }
    };
    let message = match (&found, kind) {
        (Some((looks_like, at)), _) => format!(
            "`{name}` carries {}: {}",
            looks_like.noun(),
            window(&text, at.clone(), None)
        ),
        (None, DifferenceKind::Added) => format!("the stored request has no `{name}`"),
        (None, DifferenceKind::Changed | DifferenceKind::Missing) => {
            format!("`{name}` has another value in the stored request")
        }
    };
    Difference {
        path: name.to_owned(),
        kind,
        looks_like: found.as_ref().map(|(looks_like, _)| *looks_like),
        yours: Some(window(&text, 0..text.len(), found.map(|(_, at)| at))),
        message,
    }
}

fn plain(path: String, kind: DifferenceKind, message: &str) -> Difference {
    Difference {
        path,
        kind,
        yours: None,
        looks_like: None,
        message: message.to_owned(),
    }
}

/// What is shown of a range of a text: all of it if it is short, else what is at its
/// start, or around `of_note`.
fn window(text: &str, range: Range<usize>, of_note: Option<Range<usize>>) -> String {
    let mut start = range.start;
    if let Some(note) = of_note.filter(|note| start + SHOWN_BYTES_MAX < note.end) {
        let margin = SHOWN_BYTES_MAX.saturating_sub(note.len()) / 2;
        start = note.start.saturating_sub(margin).max(start);
    }
    let mut end = range.end.min(start.saturating_add(SHOWN_BYTES_MAX));
    while !text.is_char_boundary(start) {
        start += 1;
    }
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(start..end).unwrap_or_default().to_owned()
}
