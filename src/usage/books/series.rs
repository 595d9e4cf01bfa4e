//! Usage over time: bucket after bucket, the largest groups of each by name.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::grouping::{Aggregate, Unpriced};
use super::query::{Dimensions, Query};
use super::report::{Named, named};
use super::{Books, BooksError};
use crate::ledger::{Start, Tally};

/// How much is told at once.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most groups of a bucket that are named.
    pub named_max: usize,
    /// How many groups of all buckets are enough: with the bucket that reaches this
    /// number the series ends.
    pub groups_enough: usize,
}

/// The buckets of a range, in their order.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// By what the groups are told apart.
    pub group_by: Dimensions,
    /// Every bucket, those that hold nothing included.
    pub buckets: Vec<Bucket>,
    /// All lines of these buckets, each once.
    pub total: Tally,
    /// The models without a known price.
    pub unpriced: BTreeMap<Box<str>, Unpriced>,
    /// Whether the series ends before the range does, because there is so much.
    pub cut: bool,
}

/// One bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its beginning, in seconds since the Unix epoch.
    pub start: Start,
    /// Its groups, the largest first.
    pub groups: Vec<Named>,
}

impl Books {
    /// The buckets of a query, in their order.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn series(&self, query: &Query, bounds: Bounds) -> Result<Series, BooksError> {
        let mut starts = query.every_start().peekable();
        let mut series = Series {
            group_by: query.shape.group_by,
            ..Series::default()
        };
        let mut sum = Aggregate::default();
        let mut groups_told = 0;
        let mut enough = false;
        let take = |start, aggregate: &Aggregate| {
            // Whether there is more is known only when there is.
            if enough {
                series.cut = true;
                return ControlFlow::Break(());
            }
            while let Some(empty) = starts.next_if(|empty| *empty < start) {
                series.buckets.push(Bucket::empty(empty));
            }
            starts.next();
            let groups = named(aggregate, bounds.named_max);
            groups_told += groups.len();
            enough = groups_told >= bounds.groups_enough;
            series.buckets.push(Bucket { start, groups });
            sum.add_total(aggregate);
            ControlFlow::Continue(())
        };
        self.each(query, take).await?;
        if !series.cut {
            series.buckets.extend(starts.map(Bucket::empty));
        }
        series.total = sum.total;
        series.unpriced = sum.unpriced;
        Ok(series)
    }
}

impl Bucket {
    const fn empty(start: Start) -> Self {
        Self {
            start,
            groups: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::query::{Dimension, Shape};
    use super::super::scripted::{NOW, Office, chat};
    use super::*;
    use crate::ledger::{Counter, Granularity};

    const DAY: u64 = Granularity::Day.seconds();

    fn query(days: u64) -> Query {
        let shape = Shape {
            group_by: [Dimension::Model].into_iter().collect(),
            ..Shape::default()
        };
        Query::spanning(Granularity::Day, NOW - (days - 1) * DAY..NOW, shape)
    }

    async fn office() -> Office {
        let office = Office::open();
        for (days_ago, model) in [(5, "a"), (5, "b"), (3, "a"), (1, "a")] {
            let line = [(Counter::Requests, 1), (Counter::CallsUnpriced, 1)];
            let second = NOW - days_ago * DAY;
            office.count(second, &chat(model, "k"), &line).await;
        }
        office
    }

    fn told(series: &Series) -> Vec<usize> {
        let groups = series.buckets.iter().map(|bucket| bucket.groups.len());
        groups.collect()
    }

    #[tokio::test]
    async fn every_bucket_of_the_range_is_told_of() {
        let office = office().await;
        let bounds = Bounds {
            named_max: 9,
            groups_enough: 99,
        };
        let series = office.books.series(&query(8), bounds).await.unwrap();
        assert_eq!(told(&series), [0, 0, 2, 0, 1, 0, 1, 0]);
        assert_eq!(series.total.get(Counter::Requests), 4);
        assert_eq!(series.unpriced["a"].calls, 3);
        assert!(!series.cut);
        let starts: Vec<_> = series.buckets.iter().map(|bucket| bucket.start).collect();
        assert_eq!(starts, query(8).every_start().collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_series_that_is_too_much_ends_with_a_whole_bucket() {
        let office = office().await;
        let ask = async |groups_enough| {
            let bounds = Bounds {
                named_max: 9,
                groups_enough,
            };
            let series = office.books.series(&query(8), bounds).await.unwrap();
            (
                told(&series),
                series.cut,
                series.total.get(Counter::Requests),
            )
        };
        assert_eq!(ask(1).await, (vec![0, 0, 2], true, 2));
        assert_eq!(ask(3).await, (vec![0, 0, 2, 0, 1], true, 3));
        assert_eq!(ask(4).await, (vec![0, 0, 2, 0, 1, 0, 1, 0], false, 4));
    }
}
