//! Reads a JSON document whose bulk is one array, item by item, as it arrives.
//!
//! An answer to two thousand embeddings is a hundred megabytes of text, and each
//! of its items a few kilobytes once read. Here an item is handed out as soon as
//! it is whole, and only what stands around the array is kept. Items are found,
//! not checked: who takes one parses it.

use std::mem;

/// The longest text of one item, in bytes: a vector of 65,536 numbers fits.
const ITEM_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The longest text around the array, in bytes.
const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Why a text cannot be read as a document around one array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// It is not JSON, or ends in the middle.
    #[error("the text is no whole JSON document")]
    Syntax,
    /// An item, or what stands around the array, is longer than is kept.
    #[error("a part of the document is too long")]
    TooLong,
}

/// Reads one document.
#[derive(Debug)]
pub struct ListReader {
    /// The name of the array as it stands in the text, quotes included.
    name: Vec<u8>,
    /// The text of the document without the array's items.
    frame: Vec<u8>,
    item: Vec<u8>,
    place: Place,
    nesting: Nesting,
    /// How far the name and what leads to the array have been seen.
    lead: Lead,
    /// Where in `frame` the string began that is being read.
    string_at: usize,
}

/// Where in the document the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Around the array.
    Frame,
    /// Behind the bracket that opens the array.
    Opened,
    /// Behind a comma between items.
    Comma,
    /// Behind an item.
    Behind,
    /// In an item.
    Item,
}

/// What has been seen of `"name":[`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lead {
    Nothing,
    Name,
    Colon,
}

/// How deep in brackets and strings a byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Nesting {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

/// What a byte did to the nesting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It is inside a string, or no bracket.
    Plain,
    StringOpened,
    StringClosed,
    Opened,
    Closed,
    /// A bracket closes what was never opened.
    Broken,
}

impl Nesting {
    fn step(&mut self, byte: u8) -> Turn {
        if self.in_string {
            return match byte {
                _ if self.escaped => {
                    self.escaped = false;
                    Turn::Plain
                }
                b'\\' => {
                    self.escaped = true;
                    Turn::Plain
                }
                b'"' => {
                    self.in_string = false;
                    Turn::StringClosed
                }
                _ => Turn::Plain,
            };
        }
        match byte {
            b'"' => {
                self.in_string = true;
                Turn::StringOpened
            }
            b'{' | b'[' => {
                self.depth += 1;
                Turn::Opened
            }
            b'}' | b']' => match self.depth.checked_sub(1) {
                Some(depth) => {
                    self.depth = depth;
                    Turn::Closed
                }
                None => Turn::Broken,
            },
            _ => Turn::Plain,
        }
    }

    /// How many of `bytes` change nothing.
    fn plain_run(self, bytes: &[u8]) -> usize {
        let stops = |byte: &u8| {
            if self.in_string {
                matches!(byte, b'"' | b'\\')
            } else {
                matches!(byte, b'"' | b'{' | b'[' | b'}' | b']')
            }
        };
        if self.escaped {
            return 0;
        }
        bytes.iter().position(stops).unwrap_or(bytes.len())
    }
}

impl ListReader {
    /// A reader of documents whose array is the member called `member`, which
    /// needs no escaping.
    pub fn new(member: &str) -> Self {
        Self {
            name: format!("\"{member}\"").into_bytes(),
            frame: Vec::new(),
            item: Vec::new(),
            place: Place::Frame,
            nesting: Nesting::default(),
            lead: Lead::Nothing,
            string_at: 0,
        }
    }

    /// Takes in what came; `items` gets the texts of the items that are whole now.
    ///
    /// # Errors
    /// If it cannot be such a document any more.
    pub fn push(&mut self, mut chunk: &[u8], items: &mut Vec<Vec<u8>>) -> Result<(), ListError> {
        while let Some((byte, rest)) = chunk.split_first() {
            match self.place {
                Place::Frame => {
                    self.frame_byte(*byte)?;
                    chunk = rest;
                }
                Place::Opened | Place::Comma | Place::Behind => {
                    if self.between(*byte)? {
                        chunk = rest;
                    }
                }
                Place::Item => chunk = self.item_bytes(chunk, items)?,
            }
        }
        Ok(())
    }

