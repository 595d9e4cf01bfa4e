//! Writing events in the form that every known client reads: LF, one space behind
//! the colon, and neither `id` nor `retry`, which some SDKs take for data.

use bytes::Bytes;

use crate::wire::error::ErrorBody;

/// The data of the event that ends a stream of the `OpenAI` family. Some clients
/// compare it byte for byte.
pub const DONE_PAYLOAD: &str = "[DONE]";

/// The event that ends a stream of the `OpenAI` family.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// An event of one data line. `payload` is text without line breaks, as compact
/// JSON is.
pub fn data_frame(payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(payload.len() + 8);
    write_data_frame(payload, &mut out);
    out.into()
}

/// Appends the event of [`data_frame`] to `out`.
pub fn write_data_frame(payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\n\n");
}

/// An error in the middle of a chat stream. The envelope is nested: the flat form
/// with an event name, which the API's description shows, is passed through by the
/// official SDKs as if it were a part of the answer. No [`DONE`] follows.
pub fn error_frame(error: &ErrorBody<'_>) -> Bytes {
    data_frame(&error.to_bytes())
}
