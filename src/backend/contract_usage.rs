//! What every backend promises of the ledger and the objects, as one suite that runs
//! against each of them, and compares the ledger with a plain map.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tokio::time::sleep;

use super::contract::TemporaryFolder;
use super::embedded::Embedded;
use super::in_process::InProcess;
use super::redis::test_server::{Server, books};
use super::{Ledger, Lines, ObjectName, Objects, Posted};
use crate::clock::{Clock as _, SystemClock};
use crate::ledger::{Batch, BatchId, Counter, Granularity, Labels, Line, Start, Tags, Tally};

const HOUR: Duration = Duration::from_hours(1);
const DAY_SECONDS: u64 = 24 * 60 * 60;
/// Up to where every backend counts exactly.
const COUNT_MAX: u64 = 1 << 53;

/// The beginning of this minute.
pub(super) fn this_minute() -> Start {
    Granularity::Minute.start_at(SystemClock.unix_millis())
}

/// Labels that differ by their model.
pub(super) fn labels_of(model: &str) -> Labels {
    Labels {
        operation: "chat".to_owned(),
        model: model.to_owned(),
        key: "key-1".to_owned(),
        tenant: "tenant".to_owned(),
        upstream: "openai".to_owned(),
        outcome: "hit".to_owned(),
        tags: Tags::of(["team=search", "chat"]),
    }
}

/// A line that counts some requests, with a latency.
pub(super) fn line_of(minute: Start, model: &str, requests: u64) -> Line {
    let mut tally = Tally::default();
    tally.add(Counter::Requests, requests);
    tally.total.record(Duration::from_millis(requests));
    Line {
        minute,
        labels: labels_of(model),
        tally,
    }
}

/// A batch of a writer.
pub(super) fn batch_of(writer: &str, number: u64, lines: Vec<Line>) -> Batch {
    let writer = writer.to_owned();
    Batch {
        id: BatchId { writer, number },
        lines,
    }
}

