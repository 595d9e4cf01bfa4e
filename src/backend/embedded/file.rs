//! The file: how it is made, what is in it, and what becomes of a damaged one.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::ledger;
use crate::backend::BackendError;
use crate::clock::Clock;

/// `SQLite`'s page size for new files. Larger than the default, because entries
/// are.
pub(super) const PAGE_BYTES: u64 = 8192;

/// How many pages the write-ahead log may have before they are moved to the file.
const LOG_PAGES: i64 = 256;

/// What each version of the schema added to the one before.
const SCHEMAS: [(i64, &str); 3] = [(1, ENTRIES), (2, BOOKS), (SCHEMA_VERSION, DOCUMENTS)];
const SCHEMA_VERSION: i64 = 3;
/// "Rpri", so that `file` and `sqlite3` can tell whose file it is.
const APPLICATION_ID: i64 = 0x5270_7269;
/// How long to wait for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// The sealed bytes come last: columns behind a long one are slow to reach.
const ENTRIES: &str = "
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE,
        operation TEXT NOT NULL,
        model TEXT NOT NULL,
        stored_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        used_at INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        sealed BLOB NOT NULL
    ) STRICT;
    CREATE INDEX entries_by_expiry ON entries (expires_at);
    CREATE INDEX entries_by_use ON entries (used_at, bytes);
    CREATE TABLE records (
        name TEXT PRIMARY KEY,
        value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// A line of usage is the row of its bucket and labels: what the columns mean is told
/// in `ledger`. The numbers of `usage` are columns that are added where they are
/// missing, those of a version that counts more as well.
const BOOKS: &str = "
    CREATE TABLE usage_labels (
        id INTEGER PRIMARY KEY,
        operation TEXT NOT NULL,
        model TEXT NOT NULL,
        key TEXT NOT NULL,
        tenant TEXT NOT NULL,
        upstream TEXT NOT NULL,
        outcome TEXT NOT NULL,
        tags TEXT NOT NULL,
        UNIQUE (operation, model, key, tenant, upstream, outcome, tags)
    ) STRICT;
    CREATE TABLE usage (
        granularity TEXT NOT NULL,
        start INTEGER NOT NULL,
        labels_id INTEGER NOT NULL,
        total_latencies TEXT NOT NULL DEFAULT '',
        first_byte_latencies TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (granularity, start, labels_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE usage_bucket (
        granularity TEXT NOT NULL,
        start INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (granularity, start)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE usage_writer (
        writer TEXT PRIMARY KEY,
        number INTEGER NOT NULL,
        at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE objects (
        row INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        expires_at INTEGER NOT NULL,
        content BLOB NOT NULL,
        UNIQUE (kind, id)
    ) STRICT;
    CREATE INDEX objects_by_expiry ON objects (expires_at);
";

/// A document whose content is null was removed.
const DOCUMENTS: &str = "
    CREATE TABLE documents (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        revision INTEGER NOT NULL,
        expires_at INTEGER,
        content BLOB,
        PRIMARY KEY (kind, id)
    ) STRICT;
    CREATE UNIQUE INDEX documents_by_revision ON documents (kind, revision);
    CREATE INDEX documents_by_expiry ON documents (expires_at) WHERE expires_at IS NOT NULL;
";

/// Every table, to see that it can be read.
const TABLES: [&str; 8] = [
    "entries",
    "records",
    "usage_labels",
    "usage",
    "usage_bucket",
    "usage_writer",
    "objects",
    "documents",
];

/// Makes the folder, for this user alone, unless it is there.
pub(super) fn make_directory(directory: &Path) -> Result<(), BackendError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(directory)
        .map_err(|error| BackendError::Unavailable(error.to_string()))
}

/// Opens the file for writing, and makes or replaces it if need be.
pub(super) fn open(path: &Path, clock: &dyn Clock) -> Result<Connection, BackendError> {
    match prepare(path) {
        Err(BackendError::Corrupt(cause)) => {
            let aside = move_aside(path, clock)?;
            let (path_shown, aside) = (path.display(), aside.display());
            tracing::error!(path = %path_shown, %aside, cause, "the file is damaged: moved aside with the usage in it, beginning anew");
            prepare(path)
        }
        opened => opened,
    }
}

/// Opens the file for reading only.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, BackendError> {
    let connection = Connection::open_with_flags(path, flags())?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Renames the file and its journals, so that they can be looked into.
pub(super) fn move_aside(path: &Path, clock: &dyn Clock) -> Result<PathBuf, BackendError> {
    let suffixed = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = suffixed(path, &format!(".corrupt-{}", clock.unix_millis()));
    for journal in ["-wal", "-shm"] {
        match std::fs::rename(suffixed(path, journal), suffixed(&aside, journal)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(BackendError::Unavailable(error.to_string()));
            }
            Ok(()) | Err(_) => {}
        }
    }
    std::fs::rename(path, &aside).map_err(|error| BackendError::Unavailable(error.to_string()))?;
    Ok(aside)
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn prepare(path: &Path) -> Result<Connection, BackendError> {
    make_file(path).map_err(|error| BackendError::Unavailable(error.to_string()))?;
    let mut connection = Connection::open_with_flags(path, flags())?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // The first two only have an effect on a file that is still empty.
    connection.pragma_update(None, "page_size", PAGE_BYTES.cast_signed())?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // What is removed is overwritten: it was somebody's, and may have been erased.
    connection.pragma_update(None, "secure_delete", true)?;
    // The log counts against nobody's bound, so it is kept small.
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    connection.pragma_update(
        None,
        "journal_size_limit",
        LOG_PAGES * PAGE_BYTES.cast_signed(),
    )?;
    bring_up_to_date(&mut connection)?;
    // Reads the schema and a page of each table, so that a file of which only the
    // head is whole is found out before it is relied on.
    for table in TABLES {
        let first = format!("SELECT * FROM {table} LIMIT 1");
        connection.prepare(&first)?.exists([])?;
    }
    Ok(connection)
}

/// Adds what the file lacks: tables of later versions, columns of numbers that are
/// counted since.
fn bring_up_to_date(connection: &mut Connection) -> Result<(), BackendError> {
    let version_of = |connection: &Connection| -> Result<i64, BackendError> {
        Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
    };
    let version = version_of(connection)?;
    if version > SCHEMA_VERSION {
        let reason = format!("the file was written by a later version ({version})");
        return Err(BackendError::Unavailable(reason));
    }
    if version == SCHEMA_VERSION && ledger::missing_columns(connection)?.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been first.
    let version = version_of(&transaction)?;
    for (added_in, schema) in SCHEMAS {
        if added_in > version {
            transaction.execute_batch(schema)?;
        }
    }
    for column in ledger::missing_columns(&transaction)? {
        let add = format!("ALTER TABLE usage ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0");
        transaction.execute_batch(&add)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// `SQLite` gives its journals the permissions of the file.
fn make_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
