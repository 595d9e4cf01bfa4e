//! What a query of usage asks for.

use crate::api::error::ApiError;
use crate::api::parameters::{Parameters, bad};
use crate::ledger::Granularity;
use crate::usage::Books;
use crate::usage::books::{Dimension, Filters, Query, Shape};

/// The most buckets of one answer.
pub(super) const BUCKETS_MAX: u64 = 1_000;

/// The most groups of a bucket that can be named.
const NAMED_MAX: usize = 1_000;

/// How many are named if nothing is said.
const NAMED: usize = 100;

/// How many buckets make a good picture: where nothing is said, the width is chosen so
/// that there are no more.
const BUCKETS_IN_A_PICTURE: u64 = 200;

const DAY: u64 = Granularity::Day.seconds();

/// A query, read.
#[derive(Debug)]
pub(super) struct Asked {
    /// What to read.
    pub(super) query: Query,
    /// Whether it is to be told as one bucket.
    pub(super) as_one: bool,
    /// The most groups of a bucket to name.
    pub(super) named_max: usize,
}

/// How wide buckets are asked to be.
#[derive(Clone, Copy, Debug)]
enum Width {
    Of(Granularity),
    Total,
    Unsaid,
}

impl Asked {
    /// Reads a query.
    ///
    /// # Errors
    /// If a parameter means nothing.
    pub(super) fn read(parameters: &Parameters, books: &Books) -> Result<Self, ApiError> {
        // A moment later than now, so that the bucket of this very second is in it.
        let now = books.now().saturating_add(1);
        let end = parameters.moment("end")?.unwrap_or(now).min(now);
        let start = parameters.moment("start")?;
        let start = start.unwrap_or_else(|| end.saturating_sub(DAY));
        if start >= end {
            return Err(bad("start", "`start` must be before `end` and not to come"));
        }
        // What was before is not kept: asking for all that is kept is asking from 0 on.
        let kept_from = |granularity: Granularity| {
            let kept_since = books.kept_since(granularity);
            start.max(kept_since.min(end.saturating_sub(1)))
        };
        let buckets = |granularity: Granularity| {
            let seconds = end - granularity.start_of(kept_from(granularity));
            seconds.div_ceil(granularity.seconds())
        };
        // The narrowest that is kept for as long: a wider one would take in more than
        // was asked for.
        let fitting = |most| {
            let fits = |granularity: &Granularity| {
                let kept = books.kept_since(*granularity) <= start;
                kept && buckets(*granularity) <= most
            };
            let narrow = [Granularity::Minute, Granularity::Hour];
            narrow.into_iter().find(fits).unwrap_or(Granularity::Day)
        };
        let width = width(parameters)?;
        let granularity = match width {
            Width::Of(granularity) => granularity,
            Width::Total => fitting(BUCKETS_MAX),
            Width::Unsaid => fitting(BUCKETS_IN_A_PICTURE),
        };
        if buckets(granularity) > BUCKETS_MAX {
            let message = format!(
                "there are more than {BUCKETS_MAX} buckets from `start` to `end`: choose a wider granularity or a shorter range"
            );
            return Err(bad("granularity", message));
        }
        Ok(Self {
            query: Query::spanning(granularity, kept_from(granularity)..end, shape(parameters)?),
            as_one: matches!(width, Width::Total),
            named_max: named_max(parameters)?,
        })
    }
}

/// The filters of a query, by the words for these dimensions.
pub(super) fn filters(parameters: &Parameters, dimensions: &[Dimension]) -> Filters {
    let mut filters = Filters::default();
    for dimension in dimensions {
        let names = parameters.list(dimension.as_str());
        if let Some(names) = names.filter(|names| !names.is_empty()) {
            filters = filters.only(*dimension, names);
        }
    }
    filters
}

fn width(parameters: &Parameters) -> Result<Width, ApiError> {
    let wanted = "minute, hour, day or total";
    let width = parameters.read("granularity", wanted, |text| {
        let granularity = Granularity::ALL
            .into_iter()
            .find(|one| one.as_str() == text);
        granularity
            .map(Width::Of)
            .or_else(|| (text == "total").then_some(Width::Total))
    })?;
    Ok(width.unwrap_or(Width::Unsaid))
}

fn shape(parameters: &Parameters) -> Result<Shape, ApiError> {
    let words = parameters.list("group_by").unwrap_or_default();
    let group_by = words.into_iter().map(|word| {
        Dimension::of_word(word).ok_or_else(|| {
            let known = Dimension::ALL.map(Dimension::as_str).join(", ");
            bad("group_by", format!("`group_by` takes {known}"))
        })
    });
    Ok(Shape {
        group_by: group_by.collect::<Result<_, _>>()?,
        filters: filters(parameters, &Dimension::ALL),
    })
}

fn named_max(parameters: &Parameters) -> Result<usize, ApiError> {
    let wanted = format!("a number of groups from 1 to {NAMED_MAX}");
    let limit = parameters.read("limit", &wanted, |text| {
        let limit = text.parse().ok()?;
        (1..=NAMED_MAX).contains(&limit).then_some(limit)
    })?;
    Ok(limit.unwrap_or(NAMED))
}