/// How many requests a bucket counted, of any labels.
pub(super) async fn requests(ledger: &dyn Ledger, granularity: Granularity, within: Start) -> u64 {
    let start = granularity.start_of(within);
    let lines = ledger.buckets(granularity, &[start]).await.unwrap();
    lines[0]
        .iter()
        .map(|(_, tally)| tally.get(Counter::Requests))
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn this_process_keeps_the_contract_of_usage() {
    keeps_the_contract(&Arc::new(InProcess::new(Arc::new(SystemClock)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_keeps_the_contract_of_usage() {
    let folder = TemporaryFolder::new();
    let embedded = Embedded::open(&folder.0, 64 << 20, Arc::new(SystemClock)).unwrap();
    keeps_the_contract(&Arc::new(embedded)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract_of_usage() {
    let server = Server::start(&[]);
    keeps_the_contract(&Arc::new(books(&server.url()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_cluster_keeps_the_contract_of_usage() {
    let server = Server::start_cluster().await;
    let url = server.url().replace("redis://", "redis-cluster://");
    keeps_the_contract(&Arc::new(books(&url))).await;
}

async fn keeps_the_contract<B: Ledger + Objects + 'static>(backend: &Arc<B>) {
    // Waits for a connection that is being made.
    while backend.revisions(Granularity::Day, 0..1).await.is_err() {
        sleep(Duration::from_millis(5)).await;
    }
    ledger_keeps_the_contract(backend).await;
    objects_are_kept_and_replaced(&**backend).await;
    objects_are_removed(&**backend).await;
    any_object_comes_back(&**backend).await;
    objects_are_listed_by_kind(&**backend).await;
    objects_end_when_their_time_is_over(&**backend).await;
}

async fn ledger_keeps_the_contract<B: Ledger + 'static>(backend: &Arc<B>) {
    nothing_is_there_at_first(&**backend).await;
    a_batch_counts_in_its_minute_hour_and_day(&**backend).await;
    a_batch_counts_once(&**backend).await;
    a_batch_given_twice_at_once_counts_once(backend).await;
    a_batch_that_nobody_waits_for_counts_once(backend).await;
    large_numbers_are_exact_and_never_start_over(&**backend).await;
    revisions_are_listed_in_order(&**backend).await;
    revisions_change_with_their_bucket_alone(&**backend).await;
    what_is_not_kept_is_not_told(&**backend).await;
    a_thousand_lines_are_one_batch(&**backend).await;
    any_batches_add_up(&**backend).await;
}

async fn nothing_is_there_at_first(ledger: &dyn Ledger) {
    for granularity in Granularity::ALL {
        let everything = ledger.revisions(granularity, 0..u64::MAX).await;
        assert_eq!(everything, Ok(Vec::new()));
        assert_eq!(ledger.buckets(granularity, &[]).await, Ok(Vec::new()));
        let two = ledger.buckets(granularity, &[0, DAY_SECONDS]).await;
        assert_eq!(two, Ok(vec![Vec::new(), Vec::new()]));
    }
    let none = batch_of("empty", 1, Vec::new());
    assert_eq!(ledger.post(&none).await, Ok(Posted::Now));
    assert_eq!(ledger.post(&none).await, Ok(Posted::Before));
}

async fn a_batch_counts_in_its_minute_hour_and_day(ledger: &dyn Ledger) {
    let minute = this_minute() - DAY_SECONDS;
    let lines = vec![
        line_of(minute, "one", 2),
        line_of(minute, "two", 3),
        line_of(minute, "one", 5),
    ];
    let mut expected = HashMap::new();
    for line in &lines {
        let tally: &mut Tally = expected.entry(line.labels.clone()).or_default();
        tally.merge(&line.tally);
    }
    ledger.post(&batch_of("first", 1, lines)).await.unwrap();
    for granularity in Granularity::ALL {
        let start = granularity.start_of(minute);
        let found = ledger.buckets(granularity, &[start]).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].len(), 2, "each labels once");
        assert_eq!(HashMap::from_iter(found[0].clone()), expected);
    }
}

async fn a_batch_counts_once(ledger: &dyn Ledger) {
    let minute = this_minute() - 2 * 60;
    let before = requests(ledger, Granularity::Day, minute).await;
    let one = batch_of("once", 1, vec![line_of(minute, "once", 1)]);
    let two = batch_of("once", 2, vec![line_of(minute, "once", 10)]);
    // The number is a writer's own.
    let other = batch_of("once more", 1, vec![line_of(minute, "once", 100)]);
    for (batch, expected) in [
        (&one, Posted::Now),
        (&one, Posted::Before),
        (&two, Posted::Now),
        (&one, Posted::Before),
        (&two, Posted::Before),
        (&other, Posted::Now),
    ] {
        assert_eq!(ledger.post(batch).await, Ok(expected));
    }
    let after = requests(ledger, Granularity::Day, minute).await;
    assert_eq!(after - before, 111);
}

async fn a_batch_given_twice_at_once_counts_once<B: Ledger + 'static>(ledger: &Arc<B>) {
    let minute = this_minute() - 3 * 60;
    let before = requests(&**ledger, Granularity::Hour, minute).await;
    for number in 1..=20 {
        let batch = batch_of("twice", number, vec![line_of(minute, "twice", 1)]);
        let posts = [(); 2].map(|()| {
            let (ledger, batch) = (Arc::clone(ledger), batch.clone());
            tokio::spawn(async move { ledger.post(&batch).await.unwrap() })
        });
        let posted: Vec<Posted> = join_all(posts)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let now = posted.iter().filter(|posted| **posted == Posted::Now);
        assert_eq!(now.count(), 1, "{posted:?}");
    }
    let after = requests(&**ledger, Granularity::Hour, minute).await;
    assert_eq!(after - before, 20);
}

async fn a_batch_that_nobody_waits_for_counts_once<B: Ledger>(ledger: &Arc<B>) {
    let minute = this_minute() - 4 * 60;
    let before = requests(&**ledger, Granularity::Day, minute).await;
    for number in 1..=20 {
        let batch = batch_of("dropped", number, vec![line_of(minute, "dropped", 1)]);
        // Dropped after none, one, two … of the steps it takes.
        let mut post = ledger.post(&batch);
        for _step in 0..number % 4 {
            if futures_util::poll!(&mut post).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(post);
        ledger.post(&batch).await.unwrap();
    }
    let after = requests(&**ledger, Granularity::Day, minute).await;
    assert_eq!(after - before, 20);
}

async fn large_numbers_are_exact_and_never_start_over(ledger: &dyn Ledger) {
    let minute = this_minute() - DAY_SECONDS - 3_600;
    let start = [Granularity::Day.start_of(minute)];
    let labels = labels_of("large");
    let mut number = 0;
    for (added, expected) in [
        (99_999_999_999_999, 99_999_999_999_999),
        (1, 100_000_000_000_000),
        (COUNT_MAX - 100_000_000_000_002, COUNT_MAX - 2),
        (1, COUNT_MAX - 1),
    ] {
        let mut line = line_of(minute, "large", 1);
        line.tally = Tally::default();
        line.tally.add(Counter::SavedMicros, added);
        line.tally.total.add(3, added);
        number += 1;
        ledger
            .post(&batch_of("large", number, vec![line]))
            .await
            .unwrap();
        let found = ledger.buckets(Granularity::Day, &start).await.unwrap();
        let (_, tally) = found[0].iter().find(|(of, _)| *of == labels).unwrap();
        assert_eq!(tally.get(Counter::SavedMicros), expected);
        assert_eq!(tally.total.steps().collect::<Vec<_>>(), [(3, expected)]);
    }
    for added in [u64::MAX, u64::MAX, COUNT_MAX] {
        let mut line = line_of(minute, "large", 1);
        line.tally.add(Counter::SavedMicros, added);
        number += 1;
        ledger
            .post(&batch_of("large", number, vec![line]))
            .await
            .unwrap();
        let found = ledger.buckets(Granularity::Day, &start).await.unwrap();
        let (_, tally) = found[0].iter().find(|(of, _)| *of == labels).unwrap();
        assert!(tally.get(Counter::SavedMicros) >= COUNT_MAX, "{added}");
    }
}

/// Posts to three minutes, with one between the second and the third.
async fn three_minutes(ledger: &dyn Ledger, writer: &str, first: Start) -> [Start; 3] {
    let minutes = [first, first + 60, first + 180];
    let lines = minutes.map(|minute| line_of(minute, "revised", 1)).to_vec();
    ledger.post(&batch_of(writer, 1, lines)).await.unwrap();
    minutes
}

async fn revisions_are_listed_in_order(ledger: &dyn Ledger) {
    let first = this_minute() - 10 * 3_600;
    let minutes = three_minutes(ledger, "listed", first).await;
    let reversed = Range {
        start: u64::MAX,
        end: 0,
    };
    for (starts, expected) in [
        (first..first + 240, &minutes[..]),
        (first..minutes[2], &minutes[..2]),
        (first + 1..minutes[2] + 1, &minutes[1..]),
        (first..first, &[]),
        (reversed, &[]),
    ] {
        let found = ledger.revisions(Granularity::Minute, starts).await.unwrap();
        let found: Vec<Start> = found.into_iter().map(|(start, _)| start).collect();
        assert_eq!(found, expected);
    }
}

async fn revisions_change_with_their_bucket_alone(ledger: &dyn Ledger) {
    let first = this_minute() - 11 * 3_600;
    let minutes = three_minutes(ledger, "revised", first).await;
    let all = async || {
        let found = ledger
            .revisions(Granularity::Minute, first..first + 240)
            .await;
        found.unwrap()
    };
    let before = all().await;
    assert_eq!(all().await, before, "nothing changed");
    let again = batch_of("revised", 2, vec![line_of(minutes[1], "revised", 1)]);
    ledger.post(&again).await.unwrap();
    let after = all().await;
    let pairs = before.iter().zip(&after);
    let same: Vec<bool> = pairs.map(|(one, other)| one == other).collect();
    assert_eq!(same, [true, false, true]);
    ledger.post(&again).await.unwrap();
    assert_eq!(all().await, after, "given before");
}

async fn what_is_not_kept_is_not_told(ledger: &dyn Ledger) {
    let now = SystemClock.unix_millis();
    for granularity in Granularity::ALL {
        let oldest = granularity.oldest_kept(now);
        // A minute on, the oldest may be kept no longer.
        let kept = oldest + 2 * granularity.seconds();
        let gone = oldest - granularity.seconds();
        let writer = format!("old {}", granularity.as_str());
        let lines = vec![line_of(gone, "old", 1), line_of(kept, "old", 1)];
        ledger.post(&batch_of(&writer, 1, lines)).await.unwrap();
        let found = ledger.buckets(granularity, &[gone, kept]).await.unwrap();
        assert_eq!(found[0], []);
        assert_eq!(found[1].len(), 1);
        let listed = ledger.revisions(granularity, 0..kept + 1).await.unwrap();
        assert_eq!(listed.len(), 1, "{listed:?}");
    }
}

async fn a_thousand_lines_are_one_batch(ledger: &dyn Ledger) {
    let minute = this_minute() - 20 * 60;
    let before = requests(ledger, Granularity::Day, minute).await;
    let lines: Vec<Line> = (0..1000)
        .map(|place: u64| line_of(minute - 60 * (place % 400), &format!("model {place}"), 1))
        .collect();
    let in_day =
        |line: &&Line| Granularity::Day.start_of(line.minute) == Granularity::Day.start_of(minute);
    let expected = lines.iter().filter(in_day).count() as u64;
    for number in 1..=2 {
        ledger
            .post(&batch_of("thousand", number, lines.clone()))
            .await
            .unwrap();
    }
    let after = requests(ledger, Granularity::Day, minute).await;
    assert_eq!(after - before, 2 * expected);
}

/// Lines of few labels and minutes, so that they meet.
fn any_lines(now: Start) -> impl Strategy<Value = Vec<Line>> {
    let name = prop_oneof![
        Just(String::new()),
        Just("rev".to_owned()),
        Just("a'b\"c;d\\ {e}\r\n\0%:1".to_owned()),
        Just("模型-ü🦀".to_owned()),
        ".{0,12}",
    ];
    let labels = (
        name.clone(),
        name,
        proptest::collection::vec("[a-c=,']{1,3}", 0..3),
    );
    let counts = proptest::collection::vec((0..Counter::ALL.len(), 0..1_u64 << 45), 0..6);
    let times = proptest::collection::vec((0..2_u8, 0_u64..1 << 40), 0..6);
    let line = (0_u64..6, 0_u64..40, labels, counts, times);
    let line = line.prop_map(move |(days, hours, (model, tenant, tags), counts, times)| {
        let mut tally = Tally::default();
        for (place, count) in counts {
            tally.add(Counter::ALL[place], count);
        }
        for (which, micros) in times {
            let time = Duration::from_micros(micros);
            match which {
                0 => tally.total.record(time),
                _ => tally.first_byte.record(time),
            }
        }
        Line {
            minute: now - 4 * DAY_SECONDS - days * DAY_SECONDS - hours % 5 * 3_600 - hours * 60,
            labels: Labels {
                model,
                tenant,
                tags: Tags::of(tags.iter().map(String::as_str)),
                ..labels_of("")
            },
            tally,
        }
    });
    proptest::collection::vec(line, 0..30)
}

async fn any_batches_add_up(ledger: &dyn Ledger) {
    type Model = BTreeMap<(Granularity, Start), HashMap<Labels, Tally>>;
    let now = this_minute();
    let mut runner = TestRunner::deterministic();
    let mut model = Model::new();
    let mut numbers = [0_u64; 3];
    for round in 0..30 {
        let lines = any_lines(now).new_tree(&mut runner).unwrap().current();
        let writer = round % numbers.len();
        numbers[writer] += 1;
        for line in &lines {
            for granularity in [Granularity::Hour, Granularity::Day] {
                let start = granularity.start_of(line.minute);
                let bucket = model.entry((granularity, start)).or_default();
                bucket
                    .entry(line.labels.clone())
                    .or_default()
                    .merge(&line.tally);
            }
        }
        let batch = batch_of(&format!("any \"{writer}\" ü"), numbers[writer], lines);
        assert_eq!(ledger.post(&batch).await, Ok(Posted::Now));
        if round % 4 == 0 {
            assert_eq!(ledger.post(&batch).await, Ok(Posted::Before));
        }
    }
    for granularity in [Granularity::Hour, Granularity::Day] {
        let expected = model.iter().filter(|((of, _), _)| *of == granularity);
        let (starts, expected): (Vec<Start>, Vec<_>) = expected
            .map(|((_, start), lines)| (*start, lines.clone()))
            .unzip();
        let found: Vec<Lines> = ledger.buckets(granularity, &starts).await.unwrap();
        let counts: Vec<usize> = found.iter().map(Vec::len).collect();
        let found: Vec<HashMap<_, _>> = found.into_iter().map(HashMap::from_iter).collect();
        assert_eq!(found, expected);
        assert_eq!(
            counts,
            expected.iter().map(HashMap::len).collect::<Vec<_>>()
        );
        // The other tests posted nothing in these days.
        let range = starts[0]..starts[starts.len() - 1] + 1;
        let listed = ledger.revisions(granularity, range).await.unwrap();
        let listed: Vec<Start> = listed.into_iter().map(|(start, _)| start).collect();
        assert_eq!(listed, starts);
    }
}

fn name_of(kind: &'static str, id: &str) -> ObjectName {
    let id = id.to_owned();
    ObjectName { kind, id }
}

async fn objects_are_kept_and_replaced(objects: &dyn Objects) {
    let (name, other) = (name_of("file", "a/1"), name_of("file", "a/2"));
    let same_id = name_of("job", "a/1");
    for content in ["one", "two"] {
        let content = Bytes::from(content);
        objects
            .put(name.clone(), content.clone(), HOUR)
            .await
            .unwrap();
        assert_eq!(objects.get(&name).await, Ok(Some(content)));
        assert_eq!(objects.get(&other).await, Ok(None));
        assert_eq!(objects.get(&same_id).await, Ok(None));
    }
}

async fn objects_are_removed(objects: &dyn Objects) {
    let name = name_of("file", "a/1");
    for was_there in [true, false] {
        assert_eq!(objects.remove(&name).await, Ok(was_there));
        assert_eq!(objects.get(&name).await, Ok(None));
        assert_eq!(objects.list("file").await, Ok(Vec::new()));
    }
}

async fn any_object_comes_back(objects: &dyn Objects) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for content in [Vec::new(), every_byte.repeat(1 << 12)] {
        let name = name_of("bytes", "of/any-kind_1");
        let content = Bytes::from(content);
        objects
            .put(name.clone(), content.clone(), HOUR)
            .await
            .unwrap();
        assert_eq!(objects.get(&name).await, Ok(Some(content)));
    }
}

async fn objects_are_listed_by_kind(objects: &dyn Objects) {
    let mut expected = BTreeMap::new();
    for place in (0..150).rev() {
        let id = format!("job/{place}");
        let content = Bytes::from(place.to_string());
        objects
            .put(name_of("job", &id), content.clone(), HOUR)
            .await
            .unwrap();
        expected.insert(id, content);
    }
    objects
        .put(name_of("jobs", "job/1"), "x".into(), HOUR)
        .await
        .unwrap();
    objects.remove(&name_of("job", "job/7")).await.unwrap();
    expected.remove("job/7");
    let listed = objects.list("job").await.unwrap();
    assert_eq!(listed, expected.into_iter().collect::<Vec<_>>());
    assert_eq!(objects.list("none").await, Ok(Vec::new()));
}

async fn objects_end_when_their_time_is_over(objects: &dyn Objects) {
    let moment = Duration::from_millis(40);
    let [long, short, none] = ["long", "short", "none"].map(|id| name_of("time", id));
    objects
        .put(long.clone(), "l".into(), Duration::MAX)
        .await
        .unwrap();
    objects
        .put(short.clone(), "s".into(), moment)
        .await
        .unwrap();
    objects
        .put(none.clone(), "n".into(), Duration::ZERO)
        .await
        .unwrap();
    sleep(moment + Duration::from_millis(20)).await;
    for ended in [&short, &none] {
        assert_eq!(objects.get(ended).await, Ok(None));
        assert_eq!(objects.remove(ended).await, Ok(false));
    }
    let left = vec![("long".to_owned(), Bytes::from("l"))];
    assert_eq!(objects.list("time").await.as_ref(), Ok(&left));
    objects
        .put(short.clone(), "again".into(), HOUR)
        .await
        .unwrap();
    assert_eq!(objects.get(&short).await, Ok(Some("again".into())));
}
