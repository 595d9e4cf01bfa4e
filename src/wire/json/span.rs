//! Where the members of an object stand in its text, for edits that leave every
//! other byte as it was written.

use std::borrow::Cow;
use std::ops::Range;

use super::{Json, parse};

/// An object's text and where its own members are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSpan<'a> {
    text: &'a str,
    members: Vec<MemberSpan<'a>>,
    /// Where the closing brace is.
    close: usize,
}

/// A member of an object, as ranges of the object's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSpan<'a> {
    /// The decoded name.
    pub name: Cow<'a, str>,
    /// From the opening quote of the name to the end of the value.
    pub member: Range<usize>,
    /// The value alone.
    pub value: Range<usize>,
}

/// One change of a text: what is in `range` gives way to `text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The bytes that go; empty for an insertion.
    pub range: Range<usize>,
    /// The bytes that come.
    pub text: String,
}

impl<'a> ObjectSpan<'a> {
    /// Finds the members of the object that `text` is, white space around it
    /// allowed. `None` if it is none. Values are stepped over, not checked: the
    /// spans of text that is not JSON mean nothing.
    pub fn read(text: &'a str) -> Option<Self> {
        let mut scan = Scan { text, at: 0 };
        scan.skip_space();
        scan.expect(b'{')?;
        let mut members = Vec::new();
        scan.skip_space();
        while scan.peek()? != b'}' {
            if !members.is_empty() {
                scan.expect(b',')?;
                scan.skip_space();
            }
            members.push(scan.member()?);
            scan.skip_space();
        }
        let close = scan.at;
        scan.at += 1;
        scan.skip_space();
        (scan.at == text.len()).then_some(Self {
            text,
            members,
            close,
        })
    }

    /// The members in the order they stand.
    pub fn members(&self) -> &[MemberSpan<'a>] {
        &self.members
    }

    /// The text of the value called `name`.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.text.get(self.find(name)?.1.value.clone())
    }

    /// The edit that takes the member called `name` out, with the comma that
    /// parted it from its neighbour; `None` if there is no such member.
    pub fn without(&self, name: &str) -> Option<Edit> {
        let (at, gone) = self.find(name)?;
        let range = match (at.checked_sub(1), self.members.get(at + 1)) {
            (_, Some(next)) => gone.member.start..next.member.start,
            (Some(before), None) => {
                let before = self.members.get(before)?;
                before.value.end..gone.member.end
            }
            (None, None) => gone.member.clone(),
        };
        let text = String::new();
        Some(Edit { range, text })
    }

    /// The text without the members whose names are `gone`, and without the commas that
    /// parted them from their neighbours.
    pub fn without_all(&self, gone: impl Fn(&str) -> bool) -> String {
        let mut out = String::with_capacity(self.text.len());
        let mut at = match self.members.first() {
            Some(first) => first.member.start,
            None => self.close,
        };
        let mut is_first = true;
        out.push_str(self.text.get(..at).unwrap_or_default());
        for member in &self.members {
            if !gone(&member.name) {
                let from = if is_first { member.member.start } else { at };
                let kept = self.text.get(from..member.member.end);
                out.push_str(kept.unwrap_or_default());
                is_first = false;
            }
            at = member.member.end;
        }
        out.push_str(self.text.get(at..).unwrap_or_default());
        out
    }

    /// The edit that gives the member called `name` the value `value`, which is
    /// JSON text; a member that is not there is added as the last one. `name`
    /// must not need escaping.
    pub fn with(&self, name: &str, value: &str) -> Edit {
        if let Some((_, member)) = self.find(name) {
            return Edit {
                range: member.value.clone(),
                text: value.to_owned(),
            };
        }
        let (at, comma) = match self.members.last() {
            Some(last) => (last.value.end, ","),
            None => (self.close, ""),
        };
        Edit {
            range: at..at,
            text: format!("{comma}\"{name}\":{value}"),
        }
    }

    /// Where the value called `name` begins.
    pub fn value_start(&self, name: &str) -> Option<usize> {
        Some(self.find(name)?.1.value.start)
    }

    fn find(&self, name: &str) -> Option<(usize, &MemberSpan<'a>)> {
        self.members
            .iter()
            .enumerate()
            .find(|(_, member)| member.name == name)
    }
}

impl Edit {
    /// The same edit in a longer text in which the edited one begins at `start`.
    #[must_use]
    pub fn moved(self, start: usize) -> Self {
        Self {
            range: self.range.start + start..self.range.end + start,
            text: self.text,
        }
    }

    /// `bytes` with the edit made. A range that is not in there changes nothing.
    pub fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        let (Some(before), Some(after)) =
            (bytes.get(..self.range.start), bytes.get(self.range.end..))
        else {
            return bytes.to_vec();
        };
        [before, self.text.as_bytes(), after].concat()
    }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn member(&mut self) -> Option<MemberSpan<'a>> {
        let start = self.at;
        self.string()?;
        let name = self.text.get(start..self.at)?;
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        let value = self.at;
        self.value()?;
        Some(MemberSpan {
            name: decoded(name)?,
            member: start..self.at,
            value: value..self.at,
        })
    }

    /// Steps over a value.
    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string(),
            b'{' | b'[' => self.container(),
            _ => {
                let start = self.at;
                self.step_to(|byte| {
                    matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t')
                });
                (self.at > start).then_some(())
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        self.expect(b'"')?;
        loop {
            self.step_to(|byte| matches!(byte, b'"' | b'\\'));
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                _ => self.at += 2,
            }
        }
    }

    fn container(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            self.step_to(|byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']'));
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                _ => depth -= 1,
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// Moves to the first byte that `stops`, or to the end.
    fn step_to(&mut self, stops: impl Fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let run = rest.iter().position(|byte| stops(*byte));
        self.at += run.unwrap_or(rest.len());
    }

    fn skip_space(&mut self) {
        self.step_to(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// The name a quoted string stands for.
fn decoded(quoted: &str) -> Option<Cow<'_, str>> {
    let plain = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if !plain.contains('\\') {
        return Some(Cow::Borrowed(plain));
    }
    match parse(quoted.as_bytes()).ok()? {
        Json::String(name) => Some(name),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
#[path = "span_tests.rs"]
mod tests;
