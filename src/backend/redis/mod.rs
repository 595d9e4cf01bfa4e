//! The backend that several processes share: a Redis server, a Sentinel group or
//! a Cluster.
//!
//! Every key is ours: `<prefix>:e1:` and the 32 raw bytes of an entry's id, or
//! `<prefix>:r:` and a name from this source. Nothing a client sends is in any
//! name. There are no hash tags, so that a Cluster spreads entries over its
//! slots; the one command with several keys, `MGET`, the client splits by slot and
//! puts together again. Every entry has a time to live. The one record, the
//! cache's secret, has none: without it all entries are lost.
//!
//! The ledger and the objects, in [`books`], have a connection of their own, so that
//! nothing large stands before a hit.

mod address;
pub mod books;
mod catalogue;
mod documents;
mod error;
mod ledger;
pub mod limits;
mod link;
mod objects;
mod script;
mod tally_value;
#[cfg(test)]
pub(super) mod test_server;

use std::fmt::Debug;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use redis::{Cmd, FromRedisValue, Value, cmd};
use secrecy::SecretString;

use self::address::Address;
use self::link::Link;
use super::{BackendError, Entries, Record, Records, Size, Vitals};
use crate::key::Key;

/// The layout of the values under entry keys; part of their names, so that
/// another layout never meets them.
const ENTRY_FAMILY: &str = ":e1:";
const RECORD_FAMILY: &str = ":r:";
/// Longer than any entry is kept, and well within what Redis takes.
const MILLIS_MAX: u64 = 10 * 365 * 24 * 60 * 60 * 1000;

/// Entries and records in Redis.
#[derive(Debug)]
pub struct Redis {
    link: Link,
    prefix: String,
}

impl Redis {
    /// The name used in health reports and metric labels.
    pub const NAME: &'static str = "redis";

    /// Prepares for the server of `url`, and connects to it in the background: it
    /// need not be there. `database` overrides the URL's. Needs a runtime to run
    /// in.
    ///
    /// The URL is `redis://` or `rediss://` (TLS) for a server, `redis+unix://`
    /// for a socket; `redis-cluster://` or `rediss-cluster://` (or `?cluster=true`)
    /// for a Cluster, with any of its nodes as `host:port,host:port`;
    /// `redis+sentinel://` or `rediss+sentinel://` for a Sentinel group, with the
    /// sentinels as `host:port,host:port` and the path `/master-name/database`.
    ///
    /// # Errors
    /// [`BackendError::Invalid`] if the URL or the prefix make no sense.
    pub fn new(
        url: &SecretString,
        database: Option<i64>,
        prefix: &str,
    ) -> Result<Self, BackendError> {
        Ok(Self {
            link: Link::new(Address::parse(url, database)?, "entries"),
            prefix: plain(prefix)?,
        })
    }

    fn entry_key(&self, key: &Key) -> Vec<u8> {
        [self.prefix.as_bytes(), ENTRY_FAMILY.as_bytes(), key.id()].concat()
    }

    async fn query(&self, command: Cmd) -> Result<Value, BackendError> {
        self.link.query(command).await
    }
}

impl Entries for Redis {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Bytes>, BackendError>> {
        let command = with(cmd("GET"), self.entry_key(key));
        async move {
            let found: Option<Vec<u8>> = read(self.query(command).await?)?;
            Ok(found.map(Bytes::from))
        }
        .boxed()
    }

