//! What is told of an aggregate: its largest groups by name, and the numbers that
//! follow from those counted.

use std::time::Duration;

use super::grouping::{Aggregate, Group};
use crate::ledger::{Counter, Latencies, OTHER, Tally};

/// Billionths in a dollar.
const NANOS: f64 = 1e9;

/// A group that is told of by its names, or all that are not, in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its names; `other` each for those that are not named.
    pub group: Group,
    /// What it adds up to.
    pub tally: Tally,
    /// How many groups this one stands for; `None` if it is one and named.
    pub others: Option<u64>,
}

/// How long something took at most, for shares of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// For half of them.
    pub p50: Duration,
    /// For 90 % of them.
    pub p90: Duration,
    /// For 95 % of them.
    pub p95: Duration,
    /// For 99 % of them.
    pub p99: Duration,
}

/// The `limit` groups with the most requests, of as many the dearest, the largest
/// first; behind them the others as one. Equal ones are in the order of their names.
pub fn named(aggregate: &Aggregate, limit: usize) -> Vec<Named> {
    // Groups the ledger itself kept no name of belong to the others in any case, so
    // that there is one group of that name and not two.
    let is_other = |group: &Group| {
        let mut names = group.names().peekable();
        names.peek().is_some() && names.all(|name| name == OTHER)
    };
    let mut groups: Vec<(&Group, &Tally)> = aggregate.groups.iter().collect();
    groups.sort_unstable_by(|(left, one), (right, other)| {
        let size = |tally: &Tally| {
            let spent = tally.get(Counter::SpentNanos);
            (tally.get(Counter::Requests), spent)
        };
        (is_other(left).cmp(&is_other(right)))
            .then_with(|| size(other).cmp(&size(one)))
            .then_with(|| left.cmp(right))
    });
    let named = groups
        .iter()
        .take(limit)
        .take_while(|(group, _)| !is_other(group))
        .count();
    let (first, rest) = groups.split_at(named);
    let mut told: Vec<Named> = first
        .iter()
        .map(|(group, tally)| Named {
            group: (*group).clone(),
            tally: (*tally).clone(),
            others: None,
        })
        .collect();
    if let Some((any, _)) = rest.first() {
        let mut tally = Tally::default();
        for (_, more) in rest {
            tally.merge(more);
        }
        told.push(Named {
            group: Group::of(any.names().map(|_| OTHER)),
            tally,
            others: Some(u64::try_from(rest.len()).unwrap_or(u64::MAX)),
        });
    }
    told
}

/// Which share of the requests that the cache had a part in it answered alone; `None`
/// if there were none.
pub fn hit_ratio(tally: &Tally) -> Option<f64> {
    let hits = tally.get(Counter::Hits);
    let asked = hits
        .saturating_add(tally.get(Counter::Misses))
        .saturating_add(tally.get(Counter::Partials));
    ratio(hits, asked)
}

/// A part of a whole; `None` if there is no whole.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than 15 digits"
)]
pub fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Billionths of a dollar as dollars. Exact in print up to a million dollars.
#[expect(
    clippy::cast_precision_loss,
    reason = "the shortest decimal that reads as this number is printed, which is the exact one up to 15 digits"
)]
pub fn dollars(nanos: u64) -> f64 {
    nanos as f64 / NANOS
}

/// The percentiles; `None` if nothing was counted.
pub fn percentiles(latencies: &Latencies) -> Option<Percentiles> {
    Some(Percentiles {
        p50: latencies.quantile(0.5)?,
        p90: latencies.quantile(0.9)?,
        p95: latencies.quantile(0.95)?,
        p99: latencies.quantile(0.99)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aggregate(groups: &[(&str, u64, u64)]) -> Aggregate {
        let mut aggregate = Aggregate::default();
        for (name, requests, nanos) in groups {
            let mut tally = Tally::default();
            tally.add(Counter::Requests, *requests);
            tally.add(Counter::SpentNanos, *nanos);
            aggregate.groups.insert(Group::of([*name]), tally);
        }
        aggregate
    }

    fn told(aggregate: &Aggregate, limit: usize) -> Vec<(String, u64, Option<u64>)> {
        named(aggregate, limit)
            .into_iter()
            .map(|named| {
                let name = named.group.names().collect();
                (name, named.tally.get(Counter::Requests), named.others)
            })
            .collect()
    }

    #[test]
    fn the_largest_groups_are_named_and_the_rest_is_counted() {
        let groups = aggregate(&[("a", 1, 9), ("b", 5, 0), ("c", 5, 1), ("d", 1, 9)]);
        let name = |name: &str, requests, others| (name.to_owned(), requests, others);
        assert_eq!(
            told(&groups, 3),
            [
                name("c", 5, None),
                name("b", 5, None),
                name("a", 1, None),
                name("other", 1, Some(1))
            ]
        );
        assert_eq!(told(&groups, 4).len(), 4);
        assert_eq!(told(&Aggregate::default(), 4), []);
    }

    #[test]
    fn there_is_one_group_of_others() {
        let groups = aggregate(&[("a", 1, 0), ("other", 100, 0), ("b", 2, 0)]);
        let name = |name: &str, requests, others| (name.to_owned(), requests, others);
        assert_eq!(
            told(&groups, 1),
            [name("b", 2, None), name("other", 101, Some(2))]
        );
        assert_eq!(told(&groups, 9)[2], name("other", 100, Some(1)));
    }

    #[test]
    fn what_is_not_grouped_is_one_group_without_a_name() {
        let mut all = Aggregate::default();
        all.groups.insert(Group::default(), Tally::default());
        assert_eq!(told(&all, 1), [(String::new(), 0, None)]);
    }

    #[test]
    fn ratios_of_nothing_are_unknown() {
        let mut tally = Tally::default();
        assert_eq!(hit_ratio(&tally), None);
        tally.add(Counter::Bypasses, 7);
        assert_eq!(hit_ratio(&tally), None);
        tally.add(Counter::Hits, 3);
        tally.add(Counter::Misses, 2);
        tally.add(Counter::Partials, 1);
        assert_eq!(hit_ratio(&tally), Some(0.5));
    }

    #[test]
    fn money_is_printed_exactly() {
        for (nanos, printed) in [
            (0, "0"),
            (1, "0.000000001"),
            (150_000, "0.00015"),
            (12_345_678_901, "12.345678901"),
            (999_999_999_999_999, "999999.999999999"),
        ] {
            assert_eq!(dollars(nanos).to_string(), printed);
        }
    }

    #[test]
    fn percentiles_of_nothing_are_unknown() {
        assert_eq!(percentiles(&Latencies::default()), None);
        let mut latencies = Latencies::default();
        latencies.record(Duration::from_millis(100));
        let found = percentiles(&latencies).unwrap();
        assert_eq!(found.p50, found.p99);
    }
}
