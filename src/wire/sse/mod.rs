//! Server-sent events, byte for byte (WHATWG HTML §9.2).
//!
//! A stream is passed on as it came, so the reader does not decode it: it cuts it
//! into [`Frame`]s whose raw bytes, put together again, are the stream. What is
//! in an event is looked up in the frame. Line ends of all three kinds, comments
//! and a byte order mark are read as the standard says; what is written keeps to
//! the part of it that every known client reads.

mod frame;
mod reader;
mod write;

pub use frame::{Frame, NotUtf8};
pub use reader::FrameReader;
pub use write::{DONE, DONE_PAYLOAD, data_frame, error_frame, write_data_frame};

/// The longest line that is read, without its end. In bytes.
pub const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest event that is read, with all its lines and their ends. In bytes.
pub const EVENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why a stream cannot be cut any further. Its bytes are still there:
/// [`FrameReader::take_rest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// A line is longer than [`LINE_BYTES_MAX`].
    #[error("a line is longer than {LINE_BYTES_MAX} bytes")]
    LineTooLong,
    /// An event is longer than [`EVENT_BYTES_MAX`].
    #[error("an event is longer than {EVENT_BYTES_MAX} bytes")]
    EventTooLong,
}

#[cfg(test)]
mod tests;
