//! What an export says: one row for each bucket and group, one list of columns for
//! all formats.

use crate::ledger::{Counter, Latencies, Start, Tally};

use crate::usage::books::Dimension;
use crate::usage::books::report::hit_ratio;

/// One row: what was counted in one bucket under one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The beginning of the bucket, in seconds since the Unix epoch.
    pub start: Start,
    /// Its end, which is the beginning of the next, in seconds since the Unix epoch.
    pub end: Start,
    /// What the group is called in each dimension, in their order.
    pub names: Vec<String>,
    /// What was counted.
    pub tally: Tally,
}

/// One column of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// Its heading.
    pub name: &'static str,
    /// What stands in it.
    pub kind: Kind,
    source: Source,
}

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A moment.
    Time,
    /// A name, which a client may have chosen.
    Text,
    /// A whole number.
    Count,
    /// An amount of US dollars.
    Usd,
    /// A share of a whole, or a time in milliseconds; may be missing.
    Real,
}

/// What stands in one cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Seconds since the Unix epoch.
    Time(u64),
    /// A name.
    Text(&'a str),
    /// A whole number.
    Count(u64),
    /// Billionths of a US dollar.
    Usd(u64),
    /// A number; `None` where nothing was counted that it could be made of.
    Real(Option<f64>),
}

/// Where a column takes its cells from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Start,
    End,
    Name(usize),
    Counter(Counter),
    Usd(Counter),
    HitRatio,
    Total(f64),
    FirstByte(f64),
}

/// The columns of an export that is grouped by `group_by`, in their order.
pub fn columns(group_by: &[Dimension]) -> Vec<Column> {
    let column = |name, kind, source| Column { name, kind, source };
    let names = group_by
        .iter()
        .enumerate()
        .map(|(at, dimension)| column(dimension.as_str(), Kind::Text, Source::Name(at)));
    let counters = Counter::ALL
        .into_iter()
        .map(|counter| column(counter.as_str(), Kind::Count, Source::Counter(counter)));
    let usd = |name, counter| column(name, Kind::Usd, Source::Usd(counter));
    let real = |name, source| column(name, Kind::Real, source);
    [
        column("start_time", Kind::Time, Source::Start),
        column("end_time", Kind::Time, Source::End),
    ]
    .into_iter()
    .chain(names)
    .chain(counters)
    .chain([
        usd("cost_usd", Counter::SpentNanos),
        usd("saved_cost_usd", Counter::SavedNanos),
        real("hit_ratio", Source::HitRatio),
        real("total_p50_ms", Source::Total(0.5)),
        real("total_p95_ms", Source::Total(0.95)),
        real("total_p99_ms", Source::Total(0.99)),
        real("first_byte_p50_ms", Source::FirstByte(0.5)),
        real("first_byte_p95_ms", Source::FirstByte(0.95)),
        real("first_byte_p99_ms", Source::FirstByte(0.99)),
    ])
    .collect()
}

impl Column {
    /// What stands in this column of a row.
    pub fn of<'a>(&self, row: &'a Row) -> Value<'a> {
        match self.source {
            Source::Start => Value::Time(row.start),
            Source::End => Value::Time(row.end),
            Source::Name(at) => Value::Text(row.names.get(at).map_or("", String::as_str)),
            Source::Counter(counter) => Value::Count(row.tally.get(counter)),
            Source::Usd(counter) => Value::Usd(row.tally.get(counter)),
            Source::HitRatio => Value::Real(hit_ratio(&row.tally)),
            Source::Total(share) => Value::Real(millis(&row.tally.total, share)),
            Source::FirstByte(share) => Value::Real(millis(&row.tally.first_byte, share)),
        }
    }
}

/// A moment in seconds since the Unix epoch, as RFC 3339 in UTC.
pub(super) fn rfc3339(second: u64) -> String {
    i64::try_from(second)
        .ok()
        .and_then(|second| jiff::Timestamp::from_second(second).ok())
        .unwrap_or(jiff::Timestamp::MAX)
        .to_string()
}

/// Billionths of a dollar as dollars: all nine digits, exact.
pub(super) fn dollars(nanos: u64) -> String {
    const NANOS: u64 = 1_000_000_000;
    format!("{}.{:09}", nanos / NANOS, nanos % NANOS)
}

/// The time that a share of the requests took at most, in milliseconds.
fn millis(latencies: &Latencies, share: f64) -> Option<f64> {
    let time = latencies.quantile(share)?;
    let micros = u32::try_from(time.as_micros()).map_or(time.as_secs_f64() * 1e6, f64::from);
    Some(micros / 1000.0)
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;

    /// A row with a bit of everything in it, grouped by these names.
    pub(in crate::usage::export) fn row(start: Start, names: &[&str]) -> Row {
        let mut tally = Tally::default();
        for (counter, count) in [
            (Counter::Requests, 5),
            (Counter::Hits, 1),
            (Counter::Misses, 2),
            (Counter::Partials, 1),
            (Counter::SpentNanos, 1_234_567_891),
            (Counter::SavedNanos, 42),
        ] {
            tally.add(counter, count);
        }
        tally.total.record(Duration::from_micros(15_250));
        Row {
            start,
            end: start + 3_600,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            tally,
        }
    }

    #[test]
    fn every_number_of_a_tally_has_a_column_and_every_column_a_name_of_its_own() {
        let columns = columns(&[Dimension::Model, Dimension::Tag]);
        let names: HashSet<_> = columns.iter().map(|column| column.name).collect();
        assert_eq!(names.len(), columns.len());
        for counter in Counter::ALL {
            assert!(names.contains(counter.as_str()), "{}", counter.as_str());
        }
        let first: Vec<_> = columns.iter().take(5).map(|column| column.name).collect();
        let expected = ["start_time", "end_time", "model", "tag", "requests"];
        assert_eq!(first, expected);
    }

    #[test]
    fn cells_are_of_the_kind_their_column_says() {
        let row = row(1_793_491_200, &["gpt-5-mini"]);
        for column in columns(&[Dimension::Model]) {
            let kind = match column.of(&row) {
                Value::Time(_) => Kind::Time,
                Value::Text(_) => Kind::Text,
                Value::Count(_) => Kind::Count,
                Value::Usd(_) => Kind::Usd,
                Value::Real(_) => Kind::Real,
            };
            assert_eq!(kind, column.kind, "{}", column.name);
        }
    }

    #[test]
    fn what_is_derived_is_right() {
        let row = row(0, &[]);
        let found = |name| {
            let columns = columns(&[]);
            let column = columns.iter().find(|column| column.name == name).unwrap();
            column.of(&row)
        };
        assert_eq!(found("hit_ratio"), Value::Real(Some(0.25)));
        assert_eq!(found("cost_usd"), Value::Usd(1_234_567_891));
        assert_eq!(found("first_byte_p50_ms"), Value::Real(None));
        let Value::Real(Some(median)) = found("total_p50_ms") else {
            panic!("no median");
        };
        assert!((median / 15.25 - 1.0).abs() < 0.0625, "{median}");
    }

    #[test]
    fn amounts_and_moments_are_exact_text() {
        assert_eq!(dollars(1_234_567_891), "1.234567891");
        assert_eq!(dollars(42), "0.000000042");
        assert_eq!(dollars(u64::MAX), "18446744073.709551615");
        assert_eq!(rfc3339(1_793_491_200), "2026-11-01T00:00:00Z");
        assert!(rfc3339(u64::MAX).starts_with("9999-12-30T22:00:00"));
    }
}
