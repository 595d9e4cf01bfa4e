//! The ledger in the file: a row for each bucket and labels.
//!
//! `usage` has the numbers, in a column each by the name of its [`Counter`], and the two
//! histograms as text; `usage_labels` has what `labels_id` stands for; `usage_bucket`
//! has the revision of each bucket, `usage_writer` the last batch of each writer. Whole
//! numbers of `SQLite` are signed: a sum stays at the largest of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::LazyLock;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::reader::Question;
use super::writer::{Done, Work};
use super::{Embedded, mistaken, patiently, signed};
use crate::backend::{BackendError, Ledger, Lines, Posted, Revision};
use crate::clock::UnixMillis;
use crate::ledger::{Batch, Counter, Granularity, Labels, Latencies, Start, Tags, Tally};

/// How long it is remembered what a writer wrote last. None that lives is silent for
/// so long.
const WRITER_KEPT: Duration = Duration::from_hours(35 * 24);
/// Buckets of a granularity removed in a tick because their time is over.
const BUCKETS_SWEPT_MAX: i64 = 10;

/// The columns of a tally, in the order in which they are read and written.
static COLUMNS: LazyLock<String> = LazyLock::new(|| {
    let counters = Counter::ALL.map(Counter::as_str).join(", ");
    format!("total_latencies, first_byte_latencies, {counters}")
});
static READ_LINE: LazyLock<String> = LazyLock::new(|| {
    let columns = &*COLUMNS;
    format!("SELECT {columns} FROM usage WHERE granularity = ?1 AND start = ?2 AND labels_id = ?3")
});
static READ_BUCKET: LazyLock<String> = LazyLock::new(|| {
    let columns = &*COLUMNS;
    format!("SELECT {columns}, labels_id FROM usage WHERE granularity = ?1 AND start = ?2")
});
static WRITE_LINE: LazyLock<String> = LazyLock::new(|| {
    let columns = &*COLUMNS;
    let places = ", ?".repeat(2 + Counter::ALL.len());
    format!(
        "INSERT OR REPLACE INTO usage (granularity, start, labels_id, {columns})
        VALUES (?, ?, ?{places})"
    )
});

type BucketName = (Granularity, Start);

impl Ledger for Embedded {
    fn post<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Posted, BackendError>> {
        let write = patiently(self.write(Work::Post(batch.clone())));
        async move {
            match write.await? {
                Done::Posted(posted) => Ok(posted),
                Done::Written
                | Done::Kept(_)
                | Done::Removed(_)
                | Done::Changed(_)
                | Done::Counted(_) => Err(mistaken()),
            }
        }
        .boxed()
    }

    fn revisions(
        &self,
        granularity: Granularity,
        starts: Range<Start>,
    ) -> BoxFuture<'_, Result<Vec<(Start, Revision)>, BackendError>> {
        self.inquire(|reply| Question::Revisions(granularity, starts, reply))
    }

    fn buckets<'a>(
        &'a self,
        granularity: Granularity,
        starts: &'a [Start],
    ) -> BoxFuture<'a, Result<Vec<Lines>, BackendError>> {
        let starts = starts.to_vec();
        self.inquire(|reply| Question::Buckets(granularity, starts, reply))
    }
}

/// The columns that `usage` does not have yet.
pub(super) fn missing_columns(connection: &Connection) -> Result<Vec<&'static str>, BackendError> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info('usage')")?;
    let names = statement.query_map([], |row| row.get(0))?;
    let there: BTreeSet<String> = names.collect::<Result<_, _>>()?;
    let columns = Counter::ALL.into_iter().map(Counter::as_str);
    Ok(columns.filter(|column| !there.contains(*column)).collect())
}

