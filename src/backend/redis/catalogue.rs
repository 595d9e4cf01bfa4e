//! The entries in Redis, gone through with `SCAN`, which holds nobody up.
//!
//! Only names of our own are met: the pattern is our prefix, and no text of a client is
//! in any name or pattern. A Cluster is walked node by node, in the order of their
//! addresses; the place tells where.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use redis::{Value, cmd};

use super::books::Books;
use super::{ENTRY_FAMILY, with};
use crate::backend::{BackendError, Catalogue, Listed, Place, Report, Walked};
use crate::entry;

/// How much of the beginning of an entry is read at first. Nearly all metadata are
/// shorter.
const HEAD_BYTES: usize = 1024;
/// Names a server looks at in one go.
const NAMES_AT_ONCE: usize = 500;
/// Questions about entries under way at once.
const IN_FLIGHT_MAX: usize = 64;
/// Entries removed by one command.
const REMOVED_AT_ONCE: usize = 500;

/// Where a walk is: the cursor of a node, which only a Cluster has.
#[derive(Debug, PartialEq, Eq)]
struct At {
    cursor: u64,
    node: Option<(String, u16)>,
}

impl Catalogue for Books {
    fn walk(
        &self,
        behind: Option<Place>,
        most: usize,
    ) -> BoxFuture<'_, Result<Walked, BackendError>> {
        async move {
            let at = match behind {
                Some(place) => At::read(&place)?,
                None => At {
                    cursor: 0,
                    node: self.nodes().await?.into_iter().next(),
                },
            };
            let (cursor, names) = self.scan(&at, most).await?;
            let ids = names.iter().filter_map(|name| self.id_in(name));
            let asked: Vec<_> = ids.map(|id| self.listed(id).boxed()).collect();
            let entries = stream::iter(asked)
                .buffered(IN_FLIGHT_MAX)
                .collect::<Vec<_>>()
                .await;
            let entries = entries.into_iter().collect::<Result<Vec<_>, _>>()?;
            Ok(Walked {
                entries: entries.into_iter().flatten().collect(),
                next: self.next(at, cursor).await?.map(|at| at.to_string()),
            })
        }
        .boxed()
    }

    fn find(
        &self,
        id: [u8; 32],
    ) -> BoxFuture<'_, Result<Option<(Listed, Option<Duration>)>, BackendError>> {
        async move {
            let Some(listed) = self.listed(id).await? else {
                return Ok(None);
            };
            let left: i64 = self.query(&with(cmd("PTTL"), self.name_of(&id))).await?;
            let left = u64::try_from(left).ok().map(Duration::from_millis);
            Ok(Some((listed, left)))
        }
        .boxed()
    }

    fn remove_all(&self, ids: Vec<[u8; 32]>) -> BoxFuture<'_, Result<u64, BackendError>> {
        async move {
            let mut removed = 0;
            for ids in ids.chunks(REMOVED_AT_ONCE) {
                let names = ids.iter().map(|id| self.name_of(id));
                let command = names.fold(cmd("UNLINK"), with);
                removed += self.query::<u64>(&command).await?;
            }
            Ok(removed)
        }
        .boxed()
    }

    /// Redis keeps nothing of what was removed; what an append-only file has of it goes
    /// with its next rewriting.
    fn wipe(&self) -> BoxFuture<'_, Result<bool, BackendError>> {
        futures_util::future::ok(true).boxed()
    }

    fn report(&self) -> BoxFuture<'_, Result<Report, BackendError>> {
        async move {
            let report: Value = self.query(&cmd("INFO")).await?;
            let nodes = reports(&report);
            let evicted = nodes.iter().filter_map(|(_, report)| {
                let count: u64 = line(report, "evicted_keys:")?.parse().ok()?;
                Some(count)
            });
            Ok(Report {
                evicted: evicted.sum(),
                version: nodes
                    .iter()
                    .find_map(|(_, report)| line(report, "redis_version:"))
                    .map(str::to_owned),
                is_own: false,
            })
        }
        .boxed()
    }
}

impl Books {
    fn name_of(&self, id: &[u8; 32]) -> Vec<u8> {
        [self.prefix.as_bytes(), ENTRY_FAMILY.as_bytes(), id].concat()
    }

    /// The id in the name of an entry; `None` for what is something else.
    fn id_in(&self, name: &[u8]) -> Option<[u8; 32]> {
        let rest = name.strip_prefix(self.prefix.as_bytes())?;
        rest.strip_prefix(ENTRY_FAMILY.as_bytes())?.try_into().ok()
    }

