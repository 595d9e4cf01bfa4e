//! The life of an export, from the asking to the end of its time.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryStreamExt as _};

use super::*;
use crate::backend::{InProcess, ObjectName};
use crate::clock::UnixMillis;
use crate::ledger::{Counter, Granularity, Start, Tally};
use crate::usage::books::Dimension;
use crate::usage::export::making::READ_AT_ONCE;
use crate::usage::export::{Format, Row};

/// 2026-11-21T00:00:00Z
const NOW: UnixMillis = 1_795_219_200_000;
const HOUR: u64 = 3_600;

/// A clock that stands still until it is moved.
#[derive(Debug)]
struct StoppedClock(AtomicU64);

impl Clock for StoppedClock {
    fn unix_millis(&self) -> UnixMillis {
        self.0.load(Ordering::Relaxed)
    }
}

/// Rows that are given one read at a time.
#[derive(Debug)]
struct Gated {
    /// One permit for each read.
    gate: Semaphore,
    /// How many reads wait or were given.
    asked: AtomicUsize,
    /// The most reads that ever waited at once.
    waiting: AtomicUsize,
    waiting_most: AtomicUsize,
    buckets: u64,
    /// The length of the one name of each row.
    name_bytes: usize,
    fails: AtomicBool,
}

impl Gated {
    fn of(buckets: u64) -> Self {
        Self {
            gate: Semaphore::new(0),
            asked: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            waiting_most: AtomicUsize::new(0),
            buckets,
            name_bytes: 5,
            fails: AtomicBool::new(false),
        }
    }

    fn open(&self, reads: usize) {
        self.gate.add_permits(reads);
    }
}

impl Rows for Gated {
    fn starts(
        &self,
        granularity: Granularity,
        span: Range<Start>,
    ) -> BoxFuture<'_, Result<Vec<Start>, BackendError>> {
        let start = |at| span.start + at * granularity.seconds();
        let starts = (0..self.buckets).map(start).collect();
        async move { Ok(starts) }.boxed()
    }

    fn rows<'a>(
        &'a self,
        granularity: Granularity,
        starts: &'a [Start],
        _group_by: &'a [Dimension],
    ) -> BoxFuture<'a, Result<Vec<Row>, BackendError>> {
        async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let waiting = self.waiting.fetch_add(1, Ordering::Relaxed) + 1;
            self.waiting_most.fetch_max(waiting, Ordering::Relaxed);
            self.gate.acquire().await.unwrap().forget();
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            if self.fails.load(Ordering::Relaxed) {
                return Err(BackendError::Unavailable("gone".to_owned()));
            }
            let mut tally = Tally::default();
            tally.add(Counter::Requests, 3);
            let row = |start: &Start| Row {
                start: *start,
                end: start + granularity.seconds(),
                names: vec!["m".repeat(self.name_bytes)],
                tally: tally.clone(),
            };
            Ok(starts.iter().map(row).collect())
        }
        .boxed()
    }
}

/// Objects of one process, which may refuse.
#[derive(Debug)]
struct Refusing {
    objects: InProcess,
    refuses: AtomicBool,
    /// How often something was put under each kind.
    jobs_put: AtomicUsize,
}

impl Refusing {
    fn answer<T>(&self, answer: T) -> Result<T, BackendError> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(BackendError::Unavailable("gone".to_owned()));
        }
        Ok(answer)
    }
}

impl Objects for Refusing {
    fn put(
        &self,
        name: ObjectName,
        content: Bytes,
        keep_for: Duration,
    ) -> BoxFuture<'_, Result<(), BackendError>> {
        async move {
            self.answer(())?;
            if name.kind == "export" {
                self.jobs_put.fetch_add(1, Ordering::Relaxed);
            }
            self.objects.put(name, content, keep_for).await
        }
        .boxed()
    }

    fn get(&self, name: &ObjectName) -> BoxFuture<'_, Result<Option<Bytes>, BackendError>> {
        let name = name.clone();
        async move {
            self.answer(())?;
            self.objects.get(&name).await
        }
        .boxed()
    }

    fn list(
        &self,
        kind: &'static str,
    ) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, BackendError>> {
        async move {
            self.answer(())?;
            self.objects.list(kind).await
        }
        .boxed()
    }

    fn remove(&self, name: &ObjectName) -> BoxFuture<'_, Result<bool, BackendError>> {
        let name = name.clone();
        async move {
            self.answer(())?;
            self.objects.remove(&name).await
        }
        .boxed()
    }
}

/// A process that makes exports, what it reads, and where it keeps them.
struct House {
    exports: Arc<Exports>,
    rows: Arc<Gated>,
    objects: Arc<Refusing>,
    clock: Arc<StoppedClock>,
}

