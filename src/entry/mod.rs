//! One complete stored answer, and the sealed form in which a backend holds it.
//!
//! Pure: bytes in, bytes out. What [`open`] returns is what [`seal`] was given,
//! under the same key, or it is an error: a flipped bit, a swapped name, a cut
//! value or a planted one never becomes somebody's answer.

mod cipher;
mod codec;
mod dictionary;
mod envelope;
mod header;
mod inspect;
mod meta;
mod pack;

use std::time::Duration;

use bytes::Bytes;

use crate::clock::UnixMillis;
use crate::wire::Operation;

pub use envelope::{Limits, OpenError, Peeked, SealError, open, open_with, peek, seal, seal_with};
pub use inspect::{inspect, inspected_bytes};
pub use meta::Meta;

/// One complete answer. It has no form: JSON and SSE are both told from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which endpoint family it answers.
    pub operation: Operation,
    /// When the call that got it began, so that the time the upstream took counts
    /// into its age (RFC 9111 §4.2.3 counts the response delay in).
    pub stored_at: UnixMillis,
    /// How long after `stored_at` it is fresh.
    pub fresh_for: Duration,
    /// What is known of it without reading the body.
    pub meta: Meta,
    /// The answer as JSON, as the upstream wrote it.
    pub body: Bytes,
}
