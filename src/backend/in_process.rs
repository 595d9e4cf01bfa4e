//! The ledger and the objects in this process's memory: for `backend = memory`, for a
//! data folder that cannot be used, and as the model the backends are compared with.
//!
//! What is here ends with the process.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};

use super::documents::{Change, Changes, Document, Documents, Seen};
use super::{BackendError, Ledger, Lines, ObjectName, Objects, Posted, Revision};
use crate::clock::{Clock, UnixMillis};
use crate::ledger::{Batch, Granularity, Labels, Start, Tally};

/// Shared state of one process.
#[derive(Debug)]
pub(crate) struct InProcess {
    held: Mutex<Held>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Held {
    /// The last batch of each writer.
    applied: HashMap<String, u64>,
    buckets: BTreeMap<(Granularity, Start), Bucket>,
    objects: BTreeMap<(&'static str, String), (Bytes, UnixMillis)>,
    documents: HashMap<&'static str, Kind>,
}

/// The documents of a kind. Those removed stay, to be told as such.
#[derive(Debug, Default)]
struct Kind {
    revision: Revision,
    documents: BTreeMap<String, Kept>,
}

#[derive(Debug)]
struct Kept {
    revision: Revision,
    content: Option<Bytes>,
    until: Option<UnixMillis>,
}

#[derive(Debug, Default)]
struct Bucket {
    revision: Revision,
    tallies: HashMap<Labels, Tally>,
}

impl InProcess {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            held: Mutex::default(),
            clock,
        }
    }

    /// What is held, without what has been kept long enough.
    fn held(&self) -> MutexGuard<'_, Held> {
        let now = self.clock.unix_millis();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.buckets
            .retain(|(granularity, start), _| granularity.oldest_kept(now) <= *start);
        held.objects.retain(|_, (_, until)| now < *until);
        for kind in held.documents.values_mut() {
            for document in kind.documents.values_mut() {
                if document.until.is_some_and(|until| until <= now) {
                    kind.revision += 1;
                    document.revision = kind.revision;
                    document.content = None;
                    document.until = None;
                }
            }
        }
        held
    }
}

impl Ledger for InProcess {
    fn post<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Posted, BackendError>> {
        let mut held = self.held();
        let applied = held.applied.entry(batch.id.writer.clone()).or_default();
        if batch.id.number <= *applied {
            return Box::pin(ready(Ok(Posted::Before)));
        }
        *applied = batch.id.number;
        for line in &batch.lines {
            for granularity in Granularity::ALL {
                let start = granularity.start_of(line.minute);
                let bucket = held.buckets.entry((granularity, start)).or_default();
                bucket.revision += 1;
                let tally = bucket.tallies.entry(line.labels.clone()).or_default();
                tally.merge(&line.tally);
            }
        }
        Box::pin(ready(Ok(Posted::Now)))
    }

    fn revisions(
        &self,
        granularity: Granularity,
        starts: Range<Start>,
    ) -> BoxFuture<'_, Result<Vec<(Start, Revision)>, BackendError>> {
        if starts.is_empty() {
            return Box::pin(ready(Ok(Vec::new())));
        }
        let held = self.held();
        let found = held
            .buckets
            .range((granularity, starts.start)..(granularity, starts.end))
            .map(|((_, start), bucket)| (*start, bucket.revision))
            .collect();
        Box::pin(ready(Ok(found)))
    }

    fn buckets<'a>(
        &'a self,
        granularity: Granularity,
        starts: &'a [Start],
    ) -> BoxFuture<'a, Result<Vec<Lines>, BackendError>> {
        let held = self.held();
        let lines = |start: &Start| {
            let bucket = held.buckets.get(&(granularity, *start));
            bucket.map_or_else(Vec::new, |bucket| {
                let lines = bucket.tallies.iter();
                lines
                    .map(|(labels, tally)| (labels.clone(), tally.clone()))
                    .collect()
            })
        };
        Box::pin(ready(Ok(starts.iter().map(lines).collect())))
    }
}

impl Objects for InProcess {
    fn put(
        &self,
        name: ObjectName,
        content: Bytes,
        keep_for: Duration,
    ) -> BoxFuture<'_, Result<(), BackendError>> {
        let keep_for = UnixMillis::try_from(keep_for.as_millis()).unwrap_or(UnixMillis::MAX);
        let until = self.clock.unix_millis().saturating_add(keep_for);
        self.held()
            .objects
            .insert((name.kind, name.id), (content, until));
        Box::pin(ready(Ok(())))
    }

    fn get(&self, name: &ObjectName) -> BoxFuture<'_, Result<Option<Bytes>, BackendError>> {
        let held = self.held();
        let found = held.objects.get(&(name.kind, name.id.clone()));
        Box::pin(ready(Ok(found.map(|(content, _)| content.clone()))))
    }

    fn list(
        &self,
        kind: &'static str,
    ) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, BackendError>> {
        let held = self.held();
        let found = held
            .objects
            .iter()
            .filter(|((of_kind, _), _)| *of_kind == kind)
            .map(|((_, id), (content, _))| (id.clone(), content.clone()))
            .collect();
        Box::pin(ready(Ok(found)))
    }

    fn remove(&self, name: &ObjectName) -> BoxFuture<'_, Result<bool, BackendError>> {
        let removed = self.held().objects.remove(&(name.kind, name.id.clone()));
        Box::pin(ready(Ok(removed.is_some())))
    }
}

impl Documents for InProcess {
    fn changes<'a>(
        &'a self,
        since: &'a [(&'static str, Revision)],
    ) -> BoxFuture<'a, Result<Vec<Changes>, BackendError>> {
        let held = self.held();
        let told = since.iter().map(|(kind, seen)| {
            let Some(kind) = held.documents.get(kind) else {
                return Changes {
                    revision: 0,
                    whole: true,
                    documents: Vec::new(),
                };
            };
            let whole = *seen == 0 || kind.revision < *seen;
            let changed = kind.documents.iter().filter(|(_, kept)| {
                if whole {
                    kept.content.is_some()
                } else {
                    *seen < kept.revision
                }
            });
            let mut documents: Vec<_> = changed
                .map(|(id, kept)| Document {
                    id: id.clone(),
                    revision: kept.revision,
                    content: kept.content.clone(),
                })
                .collect();
            documents.sort_by_key(|document| document.revision);
            Changes {
                revision: kind.revision,
                whole,
                documents,
            }
        });
        Box::pin(ready(Ok(told.collect())))
    }

    fn change(&self, change: Change) -> BoxFuture<'_, Result<Option<Revision>, BackendError>> {
        let now = self.clock.unix_millis();
        let mut held = self.held();
        let kind = held.documents.entry(change.kind).or_default();
        let known = kind.documents.get(&change.id);
        let there = known.filter(|kept| kept.content.is_some());
        let is_as_seen = match change.seen {
            Seen::Absent => there.is_none(),
            Seen::At(revision) => there.is_some_and(|kept| kept.revision == revision),
            Seen::Anything => true,
        };
        if !is_as_seen {
            return Box::pin(ready(Ok(None)));
        }
        kind.revision += 1;
        let until = change.keep_for.map(|keep_for| {
            let keep_for = UnixMillis::try_from(keep_for.as_millis()).unwrap_or(UnixMillis::MAX);
            now.saturating_add(keep_for)
        });
        let kept = Kept {
            revision: kind.revision,
            until: until.filter(|_| change.content.is_some()),
            content: change.content,
        };
        kind.documents.insert(change.id, kept);
        let revision = kind.revision;
        Box::pin(ready(Ok(Some(revision))))
    }
}
