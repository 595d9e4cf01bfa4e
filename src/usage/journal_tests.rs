//! Nothing is lost and nothing is counted twice, whatever the ledger does.

use std::collections::BTreeMap;
use std::ops::Range;

use futures_util::future::BoxFuture;

use super::*;
use crate::backend::{Lines, Posted, Revision};
use crate::clock::UnixMillis;
use crate::ledger::{Caller, Counter, Tags};
use crate::price::Usd;
use crate::usage::{Ended, Items, Saved, Served, Subject};
use crate::wire::{Operation, Usage};

/// What a ledger does with the next batch it is given.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Applies,
    Refuses,
    /// Applies it, but the answer never comes.
    AppliesInSilence,
}

/// A ledger that does as it is told.
#[derive(Debug, Default)]
struct Moody {
    moods: Mutex<VecDeque<Mood>>,
    applied: Mutex<HashMap<String, u64>>,
    tallies: Mutex<BTreeMap<(Start, Labels), Tally>>,
    batches: Mutex<Vec<usize>>,
}

impl Moody {
    fn feels(&self, moods: &[Mood]) {
        self.moods.lock().unwrap().extend(moods);
    }

    fn sum(&self, counter: Counter) -> u64 {
        let tallies = self.tallies.lock().unwrap();
        tallies.values().map(|tally| tally.get(counter)).sum()
    }

    fn apply(&self, batch: &Batch) -> Posted {
        let mut applied = self.applied.lock().unwrap();
        let last = applied.entry(batch.id.writer.clone()).or_default();
        if batch.id.number <= *last {
            return Posted::Before;
        }
        *last = batch.id.number;
        self.batches.lock().unwrap().push(batch.lines.len());
        for line in &batch.lines {
            let mut tallies = self.tallies.lock().unwrap();
            let tally = tallies.entry((line.minute, line.labels.clone()));
            tally.or_default().merge(&line.tally);
        }
        Posted::Now
    }
}

impl Ledger for Moody {
    fn post<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Posted, BackendError>> {
        Box::pin(async move {
            let mood = self.moods.lock().unwrap().pop_front();
            match mood.unwrap_or(Mood::Applies) {
                Mood::Applies => Ok(self.apply(batch)),
                Mood::Refuses => Err(BackendError::Unavailable("away".to_owned())),
                Mood::AppliesInSilence => {
                    self.apply(batch);
                    std::future::pending().await
                }
            }
        })
    }

    fn revisions(
        &self,
        _: Granularity,
        _: Range<Start>,
    ) -> BoxFuture<'_, Result<Vec<(Start, Revision)>, BackendError>> {
        unreachable!("a journal does not read")
    }

    fn buckets<'a>(
        &'a self,
        _: Granularity,
        _: &'a [Start],
    ) -> BoxFuture<'a, Result<Vec<Lines>, BackendError>> {
        unreachable!("a journal does not read")
    }
}

fn subject(at: UnixMillis, model: &str, outcome: &'static str) -> Subject {
    Subject {
        request_id: "req".to_owned(),
        at,
        operation: Operation::Chat,
        model: Some(model.to_owned()),
        resolved_model: None,
        caller: Caller {
            key: "key".into(),
            tenant: "tenant".into(),
        },
        tags: Tags::default(),
        upstream: "upstream".into(),
        outcome,
        span: None,
    }
}

fn event(at: UnixMillis, model: &str) -> Event {
    Event {
        subject: Subject {
            tags: Tags::of_list("a,b"),
            ..subject(at, model, "hit")
        },
        detail: None,
        status: Some(200),
        served: Served::Complete,
        usage: Some(USAGE),
        saved: Some(Saved {
            usage: USAGE,
            time: Duration::from_secs(2),
            cost: Some(Usd::from_nanos(7)),
        }),
        items: Some(Items {
            stored: 1,
            joined: 2,
            called: 3,
        }),
        bytes: 100,
        first_byte: Some(Duration::from_millis(1)),
        total: Duration::from_millis(2),
    }
}

const USAGE: Usage = Usage {
    input: 10,
    cached_input: 4,
    written_input: 0,
    output: 5,
    reasoning: 2,
    estimated: false,
};

fn call(at: UnixMillis) -> Call {
    Call {
        subject: Subject {
            resolved_model: Some("resolved".to_owned()),
            ..subject(at, "asked", "miss")
        },
        status: Some(200),
        ended: Ended::Whole,
        usage: Some(USAGE),
        cost: None,
        first_byte: None,
        total: Duration::from_secs(1),
    }
}