impl House {
    fn with(rows: Gated) -> Self {
        let clock = Arc::new(StoppedClock(AtomicU64::new(NOW)));
        let objects = Arc::new(Refusing {
            objects: InProcess::new(Arc::clone(&clock) as _),
            refuses: AtomicBool::new(false),
            jobs_put: AtomicUsize::new(0),
        });
        Self::sharing(rows, objects, clock)
    }

    fn sharing(rows: Gated, objects: Arc<Refusing>, clock: Arc<StoppedClock>) -> Self {
        let rows = Arc::new(rows);
        let exports = Exports::new(
            Arc::clone(&rows) as _,
            Arc::clone(&objects) as _,
            Arc::clone(&clock) as _,
        );
        Self {
            exports,
            rows,
            objects,
            clock,
        }
    }

    /// Another process with the same backend.
    fn neighbour(&self, rows: Gated) -> Self {
        Self::sharing(rows, Arc::clone(&self.objects), Arc::clone(&self.clock))
    }

    async fn create(&self) -> Job {
        self.exports.create(spec(Format::NdJson)).await.unwrap()
    }

    /// Lets both kinds of time pass, after all that can be done without is done.
    async fn wait(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.clock.0.fetch_add(millis, Ordering::Relaxed);
        sleep(time).await;
    }

    /// The export, when it is as it should be. Time passes while it is waited for.
    async fn when(&self, id: &str, wanted: impl Fn(&Job) -> bool) -> Job {
        for _ in 0..10_000 {
            if let Ok(job) = self.exports.get(id).await
                && wanted(&job)
            {
                return job;
            }
            self.wait(Duration::from_millis(50)).await;
        }
        panic!("never so: {:?}", self.exports.get(id).await);
    }

    async fn when_status(&self, id: &str, status: Status) -> Job {
        self.when(id, |job| job.status == status).await
    }

    async fn file(&self, id: &str) -> Result<Vec<u8>, ExportError> {
        let content = self.exports.content(id).await?;
        let parts: Vec<Bytes> = content.pieces().try_collect().await?;
        Ok(parts.concat())
    }

    async fn parts(&self) -> usize {
        let parts = self.objects.objects.list("export-part").await;
        parts.unwrap().len()
    }
}

/// An export of the last days, hour by hour.
fn spec(format: Format) -> Spec {
    let end = NOW / 1000;
    let span = end - 200 * HOUR..end;
    Spec::new(format, Granularity::Hour, span, [Dimension::Model])
}

#[tokio::test(start_paused = true)]
async fn an_export_tells_how_far_it_is_and_then_gives_its_file() {
    let buckets = u64::try_from(READ_AT_ONCE).unwrap() * 4;
    let house = House::with(Gated::of(buckets));
    let made = house.create().await;
    assert_eq!((made.status, made.buckets), (Status::Queued, None));
    let waiting = house.when_status(&made.id, Status::Running).await;
    assert!(waiting.progress().abs() < f64::EPSILON);
    let early = house.file(&made.id).await;
    assert!(matches!(early, Err(ExportError::Unfinished(_))));
    house.rows.open(3);
    let far = |job: &Job| (job.progress() - 0.75).abs() < f64::EPSILON;
    house.when(&made.id, far).await;
    house.rows.open(1);
    let done = house.when_status(&made.id, Status::Complete).await;
    assert_eq!((done.rows, done.parts), (buckets, 1));
    let file = house.file(&made.id).await.unwrap();
    assert_eq!(u64::try_from(file.len()).unwrap(), done.bytes);
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&file));
    assert_eq!(done.digest, Some(digest));
    let lines = file.split(|byte| *byte == b'\n').count();
    assert_eq!(u64::try_from(lines).unwrap(), buckets + 1);
}