    /// The end of the text: what stands around the array, with an empty array in
    /// its place.
    ///
    /// # Errors
    /// If the document is not whole.
    pub fn finish(self) -> Result<Vec<u8>, ListError> {
        if self.place == Place::Frame && self.nesting == Nesting::default() {
            Ok(self.frame)
        } else {
            Err(ListError::Syntax)
        }
    }

    /// Steps from item to item; whether `byte` is done with.
    fn between(&mut self, byte: u8) -> Result<bool, ListError> {
        match (self.place, byte) {
            (_, b' ' | b'\n' | b'\r' | b'\t') => Ok(true),
            (Place::Behind, b',') => {
                self.place = Place::Comma;
                Ok(true)
            }
            (Place::Behind | Place::Opened, b']') => {
                self.place = Place::Frame;
                self.nesting = Nesting {
                    depth: 2,
                    ..Nesting::default()
                };
                self.frame_byte(byte)?;
                Ok(true)
            }
            (Place::Opened | Place::Comma, byte) if !matches!(byte, b',' | b']') => {
                self.place = Place::Item;
                self.nesting = Nesting::default();
                Ok(false)
            }
            _ => Err(ListError::Syntax),
        }
    }

    fn frame_byte(&mut self, byte: u8) -> Result<(), ListError> {
        if self.frame.len() >= FRAME_BYTES_MAX {
            return Err(ListError::TooLong);
        }
        let is_space = !self.nesting.in_string && matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        self.frame.push(byte);
        let turn = self.nesting.step(byte);
        let depth = self.nesting.depth;
        match turn {
            Turn::Broken => return Err(ListError::Syntax),
            Turn::StringOpened => self.string_at = self.frame.len() - 1,
            Turn::Opened if byte == b'[' && depth == 2 && self.lead == Lead::Colon => {
                self.place = Place::Opened;
            }
            Turn::Opened | Turn::Closed | Turn::StringClosed | Turn::Plain => {}
        }
        self.lead = match (turn, self.lead) {
            (Turn::StringClosed, _) if depth == 1 && self.ends_in_name() => Lead::Name,
            (Turn::Plain, Lead::Name) if byte == b':' => Lead::Colon,
            (Turn::Plain, lead) if is_space => lead,
            _ => Lead::Nothing,
        };
        Ok(())
    }

    /// Whether the string just closed is the name of the array.
    fn ends_in_name(&self) -> bool {
        self.frame.get(self.string_at..) == Some(self.name.as_slice())
    }

    /// Takes the bytes of an item off `chunk` and gives what is left.
    fn item_bytes<'a>(
        &mut self,
        chunk: &'a [u8],
        items: &mut Vec<Vec<u8>>,
    ) -> Result<&'a [u8], ListError> {
        let mut at = 0;
        let mut is_whole = false;
        while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty() && !is_whole) {
            let scalar = self.nesting == Nesting::default();
            let ends = |byte: &u8| matches!(byte, b',' | b']' | b' ' | b'\n' | b'\r' | b'\t');
            if scalar && let Some(end) = rest.iter().position(ends) {
                // A number or a word: it ends where something else begins, unless
                // a container or a string begins first.
                let opens = rest
                    .get(..end)
                    .unwrap_or_default()
                    .iter()
                    .any(|byte| matches!(byte, b'{' | b'[' | b'"'));
                if !opens {
                    at += end;
                    is_whole = true;
                    continue;
                }
            }
            at += self.nesting.plain_run(rest);
            let Some(byte) = chunk.get(at) else { break };
            at += 1;
            let turn = self.nesting.step(*byte);
            if turn == Turn::Broken {
                return Err(ListError::Syntax);
            }
            is_whole = matches!(turn, Turn::Closed | Turn::StringClosed)
                && self.nesting == Nesting::default();
        }
        let (taken, rest) = chunk.split_at_checked(at).unwrap_or((chunk, &[]));
        if self.item.len() + taken.len() > ITEM_BYTES_MAX {
            return Err(ListError::TooLong);
        }
        self.item.extend_from_slice(taken);
        if is_whole {
            items.push(mem::take(&mut self.item));
            self.place = Place::Behind;
        }
        Ok(rest)
    }
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
