//! The books fetch what changed and nothing else, and say what came of it.

use std::sync::atomic::Ordering;

use super::scripted::{NOW, Office, chat};
use super::*;
use crate::ledger::{Counter, Line, Tally};

const DAY: u64 = Granularity::Day.seconds();
const MINUTE: u64 = Granularity::Minute.seconds();
const TODAY: u64 = NOW - NOW % DAY;

fn by_model() -> Shape {
    Shape {
        group_by: [Dimension::Model].into_iter().collect(),
        ..Shape::default()
    }
}

fn year() -> Query {
    Query::spanning(Granularity::Day, NOW - 399 * DAY..NOW, by_model())
}

async fn requests(office: &Office, query: &Query) -> u64 {
    let sum = office.books.sum(query).await.unwrap();
    sum.total.get(Counter::Requests)
}

/// An office with one request on each of 400 days.
async fn a_year_of_one_a_day() -> Office {
    let office = Office::open();
    for day in 0..400 {
        let line = [(Counter::Requests, 1)];
        office.count(NOW - day * DAY, &chat("m", "k"), &line).await;
    }
    office
}

#[tokio::test]
async fn what_was_read_is_not_fetched_again_until_it_changes() {
    let office = a_year_of_one_a_day().await;
    assert_eq!(requests(&office, &year()).await, 400);
    let fetched = office.ledger.take_fetched();
    assert_eq!(fetched.len(), 400);
    assert!(fetched.is_sorted());

    assert_eq!(requests(&office, &year()).await, 400);
    assert_eq!(office.ledger.take_fetched(), []);

    let old = NOW - 200 * DAY;
    let line = [(Counter::Requests, 5)];
    office.count(old, &chat("n", "k"), &line).await;
    assert_eq!(requests(&office, &year()).await, 405);
    let changed = Granularity::Day.start_of(old);
    assert_eq!(office.ledger.take_fetched(), [(Granularity::Day, changed)]);
}

#[tokio::test]
async fn another_shape_is_another_reading() {
    let office = a_year_of_one_a_day().await;
    assert_eq!(requests(&office, &year()).await, 400);
    let mut other = year();
    other.shape.filters = Filters::default().only(Dimension::Model, ["n"]);
    assert_eq!(requests(&office, &other).await, 0);
    assert_eq!(office.ledger.take_fetched().len(), 800);
    assert_eq!(requests(&office, &other).await, 0);
    assert_eq!(office.ledger.take_fetched(), []);
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let office = Office::open();
    let mut tally = Tally::default();
    for step in 0..300 {
        tally.total.add(step, 1);
    }
    let tally = &tally;
    let lines = (0..400_u64).flat_map(|day| {
        (0..15).map(move |model| Line {
            minute: Granularity::Minute.start_of(NOW - day * DAY),
            labels: chat(&format!("model-{model}"), "k"),
            tally: tally.clone(),
        })
    });
    office.ledger.write(lines.collect()).await;
    office.books.sum(&year()).await.unwrap();
    let bytes = office.books.kept.bytes();
    assert!(
        (KEPT_BYTES_MAX / 2..=KEPT_BYTES_MAX).contains(&bytes),
        "{bytes}"
    );
}

#[tokio::test]
async fn who_has_enough_is_given_no_more() {
    let office = a_year_of_one_a_day().await;
    let mut starts = Vec::new();
    let take = |start, _: &Aggregate| {
        starts.push(start);
        ControlFlow::Break(())
    };
    office.books.each(&year(), take).await.unwrap();
    assert_eq!(starts, [TODAY - 399 * DAY]);
    assert_eq!(office.ledger.take_fetched().len(), FETCHED_AT_ONCE);
}

#[test]
fn a_range_begins_with_the_bucket_its_start_lies_in() {
    let query = Query::spanning(Granularity::Hour, 3_700..10_800, Shape::default());
    assert_eq!(query.every_start().collect::<Vec<_>>(), [3_600, 7_200]);
    let none = Query::spanning(Granularity::Hour, 7_200..7_200, Shape::default());
    assert_eq!(none.every_start().count(), 0);
}

#[tokio::test]
async fn a_ledger_that_is_away_is_an_error() {
    let office = a_year_of_one_a_day().await;
    office.ledger.broken.store(true, Ordering::Relaxed);
    assert!(office.books.sum(&year()).await.is_err());
    assert!(office.books.models(Filters::default()).await.is_err());
    assert!(office.books.key_statistics("k", 30, true).await.is_err());
}

