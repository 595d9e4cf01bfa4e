//! The entries in the file, gone through by their rows.
//!
//! What is removed is overwritten with zeros (`secure_delete`). It may stand in the
//! write-ahead log for a while; a wipe moves that into the file and cuts it off.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::sync::atomic::Ordering;

use super::reader::Question;
use super::writer::{Done, Work};
use super::{Embedded, mistaken, patiently};
use crate::backend::{BackendError, Catalogue, Listed, Place, Report, Walked};
use crate::entry;

/// How much of the beginning of an entry is read at first. Nearly all metadata are
/// shorter.
const HEAD_BYTES: i64 = 1024;

impl Catalogue for Embedded {
    fn walk(
        &self,
        behind: Option<Place>,
        most: usize,
    ) -> BoxFuture<'_, Result<Walked, BackendError>> {
        match behind.map_or(Ok(i64::MIN), |place| place.parse()) {
            Ok(row) => self.inquire(|reply| Question::Walk(row, most, reply)),
            Err(_odd) => {
                let reason = BackendError::Invalid("there is no such place".to_owned());
                futures_util::future::err(reason).boxed()
            }
        }
    }

    fn find(
        &self,
        id: [u8; 32],
    ) -> BoxFuture<'_, Result<Option<(Listed, Option<Duration>)>, BackendError>> {
        self.inquire(|reply| Question::Find(id, reply))
    }

    fn remove_all(&self, ids: Vec<[u8; 32]>) -> BoxFuture<'_, Result<u64, BackendError>> {
        let write = patiently(self.write(Work::RemoveMany(ids)));
        async move { counted(&write.await?) }.boxed()
    }

    fn wipe(&self) -> BoxFuture<'_, Result<bool, BackendError>> {
        let write = patiently(self.write(Work::Wipe));
        async move { counted(&write.await?).map(|done| done > 0) }.boxed()
    }

    fn report(&self) -> BoxFuture<'_, Result<Report, BackendError>> {
        let report = Report {
            version: Some(rusqlite::version().to_owned()),
            evicted: self.shared.evicted.load(Ordering::Relaxed),
            is_own: true,
        };
        futures_util::future::ok(report).boxed()
    }
}

fn counted(done: &Done) -> Result<u64, BackendError> {
    match done {
        Done::Counted(count) => Ok(*count),
        Done::Written | Done::Kept(_) | Done::Posted(_) | Done::Removed(_) | Done::Changed(_) => {
            Err(mistaken())
        }
    }
}

/// The entries of the next rows.
pub(super) fn walk(
    connection: &Connection,
    now: i64,
    behind: i64,
    most: usize,
) -> Result<Walked, BackendError> {
    let most = i64::try_from(most.max(1)).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "SELECT key, bytes, substr(sealed, 1, ?3), id, expires_at > ?4
            FROM entries WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let rows = statement.query_map(params![behind, most, HEAD_BYTES, now], |row| {
        Ok((listed(row)?, row.get::<_, i64>(3)?, row.get::<_, bool>(4)?))
    })?;
    let met: Vec<(Listed, i64, bool)> = rows.collect::<Result<_, _>>()?;
    let is_last = i64::try_from(met.len()).unwrap_or(i64::MAX) < most;
    let next = met.last().map(|(_, row, _)| row.to_string());
    let mut entries = Vec::with_capacity(met.len());
    for (listed, row, is_kept) in met {
        if is_kept {
            entries.push(whole_head(connection, listed, row)?);
        }
    }
    Ok(Walked {
        entries,
        next: next.filter(|_| !is_last),
    })
}

/// The entry of an id, with how long it is kept.
pub(super) fn find(
    connection: &Connection,
    now: i64,
    id: &[u8; 32],
) -> Result<Option<(Listed, Option<Duration>)>, BackendError> {
    let found = connection
        .prepare_cached(
            "SELECT key, bytes, substr(sealed, 1, ?3), id, expires_at
                FROM entries WHERE key = ?1 AND expires_at > ?2",
        )?
        .query_row(params![id, now, HEAD_BYTES], |row| {
            Ok((listed(row)?, row.get::<_, i64>(3)?, row.get::<_, i64>(4)?))
        })
        .optional()?;
    let Some((listed, row, expires_at)) = found else {
        return Ok(None);
    };
    let left = u64::try_from(expires_at.saturating_sub(now)).unwrap_or(0);
    let listed = whole_head(connection, listed, row)?;
    Ok(Some((listed, Some(Duration::from_millis(left)))))
}

/// Removes entries; how many there were. Is to be done in a transaction.
pub(super) fn remove_all(connection: &Connection, ids: &[[u8; 32]]) -> Result<u64, BackendError> {
    let mut statement = connection.prepare_cached("DELETE FROM entries WHERE key = ?1")?;
    let mut removed = 0;
    for id in ids {
        removed += statement.execute([id])?;
    }
    Ok(u64::try_from(removed).unwrap_or(u64::MAX))
}

/// Moves the write-ahead log into the file and cuts it off. 1 if that is done; 0 if
/// somebody reads what is in it, and it has to be tried again.
pub(super) fn wipe(connection: &Connection) -> Result<u64, BackendError> {
    let is_busy: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(u64::from(!is_busy))
}

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    Ok(Listed {
        id: row.get(0)?,
        bytes: row.get::<_, i64>(1)?.unsigned_abs(),
        head: Bytes::from(row.get::<_, Vec<u8>>(2)?),
        body_bytes: None,
    })
}

/// Reads on where the metadata are longer than most.
fn whole_head(connection: &Connection, listed: Listed, row: i64) -> Result<Listed, BackendError> {
    let Some(needed) = entry::inspected_bytes(&listed.head) else {
        return Ok(listed);
    };
    if needed <= listed.head.len() {
        return Ok(listed);
    }
    let head: Option<Vec<u8>> = connection
        .prepare_cached("SELECT substr(sealed, 1, ?2) FROM entries WHERE id = ?1")?
        .query_row(
            params![row, i64::try_from(needed).unwrap_or(i64::MAX)],
            |row| row.get(0),
        )
        .optional()?;
    Ok(match head {
        Some(head) => Listed {
            head: head.into(),
            ..listed
        },
        None => listed,
    })
}