/// Adds a batch, unless it was added before. Is to be done in a transaction.
pub(super) fn post(
    connection: &Connection,
    now: UnixMillis,
    batch: &Batch,
) -> Result<Posted, BackendError> {
    let number = signed(batch.id.number);
    let applied: Option<i64> = connection
        .prepare_cached("SELECT number FROM usage_writer WHERE writer = ?1")?
        .query_row([&batch.id.writer], |row| row.get(0))
        .optional()?;
    if applied.is_some_and(|applied| number <= applied) {
        return Ok(Posted::Before);
    }
    let mut ids = HashMap::new();
    let mut sums: BTreeMap<BucketName, BTreeMap<i64, Tally>> = BTreeMap::new();
    for line in &batch.lines {
        for granularity in Granularity::ALL {
            let start = granularity.start_of(line.minute);
            if start < granularity.oldest_kept(now) {
                continue;
            }
            let id = match ids.get(&line.labels) {
                Some(id) => *id,
                None => id_of(connection, &line.labels)?,
            };
            ids.insert(&line.labels, id);
            let bucket = sums.entry((granularity, start)).or_default();
            bucket.entry(id).or_default().merge(&line.tally);
        }
    }
    for (bucket, sums) in &sums {
        for (id, sum) in sums {
            add(connection, *bucket, *id, sum)?;
        }
        revise(connection, *bucket, now)?;
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO usage_writer (writer, number, at) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![batch.id.writer, number, signed(now)])?;
    Ok(Posted::Now)
}

