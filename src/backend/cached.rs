//! An answer in memory, and the forms rendered from it.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;

use crate::entry::Entry;

/// An answer in memory.
#[derive(Debug)]
pub struct Cached {
    /// The answer.
    pub entry: Entry,
    /// The answer as a stream of events, without and with a usage event, once
    /// somebody asked for it; `None` inside if it cannot be told as one. Not
    /// counted into the memory tier's bound.
    pub stream_forms: [OnceLock<Option<Bytes>>; 2],
    /// When the backend was last told that the answer is in use, in seconds on
    /// the memory tier's own clock.
    pub(super) touched: AtomicU64,
}

impl Cached {
    /// Holds an answer of which no form is rendered yet.
    pub const fn new(entry: Entry) -> Self {
        Self {
            entry,
            stream_forms: [OnceLock::new(), OnceLock::new()],
            touched: AtomicU64::new(0),
        }
    }

    /// The answer as a stream of events, rendered by the first who asks.
    pub fn stream_form(
        &self,
        with_usage: bool,
        render: impl FnOnce() -> Option<Bytes>,
    ) -> Option<Bytes> {
        let [without, with] = &self.stream_forms;
        let form = if with_usage { with } else { without };
        form.get_or_init(render).clone()
    }

    /// The bytes the answer takes in memory, rendered forms left out.
    pub(super) fn weight(&self) -> u64 {
        /// The struct itself, the key, the short strings and the table's share.
        const OVERHEAD: usize = 768;
        let meta = &self.entry.meta;
        let tags: usize = meta.tags.iter().map(String::len).sum();
        u64::try_from(OVERHEAD + self.entry.body.len() + tags).unwrap_or(u64::MAX)
    }
}
