//! The bound on the file: what goes to make room, and for whom.
//!
//! Entries make room, for each other and for the rest. Usage and objects are never
//! evicted: they end when their time is over. So that they cannot push every entry
//! out, entries may always have half of the bound; what the rest takes beyond the other
//! half comes on top.

use std::time::{Duration, Instant};

use ::metrics::counter;
use rusqlite::Connection;

use super::file;
use super::reader::live_bytes;
use crate::backend::{BackendError, metrics};

/// Entries looked at in one go for making room.
const EVICTED_MAX: i64 = 256;
/// How full the file is left after making room, in percent of the bound.
const ROOM_MADE_PERCENT: u64 = 95;
/// How much is written between two looks at the bound.
const UNWATCHED_BYTES_MAX: usize = 1024 * 1024;
/// Free pages given back to the file system in a tick.
const VACUUMED_PAGES_MAX: u32 = 2048;
/// How often what is not entries is measured, which reads all of it.
const MEASURED_EVERY: Duration = Duration::from_mins(10);
/// The tables and indices of what is not entries.
const BESIDE: [&str; 8] = [
    "usage_labels",
    "sqlite_autoindex_usage_labels_1",
    "usage",
    "usage_bucket",
    "usage_writer",
    "objects",
    "sqlite_autoindex_objects_1",
    "objects_by_expiry",
];

/// How large the file may be.
#[derive(Debug)]
pub(super) struct Room {
    bytes_max: u64,
    unwatched: usize,
    /// What is not entries: as it was measured, and what came since.
    beside: u64,
    measured: Option<Instant>,
    /// Entries removed to make room, in this file and those before it.
    evicted: u64,
}

impl Room {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            unwatched: 0,
            beside: 0,
            measured: None,
            evicted: 0,
        }
    }

    /// There is another file.
    pub(super) fn forget(&mut self) {
        *self = Self {
            evicted: self.evicted,
            ..Self::new(self.bytes_max)
        };
    }

    /// Entries removed to make room since the start.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Whether an entry is not too large for it.
    pub(super) fn takes(&self, entry_bytes: u64) -> bool {
        entry_bytes <= self.bytes_max / 4
    }

    /// Takes note of bytes that are to be written, and makes room if it was not looked
    /// at for many of them.
    pub(super) fn watch(
        &mut self,
        connection: &Connection,
        now: i64,
        bytes: usize,
    ) -> Result<(), BackendError> {
        self.unwatched = self.unwatched.saturating_add(bytes);
        if self.unwatched > UNWATCHED_BYTES_MAX {
            self.make(connection, now)?;
        }
        Ok(())
    }

    /// Takes note of what is written beside entries.
    pub(super) fn add_beside(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.beside = self.beside.saturating_add(bytes);
    }

    /// Measures what is not entries, if that was long ago.
    pub(super) fn measure(&mut self, connection: &Connection) -> Result<(), BackendError> {
        let is_recent = |at: Instant| at.elapsed() < MEASURED_EVERY;
        if self.measured.is_some_and(is_recent) {
            return Ok(());
        }
        let mut statement = connection.prepare_cached(
            "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name = ?1 AND aggregate = TRUE",
        )?;
        let mut beside = 0_u64;
        for name in BESIDE {
            let bytes: i64 = statement.query_row([name], |row| row.get(0))?;
            beside = beside.saturating_add(u64::try_from(bytes).unwrap_or(0));
        }
        self.beside = beside;
        self.measured = Some(Instant::now());
        Ok(())
    }

    /// Keeps the bound: what has expired goes first, then what was not used for
    /// longest.
    pub(super) fn make(&mut self, connection: &Connection, now: i64) -> Result<(), BackendError> {
        self.unwatched = 0;
        let bound = self.bound();
        if live_bytes(connection)? <= bound {
            return Ok(());
        }
        let target = bound / 100 * ROOM_MADE_PERCENT;
        let mut removed = 0;
        loop {
            let excess = live_bytes(connection)?.saturating_sub(target);
            if excess == 0 {
                break;
            }
            let count = match sweep(connection, now, EVICTED_MAX)? {
                0 => evict(connection, excess)?,
                swept => swept,
            };
            if count == 0 {
                break;
            }
            removed += count;
        }
        self.evicted = self.evicted.saturating_add(removed);
        counter!(metrics::EVICTED).increment(removed);
        Ok(())
    }

    /// Shrinks the file if it is larger than it may be, or mostly empty.
    pub(super) fn give_back(&self, connection: &Connection) -> Result<(), BackendError> {
        let live = live_bytes(connection)?;
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let file = u64::try_from(pages)
            .unwrap_or(0)
            .saturating_mul(file::PAGE_BYTES);
        if file > self.bound() || file / 2 > live {
            connection
                .execute_batch(&format!("PRAGMA incremental_vacuum({VACUUMED_PAGES_MAX})"))?;
        }
        Ok(())
    }

    fn bound(&self) -> u64 {
        let beyond_half = self.beside.saturating_sub(self.bytes_max / 2);
        self.bytes_max.saturating_add(beyond_half)
    }
}

/// Removes entries whose time is over.
pub(super) fn sweep(
    connection: &Connection,
    now: i64,
    count_max: i64,
) -> Result<u64, BackendError> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM entries WHERE id IN
                (SELECT id FROM entries WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        )?
        .execute([now, count_max])?;
    Ok(u64::try_from(removed).unwrap_or(0))
}

/// Removes entries that were not used for longest, about `excess` bytes of them.
fn evict(connection: &Connection, excess: u64) -> Result<u64, BackendError> {
    let mut statement =
        connection.prepare_cached("SELECT id, bytes FROM entries ORDER BY used_at LIMIT ?1")?;
    let mut rows = statement.query([EVICTED_MAX])?;
    let mut chosen = Vec::new();
    let mut freed = 0;
    while freed < excess
        && let Some(row) = rows.next()?
    {
        let (id, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
        freed = freed.saturating_add(u64::try_from(bytes).unwrap_or(0));
        chosen.push(id);
    }
    let mut delete = connection.prepare_cached("DELETE FROM entries WHERE id = ?1")?;
    for id in &chosen {
        delete.execute([id])?;
    }
    Ok(u64::try_from(chosen.len()).unwrap_or(0))
}
