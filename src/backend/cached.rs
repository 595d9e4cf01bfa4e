//! An answer in memory, and the forms rendered from it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use http::HeaderValue;

use crate::entry::Entry;
use crate::price::Usd;

/// A form in which an answer is given out that is not the stored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendition {
    /// A stream of events that does not tell usage.
    Stream,
    /// A stream of events that does.
    StreamWithUsage,
    /// A vector as JSON numbers.
    Numbers,
}

/// An answer in memory.
#[derive(Debug)]
pub struct Cached {
    /// The answer.
    pub entry: Entry,
    /// The renditions that somebody asked for; `None` inside if the answer cannot be
    /// told so.
    renditions: [OnceLock<Option<Bytes>>; 3],
    /// What its tokens would cost, once somebody has asked.
    worth: OnceLock<Option<Worth>>,
    /// Whether a rendition was asked for that is only kept the second time.
    asked_before: AtomicBool,
    /// When the backend was last told that the answer is in use, in seconds on
    /// the memory tier's own clock.
    pub(super) touched: AtomicU64,
    /// The number of the last purge that is known not to mean it.
    pub(super) judged: AtomicU64,
}

/// What tokens would cost.
#[derive(Clone, Debug)]
pub struct Worth {
    /// The amount.
    pub usd: Usd,
    /// The amount in dollars, as it stands in a header.
    pub header: HeaderValue,
}

impl Worth {
    /// An amount.
    pub fn of(usd: Usd) -> Option<Self> {
        let header = HeaderValue::try_from(usd.to_string()).ok()?;
        Some(Self { usd, header })
    }
}

impl Cached {
    /// Holds an answer of which no form is rendered yet.
    pub const fn new(entry: Entry) -> Self {
        let judged = AtomicU64::new(entry.meta.generation);
        Self {
            entry,
            judged,
            renditions: [const { OnceLock::new() }; 3],
            worth: OnceLock::new(),
            asked_before: AtomicBool::new(false),
            touched: AtomicU64::new(0),
        }
    }

    /// The answer in another form, rendered by the first who asks; `None` if it
    /// cannot be told so.
    pub fn rendition(
        &self,
        which: Rendition,
        render: impl FnOnce() -> Option<Bytes>,
    ) -> Option<Bytes> {
        self.place(which)
            .map_or_else(|| None, |place| place.get_or_init(render).clone())
    }

    /// The answer in another form, if it is rendered.
    pub fn rendered(&self, which: Rendition) -> Option<&Bytes> {
        self.place(which)?.get()?.as_ref()
    }

    /// What its tokens would cost now, worked out by the first who asks: a hit must not
    /// look up prices.
    pub fn worth(&self, work_out: impl FnOnce() -> Option<Usd>) -> Option<&Worth> {
        let worth = self.worth.get_or_init(|| work_out().and_then(Worth::of));
        worth.as_ref()
    }

    /// Whose it is; empty where nobody is named.
    pub(super) fn tenant(&self) -> &str {
        self.entry.meta.tenant.as_deref().unwrap_or_default()
    }

    /// Whether it is this tenant's.
    pub(super) fn is_of_tenant(&self, tenant: &str) -> bool {
        self.tenant() == tenant
    }

    /// Whether this is asked for the first time. What takes much more room rendered
    /// than stored is only worth keeping for those who come again.
    pub fn is_asked_first(&self) -> bool {
        !self.asked_before.swap(true, Ordering::Relaxed)
    }

    fn place(&self, which: Rendition) -> Option<&OnceLock<Option<Bytes>>> {
        self.renditions.get(match which {
            Rendition::Stream => 0,
            Rendition::StreamWithUsage => 1,
            Rendition::Numbers => 2,
        })
    }

    /// The bytes the stored form of the answer takes in memory.
    pub(super) fn stored_weight(&self) -> u64 {
        /// The struct itself, the key, the short strings and the table's share.
        const OVERHEAD: usize = 768;
        let meta = &self.entry.meta;
        let tags: usize = meta.tags.iter().map(String::len).sum();
        let around = meta.around.as_ref().map_or(0, String::len);
        let bytes = OVERHEAD + self.entry.body.len() + tags + around;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// The bytes the answer takes in memory now. Grows when a form is rendered.
    pub(super) fn weight(&self) -> u64 {
        let rendered: usize = self
            .renditions
            .iter()
            .filter_map(|place| Some(place.get()?.as_ref()?.len()))
            .sum();
        self.stored_weight()
            .saturating_add(u64::try_from(rendered).unwrap_or(u64::MAX))
    }
}
