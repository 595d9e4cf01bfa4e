//! Grouping loses nothing and counts nothing twice.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::query::Filters;
use super::*;
use crate::ledger::{Granularity, Tags};

type Lines = Vec<(Labels, Tally)>;

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["", "a", "b", "c"].prop_map(|name: String| name)
}

fn any_lines() -> impl Strategy<Value = Vec<(u64, (Labels, Tally))>> {
    let labels = (
        proptest::array::uniform6(name()),
        vec(prop_oneof!["x", "y", "z"], 0..3),
    );
    let tally = vec((0..Counter::ALL.len(), 0_u64..1000), 1..6);
    vec((0_u64..200_000, labels, tally, 0_u64..5_000), 0..20).prop_map(|lines| {
        lines
            .into_iter()
            .map(|(second, (names, tags), counts, millis)| {
                let [operation, model, key, tenant, upstream, outcome] = names;
                let labels = Labels {
                    operation,
                    model,
                    key,
                    tenant,
                    upstream,
                    outcome,
                    tags: Tags::of(tags.iter().map(String::as_str)),
                };
                let mut tally = Tally::default();
                for (counter, count) in counts {
                    tally.add(Counter::ALL[counter], count);
                }
                tally.total.record(Duration::from_millis(millis));
                (Granularity::Minute.start_of(second), (labels, tally))
            })
            .collect()
    })
}

fn any_dimensions() -> impl Strategy<Value = Dimensions> {
    proptest::sample::subsequence(Dimension::ALL.to_vec(), 0..=7)
        .prop_map(|dimensions| dimensions.into_iter().collect())
}

fn any_shape() -> impl Strategy<Value = Shape> {
    let filter = (
        proptest::sample::select(Dimension::ALL.to_vec()),
        vec(name(), 0..3),
    );
    (vec(filter, 0..2), any_dimensions()).prop_map(|(filters, group_by)| Shape {
        filters: filters
            .into_iter()
            .fold(Filters::default(), |filters, (dimension, names)| {
                filters.only(dimension, names)
            }),
        group_by,
    })
}

fn without_tags(shape: Shape) -> Shape {
    let group_by = shape.group_by.iter().filter(|one| *one != Dimension::Tag);
    Shape {
        group_by: group_by.collect(),
        ..shape
    }
}

fn sum(aggregate: &Aggregate) -> Tally {
    let mut sum = Tally::default();
    for tally in aggregate.groups.values() {
        sum.merge(tally);
    }
    sum
}

fn bucketed(lines: &[(u64, (Labels, Tally))], granularity: Granularity) -> Vec<Lines> {
    let mut buckets: BTreeMap<u64, Lines> = BTreeMap::new();
    for (minute, line) in lines {
        let start = granularity.start_of(*minute);
        buckets.entry(start).or_default().push(line.clone());
    }
    buckets.into_values().collect()
}

#[test]
fn a_line_counts_in_each_of_its_tags_and_one_without_any_under_no_name() {
    let line = |tags: &str| {
        let mut tally = Tally::default();
        tally.add(Counter::Requests, 1);
        let labels = Labels {
            operation: "chat".to_owned(),
            model: String::new(),
            key: String::new(),
            tenant: String::new(),
            upstream: String::new(),
            outcome: String::new(),
            tags: Tags::of_list(tags),
        };
        (labels, tally)
    };
    let shape = Shape {
        group_by: [Dimension::Tag, Dimension::Operation].into_iter().collect(),
        ..Shape::default()
    };
    let aggregate = Aggregate::of(&[line("a,b"), line("b"), line("")], &shape);
    let requests = |tag| aggregate.groups[&Group::of(["chat", tag])].get(Counter::Requests);
    assert_eq!([requests("a"), requests("b"), requests("")], [1, 2, 1]);
    assert_eq!(aggregate.total.get(Counter::Requests), 3);
    let group = Group::of(["chat", "a"]);
    assert_eq!(group.name(shape.group_by, Dimension::Tag), Some("a"));
    assert_eq!(group.name(shape.group_by, Dimension::Model), None);
}

proptest! {
    #[test]
    fn the_groups_of_any_grouping_add_up_to_the_total(
        lines in any_lines(),
        shape in any_shape().prop_map(without_tags),
    ) {
        let lines: Lines = lines.into_iter().map(|(_, line)| line).collect();
        let grouped = Aggregate::of(&lines, &shape);
        let plain = Shape { group_by: Dimensions::default(), ..shape };
        prop_assert_eq!(&sum(&grouped), &grouped.total);
        prop_assert_eq!(&Aggregate::of(&lines, &plain).total, &grouped.total);
    }

    #[test]
    fn minutes_hours_and_days_merge_into_the_same(lines in any_lines(), shape in any_shape()) {
        let all: Lines = lines.iter().map(|(_, line)| line.clone()).collect();
        let whole = Aggregate::of(&all, &shape);
        for granularity in Granularity::ALL {
            let mut merged = Aggregate::default();
            for bucket in bucketed(&lines, granularity) {
                merged.merge(&Aggregate::of(&bucket, &shape));
            }
            prop_assert_eq!(&merged, &whole);
        }
    }

    #[test]
    fn naming_a_few_groups_loses_nothing(lines in any_lines(), limit in 0_usize..5) {
        let lines: Lines = lines.into_iter().map(|(_, line)| line).collect();
        let shape = Shape {
            group_by: [Dimension::Model, Dimension::Key].into_iter().collect(),
            ..Shape::default()
        };
        let aggregate = Aggregate::of(&lines, &shape);
        let mut told = Tally::default();
        for named in super::super::report::named(&aggregate, limit) {
            told.merge(&named.tally);
        }
        prop_assert_eq!(told, aggregate.total);
    }
}