/// The id that stands for labels, a new one if there is none.
fn id_of(connection: &Connection, labels: &Labels) -> Result<i64, BackendError> {
    let tags = labels.tags.to_text();
    let parts = [
        &labels.operation,
        &labels.model,
        &labels.key,
        &labels.tenant,
        &labels.upstream,
        &labels.outcome,
        &tags,
    ];
    let known = connection
        .prepare_cached(
            "SELECT id FROM usage_labels WHERE operation = ?1 AND model = ?2 AND key = ?3
                AND tenant = ?4 AND upstream = ?5 AND outcome = ?6 AND tags = ?7",
        )?
        .query_row(parts, |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    connection
        .prepare_cached(
            "INSERT INTO usage_labels (operation, model, key, tenant, upstream, outcome, tags)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(parts)?;
    Ok(connection.last_insert_rowid())
}

/// Adds to a line.
fn add(
    connection: &Connection,
    (granularity, start): BucketName,
    id: i64,
    sum: &Tally,
) -> Result<(), BackendError> {
    let (granularity, start) = (granularity.as_str(), signed(start));
    let mut tally = connection
        .prepare_cached(&READ_LINE)?
        .query_row(params![granularity, start, id], tally_of)
        .optional()?
        .unwrap_or_default();
    tally.merge(sum);
    let counts = Counter::ALL.map(|counter| Value::from(signed(tally.get(counter))));
    let line = [
        Value::from(granularity.to_owned()),
        start.into(),
        id.into(),
        tally.total.to_text().into(),
        tally.first_byte.to_text().into(),
    ];
    connection
        .prepare_cached(&WRITE_LINE)?
        .execute(params_from_iter(line.into_iter().chain(counts)))?;
    Ok(())
}

/// Gives a bucket another revision. It follows the time of day as well, so that a file
/// that replaced a damaged one has none that was there before.
fn revise(
    connection: &Connection,
    (granularity, start): BucketName,
    now: UnixMillis,
) -> Result<(), BackendError> {
    connection
        .prepare_cached(
            "INSERT INTO usage_bucket (granularity, start, revision) VALUES (?1, ?2, ?3)
            ON CONFLICT (granularity, start) DO UPDATE SET
                revision = max(revision + 1, excluded.revision)",
        )?
        .execute(params![granularity.as_str(), signed(start), signed(now)])?;
    Ok(())
}

/// The buckets that begin in a range, with their revisions.
pub(super) fn revisions(
    connection: &Connection,
    now: UnixMillis,
    granularity: Granularity,
    starts: Range<Start>,
) -> Result<Vec<(Start, Revision)>, BackendError> {
    let first = starts.start.max(granularity.oldest_kept(now));
    let mut statement = connection.prepare_cached(
        "SELECT start, revision FROM usage_bucket
            WHERE granularity = ?1 AND start >= ?2 AND start < ?3 ORDER BY start",
    )?;
    let range = params![granularity.as_str(), signed(first), signed(starts.end)];
    let rows = statement.query_map(range, |row| {
        Ok((unsigned(row.get(0)?), unsigned(row.get(1)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What buckets hold, in their order.
pub(super) fn buckets(
    connection: &Connection,
    now: UnixMillis,
    granularity: Granularity,
    starts: &[Start],
) -> Result<Vec<Lines>, BackendError> {
    // One state of the file, so that every id has its labels.
    let transaction = connection.unchecked_transaction()?;
    let mut known = HashMap::new();
    let mut found = Vec::with_capacity(starts.len());
    for start in starts {
        if *start < granularity.oldest_kept(now) {
            found.push(Vec::new());
            continue;
        }
        let mut statement = transaction.prepare_cached(&READ_BUCKET)?;
        let mut rows = statement.query(params![granularity.as_str(), signed(*start)])?;
        let mut lines = Vec::new();
        while let Some(row) = rows.next()? {
            let id: i64 = row.get("labels_id")?;
            let labels = match known.get(&id) {
                Some(labels) => labels,
                None => known.entry(id).or_insert(labels_of(&transaction, id)?),
            };
            if let Some(labels) = labels {
                lines.push((Labels::clone(labels), tally_of(row)?));
            } else {
                // The rest is still true.
                tracing::warn!("a line of the usage ledger has no labels: left out");
            }
        }
        found.push(lines);
    }
    Ok(found)
}

/// The labels an id stands for.
fn labels_of(connection: &Connection, id: i64) -> Result<Option<Labels>, BackendError> {
    let labels = connection
        .prepare_cached(
            "SELECT operation, model, key, tenant, upstream, outcome, tags
            FROM usage_labels WHERE id = ?1",
        )?
        .query_row([id], |row| {
            let tags: String = row.get(6)?;
            Ok(Labels {
                operation: row.get(0)?,
                model: row.get(1)?,
                key: row.get(2)?,
                tenant: row.get(3)?,
                upstream: row.get(4)?,
                outcome: row.get(5)?,
                tags: Tags::from_text(&tags).unwrap_or_default(),
            })
        })
        .optional()?;
    Ok(labels)
}

/// The tally of a row that begins with [`COLUMNS`].
fn tally_of(row: &Row<'_>) -> rusqlite::Result<Tally> {
    let latencies = |place: usize| -> rusqlite::Result<Latencies> {
        let text: String = row.get(place)?;
        Ok(Latencies::from_text(&text).unwrap_or_default())
    };
    let mut tally = Tally::default();
    tally.total = latencies(0)?;
    tally.first_byte = latencies(1)?;
    for (place, counter) in Counter::ALL.into_iter().enumerate() {
        tally.add(counter, unsigned(row.get(2 + place)?));
    }
    Ok(tally)
}

/// Removes buckets whose time is over, and what nothing needs any more after that.
pub(super) fn sweep(connection: &Connection, now: UnixMillis) -> Result<(), BackendError> {
    for granularity in Granularity::ALL {
        let oldest = signed(granularity.oldest_kept(now));
        let starts: Vec<i64> = connection
            .prepare_cached(
                "SELECT start FROM usage_bucket WHERE granularity = ?1 AND start < ?2
                    ORDER BY start LIMIT ?3",
            )?
            .query_map(
                params![granularity.as_str(), oldest, BUCKETS_SWEPT_MAX],
                |row| row.get(0),
            )?
            .collect::<Result<_, _>>()?;
        for start in &starts {
            for table in ["usage", "usage_bucket"] {
                connection
                    .prepare_cached(&format!(
                        "DELETE FROM {table} WHERE granularity = ?1 AND start = ?2"
                    ))?
                    .execute(params![granularity.as_str(), start])?;
            }
        }
        // The widest buckets are kept for longest: what none of them needs, none does.
        if granularity == Granularity::Day && !starts.is_empty() {
            connection.execute(
                "DELETE FROM usage_labels WHERE id NOT IN
                    (SELECT labels_id FROM usage WHERE granularity = ?1)",
                [granularity.as_str()],
            )?;
        }
    }
    let writer_kept = u64::try_from(WRITER_KEPT.as_millis()).unwrap_or(u64::MAX);
    connection
        .prepare_cached("DELETE FROM usage_writer WHERE at < ?1")?
        .execute([signed(now.saturating_sub(writer_kept))])?;
    Ok(())
}

/// A number as it was before it was stored.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
