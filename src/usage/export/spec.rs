//! What an export is to hold.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::clock::UnixMillis;
use crate::ledger::{Granularity, Start};
use crate::usage::books::Dimension;

/// What a file is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values (RFC 4180).
    Csv,
    /// A JSON object a line.
    NdJson,
    /// Apache Parquet.
    Parquet,
}

/// What an export is to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// What it is written as.
    pub format: Format,
    /// How wide the buckets are.
    #[serde(with = "granularity")]
    pub granularity: Granularity,
    /// From where to where, in seconds since the Unix epoch: whole buckets.
    pub span: Range<Start>,
    /// By what rows of one bucket are told apart: in order, each once.
    pub group_by: Vec<Dimension>,
}

/// Why there is no such export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The format is not in this build.
    #[error(
        "this build does not write {0}: it was made without the feature of that name; ask for csv or ndjson"
    )]
    NotBuilt(&'static str),
    /// The range is empty.
    #[error("the end must be after the start")]
    Empty,
    /// Everything in the range is forgotten.
    #[error(
        "nothing of that time is kept: a {0} is kept for {1} hours; ask for a later end or a wider granularity"
    )]
    Forgotten(&'static str, u64),
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Csv, Self::NdJson, Self::Parquet];

    /// The word for it in requests, and the ending of its files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::NdJson => "ndjson",
            Self::Parquet => "parquet",
        }
    }

    /// The format of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }

    /// Whether this build has it.
    pub const fn is_built(self) -> bool {
        match self {
            Self::Csv | Self::NdJson => true,
            Self::Parquet => cfg!(feature = "parquet"),
        }
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::NdJson => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

impl Spec {
    /// An export of every bucket that has a part in `span`, which is in seconds since
    /// the Unix epoch.
    pub fn new(
        format: Format,
        granularity: Granularity,
        span: Range<u64>,
        group_by: impl IntoIterator<Item = Dimension>,
    ) -> Self {
        let mut group_by: Vec<_> = group_by.into_iter().collect();
        group_by.sort_unstable();
        group_by.dedup();
        let last = granularity.start_of(span.end.saturating_sub(1));
        let end = if span.is_empty() {
            granularity.start_of(span.start)
        } else {
            last.saturating_add(granularity.seconds())
        };
        Self {
            format,
            granularity,
            span: granularity.start_of(span.start)..end,
            group_by,
        }
    }

    /// Whether there can be such an export at `now`.
    ///
    /// # Errors
    /// If it could hold nothing, or this build does not have its format.
    pub fn check(&self, now: UnixMillis) -> Result<(), SpecError> {
        if !self.format.is_built() {
            return Err(SpecError::NotBuilt(self.format.as_str()));
        }
        if self.span.is_empty() {
            return Err(SpecError::Empty);
        }
        if self.span.end <= self.granularity.oldest_kept(now) {
            let hours = self.granularity.kept_for().as_secs() / 3_600;
            return Err(SpecError::Forgotten(self.granularity.as_str(), hours));
        }
        Ok(())
    }

    /// What its file is called, by the days it begins and ends with.
    pub fn file_name(&self) -> String {
        let day = |second| {
            let text = super::table::rfc3339(second);
            text.split('T').next().unwrap_or_default().to_owned()
        };
        let (start, end) = (day(self.span.start), day(self.span.end));
        format!("reprise-usage-{start}-{end}.{}", self.format.as_str())
    }
}

/// A granularity as its word.
mod granularity {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::ledger::Granularity;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the derived code calls it so"
    )]
    pub(super) fn serialize<S: Serializer>(
        granularity: &Granularity,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(granularity.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Granularity, D::Error> {
        let word = String::deserialize(deserializer)?;
        Granularity::ALL
            .into_iter()
            .find(|granularity| granularity.as_str() == word)
            .ok_or_else(|| D::Error::custom("no such granularity"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    /// 2026-11-01T00:00:00Z
    const FIRST: u64 = 1_793_491_200;

    fn of(granularity: Granularity, span: Range<u64>) -> Spec {
        Spec::new(Format::Csv, granularity, span, [])
    }

    #[test]
    fn a_span_is_widened_to_whole_buckets() {
        let spec = of(Granularity::Day, FIRST + 1..FIRST + DAY + 1);
        assert_eq!(spec.span, FIRST..FIRST + 2 * DAY);
        let whole = of(Granularity::Day, FIRST..FIRST + DAY);
        assert_eq!(whole.span, FIRST..FIRST + DAY);
    }

    #[test]
    fn files_are_called_by_their_days() {
        let spec = of(Granularity::Hour, FIRST..FIRST + 20 * DAY);
        assert_eq!(spec.file_name(), "reprise-usage-2026-11-01-2026-11-21.csv");
    }

    #[test]
    fn groups_stand_in_one_order_and_once() {
        let given = [Dimension::Tag, Dimension::Model, Dimension::Tag];
        let spec = Spec::new(Format::NdJson, Granularity::Hour, 0..1, given);
        assert_eq!(spec.group_by, [Dimension::Model, Dimension::Tag]);
    }

    #[test]
    fn what_can_hold_nothing_is_refused() {
        let now = (FIRST + 100 * DAY) * 1000;
        let empty = of(Granularity::Day, FIRST..FIRST);
        assert_eq!(empty.check(now), Err(SpecError::Empty));
        let forgotten = of(Granularity::Minute, FIRST..FIRST + 60);
        let expected = Err(SpecError::Forgotten("minute", 48));
        assert_eq!(forgotten.check(now), expected);
        assert_eq!(of(Granularity::Day, FIRST..FIRST + 1).check(now), Ok(()));
    }

    #[test]
    fn words_stand_for_what_they_name() {
        for format in Format::ALL {
            assert_eq!(Format::of_word(format.as_str()), Some(format));
            let json = serde_json::to_string(&format).unwrap();
            assert_eq!(json, format!("\"{}\"", format.as_str()));
        }
        for dimension in Dimension::ALL {
            assert_eq!(Dimension::of_word(dimension.as_str()), Some(dimension));
        }
        let mut sorted = Dimension::ALL;
        sorted.sort_unstable();
        assert_eq!(sorted, Dimension::ALL);
    }
}