#[tokio::test]
async fn the_statistics_of_a_key_are_kept_for_five_minutes() {
    let office = Office::open();
    let line = [(Counter::Requests, 2), (Counter::CallsUnpriced, 1)];
    office.count(NOW, &chat("m", "k"), &line).await;
    office.count(NOW - 2 * DAY, &chat("n", "k"), &line).await;
    office.count(NOW, &chat("m", "other"), &line).await;
    let ask = async |kept| {
        let (told, seen) = office.books.key_statistics("k", 3, kept).await.unwrap();
        (told, (seen.hit, seen.age_seconds, seen.expires_in_seconds))
    };
    let (told, seen) = ask(true).await;
    assert_eq!(seen, (false, 0, 300));
    assert_eq!(told.total.get(Counter::Requests), 4);
    assert_eq!((told.start, told.end), (TODAY - 2 * DAY, TODAY + DAY));
    let used: Vec<_> = told.days.iter().map(|day| day.tally.is_some()).collect();
    assert_eq!(used, [true, false, true]);
    assert_eq!(told.models.len(), 2);
    assert_eq!(told.unpriced["m"].calls, 1);

    office.count(NOW, &chat("m", "k"), &line).await;
    office.clock.set(NOW + 299);
    let (again, seen) = ask(true).await;
    assert_eq!((&again, seen), (&told, (true, 299, 1)));
    let (anew, seen) = ask(false).await;
    assert_eq!(anew.total.get(Counter::Requests), 6);
    assert_eq!(seen, (false, 0, 300));
    let (again, _) = ask(true).await;
    assert_eq!(again, anew);
    office.clock.set(NOW + 600);
    assert!(!ask(true).await.1.0);
}

#[tokio::test]
async fn a_key_that_nobody_used_has_used_nothing() {
    let office = Office::open();
    let (told, _) = office
        .books
        .key_statistics("nobody", 30, true)
        .await
        .unwrap();
    assert_eq!(told.days.len(), 30);
    assert_eq!(told.total, Tally::default());
    let (told, _) = office
        .books
        .key_statistics("nobody", 9_999, true)
        .await
        .unwrap();
    assert_eq!(told.days.len(), 400);
}

#[tokio::test]
async fn models_are_judged_by_their_last_calls() {
    let office = Office::open();
    let calls = |all, failed, micros| {
        [
            (Counter::Calls, all),
            (Counter::CallsFailed, failed),
            (Counter::CallMicros, micros),
        ]
    };
    for (model, ago, line) in [
        ("well", 2 * MINUTE, calls(100, 4, 1_000_000)),
        ("well", 30 * MINUTE, calls(100, 100, 0)),
        ("degraded", MINUTE, calls(100, 5, 0)),
        ("failing", MINUTE, calls(2, 1, 0)),
        ("quiet", 40 * MINUTE, calls(4, 1, 0)),
        ("hours ago", 3 * 3_600, calls(1, 1, 0)),
        ("weeks ago", 20 * DAY, calls(1, 0, 0)),
        ("months ago", 100 * DAY, calls(1, 0, 0)),
        ("only hits", MINUTE, calls(0, 0, 0)),
    ] {
        office.count(NOW - ago, &chat(model, "k"), &line).await;
    }
    let all = office.books.models(Filters::default()).await.unwrap();
    let told: Vec<_> = all
        .iter()
        .map(|one| (&*one.model, one.status.as_str(), one.precision.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("degraded", "degraded", "minute"),
            ("failing", "failing", "minute"),
            ("hours ago", "idle", "minute"),
            ("months ago", "idle", "day"),
            ("quiet", "degraded", "minute"),
            ("weeks ago", "idle", "hour"),
            ("well", "ok", "minute"),
        ]
    );
    let well = all.iter().find(|one| one.model == "well").unwrap();
    assert_eq!(well.upstream, "openai");
    assert_eq!(well.error_rate(), Some(0.04));
    assert_eq!(well.judged_seconds, 900);
    assert_eq!(
        well.last_seen,
        Granularity::Minute.start_of(NOW - 2 * MINUTE)
    );
    // 10 ms a call 2 minutes ago, nothing 30 minutes ago: 0.87 to 0.125.
    let latency = well.latency.unwrap().as_secs_f64() * 1000.0;
    assert!((latency - 8.745).abs() < 0.01, "{latency}");
    let weeks = all.iter().find(|one| one.model == "weeks ago").unwrap();
    assert_eq!(weeks.last_seen, Granularity::Hour.start_of(NOW - 20 * DAY));
    assert_eq!((weeks.latency, weeks.error_rate()), (None, None));
}

#[tokio::test]
async fn finding_when_models_were_last_called_reads_few_buckets() {
    let office = a_year_of_one_a_day().await;
    let line = [(Counter::Calls, 1)];
    office.count(NOW - 20 * DAY, &chat("m", "k"), &line).await;
    office.books.models(Filters::default()).await.unwrap();
    let fetched = office.ledger.take_fetched();
    let narrow = fetched.iter().filter(|(wide, _)| *wide != Granularity::Day);
    // The hour of the last call, and this minute, which has requests.
    assert_eq!(narrow.count(), 2);
}
