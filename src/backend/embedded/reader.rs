//! The threads that read.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::oneshot;

use super::{Shared, catalogue, documents, file, ledger, objects, receive, signed};
use crate::backend::{
    BackendError, Changes, Lines, Listed, ObjectName, Revision, Size, Vitals, Walked,
};
use crate::ledger::{Granularity, Start};

/// How long an entry counts as just used, in milliseconds: noting each use would
/// turn every read into a write.
const TOUCH_INTERVAL_MILLIS: u64 = 5 * 60 * 1000;

type Reply<T> = oneshot::Sender<Result<T, BackendError>>;

/// What a reader can be asked.
#[derive(Debug)]
pub(super) enum Question {
    /// The entry of an id.
    Get([u8; 32], Reply<Option<Bytes>>),
    /// The entries of many ids, in their order.
    GetMany(Vec<[u8; 32]>, Reply<Vec<Option<Bytes>>>),
    /// How much is kept.
    Size(Reply<Size>),
    /// What can be said of the file.
    Vitals(Reply<Vitals>),
    /// Whether the file can be read.
    Ping(Reply<()>),
    /// The buckets that begin in a range, with their revisions.
    Revisions(Granularity, Range<Start>, Reply<Vec<(Start, Revision)>>),
    /// What buckets hold, in their order.
    Buckets(Granularity, Vec<Start>, Reply<Vec<Lines>>),
    /// The object of a name.
    Object(ObjectName, Reply<Option<Bytes>>),
    /// Every object of a kind.
    ObjectsOf(&'static str, Reply<Vec<(String, Bytes)>>),
    /// What has changed in kinds of documents since a revision of each.
    Changes(Vec<(&'static str, Revision)>, Reply<Vec<Changes>>),
    /// The next entries behind a row, so many.
    Walk(i64, usize, Reply<Walked>),
    /// The entry of an id, with how long it is kept.
    Find([u8; 32], Reply<Option<(Listed, Option<Duration>)>>),
}

/// Answers questions until nobody can ask any more.
pub(super) fn run(shared: &Shared, questions: &Mutex<Receiver<Question>>) {
    let mut reader = Reader {
        shared,
        opened: None,
    };
    while let Some(question) = receive(questions) {
        match question {
            Question::Get(id, reply) => reader.reply(reply, |reader| reader.get(&id)),
            Question::GetMany(ids, reply) => reader.reply(reply, |reader| {
                ids.iter().map(|id| reader.get(id)).collect()
            }),
            Question::Size(reply) => reader.reply(reply, Reader::size),
            Question::Vitals(reply) => reader.reply(reply, Reader::vitals),
            Question::Ping(reply) => reader.reply(reply, Reader::ping),
            Question::Revisions(granularity, starts, reply) => reader.reply(reply, |reader| {
                let now = shared.clock.unix_millis();
                ledger::revisions(reader.connection()?, now, granularity, starts)
            }),
            Question::Buckets(granularity, starts, reply) => reader.reply(reply, |reader| {
                let now = shared.clock.unix_millis();
                ledger::buckets(reader.connection()?, now, granularity, &starts)
            }),
            Question::Object(name, reply) => reader.reply(reply, |reader| {
                objects::get(reader.connection()?, shared.now(), &name)
            }),
            Question::ObjectsOf(kind, reply) => reader.reply(reply, |reader| {
                objects::list(reader.connection()?, shared.now(), kind)
            }),
            Question::Changes(since, reply) => reader.reply(reply, |reader| {
                documents::changes(reader.connection()?, shared.now(), &since)
            }),
            Question::Walk(behind, most, reply) => reader.reply(reply, |reader| {
                catalogue::walk(reader.connection()?, shared.now(), behind, most)
            }),
            Question::Find(id, reply) => reader.reply(reply, |reader| {
                catalogue::find(reader.connection()?, shared.now(), &id)
            }),
        }
    }
}

struct Reader<'a> {
    shared: &'a Shared,
    opened: Option<(u64, Connection)>,
}

impl Reader<'_> {
    fn reply<T>(
        &mut self,
        reply: Reply<T>,
        read: impl FnOnce(&mut Self) -> Result<T, BackendError>,
    ) {
        // Who asked may have given up: answering a queue of those would make
        // those behind it give up as well.
        if reply.is_closed() {
            return;
        }
        let result = read(self).map_err(|error| self.of_the_file(error));
        // If nobody waits for it any more, nothing is lost.
        drop(reply.send(result));
    }

    /// An error that is the file's, not one entry's.
    fn of_the_file(&self, error: BackendError) -> BackendError {
        let BackendError::Corrupt(cause) = error else {
            return error;
        };
        self.shared.damaged.store(true, Ordering::Release);
        BackendError::Unavailable(cause)
    }

    fn connection(&mut self) -> Result<&Connection, BackendError> {
        let generation = self.shared.generation.load(Ordering::Acquire);
        let opened = match self.opened.take() {
            Some((of, connection)) if of == generation => connection,
            Some(_) | None => file::open_to_read(&self.shared.path)?,
        };
        let (_, connection) = self.opened.insert((generation, opened));
        Ok(connection)
    }

    fn get(&mut self, id: &[u8; 32]) -> Result<Option<Bytes>, BackendError> {
        let now = self.shared.now();
        let found: Option<(Vec<u8>, i64)> = self
            .connection()?
            .prepare_cached(
                "SELECT sealed, used_at FROM entries WHERE key = ?1 AND expires_at > ?2",
            )?
            .query_row(params![id, now], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(found.map(|(sealed, used_at)| {
            if now.saturating_sub(used_at) >= signed(TOUCH_INTERVAL_MILLIS) {
                self.shared.touch(*id);
            }
            Bytes::from(sealed)
        }))
    }

    fn size(&mut self) -> Result<Size, BackendError> {
        let connection = self.connection()?;
        let entries: i64 =
            connection.query_row("SELECT count(*) FROM entries", [], |row| row.get(0))?;
        let bytes = live_bytes(connection)?;
        Ok(Size {
            entries: u64::try_from(entries).unwrap_or(0),
            bytes,
            used: bytes,
            max: Some(self.shared.bytes_max),
        })
    }

    fn vitals(&mut self) -> Result<Vitals, BackendError> {
        let connection = self.connection()?;
        let used = live_bytes(connection)?;
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let pages = u64::try_from(pages).unwrap_or(0);
        Ok(Vitals {
            version: Some(rusqlite::version().to_owned()),
            used: Some(used),
            max: Some(self.shared.bytes_max),
            file: Some(pages.saturating_mul(file::PAGE_BYTES)),
            clients: None,
        })
    }

    fn ping(&mut self) -> Result<(), BackendError> {
        self.connection()?
            .prepare_cached("SELECT 1 FROM records LIMIT 1")?
            .exists([])?;
        Ok(())
    }
}

/// The bytes of the pages that hold something. The file may be larger, by pages
/// that are free for what comes next.
pub(super) fn live_bytes(connection: &Connection) -> Result<u64, BackendError> {
    let pragma = |sql: &str| -> Result<u64, BackendError> {
        let count: i64 = connection
            .prepare_cached(sql)?
            .query_row([], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    };
    let pages = pragma("PRAGMA page_count")?.saturating_sub(pragma("PRAGMA freelist_count")?);
    Ok(pages.saturating_mul(file::PAGE_BYTES))
}
