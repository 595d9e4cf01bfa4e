//! From lines to groups: one tally for all lines that have the same names.

use std::collections::{BTreeMap, HashMap};

use super::query::{Dimension, Dimensions, Shape};
use crate::ledger::{Counter, Labels, Tally};

/// What a group's lines have in common: a name for each dimension that is grouped by,
/// in the order of those. Empty where it is not known, and for lines without tags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group(Box<[Box<str>]>);

/// What some lines add up to. Those of different lines can be merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregate {
    /// A tally for each group. A line with several tags is in the group of each.
    pub groups: HashMap<Group, Tally>,
    /// All lines, each once.
    pub total: Tally,
    /// The models that have no known price, and how many of their calls and answers
    /// that concerns.
    pub unpriced: BTreeMap<Box<str>, Unpriced>,
}

/// What could not be told in money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unpriced {
    /// Calls that told their tokens.
    pub calls: u64,
    /// Requests that saved tokens.
    pub saved: u64,
}

impl Group {
    /// A group by its names, in the order of the dimensions.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(Box::from).collect())
    }

    /// The group's name in a dimension, if it was grouped by it.
    pub fn name(&self, group_by: Dimensions, dimension: Dimension) -> Option<&str> {
        if !group_by.contains(dimension) {
            return None;
        }
        let place = group_by.iter().position(|other| other == dimension)?;
        self.0.get(place).map(AsRef::as_ref)
    }

    /// Its names, in the order of the dimensions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// The groups that a line belongs to: several only where it has several tags.
    fn of_line(labels: &Labels, group_by: Dimensions) -> Vec<Self> {
        let under = |tag: &str| {
            let names = group_by
                .iter()
                .map(|dimension| Box::from(dimension.name_in(labels).unwrap_or(tag)));
            Self(names.collect())
        };
        if group_by.contains(Dimension::Tag) && !labels.tags.is_empty() {
            labels.tags.iter().map(under).collect()
        } else {
            vec![under("")]
        }
    }
}

impl Aggregate {
    /// What these lines add up to.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a (Labels, Tally)>, shape: &Shape) -> Self {
        let mut aggregate = Self::default();
        for (labels, tally) in lines {
            if shape.filters.let_through(labels) {
                aggregate.add(labels, tally, shape.group_by);
            }
        }
        aggregate
    }

    /// Adds what other lines add up to.
    pub fn merge(&mut self, other: &Self) {
        for (group, tally) in &other.groups {
            match self.groups.get_mut(group) {
                Some(counted) => counted.merge(tally),
                None => {
                    self.groups.insert(group.clone(), tally.clone());
                }
            }
        }
        self.add_total(other);
    }

    /// Adds what other lines add up to, but for their groups.
    pub(super) fn add_total(&mut self, other: &Self) {
        self.total.merge(&other.total);
        for (model, unpriced) in &other.unpriced {
            self.unpriced
                .entry(model.clone())
                .or_default()
                .add(*unpriced);
        }
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn weight(&self) -> u64 {
        let groups = self.groups.iter().map(|(group, tally)| {
            let names: usize = group.names().map(|name| name.len() + 16).sum();
            names + size_of::<Group>() + bytes_of(tally)
        });
        let models = self.unpriced.keys().map(|model| model.len() + 48);
        let bytes = groups.chain(models).sum::<usize>() + bytes_of(&self.total) + size_of::<Self>();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    fn add(&mut self, labels: &Labels, tally: &Tally, group_by: Dimensions) {
        for group in Group::of_line(labels, group_by) {
            self.groups.entry(group).or_default().merge(tally);
        }
        self.total.merge(tally);
        let unpriced = Unpriced {
            calls: tally.get(Counter::CallsUnpriced),
            saved: tally.get(Counter::SavedUnpriced),
        };
        if unpriced != Unpriced::default() {
            let model = Box::from(labels.model.as_str());
            self.unpriced.entry(model).or_default().add(unpriced);
        }
    }
}

impl Unpriced {
    fn add(&mut self, more: Self) {
        self.calls = self.calls.saturating_add(more.calls);
        self.saved = self.saved.saturating_add(more.saved);
    }
}

/// About how much memory a tally takes. A step of its histograms is a leaf's share of
/// a tree.
fn bytes_of(tally: &Tally) -> usize {
    const STEP_BYTES: usize = 20;
    let steps = tally.total.steps().count() + tally.first_byte.steps().count();
    size_of::<Tally>() + steps * STEP_BYTES
}

#[cfg(test)]
#[path = "grouping_tests.rs"]
mod tests;
