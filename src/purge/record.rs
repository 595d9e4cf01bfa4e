//! A purge as it is kept.

use serde::{Deserialize, Serialize};

use super::{Number, Selector};
use crate::clock::UnixMillis;

/// A purge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purge {
    /// Its number, once it has been written down: before that it follows from the
    /// revision of the document, see [`Purge::number_at`].
    #[serde(default)]
    pub number: Option<Number>,
    /// What its number is counted from.
    #[serde(default)]
    pub above: Number,
    /// What is to go.
    pub target: Target,
    /// What led to it.
    pub cause: Cause,
    /// Who made it.
    pub actor: String,
    /// When, in milliseconds since 1970, by the clock of who made it.
    pub created_at: UnixMillis,
    /// How far the removal is.
    #[serde(default)]
    pub state: State,
    /// What was removed.
    #[serde(default)]
    pub progress: Progress,
    /// When everything had been removed, in milliseconds since 1970.
    #[serde(default)]
    pub finished_at: Option<UnixMillis>,
    /// Until when it stays in force, in milliseconds since 1970, once that is known.
    #[serde(default)]
    pub until: Option<UnixMillis>,
    /// Which process removes, while one does.
    #[serde(default)]
    pub lease: Option<Lease>,
}

/// What is to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Every entry there is.
    Everything,
    /// Those a selector means.
    Selected(Selector),
}

/// What led to a purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A selector was sent.
    Selector,
    /// One entry was deleted.
    Entry,
    /// All entries were deleted.
    Everything,
    /// A tenant was erased.
    Tenant,
}

impl Cause {
    /// Every cause, for registering metrics.
    pub const ALL: [Self; 4] = [Self::Selector, Self::Entry, Self::Everything, Self::Tenant];

    /// The name used in the API and in metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Selector => "selector",
            Self::Entry => "entry",
            Self::Everything => "everything",
            Self::Tenant => "tenant",
        }
    }
}

/// How far the removal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Entries are still to be removed. None of them is served any more.
    #[default]
    Running,
    /// All are removed; it stays in force for writers that come late.
    Complete,
}

impl State {
    /// The name used in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
        }
    }
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Entries looked at.
    pub seen: u64,
    /// Entries removed from the backend.
    pub removed: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Which process removes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The process, by a name it made up when it started.
    pub holder: String,
    /// Until when, in milliseconds since 1970. After that any process may go on.
    pub until: UnixMillis,
}

impl Purge {
    /// The number, for a document of this revision.
    pub fn number_at(&self, revision: u64) -> Number {
        self.number
            .unwrap_or_else(|| self.above.saturating_add(revision))
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: UnixMillis) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Whether something is to be removed by this process now: what is not complete, or
    /// has to be looked for a last time, unless another one is at it.
    pub fn is_due(&self, now: UnixMillis, holder: &str) -> bool {
        let is_free = |lease: &Lease| lease.holder == holder || lease.until <= now;
        let is_open = match self.state {
            State::Running => true,
            State::Complete => self.is_over(now),
        };
        is_open && self.lease.as_ref().is_none_or(is_free)
    }
}

impl Target {
    /// Whether it means an entry.
    pub fn matches(&self, facts: &super::Facts<'_>) -> bool {
        match self {
            Self::Everything => true,
            Self::Selected(selector) => selector.matches(facts),
        }
    }

    /// The ids it is about, if those are named one by one.
    pub fn ids(&self) -> Option<Vec<[u8; 32]>> {
        match self {
            Self::Everything => None,
            Self::Selected(selector) => selector.ids(),
        }
    }
}
