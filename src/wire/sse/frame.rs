//! One event as it came, and where its fields are.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

/// How many bytes are looked at at once for the end of a line.
const BLOCK_BYTES: usize = 32;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A part of a stream up to and with the blank line that ends an event. It need
/// not be an event: a comment or a blank line alone is a frame without data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The bytes exactly as they came, the blank line included.
    pub raw: Bytes,
    whole: bool,
    event: Option<Range<usize>>,
    data: DataLines,
}

/// A field is not UTF-8. The standard has it decoded with replacement characters,
/// which would change an answer without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data of an event is not UTF-8")]
pub struct NotUtf8;

/// The values of an event's `data` lines, as ranges of its raw bytes. Nearly all
/// events have one, and one costs no allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum DataLines {
    None,
    One(Range<usize>),
    Many(Vec<Range<usize>>),
}

impl Frame {
    /// Reads the fields of `raw`. `whole` says whether a blank line ended it.
    pub(super) fn read(raw: Bytes, at_start: bool, whole: bool) -> Self {
        let mut frame = Self {
            whole,
            event: None,
            data: DataLines::None,
            raw: Bytes::new(),
        };
        let mut start = if at_start && raw.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        while let Some(rest) = raw.get(start..).filter(|rest| !rest.is_empty()) {
            let length = line_length(rest);
            frame.note(start, rest.get(..length).unwrap_or_default());
            // The LF of a CRLF is read as a blank line: it has no field either.
            start += length + 1;
        }
        frame.raw = raw;
        frame
    }

    /// Takes in the line that stands at `start`.
    fn note(&mut self, start: usize, line: &[u8]) {
        let name_length = line.iter().position(|byte| *byte == b':');
        let name = line
            .get(..name_length.unwrap_or(line.len()))
            .unwrap_or_default();
        let end = start + line.len();
        let value = match name_length {
            None => end..end,
            Some(length) => {
                let spaced = line.get(length + 1) == Some(&b' ');
                start + length + 1 + usize::from(spaced)..end
            }
        };
        match name {
            b"data" => self.data.push(value),
            b"event" => self.event = Some(value),
            // `id` and `retry` steer a reconnection, which nobody makes here.
            _ => {}
        }
    }

    /// Whether a blank line ended the frame. The last one of a stream may lack
    /// it, and then nobody knows whether more was to come.
    pub const fn is_whole(&self) -> bool {
        self.whole
    }

    /// The name of the event, if it has one that is UTF-8.
    pub fn event(&self) -> Option<&str> {
        let name = self.raw.get(self.event.clone()?)?;
        std::str::from_utf8(name)
            .ok()
            .filter(|name| !name.is_empty())
    }

    /// The data, its lines joined with LF; `None` for a frame that has none.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub fn data(&self) -> Result<Option<Cow<'_, str>>, NotUtf8> {
        match &self.data {
            DataLines::None => Ok(None),
            DataLines::One(range) => self.text(range).map(|text| Some(Cow::Borrowed(text))),
            DataLines::Many(ranges) => {
                let lines: Vec<&str> = ranges
                    .iter()
                    .map(|range| self.text(range))
                    .collect::<Result<_, _>>()?;
                Ok(Some(Cow::Owned(lines.join("\n"))))
            }
        }
    }

    /// Where the data is in the raw bytes, if it is one line and nothing else
    /// than the data has to change when it is edited.
    pub fn data_range(&self) -> Option<Range<usize>> {
        match &self.data {
            DataLines::One(range) => Some(range.clone()),
            DataLines::None | DataLines::Many(_) => None,
        }
    }

    fn text(&self, range: &Range<usize>) -> Result<&str, NotUtf8> {
        let bytes = self.raw.get(range.clone()).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_invalid| NotUtf8)
    }
}

impl DataLines {
    fn push(&mut self, line: Range<usize>) {
        *self = match std::mem::replace(self, Self::None) {
            Self::None => Self::One(line),
            Self::One(first) => Self::Many(vec![first, line]),
            Self::Many(mut lines) => {
                lines.push(line);
                Self::Many(lines)
            }
        };
    }
}

/// How far it is to the end of the first line of `bytes`.
pub(super) fn line_length(bytes: &[u8]) -> usize {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    // Blocks without an early way out compile to vector instructions; a stream
    // is nearly all long lines.
    let skipped = bytes
        .chunks_exact(BLOCK_BYTES)
        .take_while(|block| !block.iter().fold(false, |found, byte| found | is_end(byte)))
        .count()
        * BLOCK_BYTES;
    let rest = bytes.get(skipped..).unwrap_or_default();
    skipped + rest.iter().position(is_end).unwrap_or(rest.len())
}

/// Whether the first line of a stream is nothing but a byte order mark.
pub(super) fn is_byte_order_mark(line: &[u8]) -> bool {
    line == BYTE_ORDER_MARK
}