#[tokio::test(start_paused = true)]
async fn a_long_file_is_kept_and_given_in_parts() {
    let rows = Gated {
        name_bytes: 300_000,
        ..Gated::of(10)
    };
    let house = House::with(rows);
    house.rows.open(1);
    for format in Format::ALL.into_iter().filter(|format| format.is_built()) {
        house.rows.open(1);
        let job = house.exports.create(spec(format)).await.unwrap();
        let done = house.when_status(&job.id, Status::Complete).await;
        let file = house.file(&job.id).await.unwrap();
        assert_eq!(u64::try_from(file.len()).unwrap(), done.bytes, "{format:?}");
        if format != Format::Parquet {
            assert_eq!(done.parts, 3, "{format:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_counted_is_an_empty_file() {
    let house = House::with(Gated::of(0));
    let job = house.create().await;
    let done = house.when_status(&job.id, Status::Complete).await;
    assert_eq!((done.rows, done.bytes, done.parts), (0, 0, 0));
    assert!((done.progress() - 1.0).abs() < f64::EPSILON);
    assert_eq!(house.file(&job.id).await, Ok(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_grows_too_large_is_given_up() {
    let rows = Gated {
        name_bytes: 3 * 1024 * 1024,
        ..Gated::of(64)
    };
    let house = House::with(rows);
    house.rows.open(4);
    let job = house.create().await;
    let failed = house.when_status(&job.id, Status::Failed).await;
    let told = failed.error.unwrap();
    assert!(
        told.contains("64 MiB") && told.contains("shorter range"),
        "{told}"
    );
    house.when(&job.id, |_| true).await;
    for _ in 0..1_000 {
        if house.parts().await == 0 {
            break;
        }
        house.wait(Duration::from_millis(50)).await;
    }
    assert_eq!(house.parts().await, 0);
    assert!(matches!(
        house.file(&job.id).await,
        Err(ExportError::Failed(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_fails_in_the_middle_is_the_reason_told() {
    let house = House::with(Gated::of(64));
    house.rows.open(2);
    let job = house.create().await;
    house.when(&job.id, |job| job.buckets_done == 32).await;
    house.rows.fails.store(true, Ordering::Relaxed);
    house.rows.open(1);
    let failed = house.when_status(&job.id, Status::Failed).await;
    assert_eq!(
        failed.error.unwrap(),
        "the store failed: the backend is not available: gone"
    );
    assert!(failed.finished_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_away_for_a_moment_is_told_the_end_when_it_is_back() {
    let house = House::with(Gated::of(1));
    let job = house.create().await;
    house.when_status(&job.id, Status::Running).await;
    house.objects.refuses.store(true, Ordering::Relaxed);
    house.rows.open(1);
    assert!(matches!(
        house.exports.get(&job.id).await,
        Err(ExportError::Store(_))
    ));
    let refused = house.exports.create(spec(Format::Csv)).await;
    assert!(matches!(refused, Err(ExportError::Store(_))));
    house.wait(Duration::from_secs(2)).await;
    house.objects.refuses.store(false, Ordering::Relaxed);
    let ended = house.when(&job.id, |job| job.status.is_final()).await;
    assert_ne!(
        ended.error.as_deref(),
        Some("the process that made it has stopped")
    );
}

#[tokio::test(start_paused = true)]
async fn two_are_made_at_once_and_sixteen_may_wait() {
    let house = House::with(Gated::of(1));
    let mut jobs = Vec::new();
    for _ in 0..18 {
        jobs.push(house.create().await);
    }
    let more = house.exports.create(spec(Format::Csv)).await;
    assert_eq!(more, Err(ExportError::Busy));
    house.when_status(&jobs[0].id, Status::Running).await;
    house.when_status(&jobs[1].id, Status::Running).await;
    house.rows.open(18);
    for job in &jobs {
        house.when_status(&job.id, Status::Complete).await;
    }
    assert_eq!(house.rows.waiting_most.load(Ordering::Relaxed), 2);
    house.create().await;
}

#[tokio::test(start_paused = true)]
async fn deleting_gives_up_what_is_being_made() {
    let rows = Gated {
        name_bytes: 100_000,
        ..Gated::of(64)
    };
    let house = House::with(rows);
    house.rows.open(2);
    let job = house.create().await;
    house.when(&job.id, |job| 0 < job.parts).await;
    assert_ne!(house.parts().await, 0);
    house.exports.delete(&job.id).await.unwrap();
    assert_eq!(house.parts().await, 0);
    assert_eq!(house.exports.get(&job.id).await, Err(ExportError::Missing));
    assert_eq!(
        house.exports.delete(&job.id).await,
        Err(ExportError::Missing)
    );
    // Its turn is free again.
    house.rows.open(64);
    for _ in 0..2 {
        let other = house.create().await;
        house.when_status(&other.id, Status::Complete).await;
    }
}

#[tokio::test(start_paused = true)]
async fn any_process_tells_of_gives_and_deletes_what_another_one_made() {
    let house = House::with(Gated::of(32));
    let other = house.neighbour(Gated::of(0));
    house.rows.open(2);
    let complete = house.create().await;
    other.when_status(&complete.id, Status::Complete).await;
    assert_eq!(
        other.file(&complete.id).await,
        house.file(&complete.id).await
    );
    other.exports.delete(&complete.id).await.unwrap();
    assert_eq!(
        house.exports.get(&complete.id).await,
        Err(ExportError::Missing)
    );
    assert_eq!(house.parts().await, 0);

    let running = house.create().await;
    other.when_status(&running.id, Status::Running).await;
    other.exports.delete(&running.id).await.unwrap();
    for _ in 0..10_000 {
        if house.exports.making().is_empty() {
            break;
        }
        house.wait(Duration::from_millis(50)).await;
    }
    assert!(house.exports.making().is_empty(), "it is still being made");
    assert_eq!(house.exports.list().await, Ok(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn an_export_that_waits_is_told_of_and_one_whose_process_is_gone_has_failed() {
    let reads = 24;
    let buckets = u64::try_from(READ_AT_ONCE).unwrap() * (reads + 2);
    let house = House::with(Gated::of(buckets));
    for _ in 0..2 {
        let slow = house.create().await;
        house.when_status(&slow.id, Status::Running).await;
    }
    let waiting = house.create().await;
    let mut told = std::collections::BTreeSet::new();
    for _ in 0..reads {
        house.rows.open(2);
        house.wait(Duration::from_secs(5)).await;
        let job = house.exports.get(&waiting.id).await.unwrap();
        assert_eq!(job.status, Status::Queued);
        told.insert(job.told_at);
    }
    let times = told.len();
    assert!(
        (7..=9).contains(&times),
        "told {times} times in two minutes of nothing"
    );

    let orphan = Job::new(fresh_id().unwrap(), spec(Format::Csv), NOW);
    house.exports.shelf.put_job(&orphan).await.unwrap();
    let seen = house.exports.get(&orphan.id).await.unwrap();
    assert_eq!(seen.status, Status::Failed);
    assert_eq!(seen.error.unwrap(), "the process that made it has stopped");
}

#[tokio::test(start_paused = true)]
async fn what_changed_is_told_at_most_once_a_second() {
    let house = House::with(Gated::of(64));
    let job = house.create().await;
    house.when_status(&job.id, Status::Running).await;
    let put_before = house.objects.jobs_put.load(Ordering::Relaxed);
    for _ in 0..3 {
        house.rows.open(1);
        for _ in 0..9 {
            house.wait(Duration::from_millis(100)).await;
        }
    }
    let put = house.objects.jobs_put.load(Ordering::Relaxed) - put_before;
    assert!(put <= 3, "told {put} times in three seconds");
}

#[tokio::test(start_paused = true)]
async fn an_export_is_forgotten_a_day_after_it_was_complete() {
    let house = House::with(Gated::of(1));
    house.rows.open(1);
    let job = house.create().await;
    let done = house.when_status(&job.id, Status::Complete).await;
    let day = 24 * HOUR * 1000;
    assert_eq!(done.expires_at(), Some(done.finished_at.unwrap() + day));
    house
        .clock
        .0
        .store(done.finished_at.unwrap() + day - 1, Ordering::Relaxed);
    house.file(&job.id).await.unwrap();
    house
        .clock
        .0
        .store(done.expires_at().unwrap() + 60_000, Ordering::Relaxed);
    assert_eq!(house.file(&job.id).await, Err(ExportError::Missing));
    assert_eq!(house.exports.list().await, Ok(Vec::new()));
    house.clock.0.fetch_add(HOUR * 1000, Ordering::Relaxed);
    assert_eq!(house.parts().await, 0);
}

#[tokio::test(start_paused = true)]
async fn the_newest_export_is_listed_first() {
    let house = House::with(Gated::of(1));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(house.create().await.id);
        house.wait(Duration::from_secs(1)).await;
    }
    ids.reverse();
    let listed = house.exports.list().await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|job| job.id).collect();
    assert_eq!(listed, ids);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_tells_that_its_exports_were_given_up() {
    let house = House::with(Gated::of(1));
    let job = house.create().await;
    house.when_status(&job.id, Status::Running).await;
    house.exports.stop(Duration::from_secs(5)).await;
    let failed = house.exports.get(&job.id).await.unwrap();
    assert_eq!(failed.status, Status::Failed);
    assert_eq!(failed.error.unwrap(), "the server was stopped");
    let refused = house.exports.create(spec(Format::Csv)).await;
    assert_eq!(refused, Err(ExportError::Busy));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_deleted_while_it_is_read_breaks_off() {
    let rows = Gated {
        name_bytes: 300_000,
        ..Gated::of(10)
    };
    let house = House::with(rows);
    house.rows.open(1);
    let job = house.create().await;
    house.when_status(&job.id, Status::Complete).await;
    let content = house.exports.content(&job.id).await.unwrap();
    house.exports.delete(&job.id).await.unwrap();
    let read: Result<Vec<Bytes>, _> = content.pieces().try_collect().await;
    assert_eq!(read, Err(ExportError::Missing));
}
