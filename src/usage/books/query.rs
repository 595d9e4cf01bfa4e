//! What is asked of the books.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::ledger::{Granularity, Labels, Start};

/// A part of the labels by which lines are chosen and grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    /// The endpoint family.
    Operation,
    /// The model.
    Model,
    /// The id of the API key.
    Key,
    /// Whose the key is.
    Tenant,
    /// What the client called its request. A line has any number of these.
    Tag,
    /// What the cache did.
    Outcome,
    /// The upstream provider.
    Upstream,
}

/// A set of dimensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dimensions(u8);

/// Which lines count: those that have one of the names given, in every dimension that
/// names are given for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filters(BTreeMap<Dimension, BTreeSet<String>>);

/// Which lines count and how they are grouped. Aggregates of equal shapes can be
/// merged, and kept for the next query of the shape.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Which lines count.
    pub filters: Filters,
    /// What tells groups apart.
    pub group_by: Dimensions,
}

/// A question to the books.
#[derive(Clone, Debug)]
pub struct Query {
    /// How wide the buckets are.
    pub granularity: Granularity,
    /// In which range buckets begin, in seconds since the Unix epoch.
    pub starts: Range<Start>,
    /// Which lines count, and how they are grouped.
    pub shape: Shape,
}

impl Dimension {
    /// All of them, in the order in which a group's names stand.
    pub const ALL: [Self; 7] = [
        Self::Operation,
        Self::Model,
        Self::Key,
        Self::Tenant,
        Self::Tag,
        Self::Outcome,
        Self::Upstream,
    ];

    /// The word for it in queries and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operation => "operation",
            Self::Model => "model",
            Self::Key => "key",
            Self::Tenant => "tenant",
            Self::Tag => "tag",
            Self::Outcome => "outcome",
            Self::Upstream => "upstream",
        }
    }

    /// The dimension of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|dimension| dimension.as_str() == word)
    }

    /// The one name of the labels here; `None` for tags, of which there are many.
    pub(super) fn name_in(self, labels: &Labels) -> Option<&str> {
        match self {
            Self::Operation => Some(&labels.operation),
            Self::Model => Some(&labels.model),
            Self::Key => Some(&labels.key),
            Self::Tenant => Some(&labels.tenant),
            Self::Outcome => Some(&labels.outcome),
            Self::Upstream => Some(&labels.upstream),
            Self::Tag => None,
        }
    }
}

impl Dimensions {
    /// The same with one more.
    #[must_use]
    pub const fn with(self, dimension: Dimension) -> Self {
        Self(self.0 | 1 << dimension as u8)
    }

    /// Whether it is among them.
    pub const fn contains(self, dimension: Dimension) -> bool {
        self.0 & 1 << dimension as u8 != 0
    }

    /// Those in it, in their order.
    pub fn iter(self) -> impl Iterator<Item = Dimension> {
        Dimension::ALL
            .into_iter()
            .filter(move |dimension| self.contains(*dimension))
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Dimension> for Dimensions {
    fn from_iter<I: IntoIterator<Item = Dimension>>(dimensions: I) -> Self {
        dimensions.into_iter().fold(Self::default(), Self::with)
    }
}

impl Filters {
    /// The same, but only for lines that have one of these names in `dimension`. With
    /// no name at all no line is left. Where names were given before, both have to be
    /// met.
    #[must_use]
    pub fn only(
        mut self,
        dimension: Dimension,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let names: BTreeSet<String> = names.into_iter().map(Into::into).collect();
        let both = match self.0.remove(&dimension) {
            Some(before) => before.intersection(&names).cloned().collect(),
            None => names,
        };
        self.0.insert(dimension, both);
        self
    }

    /// Whether lines under these labels count.
    pub fn let_through(&self, labels: &Labels) -> bool {
        self.0.iter().all(|(dimension, names)| {
            dimension.name_in(labels).map_or_else(
                || labels.tags.iter().any(|tag| names.contains(tag)),
                |name| names.contains(name),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Tags;

    fn labels() -> Labels {
        Labels {
            operation: "chat".to_owned(),
            model: "m".to_owned(),
            key: "k".to_owned(),
            tenant: "t".to_owned(),
            upstream: "u".to_owned(),
            outcome: "hit".to_owned(),
            tags: Tags::of(["a", "b"]),
        }
    }

    #[test]
    fn every_dimension_has_a_word_and_a_place() {
        for dimension in Dimension::ALL {
            assert_eq!(Dimension::of_word(dimension.as_str()), Some(dimension));
            let alone = Dimensions::from_iter([dimension]);
            assert_eq!(alone.iter().collect::<Vec<_>>(), [dimension]);
        }
        assert_eq!(Dimension::of_word("user"), None);
        assert!(Dimensions::default().is_empty());
    }

    #[test]
    fn a_line_counts_if_it_meets_every_filter() {
        let all = Filters::default();
        assert!(all.let_through(&labels()));
        let model = all.only(Dimension::Model, ["m", "n"]);
        assert!(model.let_through(&labels()));
        let tag = model.clone().only(Dimension::Tag, ["b", "c"]);
        assert!(tag.let_through(&labels()));
        assert!(!tag.only(Dimension::Tag, ["c"]).let_through(&labels()));
        assert!(
            !model
                .only(Dimension::Outcome, ["miss"])
                .let_through(&labels())
        );
        let none = Filters::default().only(Dimension::Key, [""; 0]);
        assert!(!none.let_through(&labels()));
    }
}
