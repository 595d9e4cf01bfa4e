//! The stream of a family that has none: what comes as one is passed on.

use super::{Fold, Incomplete, Mark, Read, StreamEnd};
use crate::wire::Json;
use crate::wire::sse::Frame;

/// Reads nothing.
#[derive(Debug)]
pub(super) struct NoStream;

impl Fold for NoStream {
    fn frame(&mut self, frame: &Frame) -> Read {
        Read {
            mark: Mark::Unreadable,
            without_usage: Some(frame.raw.clone()),
        }
    }

    fn forget(&mut self) {}

    fn finish(self: Box<Self>, _end: StreamEnd) -> Result<Json<'static>, Incomplete> {
        Err(Incomplete::Odd("stream"))
    }
}
