//! The objects in the file: a row each.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::reader::Question;
use super::writer::{Done, Work};
use super::{Embedded, mistaken, patiently, signed};
use crate::backend::{BackendError, ObjectName, Objects};

/// Objects removed in a tick because their time is over: each may be large.
const SWEPT_MAX: i64 = 20;

impl Objects for Embedded {
    fn put(
        &self,
        name: ObjectName,
        content: Bytes,
        keep_for: Duration,
    ) -> BoxFuture<'_, Result<(), BackendError>> {
        let write = patiently(self.write(Work::PutObject(name, content, keep_for)));
        async move { write.await.map(drop) }.boxed()
    }

    fn get(&self, name: &ObjectName) -> BoxFuture<'_, Result<Option<Bytes>, BackendError>> {
        let name = name.clone();
        self.inquire(|reply| Question::Object(name, reply))
    }

    fn list(
        &self,
        kind: &'static str,
    ) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, BackendError>> {
        self.inquire(|reply| Question::ObjectsOf(kind, reply))
    }

    fn remove(&self, name: &ObjectName) -> BoxFuture<'_, Result<bool, BackendError>> {
        let write = patiently(self.write(Work::RemoveObject(name.clone())));
        async move {
            match write.await? {
                Done::Removed(was_there) => Ok(was_there),
                Done::Written
                | Done::Kept(_)
                | Done::Posted(_)
                | Done::Changed(_)
                | Done::Counted(_) => Err(mistaken()),
            }
        }
        .boxed()
    }
}

/// Keeps an object for a time from `now`.
pub(super) fn put(
    connection: &Connection,
    now: i64,
    name: &ObjectName,
    (content, keep_for): (&Bytes, Duration),
) -> Result<(), BackendError> {
    let keep_for = signed(u64::try_from(keep_for.as_millis()).unwrap_or(u64::MAX));
    connection
        .prepare_cached(
            "INSERT INTO objects (kind, id, expires_at, content) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (kind, id) DO UPDATE SET
                expires_at = excluded.expires_at, content = excluded.content",
        )?
        .execute(params![
            name.kind,
            name.id,
            now.saturating_add(keep_for),
            &**content
        ])?;
    Ok(())
}

/// Forgets an object; whether there was one.
pub(super) fn remove(
    connection: &Connection,
    now: i64,
    name: &ObjectName,
) -> Result<bool, BackendError> {
    let ends: Option<i64> = connection
        .prepare_cached("DELETE FROM objects WHERE kind = ?1 AND id = ?2 RETURNING expires_at")?
        .query_row([name.kind, &name.id], |row| row.get(0))
        .optional()?;
    Ok(ends.is_some_and(|ends| ends > now))
}

/// The object of a name.
pub(super) fn get(
    connection: &Connection,
    now: i64,
    name: &ObjectName,
) -> Result<Option<Bytes>, BackendError> {
    let found: Option<Vec<u8>> = connection
        .prepare_cached(
            "SELECT content FROM objects WHERE kind = ?1 AND id = ?2 AND expires_at > ?3",
        )?
        .query_row(params![name.kind, name.id, now], |row| row.get(0))
        .optional()?;
    Ok(found.map(Bytes::from))
}

/// Every object of a kind, in the order of their ids.
pub(super) fn list(
    connection: &Connection,
    now: i64,
    kind: &str,
) -> Result<Vec<(String, Bytes)>, BackendError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, content FROM objects WHERE kind = ?1 AND expires_at > ?2 ORDER BY id",
    )?;
    let rows = statement.query_map(params![kind, now], |row| {
        Ok((row.get(0)?, Bytes::from(row.get::<_, Vec<u8>>(1)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Removes objects whose time is over.
pub(super) fn sweep(connection: &Connection, now: i64) -> Result<(), BackendError> {
    connection
        .prepare_cached(
            "DELETE FROM objects WHERE row IN
                (SELECT row FROM objects WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        )?
        .execute([now, SWEPT_MAX])?;
    Ok(())
}