fn journal() -> (Arc<Moody>, Journal) {
    let ledger = Arc::new(Moody::default());
    let journal = Journal::open(Arc::clone(&ledger) as _).unwrap();
    (ledger, journal)
}

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test(start_paused = true)]
async fn requests_and_calls_are_counted_apart() {
    use Counter::{
        Calls, CallsUncounted, CallsUnpriced, Hits, ItemsJoined, Misses, Requests, SavedInput,
        SavedMicros, SavedNanos, ServedOutput, SpentCachedInput, SpentInput, SpentNanos,
    };
    let (ledger, journal) = journal();
    journal.request(event(61_000, "m"));
    journal.request(event(62_000, "m"));
    journal.call(call(63_000));
    assert!(journal.flush(PATIENCE).await);
    let sums = |counters: &[Counter]| {
        counters
            .iter()
            .map(|at| ledger.sum(*at))
            .collect::<Vec<_>>()
    };
    assert_eq!(sums(&[Requests, Hits, Misses, Calls]), [2, 2, 0, 1]);
    assert_eq!(sums(&[ServedOutput, SavedInput, SpentInput]), [10, 20, 10]);
    assert_eq!(sums(&[SpentCachedInput, CallsUncounted]), [4, 0]);
    assert_eq!(sums(&[SavedMicros, ItemsJoined]), [4_000_000, 4]);
    assert_eq!(sums(&[SavedNanos, SpentNanos, CallsUnpriced]), [14, 0, 1]);
    let tallies = ledger.tallies.lock().unwrap();
    let names: Vec<_> = tallies
        .keys()
        .map(|(minute, labels)| (*minute, &*labels.model, &*labels.outcome))
        .collect();
    assert_eq!(names, [(60, "m", "hit"), (60, "resolved", "miss")]);
}

#[tokio::test(start_paused = true)]
async fn what_is_recorded_is_written_within_a_second_by_itself() {
    let (ledger, journal) = journal();
    for round in 1..=3 {
        journal.request(event(0, "m"));
        sleep(FLUSH_INTERVAL + Duration::from_millis(10)).await;
        assert_eq!(ledger.sum(Counter::Requests), round);
    }
    assert_eq!(ledger.batches.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_is_away_gets_all_of_it_later_and_merged() {
    let (ledger, journal) = journal();
    ledger.feels(&[Mood::Refuses; 30]);
    for _ in 0..100 {
        journal.request(event(0, "m"));
        sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(ledger.sum(Counter::Requests), 0);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(ledger.sum(Counter::Requests), 100);
    assert!(ledger.batches.lock().unwrap().len() <= 2);
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_answer_was_lost_counts_once() {
    let (ledger, journal) = journal();
    ledger.feels(&[
        Mood::AppliesInSilence,
        Mood::Refuses,
        Mood::AppliesInSilence,
    ]);
    journal.request(event(0, "m"));
    sleep(Duration::from_secs(3)).await;
    journal.request(event(0, "m"));
    assert!(!journal.flush(Duration::from_millis(1)).await);
    journal.request(event(0, "m"));
    sleep(Duration::from_mins(1)).await;
    assert_eq!(ledger.sum(Counter::Requests), 3);
    assert!(journal.flush(PATIENCE).await);
    assert_eq!(ledger.sum(Counter::Requests), 3);
}

#[tokio::test(start_paused = true)]
async fn many_lines_go_out_in_bounded_batches_the_oldest_first() {
    let (ledger, journal) = journal();
    for minute in (0..875_u64).rev() {
        journal.request(event(minute * 60_000, "m"));
    }
    assert!(journal.flush(PATIENCE).await);
    assert_eq!(*ledger.batches.lock().unwrap(), [250, 250, 250, 125]);
    assert_eq!(ledger.sum(Counter::Requests), 875);
}

#[tokio::test(start_paused = true)]
async fn lines_that_wait_are_bounded_and_no_count_is_lost() {
    let (ledger, journal) = journal();
    ledger.feels(&[Mood::Refuses; 3]);
    let many = u64::try_from(LINES_MAX).unwrap() + 500;
    for minute in 0..many {
        journal.request(event(minute * 60_000, "m"));
        if minute % 10_000 == 0 {
            journal.shared.count();
        }
    }
    journal.shared.count();
    for minute in 0..500 {
        journal.request(event(minute * 60_000, "another"));
    }
    journal.shared.count();
    assert!(journal.shared.counted().lines.len() <= LINES_MAX + 1_000);
    assert!(!journal.flush(PATIENCE).await);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(ledger.sum(Counter::Requests), many + 500);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_sees_the_last_requests_and_then_those_that_come_each_once() {
    let (_ledger, journal) = journal();
    for number in 0..150 {
        journal.request(event(number, "before"));
    }
    let mut watcher = journal.watch();
    journal.request(event(150, "after"));
    for expected in 50..=150 {
        let seen = watcher.next().await.unwrap();
        assert_eq!(seen.subject.at, expected);
    }
    let more = timeout(Duration::from_secs(5), watcher.next()).await;
    assert!(more.is_err());
}