    fn get_many(&self, keys: &[Key]) -> BoxFuture<'_, Result<Vec<Option<Bytes>>, BackendError>> {
        let asked = keys.len();
        let command = keys.iter().fold(cmd("MGET"), |command, key| {
            with(command, self.entry_key(key))
        });
        async move {
            // Without a key the command is an error.
            if asked == 0 {
                return Ok(Vec::new());
            }
            let found: Vec<Option<Vec<u8>>> = read(self.query(command).await?)?;
            if found.len() != asked {
                let reason = format!("{} values for {asked} keys", found.len());
                return Err(BackendError::Other(reason));
            }
            Ok(found
                .into_iter()
                .map(|value| value.map(Bytes::from))
                .collect())
        }
        .boxed()
    }

    fn put(&self, key: Key, record: Record) -> BoxFuture<'_, Result<(), BackendError>> {
        let millis = u64::try_from(record.keep_for.as_millis())
            .unwrap_or(MILLIS_MAX)
            .clamp(1, MILLIS_MAX);
        let mut command = with(cmd("SET"), self.entry_key(&key));
        command.arg(&*record.sealed).arg("PX").arg(millis);
        async move { self.query(command).await.map(drop) }.boxed()
    }

    fn remove(&self, key: &Key) -> BoxFuture<'_, Result<(), BackendError>> {
        let command = with(cmd("UNLINK"), self.entry_key(key));
        async move { self.query(command).await.map(drop) }.boxed()
    }

    /// An estimate: all keys of the database, and all memory used for data. A
    /// Redis that is shared with others counts theirs as well.
    fn size(&self) -> BoxFuture<'_, Result<Size, BackendError>> {
        async move {
            let keys = self.query(cmd("DBSIZE")).await?;
            let mut info = cmd("INFO");
            info.arg("memory");
            let memory = self.query(info).await?;
            let max = total(&memory, &|node| report_line(node, "maxmemory:"));
            Ok(Size {
                entries: total(&keys, &whole_number),
                bytes: total(&memory, &|node| report_line(node, "used_memory_dataset:")),
                used: total(&memory, &|node| report_line(node, "used_memory:")),
                // To Redis 0 is no bound.
                max: (max > 0).then_some(max),
            })
        }
        .boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), BackendError>> {
        self.link.ping().boxed()
    }

    /// What the server reports. Of a Cluster the sums over its nodes.
    fn vitals(&self) -> BoxFuture<'_, Result<Vitals, BackendError>> {
        async move {
            let report = self.query(cmd("INFO")).await?;
            let sum = |name: &str| total(&report, &|node| report_line(node, name));
            let max = sum("maxmemory:");
            Ok(Vitals {
                version: version(&report),
                used: Some(sum("used_memory:")),
                max: (max > 0).then_some(max),
                file: None,
                clients: Some(sum("connected_clients:")),
            })
        }
        .boxed()
    }
}

impl Records for Redis {
    fn get_or_create(
        &self,
        name: &'static str,
        fresh: Bytes,
    ) -> BoxFuture<'_, Result<Bytes, BackendError>> {
        let key = format!("{}{RECORD_FAMILY}{name}", self.prefix);
        async move {
            let get = || with(cmd("GET"), key.as_bytes());
            // Read first: a full server refuses to create even what is there.
            let kept: Option<Vec<u8>> = read(self.query(get()).await?)?;
            if let Some(kept) = kept {
                return Ok(Bytes::from(kept));
            }
            let mut create = with(cmd("SET"), key.as_bytes());
            create.arg(&*fresh).arg("NX");
            self.query(create).await?;
            let kept: Vec<u8> = read(self.query(get()).await?)?;
            Ok(Bytes::from(kept))
        }
        .boxed()
    }
}

/// A prefix that cannot be taken for a pattern or a hash tag.
fn plain(prefix: &str) -> Result<String, BackendError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if prefix.is_empty() || !prefix.bytes().all(is_plain) {
        let reason = "the prefix of Redis keys must be letters, digits and -_.:".to_owned();
        return Err(BackendError::Invalid(reason));
    }
    Ok(prefix.to_owned())
}

fn with(mut command: Cmd, key: impl AsRef<[u8]>) -> Cmd {
    command.arg(key.as_ref());
    command
}

/// A Cluster answers with one value a node, a server with one.
fn total(value: &Value, count: &dyn Fn(&Value) -> u64) -> u64 {
    if let Value::Map(nodes) = value {
        nodes.iter().map(|(_node, value)| count(value)).sum()
    } else {
        count(value)
    }
}

fn whole_number(value: &Value) -> u64 {
    redis::from_redis_value_ref(value).unwrap_or(0)
}

/// A number of a server's report.
fn report_line(report: &Value, name: &str) -> u64 {
    let info: String = redis::from_redis_value_ref(report).unwrap_or_default();
    info.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|bytes| bytes.trim().parse().ok())
        .unwrap_or(0)
}

/// The version in a server's report; of a Cluster that of one of its nodes.
fn version(report: &Value) -> Option<String> {
    let of_node = |node: &Value| {
        let info: String = redis::from_redis_value_ref(node).ok()?;
        let mut lines = info.lines();
        let version = lines.find_map(|line| line.strip_prefix("redis_version:"))?;
        Some(version.trim().to_owned())
    };
    if let Value::Map(nodes) = report {
        nodes.iter().find_map(|(_node, report)| of_node(report))
    } else {
        of_node(report)
    }
}

/// A value of the type expected. What else it was is not told: it may be anything.
fn read<T: FromRedisValue>(value: Value) -> Result<T, BackendError> {
    redis::from_redis_value(value)
        .map_err(|_other| BackendError::Corrupt("the value is of another type".to_owned()))
}

#[cfg(test)]
mod books_tests;
#[cfg(test)]
mod tests;
