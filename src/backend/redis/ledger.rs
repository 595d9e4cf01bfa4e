//! The ledger in Redis: a hash for each bucket, a field in it for each labels.
//!
//! A field is the labels' text, its value the tally in a form that a script can add to.
//! The field `rev` is the revision; no labels look like it. A bucket expires by itself.
//! Numbers are exact up to 2^53, which is where scripts stop to count one by one; a sum
//! stays there. That is nine million US dollars in billionths, or nine petabytes, of one
//! labels in one bucket.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use redis::{Cmd, Value, cmd};

use super::books::Books;
use super::read;
use super::script::Call;
use super::tally_value;
use crate::backend::{BackendError, Ledger, Lines, Posted, Revision};
use crate::ledger::{Batch, Granularity, Labels, Start};

/// Where the revision is.
const REVISION_FIELD: &str = "rev";
/// How long it is remembered what a writer wrote last. None that lives is silent for
/// so long.
const MARKER_KEPT: Duration = Duration::from_hours(35 * 24);
/// Buckets asked for at once.
const BUCKETS_AT_ONCE: usize = 32;
/// Revisions asked for at once.
const REVISIONS_AT_ONCE: usize = 1024;
/// How far the clock of another process may go before this one's.
const SKEW_MAX_SECONDS: u64 = 24 * 60 * 60;

impl Ledger for Books {
    fn post<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Posted, BackendError>> {
        let call = self.posting(batch);
        async move {
            Ok(match self.run(&call).await? {
                0 => Posted::Before,
                _ => Posted::Now,
            })
        }
        .boxed()
    }

    fn revisions(
        &self,
        granularity: Granularity,
        starts: Range<Start>,
    ) -> BoxFuture<'_, Result<Vec<(Start, Revision)>, BackendError>> {
        async move {
            // There is no index that could be lost or left behind: each bucket that may
            // be kept is asked.
            let starts: Vec<Start> = self.kept(granularity, starts).collect();
            let mut found = Vec::new();
            for starts in starts.chunks(REVISIONS_AT_ONCE) {
                let asked: Vec<Cmd> = starts
                    .iter()
                    .map(|start| {
                        let mut get = cmd("HGET");
                        get.arg(self.bucket_key(granularity, *start))
                            .arg(REVISION_FIELD);
                        get
                    })
                    .collect();
                for (start, revision) in starts.iter().zip(self.query_all(&asked).await?) {
                    if let Some(revision) = read::<Option<Revision>>(revision)? {
                        found.push((*start, revision));
                    }
                }
            }
            Ok(found)
        }
        .boxed()
    }

    fn buckets<'a>(
        &'a self,
        granularity: Granularity,
        starts: &'a [Start],
    ) -> BoxFuture<'a, Result<Vec<Lines>, BackendError>> {
        async move {
            let mut found = Vec::with_capacity(starts.len());
            for starts in starts.chunks(BUCKETS_AT_ONCE) {
                let asked: Vec<Cmd> = starts
                    .iter()
                    .map(|start| {
                        let mut get = cmd("HGETALL");
                        get.arg(self.bucket_key(granularity, *start));
                        get
                    })
                    .collect();
                for bucket in self.query_all(&asked).await? {
                    found.push(lines_of(bucket)?);
                }
            }
            Ok(found)
        }
        .boxed()
    }
}

impl Books {
    fn bucket_key(&self, granularity: Granularity, start: Start) -> String {
        format!("{}:{{usage}}:{}:{start}", self.prefix, granularity.as_str())
    }

    /// The starts in a range of buckets that may be kept.
    fn kept(
        &self,
        granularity: Granularity,
        starts: Range<Start>,
    ) -> impl Iterator<Item = Start> + use<> {
        let now = self.clock.unix_millis();
        let width = granularity.seconds();
        let first = starts.start.max(granularity.oldest_kept(now));
        let last = starts
            .end
            .min((now / 1000).saturating_add(SKEW_MAX_SECONDS));
        (first.div_ceil(width)..last.div_ceil(width)).map(move |place| place * width)
    }

    /// The call that adds a batch.
    fn posting(&self, batch: &Batch) -> Call {
        let mut call = Call::new(include_str!("ledger_post.lua"));
        call.key(format!(
            "{}:{{usage}}:writer:{}",
            self.prefix, batch.id.writer
        ))
        .argument(batch.id.number.to_string())
        .argument(MARKER_KEPT.as_secs().to_string());
        // By their places in the call, which count from one.
        let mut buckets = HashMap::new();
        for line in &batch.lines {
            for granularity in Granularity::ALL {
                let start = granularity.start_of(line.minute);
                let place = buckets.len() + 1;
                if let Entry::Vacant(vacant) = buckets.entry((granularity, start)) {
                    vacant.insert(place);
                    call.key(self.bucket_key(granularity, start))
                        .argument(end_of(granularity, start).to_string());
                }
            }
        }
        for line in &batch.lines {
            call.argument(line.labels.to_text())
                .argument(tally_value::write(&line.tally));
            for granularity in Granularity::ALL {
                let start = granularity.start_of(line.minute);
                let place = buckets.get(&(granularity, start)).copied();
                call.argument(place.unwrap_or_default().to_string());
            }
        }
        call
    }
}

/// When a bucket ceases to be kept: when it is older than
/// [`Granularity::oldest_kept`] tells.
fn end_of(granularity: Granularity, start: Start) -> u64 {
    start
        .saturating_add(granularity.kept_for().as_secs())
        .saturating_add(granularity.seconds())
}

/// What a bucket's hash holds.
fn lines_of(bucket: Value) -> Result<Lines, BackendError> {
    let fields: Vec<(Vec<u8>, Vec<u8>)> = read(bucket)?;
    let mut lines = Vec::with_capacity(fields.len());
    for (field, value) in fields {
        if field == REVISION_FIELD.as_bytes() {
            continue;
        }
        let text = std::str::from_utf8(&field).ok();
        let labels = text.and_then(Labels::from_text);
        let tally = tally_value::read(&value);
        if let (Some(labels), Some(tally)) = (labels, tally) {
            lines.push((labels, tally));
        } else {
            // The rest is still true.
            tracing::warn!("a line of the usage ledger cannot be read: left out");
        }
    }
    Ok(lines)
}
