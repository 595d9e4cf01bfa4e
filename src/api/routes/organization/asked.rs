//! What a query of the organization's usage asks for.

use std::fmt::Debug;
use std::ops::Range;

use super::cursor::Mark;
use crate::api::error::ApiError;
use crate::api::parameters::{Parameters, bad};
use crate::ledger::{Granularity, Start};
use crate::usage::books::{Dimension, Filters, Query, Shape};

/// Which of the pages is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Completions,
    Embeddings,
    Moderations,
    Costs,
}

/// A query, read.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The buckets of this page.
    pub(super) query: Query,
    /// Where the range ends, beyond this page.
    pub(super) end: u64,
    /// What groups are told apart by that are all the same here.
    pub(super) constant: Constant,
    mark: Mark,
}

/// Groupings the provider has, of what is the same for all requests here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Constant {
    /// Nothing here is a batch.
    pub(super) batch: bool,
    /// Nothing here knows its source.
    pub(super) api_source: bool,
}

impl Kind {
    /// The operations that are counted; of all, where there are none here.
    const fn operations(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Completions => Some(&["chat", "completion", "response", "message"]),
            Self::Embeddings => Some(&["embedding"]),
            Self::Moderations => Some(&["moderation"]),
            Self::Costs => None,
        }
    }

    const fn group_words(self) -> &'static [&'static str] {
        match self {
            Self::Completions => &[
                "project_id",
                "user_id",
                "api_key_id",
                "model",
                "batch",
                "service_tier",
                "api_source",
            ],
            Self::Embeddings | Self::Moderations => {
                &["project_id", "user_id", "api_key_id", "model"]
            }
            Self::Costs => &[
                "project_id",
                "user_id",
                "line_item",
                "api_key_id",
                "api_source",
            ],
        }
    }

    /// The bucket widths there are, with the usual and the largest number of buckets.
    const fn widths(self) -> &'static [(&'static str, Granularity, u64, u64)] {
        match self {
            Self::Completions | Self::Embeddings | Self::Moderations => &[
                ("1d", Granularity::Day, 7, 31),
                ("1h", Granularity::Hour, 24, 168),
                ("1m", Granularity::Minute, 60, 1_440),
            ],
            Self::Costs => &[("1d", Granularity::Day, 7, 180)],
        }
    }

    /// The name of the parameter that chooses models.
    const fn models(self) -> &'static str {
        match self {
            Self::Completions | Self::Embeddings | Self::Moderations => "models",
            Self::Costs => "line_items",
        }
    }
}

impl Asked {
    /// Reads a query.
    ///
    /// # Errors
    /// If a parameter is missing or means nothing.
    pub(super) fn read(kind: Kind, parameters: &Parameters, now: u64) -> Result<Self, ApiError> {
        let (granularity, limit) = width_and_limit(kind, parameters)?;
        let (shape, constant) = shape(kind, parameters)?;
        let start = parameters
            .number("start_time")?
            .ok_or_else(|| bad("start_time", "`start_time` is needed, in seconds"))?;
        let end = parameters.number("end_time")?;
        if end.is_some_and(|end| end <= start) {
            return Err(bad("end_time", "`end_time` must be after `start_time`"));
        }
        let mark = mark_of(&(kind, granularity, start, end, &shape, constant));
        let first = match parameters.one("page")? {
            None => granularity.start_of(start),
            Some(cursor) => mark
                .next(cursor)
                .ok_or_else(|| bad("page", "`page` is not the `next_page` of the same query"))?,
        };
        // Buckets that have not begun are not told of, or paging would never end.
        let end = end.unwrap_or(u64::MAX).min(now.saturating_add(1));
        let most = first.saturating_add(limit * granularity.seconds());
        Ok(Self {
            query: Query {
                granularity,
                starts: first..end.min(most),
                shape,
            },
            end,
            constant,
            mark,
        })
    }

    /// The cursor of the next page, if the range goes on behind the bucket that began
    /// at `last`.
    pub(super) fn next_page(&self, last: Option<Start>) -> Option<String> {
        let next = last? + self.query.granularity.seconds();
        (next < self.end).then(|| self.mark.cursor(next))
    }

    /// The span of a bucket.
    pub(super) fn span(&self, start: Start) -> Range<u64> {
        start..start + self.query.granularity.seconds()
    }
}

fn mark_of(query: &impl Debug) -> Mark {
    Mark::of(&format!("{query:?}"))
}

fn width_and_limit(kind: Kind, parameters: &Parameters) -> Result<(Granularity, u64), ApiError> {
    let widths = kind.widths();
    let words: Vec<_> = widths.iter().map(|(word, ..)| *word).collect();
    let wanted = format!("one of {}", words.join(", "));
    let width = parameters.read("bucket_width", &wanted, |text| {
        widths.iter().find(|(word, ..)| *word == text)
    })?;
    // A day is the first and the usual one of every kind.
    let (_, granularity, usual, most) =
        width
            .or(widths.first())
            .copied()
            .unwrap_or(("1d", Granularity::Day, 7, 31));
    let wanted = format!("a number of buckets from 1 to {most}");
    let limit = parameters.read("limit", &wanted, |text| {
        let limit = text.parse().ok()?;
        (1..=most).contains(&limit).then_some(limit)
    })?;
    Ok((granularity, limit.unwrap_or(usual)))
}

fn shape(kind: Kind, parameters: &Parameters) -> Result<(Shape, Constant), ApiError> {
    let mut shape = Shape::default();
    let mut constant = Constant::default();
    if let Some(operations) = kind.operations() {
        shape.filters = shape
            .filters
            .only(Dimension::Operation, operations.iter().copied());
    }
    for (name, dimension) in [
        ("project_ids", Dimension::Tenant),
        ("api_key_ids", Dimension::Key),
        (kind.models(), Dimension::Model),
    ] {
        if let Some(names) = given(parameters, name) {
            shape.filters = shape.filters.only(dimension, names);
        }
    }
    // No request here is of a known user or in a batch: who asks for those gets none.
    let users = given(parameters, "user_ids").is_some();
    if users || parameters.flag("batch")? == Some(true) {
        shape.filters = nothing(shape.filters);
    }
    for word in parameters.list("group_by").unwrap_or_default() {
        if !kind.group_words().contains(&word) {
            let words = kind.group_words().join(", ");
            return Err(bad("group_by", format!("`group_by` takes {words}")));
        }
        match word {
            "project_id" => shape.group_by = shape.group_by.with(Dimension::Tenant),
            "api_key_id" => shape.group_by = shape.group_by.with(Dimension::Key),
            "model" | "line_item" => shape.group_by = shape.group_by.with(Dimension::Model),
            "batch" => constant.batch = true,
            "api_source" => constant.api_source = true,
            // The user and the service tier are not known here, of any request.
            _ => {}
        }
    }
    Ok((shape, constant))
}

/// The names of a filter; one that is given without any chooses nothing out.
fn given<'a>(parameters: &'a Parameters, name: &'static str) -> Option<Vec<&'a str>> {
    parameters.list(name).filter(|names| !names.is_empty())
}

fn nothing(filters: Filters) -> Filters {
    filters.only(Dimension::Operation, [""; 0])
}