    /// The nodes of a Cluster that hold entries, in their order; none for a server.
    async fn nodes(&self) -> Result<Vec<(String, u16)>, BackendError> {
        let report: Value = self.query(&with(cmd("INFO"), "server")).await?;
        let mut nodes: Vec<_> = reports(&report)
            .into_iter()
            .filter_map(|(node, _)| address(&node?))
            .collect();
        nodes.sort();
        Ok(nodes)
    }

    async fn scan(&self, at: &At, most: usize) -> Result<(u64, Vec<Vec<u8>>), BackendError> {
        let mut scan = cmd("SCAN");
        scan.arg(at.cursor)
            .arg("MATCH")
            .arg(pattern(&self.prefix))
            .arg("COUNT")
            .arg(most.clamp(1, NAMES_AT_ONCE));
        match &at.node {
            None => self.query(&scan).await,
            Some((host, port)) => self.query_at(&scan, (host, *port)).await,
        }
    }

    /// Where the walk goes on behind a cursor.
    async fn next(&self, at: At, cursor: u64) -> Result<Option<At>, BackendError> {
        if cursor > 0 {
            return Ok(Some(At { cursor, ..at }));
        }
        let Some(last) = at.node else {
            return Ok(None);
        };
        let nodes = self.nodes().await?;
        let next = nodes.into_iter().find(|node| last < *node);
        Ok(next.map(|node| At {
            cursor: 0,
            node: Some(node),
        }))
    }

    /// What is known of an entry; `None` if it is gone, or not of its type.
    async fn listed(&self, id: [u8; 32]) -> Result<Option<Listed>, BackendError> {
        let name = self.name_of(&id);
        let beginning = |bytes: usize| {
            let mut command = with(cmd("GETRANGE"), &name);
            command.arg(0).arg(bytes.saturating_sub(1));
            command
        };
        let found = async {
            let mut head: Vec<u8> = self.query(&beginning(HEAD_BYTES)).await?;
            let needed = entry::inspected_bytes(&head).unwrap_or(0);
            if needed > head.len() {
                head = self.query(&beginning(needed)).await?;
            }
            let bytes: u64 = self.query(&with(cmd("STRLEN"), &name)).await?;
            Ok((head, bytes))
        };
        match found.await {
            Ok((head, bytes)) if bytes > 0 => Ok(Some(Listed {
                id,
                head: Bytes::from(head),
                bytes,
                body_bytes: None,
            })),
            Ok(_) | Err(BackendError::Corrupt(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl At {
    fn read(place: &str) -> Result<Self, BackendError> {
        let odd = || BackendError::Invalid("there is no such place".to_owned());
        let (cursor, node) = place.split_once('@').ok_or_else(odd)?;
        Ok(Self {
            cursor: cursor.parse().map_err(|_odd| odd())?,
            node: match node {
                "" => None,
                node => Some(address(node).ok_or_else(odd)?),
            },
        })
    }
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@", self.cursor)?;
        match &self.node {
            Some((host, port)) => write!(f, "{host}:{port}"),
            None => Ok(()),
        }
    }
}

/// What each server reports, with its address where a Cluster has several.
fn reports(report: &Value) -> Vec<(Option<String>, String)> {
    let text = |value: &Value| redis::from_redis_value_ref(value).unwrap_or_default();
    if let Value::Map(nodes) = report {
        let of = |(node, report): &(Value, Value)| (Some(text(node)), text(report));
        nodes.iter().map(of).collect()
    } else {
        vec![(None, text(report))]
    }
}

/// What a line of a report says.
fn line<'a>(report: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = report.lines();
    lines.find_map(|line| Some(line.strip_prefix(name)?.trim()))
}

fn address(node: &str) -> Option<(String, u16)> {
    let (host, port) = node.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?))
}

/// What every name of an entry is like. The prefix has nothing in it that would mean
/// anything in a pattern; should it ever have, it would be taken to the letter.
fn pattern(prefix: &str) -> String {
    let mut pattern = String::new();
    for letter in prefix.chars() {
        if "*?[]\\^-".contains(letter) {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern + ENTRY_FAMILY + "*"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        for (cursor, node) in [
            (0, None),
            (u64::MAX, Some(("127.0.0.1".to_owned(), 7000))),
            (3, Some(("::1".to_owned(), 1))),
        ] {
            let at = At { cursor, node };
            assert_eq!(At::read(&at.to_string()).unwrap(), at);
        }
        for odd in ["", "1", "a@", "1@host", "1@host:port"] {
            assert!(At::read(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_pattern_takes_the_prefix_to_the_letter() {
        assert_eq!(pattern("a.b:c_1"), "a.b:c_1:e1:*");
        assert_eq!(pattern("a*-[b]"), r"a\*\-\[b\]:e1:*");
    }
}
