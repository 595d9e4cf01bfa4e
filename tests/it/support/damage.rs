//! What is stored, read and written behind the proxy's back, without knowing how
//! it is stored: every long enough binary value is an entry.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::app::House;
use super::redis::Redis;
use super::wait::eventually;

/// Values shorter than this are not entries but what is kept beside them.
const ENTRY_BYTES_MIN: usize = 64;

/// An entry as it lies in the store.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    place: Place,
    pub(crate) value: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Place {
    Redis(Vec<u8>),
    Sqlite {
        file: PathBuf,
        /// The statement that replaces the value.
        update: String,
        /// The primary key of its row.
        key: Vec<Value>,
    },
}

impl Stored {
    /// Puts other bytes in the entry's place.
    pub(crate) fn replace(&self, house: &House, value: &[u8]) {
        match &self.place {
            Place::Redis(key) => {
                redis::cmd("SET")
                    .arg(key)
                    .arg(value)
                    .arg(&["EX", "3600"])
                    .exec(&mut house.redis().connect())
                    .unwrap();
            }
            Place::Sqlite { file, update, key } => {
                let mut parameters = vec![Value::Blob(value.to_vec())];
                parameters.extend(key.iter().cloned());
                let changed = open(file).execute(update, params_from_iter(parameters));
                assert!(changed.unwrap() <= 1);
            }
        }
    }
}

/// Waits until so many entries are stored and none is on its way, where it would
/// be served from; gives them.
pub(crate) async fn stored(house: &House, count: usize) -> Vec<Stored> {
    eventually("the entries are stored", || async {
        let found = stored_now(house);
        (count <= found.len()).then_some(())
    })
    .await;
    eventually("nothing waits to be written", || async {
        let metrics = house.metrics().await;
        let mut lines = metrics.lines();
        lines.find(|line| *line == "reprise_store_queue_depth 0")?;
        Some(())
    })
    .await;
    stored_now(house)
}

/// The entries that are stored now.
pub(crate) fn stored_now(house: &House) -> Vec<Stored> {
    match &house.redis {
        Some(redis) => in_redis(redis),
        None => in_folder(&house.data_folder()),
    }
}

/// What stands in the names of what is kept for a time and is no entry.
const OBJECTS: &[u8] = b"{objects:";

fn in_redis(redis: &Redis) -> Vec<Stored> {
    let mut connection = redis.connect();
    let mut found = Vec::new();
    for key in redis.keys() {
        let value: Vec<u8> = redis::cmd("GET")
            .arg(&key)
            .query(&mut connection)
            .unwrap_or_default();
        let is_object = key.windows(OBJECTS.len()).any(|part| part == OBJECTS);
        if ENTRY_BYTES_MIN <= value.len() && !is_object {
            let place = Place::Redis(key);
            found.push(Stored { place, value });
        }
    }
    found
}

fn in_folder(folder: &Path) -> Vec<Stored> {
    let files = std::fs::read_dir(folder).into_iter().flatten();
    files
        .map(|file| file.unwrap().path())
        .filter(|file| {
            let start = std::fs::read(file).unwrap_or_default();
            start.starts_with(b"SQLite format 3\0")
        })
        .flat_map(|file| in_file(&file))
        .collect()
}

fn in_file(file: &Path) -> Vec<Stored> {
    let database = open(file);
    let tables = names(
        &database,
        // What is administered and what was done are no entries, however long they are.
        "SELECT name FROM sqlite_schema WHERE type = 'table'
            AND name NOT IN ('documents', 'objects')",
    );
    let mut found = Vec::new();
    for table in tables {
        let about = |what: &str| format!("SELECT name FROM pragma_table_info('{table}') {what}");
        let keys = names(&database, &about("WHERE pk > 0 ORDER BY pk"));
        for column in names(&database, &about("WHERE pk = 0")) {
            found.extend(in_column(&database, file, (&table, &column), &keys));
        }
    }
    found
}

fn in_column(
    database: &Connection,
    file: &Path,
    (table, column): (&str, &str),
    keys: &[String],
) -> Vec<Stored> {
    if keys.is_empty() {
        return Vec::new();
    }
    let listed: Vec<_> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    let matched: Vec<_> = listed.iter().map(|key| format!("{key} = ?")).collect();
    let update = format!(
        "UPDATE \"{table}\" SET \"{column}\" = ? WHERE {}",
        matched.join(" AND ")
    );
    let query = format!(
        "SELECT \"{column}\", {} FROM \"{table}\" \
         WHERE typeof(\"{column}\") = 'blob' AND length(\"{column}\") >= {ENTRY_BYTES_MIN}",
        listed.join(", ")
    );
    let mut statement = database.prepare(&query).unwrap();
    let rows = statement.query_map([], |row| {
        let place = Place::Sqlite {
            file: file.to_owned(),
            update: update.clone(),
            key: (1..=keys.len())
                .map(|at| row.get(at))
                .collect::<Result<_, _>>()?,
        };
        let value = row.get(0)?;
        Ok(Stored { place, value })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn open(file: &Path) -> Connection {
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    database
}

fn names(database: &Connection, query: &str) -> Vec<String> {
    let mut statement = database.prepare(query).unwrap();
    let rows = statement.query_map([], |row| row.get(0));
    rows.unwrap().map(Result::unwrap).collect()
}
