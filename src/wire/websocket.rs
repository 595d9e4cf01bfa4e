//! What a server says over a WebSocket (RFC 6455), read while it passes by.
//!
//! A tunnel hands bytes on as they come. This reader looks at the same bytes and puts
//! the text messages together, as far as they are short enough to be looked at. What it
//! does not understand it stops looking at: nothing hangs on it but a count.

use super::usage::Usage;
use super::usage_reader::Found;
use super::{Json, json};

/// The longest message that is looked at, in bytes. Those that tell tokens are short,
/// those with sound are not.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// The bytes of a frame's head that a server sends: two, and up to eight of length.
const HEAD_BYTES_MAX: usize = 10;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
/// From here on, opcodes are those of control frames.
const CONTROL: u8 = 0x8;

/// Puts together the text messages of a server.
#[derive(Debug, Default)]
pub struct MessageReader {
    /// The head of a frame, as far as it has come.
    head: Vec<u8>,
    frame: Option<Frame>,
    /// The message so far; `None` where none is being read that is looked at.
    text: Option<Vec<u8>>,
    /// It cannot be understood any more.
    is_lost: bool,
}

/// A frame whose payload is being read.
#[derive(Clone, Copy, Debug)]
struct Frame {
    is_last: bool,
    /// Its payload is part of the message that is looked at.
    is_text: bool,
    is_control: bool,
    left: u64,
}

impl MessageReader {
    /// A reader of what comes behind the handshake.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what came; `message` gets each text message that is whole.
    pub fn take(&mut self, mut bytes: &[u8], mut message: impl FnMut(&[u8])) {
        while !bytes.is_empty() && !self.is_lost {
            if let Some(frame) = self.frame {
                let most = usize::try_from(frame.left).unwrap_or(usize::MAX);
                let (payload, rest) = bytes.split_at(most.min(bytes.len()));
                self.keep(frame, payload);
                bytes = rest;
                self.advance(frame, payload.len(), &mut message);
            } else if let Some((first, rest)) = bytes.split_first() {
                self.head.push(*first);
                bytes = rest;
                self.begin(&mut message);
            }
        }
    }

    /// Begins a frame, if all of its head is there.
    fn begin(&mut self, message: &mut impl FnMut(&[u8])) {
        let [first, second, extended @ ..] = self.head.as_slice() else {
            return;
        };
        let length = match second & !MASKED {
            126 => big_endian(extended, 2),
            127 => big_endian(extended, 8),
            short => Some(short.into()),
        };
        let Some(left) = length else {
            self.is_lost |= self.head.len() >= HEAD_BYTES_MAX;
            return;
        };
        let (first, opcode) = (*first, first & 0x0f);
        // No extension was agreed on, and servers do not mask (RFC 6455 §5.1, §5.2).
        if first & RESERVED != 0 || second & MASKED != 0 {
            self.is_lost = true;
            return;
        }
        self.head.clear();
        let is_control = opcode >= CONTROL;
        match opcode {
            TEXT => self.text = Some(Vec::new()),
            BINARY => self.text = None,
            CONTINUATION => {}
            _ if is_control => {}
            _ => self.is_lost = true,
        }
        let frame = Frame {
            is_last: first & FIN != 0,
            is_text: !is_control && self.text.is_some(),
            is_control,
            left,
        };
        self.frame = Some(frame);
        if left == 0 {
            self.advance(frame, 0, message);
        }
    }

    fn keep(&mut self, frame: Frame, payload: &[u8]) {
        if !frame.is_text {
            return;
        }
        if let Some(text) = &mut self.text {
            if text.len() + payload.len() > MESSAGE_BYTES_MAX {
                self.text = None;
            } else {
                text.extend_from_slice(payload);
            }
        }
    }

    /// So much of a frame has come.
    fn advance(&mut self, frame: Frame, came: usize, message: &mut impl FnMut(&[u8])) {
        let came = u64::try_from(came).unwrap_or(u64::MAX);
        let left = frame.left.saturating_sub(came);
        self.frame = (left > 0).then_some(Frame { left, ..frame });
        if left == 0
            && frame.is_last
            && !frame.is_control
            && let Some(text) = self.text.take()
        {
            message(&text);
        }
    }
}

/// A number of so many bytes; `None` as long as they are not all there.
fn big_endian(bytes: &[u8], count: usize) -> Option<u64> {
    let bytes = bytes.get(..count)?;
    let shift = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    Some(bytes.iter().fold(0, shift))
}

/// The tokens that a message tells at the end of a response, in a realtime session or in
/// one of the Responses API; `None` if it is another.
pub fn tokens_of(message: &[u8]) -> Option<Found> {
    const ENDS: [&str; 4] = [
        "response.done",
        "response.completed",
        "response.incomplete",
        "response.failed",
    ];
    memchr::memmem::find(message, b"\"usage\"")?;
    let event = json::parse(message).ok()?;
    let kind = event.get("type").and_then(Json::as_str)?;
    if !ENDS.contains(&kind) {
        return None;
    }
    let response = event.get("response")?;
    let model = response.get("model").and_then(Json::as_str);
    Some(Found {
        usage: Some(Usage::read(response.get("usage")?)?),
        model: model.map(str::to_owned),
    })
}

#[cfg(test)]
#[path = "websocket_tests.rs"]
mod tests;
