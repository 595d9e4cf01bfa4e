//! What is known of each item of a request.

use std::sync::Arc;

use bytes::Bytes;

use super::super::lookup::Why;
use crate::backend::Cached;
use crate::flight::Head;
use crate::operation::BatchAdapter;
use crate::policy::cache_status::{Staleness, Tier};

/// The items of a request.
#[derive(Debug)]
pub(super) struct Slots {
    items: Vec<Slot>,
    /// The head of this request's own call; and if that call was for all items, what
    /// the provider said around them.
    pub(super) call: Option<(Arc<Head>, Option<Bytes>)>,
}

/// An item.
#[derive(Debug)]
struct Slot {
    given: Option<Given>,
    /// A stale answer, should the provider fail.
    fallback: Option<Arc<Cached>>,
    /// Why the provider is asked.
    why: Why,
}

/// An answer to an item, and where it is from.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) cached: Arc<Cached>,
    pub(super) source: Source,
}

/// Where an answer to an item is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A fresh entry.
    Entry {
        /// Where it was found.
        tier: Tier,
        /// Seconds of freshness left.
        ttl: i64,
    },
    /// A stale entry.
    Stale {
        /// Why it could answer.
        why: Staleness,
        /// Seconds of freshness left; negative.
        ttl: i64,
    },
    /// Another request's call.
    Joined,
    /// This request's own call.
    Call,
}

impl Source {
    /// Whether the answer was stored when the request came.
    pub(super) const fn is_stored(self) -> bool {
        matches!(self, Self::Entry { .. } | Self::Stale { .. })
    }
}

impl Source {
    /// How well the answer tells what answers now.
    const fn rank(self) -> u8 {
        match self {
            Self::Entry { .. } | Self::Stale { .. } => 0,
            Self::Joined => 1,
            Self::Call => 2,
        }
    }
}

impl Slots {
    /// Items of which nothing is known, for this reason.
    pub(super) fn unknown(items: usize, why: Why) -> Self {
        let slot = || Slot {
            given: None,
            fallback: None,
            why,
        };
        Self {
            items: std::iter::repeat_with(slot).take(items).collect(),
            call: None,
        }
    }

    /// Notes the answer to an item.
    pub(super) fn give(&mut self, item: usize, given: Given) {
        if let Some(slot) = self.items.get_mut(item) {
            slot.given = Some(given);
        }
    }

    /// Notes that what is stored does not answer, why, and whether it may stand in
    /// for a provider that fails.
    pub(super) fn refuse(&mut self, item: usize, why: Why, fallback: Option<Arc<Cached>>) {
        if let Some(slot) = self.items.get_mut(item) {
            *slot = Slot {
                given: None,
                fallback,
                why,
            };
        }
    }

    /// Takes all answers back, for this reason.
    pub(super) fn take_back(&mut self, why: Why) {
        for slot in &mut self.items {
            if slot.given.take().is_some() {
                slot.why = why;
            }
        }
    }

    /// The items without an answer.
    pub(super) fn missing(&self) -> Vec<usize> {
        self.where_given(|given| given.is_none())
    }

    pub(super) fn is_missing_any(&self) -> bool {
        self.items.iter().any(|slot| slot.given.is_none())
    }

    /// The items whose answers are to be renewed behind the caller's back.
    pub(super) fn outdated(&self) -> Vec<usize> {
        self.where_given(|given| {
            matches!(
                given.map(|given| given.source),
                Some(Source::Stale {
                    why: Staleness::Revalidating,
                    ..
                })
            )
        })
    }

    /// The answer to an item.
    pub(super) fn get(&self, item: usize) -> Option<&Given> {
        self.items.get(item)?.given.as_ref()
    }

    /// All answers.
    pub(super) fn given(&self) -> impl Iterator<Item = &Given> {
        self.items.iter().filter_map(|slot| slot.given.as_ref())
    }

    /// Why the provider is asked for an item.
    pub(super) fn why_of(&self, item: usize) -> Option<Why> {
        Some(self.items.get(item)?.why)
    }

    /// Why the provider is asked: what holds for the first item that it is asked for.
    pub(super) fn why(&self) -> Why {
        self.items
            .iter()
            .find(|slot| {
                slot.given
                    .as_ref()
                    .is_none_or(|given| !given.source.is_stored())
            })
            .map_or(Why::Absent, |slot| slot.why)
    }

    /// Answers what is missing with stale answers, if each has one that may; `false`
    /// if not, and then none is.
    pub(super) fn stand_in(&mut self, may: impl Fn(&Cached) -> Option<Source>) -> bool {
        let stand_ins: Option<Vec<(usize, Given)>> = self
            .missing()
            .into_iter()
            .map(|item| {
                let cached = Arc::clone(self.items.get(item)?.fallback.as_ref()?);
                let source = may(&cached)?;
                Some((item, Given { cached, source }))
            })
            .collect();
        let Some(stand_ins) = stand_ins else {
            return false;
        };
        for (item, given) in stand_ins {
            self.give(item, given);
        }
        true
    }

    /// Takes back the answers that are not of the model that answers now: the name of
    /// a model may come to stand for another one, and vectors of two models must not
    /// be compared. What answers now is told by this request's own call, or else by
    /// those of others, or else by the newest stored answer. Says whether there were
    /// any.
    pub(super) fn take_back_others(&mut self, adapter: &dyn BatchAdapter) -> bool {
        let shape_of = |cached: &Cached| adapter.shape(&cached.entry.body);
        let newest = self
            .given()
            .max_by_key(|given| (given.source.rank(), given.cached.entry.stored_at))
            .map(|given| Arc::clone(&given.cached));
        let Some(newest) = newest else {
            return false;
        };
        let (model, shape) = (newest.entry.meta.answered_by(), shape_of(&newest));
        let mut found = false;
        for slot in &mut self.items {
            let is_other = slot.given.as_ref().is_some_and(|given| {
                let cached = &given.cached;
                cached.entry.meta.answered_by() != model || shape_of(cached) != shape
            });
            if is_other {
                slot.given = None;
                slot.why = Why::TooOld;
                found = true;
            }
        }
        found
    }

    fn where_given(&self, is: impl Fn(Option<&Given>) -> bool) -> Vec<usize> {
        let slots = self.items.iter().enumerate();
        slots
            .filter(|(_, slot)| is(slot.given.as_ref()))
            .map(|(item, _)| item)
            .collect()
    }
}
