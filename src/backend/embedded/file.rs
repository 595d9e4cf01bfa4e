//! The file: how it is made, what is in it, and what becomes of a damaged one.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::backend::BackendError;
use crate::clock::Clock;

/// `SQLite`'s page size for new files. Larger than the default, because entries
/// are.
pub(super) const PAGE_BYTES: u64 = 8192;

/// How many pages the write-ahead log may have before they are moved to the file.
const LOG_PAGES: i64 = 256;

const SCHEMA_VERSION: i64 = 1;
/// "Rpri", so that `file` and `sqlite3` can tell whose file it is.
const APPLICATION_ID: i64 = 0x5270_7269;
/// How long to wait for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// The sealed bytes come last: columns behind a long one are slow to reach.
const SCHEMA: &str = "
    BEGIN IMMEDIATE;
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
    COMMIT;
";

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
            tracing::error!(path = %path_shown, %aside, cause, "the file is damaged: moved aside, beginning anew");
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
    let connection = Connection::open_with_flags(path, flags())?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // The first two only have an effect on a file that is still empty.
    connection.pragma_update(None, "page_size", PAGE_BYTES.cast_signed())?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // The log counts against nobody's bound, so it is kept small.
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    connection.pragma_update(
        None,
        "journal_size_limit",
        LOG_PAGES * PAGE_BYTES.cast_signed(),
    )?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > SCHEMA_VERSION {
        let reason = format!("the file was written by a later version ({version})");
        return Err(BackendError::Unavailable(reason));
    }
    if version == 0 {
        connection.execute_batch(SCHEMA)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    // Reads the schema and a page of each table, so that a file of which only the
    // head is whole is found out before it is relied on.
    for table in ["entries", "records"] {
        let first = format!("SELECT * FROM {table} LIMIT 1");
        connection.prepare(&first)?.exists([])?;
    }
    Ok(connection)
}

/// `SQLite` gives its journals the permissions of the file.
fn make_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
