//! Where the rows of an export are read.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::Row;
use crate::backend::{BackendError, Ledger, Lines};
use crate::ledger::{Granularity, Start, Tally};
use crate::usage::books::{Aggregate, Dimension, Shape};

/// What an export needs of the usage ledger.
///
/// Implementations bound no time themselves.
pub trait Rows: Send + Sync + Debug {
    /// The buckets that hold anything and begin in `span`, in their order.
    fn starts(
        &self,
        granularity: Granularity,
        span: Range<Start>,
    ) -> BoxFuture<'_, Result<Vec<Start>, BackendError>>;

    /// The rows of these buckets, in their order, and of a bucket by their names.
    fn rows<'a>(
        &'a self,
        granularity: Granularity,
        starts: &'a [Start],
        group_by: &'a [Dimension],
    ) -> BoxFuture<'a, Result<Vec<Row>, BackendError>>;
}

/// Rows straight from the ledger.
#[derive(Debug)]
pub struct LedgerRows(Arc<dyn Ledger>);

impl LedgerRows {
    /// The rows of a ledger.
    pub fn of(ledger: Arc<dyn Ledger>) -> Self {
        Self(ledger)
    }
}

impl Rows for LedgerRows {
    fn starts(
        &self,
        granularity: Granularity,
        span: Range<Start>,
    ) -> BoxFuture<'_, Result<Vec<Start>, BackendError>> {
        async move {
            let revisions = self.0.revisions(granularity, span).await?;
            Ok(revisions.into_iter().map(|(start, _)| start).collect())
        }
        .boxed()
    }

    fn rows<'a>(
        &'a self,
        granularity: Granularity,
        starts: &'a [Start],
        group_by: &'a [Dimension],
    ) -> BoxFuture<'a, Result<Vec<Row>, BackendError>> {
        async move {
            let buckets = self.0.buckets(granularity, starts).await?;
            let buckets: Vec<_> = starts.iter().copied().zip(buckets).collect();
            let seconds = granularity.seconds();
            let shape = Shape {
                group_by: group_by.iter().copied().collect(),
                ..Shape::default()
            };
            // Thousands of lines with two histograms each: too much for a thread that
            // also answers clients.
            let add_up = move || {
                let rows = buckets.iter().flat_map(|(start, lines)| {
                    let end = start.saturating_add(seconds);
                    grouped(lines, &shape)
                        .into_iter()
                        .map(move |(names, tally)| Row {
                            start: *start,
                            end,
                            names,
                            tally,
                        })
                });
                rows.collect()
            };
            tokio::task::spawn_blocking(add_up)
                .await
                .map_err(|error| BackendError::Other(error.to_string()))
        }
        .boxed()
    }
}

/// What the lines of a bucket add up to, group by group.
fn grouped(lines: &Lines, shape: &Shape) -> BTreeMap<Vec<String>, Tally> {
    let groups = Aggregate::of(lines, shape).groups.into_iter();
    groups
        .map(|(group, tally)| (group.names().map(str::to_owned).collect(), tally))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Counter, Labels, Tags};

    fn line(model: &str, tags: &str, requests: u64) -> (Labels, Tally) {
        let labels = Labels {
            operation: "chat".to_owned(),
            model: model.to_owned(),
            key: "key".to_owned(),
            tenant: "tenant".to_owned(),
            upstream: "upstream".to_owned(),
            outcome: "hit".to_owned(),
            tags: Tags::of_list(tags),
        };
        let mut tally = Tally::default();
        tally.add(Counter::Requests, requests);
        (labels, tally)
    }

    fn told(group_by: &[Dimension]) -> Vec<(String, u64)> {
        let lines = [line("b", "x,y", 1), line("a", "", 2), line("b", "y", 4)];
        let shape = Shape {
            group_by: group_by.iter().copied().collect(),
            ..Shape::default()
        };
        grouped(&lines.to_vec(), &shape)
            .into_iter()
            .map(|(names, tally)| (names.join("/"), tally.get(Counter::Requests)))
            .collect()
    }

    #[test]
    fn lines_add_up_by_what_they_are_grouped_by() {
        let sums = |sums: &[(&str, u64)]| -> Vec<(String, u64)> {
            sums.iter()
                .map(|(names, sum)| ((*names).to_owned(), *sum))
                .collect()
        };
        assert_eq!(told(&[]), sums(&[("", 7)]));
        assert_eq!(told(&[Dimension::Model]), sums(&[("a", 2), ("b", 5)]));
        assert_eq!(
            told(&[Dimension::Tag]),
            sums(&[("", 2), ("x", 1), ("y", 5)])
        );
        assert_eq!(
            told(&[Dimension::Model, Dimension::Tag]),
            sums(&[("a/", 2), ("b/x", 1), ("b/y", 5)])
        );
        assert_eq!(
            told(&[Dimension::Operation, Dimension::Upstream]),
            sums(&[("chat/upstream", 7)])
        );
    }
}
