//! Cutting a stream that comes in pieces into frames.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::frame::{is_byte_order_mark, line_length};
use super::{EVENT_BYTES_MAX, Frame, LINE_BYTES_MAX, SseError};

/// Cuts a stream into frames, however it was cut on its way. Every byte is looked
/// at once; a frame that lies within one chunk is a slice of it.
///
/// A stream that ends its lines with CR alone comes out one event late, because
/// an LF behind the CR would belong to it.
#[derive(Debug, Default)]
pub struct FrameReader {
    /// The beginning of a frame from chunks that are used up.
    held: BytesMut,
    /// What came and is not cut yet.
    chunks: VecDeque<Bytes>,
    /// How much of the first chunk has been looked at.
    at: usize,
    /// The bytes of the line so far.
    line: usize,
    /// A CR was the last byte, and whether the line it ended was blank.
    after_return: Option<bool>,
    /// Whether a frame has been cut off: a byte order mark can only come first.
    begun: bool,
    failed: bool,
}

impl FrameReader {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what came. Take the frames out before the next push: that is what
    /// keeps the memory down.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.chunks.push_back(chunk);
        }
    }

    /// The next frame that is all there. After an error there are none.
    pub fn next_frame(&mut self) -> Option<Result<Frame, SseError>> {
        if self.failed {
            return None;
        }
        while !self.chunks.is_empty() {
            match self.scan() {
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
                Ok(true) => return Some(Ok(self.cut(true))),
                Ok(false) => {
                    if let Some(chunk) = self.chunks.pop_front() {
                        self.held.extend_from_slice(&chunk);
                    }
                    self.at = 0;
                }
            }
        }
        None
    }

    /// The end of the stream: what is left as a last frame, if anything. To be
    /// called when [`Self::next_frame`] has no more.
    pub fn finish(&mut self) -> Option<Frame> {
        if self.failed {
            return None;
        }
        let whole = self.after_return.take() == Some(true);
        self.at = 0;
        let rest = self.take_rest();
        (!rest.is_empty()).then(|| Frame::read(rest, !self.begun, whole))
    }

    /// The bytes that are not cut, as they came, for passing them on unread.
    pub fn take_rest(&mut self) -> Bytes {
        if self.held.is_empty() && self.chunks.len() == 1 {
            return self.chunks.pop_front().unwrap_or_default();
        }
        for chunk in self.chunks.drain(..) {
            self.held.extend_from_slice(&chunk);
        }
        self.held.split().freeze()
    }

    /// Looks for the end of the frame in the first chunk; true if `at` is there.
    fn scan(&mut self) -> Result<bool, SseError> {
        let Some(chunk) = self.chunks.front().cloned() else {
            return Ok(false);
        };
        let mut ended = false;
        while let Some(next) = chunk.get(self.at).filter(|_byte| !ended) {
            if let Some(blank) = self.after_return.take() {
                self.at += usize::from(*next == b'\n');
                ended = blank;
                continue;
            }
            let run = line_length(chunk.get(self.at..).unwrap_or_default());
            self.at += run;
            self.line += run;
            if self.line > LINE_BYTES_MAX {
                return Err(SseError::LineTooLong);
            }
            let Some(end) = chunk.get(self.at) else {
                break;
            };
            let blank = self.is_blank(&chunk);
            self.at += 1;
            self.line = 0;
            if *end == b'\r' {
                self.after_return = Some(blank);
            } else {
                ended = blank;
            }
        }
        if self.held.len() + self.at > EVENT_BYTES_MAX {
            return Err(SseError::EventTooLong);
        }
        Ok(ended)
    }

    /// Whether the line that ends here is blank.
    fn is_blank(&self, chunk: &[u8]) -> bool {
        let seen = chunk.get(..self.at).unwrap_or_default();
        let is_first_line = !self.begun && self.held.len() + self.at == self.line;
        self.line == 0
            || (is_first_line
                && self.line == 3
                && is_byte_order_mark(&[self.held.as_ref(), seen].concat()))
    }

    /// Cuts off what has been looked at.
    fn cut(&mut self, whole: bool) -> Frame {
        let at = std::mem::take(&mut self.at);
        let mut piece = Bytes::new();
        if let Some(chunk) = self.chunks.front_mut() {
            piece = chunk.split_to(at.min(chunk.len()));
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
        }
        let raw = if self.held.is_empty() {
            piece
        } else {
            self.held.extend_from_slice(&piece);
            self.held.split().freeze()
        };
        let at_start = !std::mem::replace(&mut self.begun, true);
        Frame::read(raw, at_start, whole)
    }
}
