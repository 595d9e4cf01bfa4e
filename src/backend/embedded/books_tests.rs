//! What is particular to the ledger and the objects in the file.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::{Instant, sleep};

use super::tests::{StoppedClock, has, key, open, put};
use super::*;
use crate::backend::contract::TemporaryFolder;
use crate::backend::contract_usage::{batch_of, labels_of, line_of, requests};
use crate::backend::{Ledger, ObjectName, Objects, Posted};
use crate::ledger::{Batch, Counter, Granularity, Labels, Start};

const HOUR: Duration = Duration::from_hours(1);
/// A minute before the time at which the clock stands.
const MINUTE: Start = 1_769_999_940;

fn batch(number: u64) -> Batch {
    batch_of("writer", number, vec![line_of(MINUTE, "model", 2)])
}

fn beside(folder: &TemporaryFolder) -> Connection {
    Connection::open(folder.0.join(FILE_NAME)).unwrap()
}

fn count(connection: &Connection, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    connection.query_row(&sql, [], |row| row.get(0)).unwrap()
}

/// Waits for what the writer does at its next ticks.
async fn until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(10), "it never came");
        sleep(Duration::from_millis(20)).await;
    }
}

fn advance(clock: &StoppedClock, time: Duration) {
    let millis = u64::try_from(time.as_millis()).unwrap();
    clock.0.fetch_add(millis, Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_posted_survives_the_end_of_the_process() {
    let (folder, copy) = (TemporaryFolder::new(), TemporaryFolder::new());
    let (before, _) = open(&folder, 8 << 20);
    before.post(&batch(1)).await.unwrap();
    // What the system has of the file while it is open is what is left if the process
    // ends now.
    for name in [FILE_NAME, "reprise.db-wal"] {
        std::fs::copy(folder.0.join(name), copy.0.join(name)).unwrap();
    }
    let (after, _) = open(&copy, 8 << 20);
    assert_eq!(after.post(&batch(1)).await, Ok(Posted::Before));
    assert_eq!(requests(&after, Granularity::Day, MINUTE).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_version_before_gains_what_it_lacks() {
    let folder = TemporaryFolder::new();
    let (before, _) = open(&folder, 8 << 20);
    put(&before, key(1), 100).await.unwrap();
    drop(before);
    beside(&folder)
        .execute_batch(
            "DROP TABLE usage; DROP TABLE usage_labels; DROP TABLE usage_bucket;
            DROP TABLE usage_writer; DROP TABLE objects; DROP TABLE documents; PRAGMA user_version = 1",
        )
        .unwrap();
    let (after, _) = open(&folder, 8 << 20);
    assert!(has(&after, key(1)).await);
    after.post(&batch(1)).await.unwrap();
    drop(after);

    // A version that counted one number less.
    beside(&folder)
        .execute_batch("ALTER TABLE usage DROP COLUMN saved_micros")
        .unwrap();
    let (later, _) = open(&folder, 8 << 20);
    let mut more = line_of(MINUTE, "model", 1);
    more.tally.add(Counter::SavedMicros, 7);
    later
        .post(&batch_of("writer", 2, vec![more]))
        .await
        .unwrap();
    let found = later.buckets(Granularity::Minute, &[MINUTE]).await.unwrap();
    let (_, tally) = &found[0][0];
    assert_eq!(tally.get(Counter::Requests), 3);
    assert_eq!(tally.get(Counter::SavedMicros), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_end_and_leave_nothing_behind() {
    let folder = TemporaryFolder::new();
    let (embedded, clock) = open(&folder, 8 << 20);
    let lines = vec![line_of(MINUTE, "model", 1), line_of(MINUTE, "other", 1)];
    embedded.post(&batch_of("w", 1, lines)).await.unwrap();
    let connection = beside(&folder);
    let left = || {
        ["usage", "usage_bucket", "usage_labels", "usage_writer"]
            .map(|table| count(&connection, table))
    };
    assert_eq!(left(), [6, 3, 2, 1]);
    for (granularity, rows) in [
        (Granularity::Minute, [4, 2, 2, 1]),
        (Granularity::Hour, [2, 1, 2, 0]),
        (Granularity::Day, [0, 0, 0, 0]),
    ] {
        let start = granularity.start_of(MINUTE);
        let end = (start + granularity.seconds() + granularity.kept_for().as_secs()) * 1000;
        clock.0.store(end - 1, Ordering::Relaxed);
        assert_ne!(requests(&embedded, granularity, MINUTE).await, 0);
        // Gone for readers at once, from the file at a tick.
        clock.0.store(end, Ordering::Relaxed);
        assert_eq!(requests(&embedded, granularity, MINUTE).await, 0);
        let listed = embedded.revisions(granularity, 0..u64::MAX).await;
        assert_eq!(listed, Ok(Vec::new()));
        until(|| left() == rows).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_end_and_leave_nothing_behind() {
    let folder = TemporaryFolder::new();
    let (embedded, clock) = open(&folder, 8 << 20);
    let name = ObjectName {
        kind: "file",
        id: "a".to_owned(),
    };
    let objects: &dyn Objects = &embedded;
    objects.put(name.clone(), "x".into(), HOUR).await.unwrap();
    advance(&clock, Duration::from_millis(3_599_999));
    assert_eq!(objects.get(&name).await, Ok(Some("x".into())));
    advance(&clock, Duration::from_millis(1));
    assert_eq!(objects.get(&name).await, Ok(None));
    assert_eq!(objects.list("file").await, Ok(Vec::new()));
    let connection = beside(&folder);
    until(|| count(&connection, "objects") == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_could_not_be_written_counts_once_later() {
    let folder = TemporaryFolder::new();
    let (embedded, _) = open(&folder, 8 << 20);
    embedded.post(&batch(1)).await.unwrap();
    let other = beside(&folder);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = embedded.post(&batch(2)).await;
    assert!(
        matches!(refused, Err(BackendError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(requests(&embedded, Granularity::Day, MINUTE).await, 2);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(embedded.post(&batch(2)).await, Ok(Posted::Now));
    assert_eq!(requests(&embedded, Granularity::Day, MINUTE).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_have_half_of_the_room_whatever_else_there_is() {
    const BYTES_MAX: u64 = 2 << 20;
    let folder = TemporaryFolder::new();
    let (embedded, _) = open(&folder, BYTES_MAX);
    for part in 0..4 {
        let id = format!("large/{part}");
        let name = ObjectName { kind: "file", id };
        let content = Bytes::from(vec![7; 1 << 20]);
        let objects: &dyn Objects = &embedded;
        objects.put(name, content, HOUR).await.unwrap();
    }
    for seed in 0..40 {
        put(&embedded, key(seed), 50_000).await.unwrap();
    }
    let connection = beside(&folder);
    let entries = count(&connection, "entries");
    assert!((12..22).contains(&entries), "{entries}");
    assert_eq!(count(&connection, "objects"), 4);
    // The same after the start, when it is measured.
    drop(embedded);
    let (after, _) = open(&folder, BYTES_MAX);
    for seed in 40..60 {
        put(&after, key(seed), 50_000).await.unwrap();
    }
    let entries = count(&connection, "entries");
    assert!((12..22).contains(&entries), "{entries}");
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_can_be_read_by_people() {
    let folder = TemporaryFolder::new();
    let (embedded, _) = open(&folder, 8 << 20);
    let labels = Labels {
        key: "it's".to_owned(),
        ..labels_of("some-model")
    };
    let mut line = line_of(MINUTE, "", 3);
    line.labels = labels;
    embedded.post(&batch_of("w", 1, vec![line])).await.unwrap();
    let row: (String, String, String, String, i64, String) = beside(&folder)
        .query_row(
            "SELECT datetime(start, 'unixepoch'), model, key, tags, requests, total_latencies
            FROM usage JOIN usage_labels ON id = labels_id WHERE granularity = 'hour'",
            [],
            |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                    row.get(5)?,
                ))
            },
        )
        .unwrap();
    let expected = (
        "2026-02-02 02:00:00".to_owned(),
        "some-model".to_owned(),
        "it's".to_owned(),
        r#"["chat","team=search"]"#.to_owned(),
        3,
        "75:1".to_owned(),
    );
    assert_eq!(row, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_of_a_damaged_file_is_aside_and_begins_anew() {
    let folder = TemporaryFolder::new();
    let (before, clock) = open(&folder, 8 << 20);
    before.post(&batch(1)).await.unwrap();
    let revisions = async |embedded: &Embedded| {
        let all = embedded.revisions(Granularity::Day, 0..u64::MAX).await;
        all.unwrap()
    };
    let revision = revisions(&before).await[0].1;
    drop(before);
    // Whoever closes the file last takes the log along. Two of its threads that close it
    // at once may both leave that to the other: then this is the last.
    until(|| {
        beside(&folder)
            .execute_batch("SELECT 1 FROM usage")
            .unwrap();
        !folder.0.join("reprise.db-wal").exists()
    })
    .await;
    std::fs::write(folder.0.join(FILE_NAME), vec![b'x'; 50_000]).unwrap();
    advance(&clock, Duration::from_millis(10));
    let clock: Arc<dyn Clock> = clock;
    let after = Embedded::open(&folder.0, 8 << 20, clock).unwrap();
    assert_eq!(revisions(&after).await, []);
    assert_eq!(after.post(&batch(2)).await, Ok(Posted::Now));
    assert_eq!(requests(&after, Granularity::Day, MINUTE).await, 2);
    assert!(revisions(&after).await[0].1 > revision);
}
