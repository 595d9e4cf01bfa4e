//! The documents in the file: a row each, those of removed documents for a while as well.

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::reader::Question;
use super::writer::{Done, Work};
use super::{Embedded, mistaken, patiently, signed};
use crate::backend::BackendError;
use crate::backend::documents::{Change, Changes, Document, Documents, Revision, Seen};

/// How many of the last changes are told one by one. Whoever has missed more gets all.
const TOLD_MAX: i64 = 1_000;

impl Documents for Embedded {
    fn changes<'a>(
        &'a self,
        since: &'a [(&'static str, Revision)],
    ) -> BoxFuture<'a, Result<Vec<Changes>, BackendError>> {
        let since = since.to_vec();
        self.inquire(|reply| Question::Changes(since, reply))
    }

    fn change(&self, change: Change) -> BoxFuture<'_, Result<Option<Revision>, BackendError>> {
        let write = patiently(self.write(Work::Change(change)));
        async move {
            match write.await? {
                Done::Changed(revision) => Ok(revision),
                Done::Written
                | Done::Kept(_)
                | Done::Posted(_)
                | Done::Removed(_)
                | Done::Counted(_) => Err(mistaken()),
            }
        }
        .boxed()
    }
}

/// Makes a change, if the document is as it was seen. Is to be done in a transaction.
pub(super) fn change(
    connection: &Connection,
    now: i64,
    change: &Change,
) -> Result<Option<Revision>, BackendError> {
    let there: Option<i64> = connection
        .prepare_cached(
            "SELECT revision FROM documents WHERE kind = ?1 AND id = ?2
                AND content IS NOT NULL AND (expires_at IS NULL OR expires_at > ?3)",
        )?
        .query_row(params![change.kind, change.id, now], |row| row.get(0))
        .optional()?;
    let is_as_seen = match change.seen {
        Seen::Absent => there.is_none(),
        Seen::At(revision) => there == Some(signed(revision)),
        Seen::Anything => true,
    };
    if !is_as_seen {
        return Ok(None);
    }
    let ends = change.keep_for.map(|time| {
        let millis = signed(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        now.saturating_add(millis)
    });
    let ends = ends.filter(|_| change.content.is_some());
    let revision = last_revision(connection, change.kind)?.saturating_add(1);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO documents (kind, id, revision, expires_at, content)
                VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            change.kind,
            change.id,
            revision,
            ends,
            change.content.as_deref()
        ])?;
    connection
        .prepare_cached(
            "DELETE FROM documents WHERE kind = ?1 AND content IS NULL AND revision <= ?2",
        )?
        .execute(params![change.kind, revision.saturating_sub(TOLD_MAX)])?;
    Ok(Some(revision.unsigned_abs()))
}

/// What has changed in each kind since it was seen.
pub(super) fn changes(
    connection: &Connection,
    now: i64,
    since: &[(&'static str, Revision)],
) -> Result<Vec<Changes>, BackendError> {
    since
        .iter()
        .map(|(kind, seen)| changes_of(connection, now, kind, signed(*seen)))
        .collect()
}

fn changes_of(
    connection: &Connection,
    now: i64,
    kind: &str,
    seen: i64,
) -> Result<Changes, BackendError> {
    let revision = last_revision(connection, kind)?;
    let whole = seen == 0 || seen > revision || seen < revision.saturating_sub(TOLD_MAX);
    let from = if whole { 0 } else { seen };
    let mut statement = connection.prepare_cached(
        "SELECT id, revision,
                CASE WHEN expires_at IS NULL OR expires_at > ?3 THEN content END
            FROM documents WHERE kind = ?1 AND revision > ?2 ORDER BY revision",
    )?;
    let rows = statement.query_map(params![kind, from, now], |row| {
        Ok(Document {
            id: row.get(0)?,
            revision: row.get::<_, i64>(1)?.unsigned_abs(),
            content: row.get::<_, Option<Vec<u8>>>(2)?.map(Bytes::from),
        })
    })?;
    let mut documents: Vec<Document> = rows.collect::<Result<_, _>>()?;
    if whole {
        documents.retain(|document| document.content.is_some());
    }
    // Another process may have written between the two questions.
    let last = documents.last().map_or(0, |document| document.revision);
    Ok(Changes {
        revision: revision.unsigned_abs().max(last),
        whole,
        documents,
    })
}

fn last_revision(connection: &Connection, kind: &str) -> Result<i64, BackendError> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(revision) FROM documents WHERE kind = ?1")?
        .query_row([kind], |row| row.get(0))?;
    Ok(last.unwrap_or(0))
}

/// Removes documents whose time is over.
pub(super) fn sweep(connection: &Connection, now: i64) -> Result<(), BackendError> {
    let mut statement = connection
        .prepare_cached("SELECT kind, id FROM documents WHERE expires_at <= ?1 LIMIT 100")?;
    let ended = statement.query_map([now], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let ended: Vec<(String, String)> = ended.collect::<Result<_, _>>()?;
    for (kind, id) in ended {
        let revision = last_revision(connection, &kind)?.saturating_add(1);
        connection
            .prepare_cached(
                "UPDATE documents SET content = NULL, expires_at = NULL, revision = ?3
                    WHERE kind = ?1 AND id = ?2",
            )?
            .execute(params![kind, id, revision])?;
    }
    Ok(())
}
