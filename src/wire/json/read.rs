//! The strict reader.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{DEPTH_MAX, Json, JsonError, Member};

/// Objects up to this many members are checked for duplicates by comparing
/// each with each, which beats hashing; larger ones by a set, so that a hostile
/// body cannot buy quadratic work.
const COMPARED_MEMBERS_MAX: usize = 16;

/// How many bytes of a string are looked at at once.
const BLOCK_BYTES: usize = 32;

/// Reads one JSON value with nothing but white space around it (RFC 8259).
///
/// # Errors
/// See [`JsonError`]; whatever is odd enough that two readers might disagree is one.
pub fn parse(bytes: &[u8]) -> Result<Json<'_>, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|_invalid| JsonError::Utf8)?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at == text.len() {
        Ok(value)
    } else {
        Err(reader.syntax())
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Json::Bool(true)),
            Some(b'f') => self.literal("false", Json::Bool(false)),
            Some(b'n') => self.literal("null", Json::Null),
            Some(_) | None => Err(self.syntax()),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.enter(depth)?;
        let mut members: Vec<Member<'a>> = Vec::new();
        if self.closes(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_space();
            let start = self.at;
            let name = self.string()?;
            if members.len() < COMPARED_MEMBERS_MAX && members.iter().any(|(seen, _)| *seen == name)
            {
                return Err(JsonError::DuplicateName(start));
            }
            self.skip_space();
            self.expect(b':')?;
            let value = self.value(depth + 1)?;
            members.push((name, value));
            if !self.continues(b'}')? {
                break;
            }
        }
        if members.len() > COMPARED_MEMBERS_MAX {
            let distinct: HashSet<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
            if distinct.len() < members.len() {
                return Err(JsonError::DuplicateName(self.at));
            }
        }
        Ok(Json::Object(members))
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.enter(depth)?;
        let mut items = Vec::new();
        if self.closes(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if !self.continues(b']')? {
                return Ok(Json::Array(items));
            }
        }
    }

    /// Steps over the opening bracket of a container `depth` levels deep.
    fn enter(&mut self, depth: usize) -> Result<(), JsonError> {
        if depth >= DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        self.at += 1;
        Ok(())
    }

    /// Steps over `bracket` if it comes next.
    fn closes(&mut self, bracket: u8) -> bool {
        self.skip_space();
        let closes = self.peek() == Some(bracket);
        self.at += usize::from(closes);
        closes
    }

    /// Steps over a comma (`true`) or the closing `bracket` (`false`).
    fn continues(&mut self, bracket: u8) -> Result<bool, JsonError> {
        self.skip_space();
        let continues = match self.peek() {
            Some(b',') => true,
            Some(byte) if byte == bracket => false,
            Some(_) | None => return Err(self.syntax()),
        };
        self.at += 1;
        Ok(continues)
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.expect(b'"')?;
        let start = self.at;
        self.plain_run()?;
        if self.peek() == Some(b'"') {
            let text = self.slice(start);
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        let mut decoded = self.slice(start).to_owned();
        loop {
            if self.peek() == Some(b'"') {
                self.at += 1;
                return Ok(Cow::Owned(decoded));
            }
            decoded.push(self.escape()?);
            let run = self.at;
            self.plain_run()?;
            decoded.push_str(self.slice(run));
        }
    }

    /// Moves to the next quote or backslash.
    fn plain_run(&mut self) -> Result<(), JsonError> {
        // As numbers and over whole blocks, without a way out in between: the compiler
        // makes wide instructions of that, which read long texts four times as fast.
        let stops =
            |byte: u8| u8::from(byte == b'"') | u8::from(byte == b'\\') | u8::from(byte < b' ');
        let is_plain =
            |block: &&[u8]| block.iter().fold(0, |found, byte| found | stops(*byte)) == 0;
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let blocks = rest.chunks_exact(BLOCK_BYTES).take_while(is_plain).count();
        let rest = rest.get(blocks * BLOCK_BYTES..).unwrap_or_default();
        self.at += blocks * BLOCK_BYTES;
        let run = rest.iter().position(|byte| stops(*byte) != 0);
        self.at += run.unwrap_or(rest.len());
        match self.peek() {
            Some(b'"' | b'\\') => Ok(()),
            Some(_) | None => Err(self.syntax()),
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        self.expect(b'\\')?;
        let escaped = self.peek().ok_or_else(|| self.syntax())?;
        self.at += 1;
        Ok(match escaped {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(start),
            _ => return Err(JsonError::Syntax(start)),
        })
    }

    /// The rest of `\uXXXX`, with its second half if it is a surrogate pair.
    fn unicode_escape(&mut self, start: usize) -> Result<char, JsonError> {
        let first = self.hex4()?;
        let lone = JsonError::LoneSurrogate(start);
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first).ok_or(lone);
        }
        let paired = self
            .text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with("\\u"));
        if !paired {
            return Err(lone);
        }
        self.at += 2;
        let second = self.hex4()?;
        if first >= 0xdc00 || !(0xdc00..0xe000).contains(&second) {
            return Err(lone);
        }
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or(lone)
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .ok_or_else(|| self.syntax())?;
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_not_hex| self.syntax())
    }

    fn number(&mut self) -> Result<Json<'a>, JsonError> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(Json::Number(Cow::Borrowed(self.slice(start))))
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.syntax());
        }
        Ok(())
    }

    fn literal(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, JsonError> {
        let found = self
            .text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word));
        if !found {
            return Err(self.syntax());
        }
        self.at += word.len();
        Ok(value)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(self.syntax());
        }
        self.at += 1;
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// From `start` to here. Both stand on ASCII, so the range is always whole.
    fn slice(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    const fn syntax(&self) -> JsonError {
        JsonError::Syntax(self.at)
    }
}
