//! What is particular to the file.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use rusqlite::Connection;

use super::*;
use crate::backend::contract::{TemporaryFolder, record_of};
use crate::clock::UnixMillis;

const HOUR: Duration = Duration::from_hours(1);

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub(super) struct StoppedClock(pub(super) AtomicU64);

impl Clock for StoppedClock {
    fn unix_millis(&self) -> UnixMillis {
        self.0.load(Ordering::Relaxed)
    }
}

pub(super) fn open(folder: &TemporaryFolder, bytes_max: u64) -> (Embedded, Arc<StoppedClock>) {
    let clock = Arc::new(StoppedClock(AtomicU64::new(1_770_000_000_000)));
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
    (Embedded::open(&folder.0, bytes_max, shared).unwrap(), clock)
}

/// A key of which there are more than 256.
pub(super) fn key(seed: usize) -> [u8; 32] {
    let mut id = [0; 32];
    id[..8].copy_from_slice(
        &(seed as u64)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .to_be_bytes(),
    );
    id
}

pub(super) async fn put(
    embedded: &Embedded,
    id: [u8; 32],
    bytes: usize,
) -> Result<(), BackendError> {
    let record = record_of(&vec![7; bytes], HOUR);
    embedded.write(Work::Put(id, record)).await.map(drop)
}

pub(super) async fn has(embedded: &Embedded, id: [u8; 32]) -> bool {
    let found = embedded.ask(|reply| Question::Get(id, reply)).await;
    found.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_and_records_outlive_the_process() {
    let folder = TemporaryFolder::new();
    let (before, _) = open(&folder, 8 << 20);
    put(&before, key(1), 100).await.unwrap();
    let secret = before.get_or_create("name", "value".into()).await;
    drop(before);
    let (after, _) = open(&folder, 8 << 20);
    assert!(has(&after, key(1)).await);
    assert_eq!(after.get_or_create("name", "other".into()).await, secret);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bound_holds_under_churn() {
    const BYTES_MAX: u64 = 4 << 20;
    let folder = TemporaryFolder::new();
    let (embedded, _) = open(&folder, BYTES_MAX);
    for round in 0..40 {
        let puts = (0..200).map(|place| {
            let seed = round * 200 + place;
            put(&embedded, key(seed), 300 + seed % 3000)
        });
        assert!(join_all(puts).await.iter().all(Result::is_ok));
        let size = embedded.size().await.unwrap();
        assert!(size.bytes <= BYTES_MAX, "{size:?}");
    }
    let size = embedded.size().await.unwrap();
    assert!(size.bytes > BYTES_MAX * 8 / 10, "{size:?}");
    let file = std::fs::metadata(folder.0.join(FILE_NAME)).unwrap().len();
    assert!(file <= BYTES_MAX + (2 << 20), "{file}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_lately_is_evicted_last() {
    let folder = TemporaryFolder::new();
    let (embedded, clock) = open(&folder, 2 << 20);
    for seed in 0..20 {
        put(&embedded, key(seed), 50_000).await.unwrap();
    }
    clock.0.fetch_add(600_000, Ordering::Relaxed);
    // Read, and noted within the writer's next tick.
    assert!(has(&embedded, key(0)).await);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    put(&embedded, key(99), 10).await.unwrap();
    clock.0.fetch_add(1, Ordering::Relaxed);
    for seed in 100..125 {
        put(&embedded, key(seed), 50_000).await.unwrap();
    }
    assert!(has(&embedded, key(0)).await, "read ten minutes later");
    assert!(!has(&embedded, key(1)).await, "never read");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_too_large_for_the_cache_is_refused_alone() {
    let folder = TemporaryFolder::new();
    let (embedded, _) = open(&folder, 1 << 20);
    let results = join_all([
        put(&embedded, key(1), 100),
        put(&embedded, key(2), 900_000),
        put(&embedded, key(3), 100),
    ])
    .await;
    assert_eq!(
        results.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [true, false, true]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_moved_aside() {
    let folder = TemporaryFolder::new();
    let path = folder.0.join(FILE_NAME);
    std::fs::write(&path, vec![b'x'; 50_000]).unwrap();
    let (embedded, _) = open(&folder, 8 << 20);
    put(&embedded, key(1), 100).await.unwrap();
    assert!(has(&embedded, key(1)).await);
    let aside = folder.0.join("reprise.db.corrupt-1770000000000");
    assert_eq!(std::fs::metadata(aside).unwrap().len(), 50_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_damaged_while_in_use_is_replaced() {
    let folder = TemporaryFolder::new();
    let path = folder.0.join(FILE_NAME);
    let (embedded, _) = open(&folder, 8 << 20);
    for seed in 0..50 {
        put(&embedded, key(seed), 3000).await.unwrap();
    }
    // Everything behind the head, in the file and in nobody's cache.
    Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_row| Ok(()))
        .unwrap();
    let length = usize::try_from(std::fs::metadata(&path).unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[200..].fill(0xAA);
    assert_eq!(bytes.len(), length);
    std::fs::write(&path, bytes).unwrap();
    let replaced = async {
        loop {
            // Fails or not by what is in a page cache: the next tick replaces it.
            let written = put(&embedded, key(1), 100).await.is_ok();
            let read = embedded.ask(|reply| Question::Get(key(1), reply)).await;
            if written && read.is_ok_and(|found| found.is_some()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(10), replaced).await.unwrap();
    drop(embedded);
    let (after, _) = open(&folder, 8 << 20);
    assert!(has(&after, key(1)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_writes_and_not_reads() {
    let folder = TemporaryFolder::new();
    let (embedded, _) = open(&folder, 8 << 20);
    put(&embedded, key(1), 100).await.unwrap();
    // A second writer that never ends stands for every reason not to be able to
    // write; that of a full disk is only another code.
    let other = Connection::open(folder.0.join(FILE_NAME)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = put(&embedded, key(2), 100).await;
    assert!(
        matches!(refused, Err(BackendError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(has(&embedded, key(1)).await);
    other.execute_batch("ROLLBACK").unwrap();
    put(&embedded, key(2), 100).await.unwrap();
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TemporaryFolder::new();
    let inner = TemporaryFolder(folder.0.join("made/by/it"));
    let (embedded, _) = open(&inner, 8 << 20);
    put(&embedded, key(1), 100).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner.0), 0o700);
    for name in [FILE_NAME, "reprise.db-wal", "reprise.db-shm"] {
        assert_eq!(mode(&inner.0.join(name)), 0o600, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_can_be_read_by_people() {
    let folder = TemporaryFolder::new();
    let (embedded, _) = open(&folder, 8 << 20);
    put(&embedded, key(1), 100).await.unwrap();
    let row: (String, String, i64, i64) = Connection::open(folder.0.join(FILE_NAME))
        .unwrap()
        .query_row(
            "SELECT operation, model, stored_at, expires_at FROM entries",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap();
    let expires_at = 1_770_000_000_000 + 3_600_000;
    assert_eq!(
        row,
        ("chat".to_owned(), "some-model".to_owned(), 1, expires_at)
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_and_a_bound_without_sense_are_errors() {
    let folder = TemporaryFolder::new();
    let file = folder.0.join("file");
    std::fs::write(&file, b"").unwrap();
    let clock: Arc<dyn Clock> = Arc::new(StoppedClock::default());
    let under_a_file = Embedded::open(&file, 8 << 20, Arc::clone(&clock));
    assert!(matches!(under_a_file, Err(BackendError::Unavailable(_))));
    let tiny = Embedded::open(&folder.0, 1000, clock);
    assert!(matches!(tiny, Err(BackendError::Invalid(_))));
}
