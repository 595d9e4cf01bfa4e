//! The answer, put together by position and written as the client takes it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http::header::{AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::super::account::Account;
use super::super::reply::{saved_time, tell_saved};
use super::super::{Proxy, Reply, ReplyBody};
use super::{Batch, Slots, Source};
use crate::backend::{Cached, Rendition, Store, Worth};
use crate::entry::Meta;
use crate::operation::{ListFrame, Told};
use crate::policy::cache_status::Tier;
use crate::policy::{CacheStatus, freshness};
use crate::usage::{Items, Saved};
use crate::wire::Usage;

/// How many items of the answer were stored, and how many were not.
const X_CACHE_HITS: HeaderName = HeaderName::from_static("x-cache-hits");
const X_CACHE_MISSES: HeaderName = HeaderName::from_static("x-cache-misses");

/// Says `estimated` if the tokens of some items are shares of a whole.
const X_CACHE_USAGE: HeaderName = HeaderName::from_static("x-cache-usage");

/// How much of an answer is written at once. An answer no longer than the first of
/// these has its length told and is one piece.
const FIRST_PIECE_BYTES: usize = 1024 * 1024;
const PIECE_BYTES: usize = 256 * 1024;

/// An answer being written.
struct Writing {
    store: Store,
    batch: Arc<Batch>,
    /// The answer at each position, and whether it was stored before.
    answers: Vec<(Arc<Cached>, bool)>,
    next: usize,
    closing: Option<Bytes>,
}

impl Proxy {
    /// Answers with what is known of all items.
    pub(super) fn reply_items(
        &self,
        batch: &Arc<Batch>,
        slots: &Slots,
        mut account: Account,
    ) -> Reply {
        let identified = &batch.identified;
        let answers: Vec<(Arc<Cached>, bool)> = identified
            .at
            .iter()
            .filter_map(|item| slots.get(*item))
            .map(|given| (Arc::clone(&given.cached), given.source.is_stored()))
            .collect();
        let usage = usage_of(batch, slots);
        let items = counted(batch, slots);
        let outcome = outcome(slots, items);
        account.outcome(outcome);
        account.status(StatusCode::OK.as_u16());
        account.usage(usage);
        account.items(items);
        let first = slots.get(0).map(|given| &given.cached.entry.meta);
        account.answered_by(first.and_then(|meta| meta.resolved_model.as_deref()));
        let mut headers = self.headers_around(slots, items, outcome);
        let (not_sent, time) = saved(batch, slots, outcome);
        let cost = account.price(not_sent);
        account.saved(Saved {
            usage: not_sent,
            time,
            cost,
        });
        let worth = cost.filter(|_| !not_sent.is_nothing()).and_then(Worth::of);
        tell_saved(worth.as_ref(), &mut headers);
        if usage.is_some_and(|usage| usage.estimated) {
            headers.insert(X_CACHE_USAGE, HeaderValue::from_static("estimated"));
        }
        let frame = frame(batch, slots, usage);
        let mut writing = Writing {
            store: self.store.clone(),
            batch: Arc::clone(batch),
            answers,
            next: 0,
            closing: Some(frame.closing),
        };
        let mut first = frame.opening.to_vec();
        writing.write(&mut first, FIRST_PIECE_BYTES);
        account.sent(first.len());
        let first = Bytes::from(first);
        let body = if writing.closing.is_none() {
            account.complete();
            ReplyBody::Full(first)
        } else {
            ReplyBody::Stream(writing.stream(first, account))
        };
        Reply {
            status: StatusCode::OK,
            headers,
            outcome,
            body,
        }
    }

    fn headers_around(&self, slots: &Slots, items: Items, outcome: CacheStatus) -> HeaderMap {
        // What the provider said of the call that was made, its limits above all.
        let mut headers = match &slots.call {
            Some((head, _)) => head.headers.clone(),
            None => HeaderMap::with_capacity(8),
        };
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        if matches!(outcome, CacheStatus::Hit { .. } | CacheStatus::Stale { .. }) {
            let oldest = slots
                .given()
                .map(|given| given.cached.entry.stored_at)
                .min();
            let age = freshness::age(oldest.unwrap_or_default(), self.clock.unix_millis());
            headers.insert(AGE, HeaderValue::from(age.as_secs()));
        }
        headers.insert(X_CACHE_HITS, HeaderValue::from(items.stored));
        let misses = items.joined + items.called;
        headers.insert(X_CACHE_MISSES, HeaderValue::from(misses));
        outcome.write(&mut headers);
        headers
    }
}

/// What stands around the list: what the provider wrote if it was asked for all of
/// it, otherwise what is told of the items together.
fn frame(batch: &Batch, slots: &Slots, usage: Option<Usage>) -> ListFrame {
    let list = batch.adapter.list();
    let own = slots.call.as_ref().and_then(|(_, frame)| frame.as_ref());
    let newest = slots
        .given()
        .max_by_key(|given| given.cached.entry.stored_at)
        .map(|given| &given.cached.entry.meta);
    let model = newest.map_or("", Meta::answered_by);
    let first = slots.get(0).map(|given| &given.cached);
    let none = Bytes::new();
    let told = Told {
        model,
        usage,
        first: first.map_or(&none, |cached| &cached.entry.body),
    };
    let own = own.map(|frame| &**frame);
    // An item that stood alone then and stands alone now stands in the same.
    let alone = first.filter(|_| batch.identified.at.len() == 1);
    let alone = alone.and_then(|only| only.entry.meta.around.as_ref());
    own.or(alone.map(String::as_bytes))
        .and_then(|frame| ListFrame::split(frame, list))
        .or_else(|| ListFrame::split(&batch.adapter.empty(&told), list))
        .unwrap_or_else(|| ListFrame {
            opening: Bytes::from_static(b"{\"data\":["),
            closing: Bytes::from_static(b"]}"),
        })
}

/// The tokens of all positions; `None` if nobody counted any. They are an estimate
/// if anything in them is: not what a call of this request's own was billed for as
/// a whole, however that was shared.
fn usage_of(batch: &Batch, slots: &Slots) -> Option<Usage> {
    let mut sum: Option<Usage> = None;
    let mut uncounted = false;
    let mut seen = vec![false; batch.identified.len()];
    for item in &batch.identified.at {
        let Some(given) = slots.get(*item) else {
            continue;
        };
        let Some(mut usage) = given.cached.entry.meta.usage else {
            uncounted = true;
            continue;
        };
        let again = seen
            .get_mut(*item)
            .is_none_or(|seen| std::mem::replace(seen, true));
        if given.source == Source::Call && !again {
            usage.estimated = false;
        }
        sum = Some(sum.unwrap_or_default().plus(usage));
    }
    sum.map(|sum| Usage {
        estimated: sum.estimated || uncounted,
        ..sum
    })
}

/// What the upstream did not have to do: the tokens of every position that this
/// request made no call for, and if it made none, the longest time one had taken.
fn saved(batch: &Batch, slots: &Slots, outcome: CacheStatus) -> (Usage, Duration) {
    let mut saved = Usage::default();
    let mut time = Duration::ZERO;
    let mut called = vec![false; batch.identified.len()];
    let mut made_call = false;
    for item in &batch.identified.at {
        let Some(given) = slots.get(*item) else {
            continue;
        };
        let meta = &given.cached.entry.meta;
        let again = called
            .get_mut(*item)
            .is_none_or(|called| std::mem::replace(called, true));
        if given.source == Source::Call && !again {
            made_call = true;
            continue;
        }
        saved = saved.plus(meta.usage.unwrap_or_default());
        time = time.max(saved_time(outcome, meta.took_millis));
    }
    (saved, if made_call { Duration::ZERO } else { time })
}

/// How the positions were answered.
fn counted(batch: &Batch, slots: &Slots) -> Items {
    let mut items = Items::default();
    for item in &batch.identified.at {
        match slots.get(*item).map(|given| given.source) {
            Some(Source::Entry { .. } | Source::Stale { .. }) => items.stored += 1,
            Some(Source::Joined) => items.joined += 1,
            Some(Source::Call) => items.called += 1,
            None => {}
        }
    }
    items
}

/// What the cache did with the request as a whole.
fn outcome(slots: &Slots, items: Items) -> CacheStatus {
    let hits = items.stored;
    let items = hits + items.joined + items.called;
    if hits == 0 {
        return match &slots.call {
            Some((head, _)) => slots.why().outcome(head.status),
            None => CacheStatus::Collapsed,
        };
    }
    if hits < items {
        return CacheStatus::Partial { hits, items };
    }
    // As stale as the stalest, from as far as the furthest.
    let mut tier = Tier::Memory;
    let mut fresh = i64::MAX;
    let mut stale = None;
    for given in slots.given() {
        match given.source {
            Source::Entry { tier: from, ttl } => {
                fresh = fresh.min(ttl);
                if from == Tier::Backend {
                    tier = from;
                }
            }
            Source::Stale { why, ttl } => {
                if stale.is_none_or(|(_, known)| ttl < known) {
                    stale = Some((why, ttl));
                }
            }
            Source::Joined | Source::Call => {}
        }
    }
    match stale {
        Some((why, ttl)) => CacheStatus::Stale { why, ttl },
        None => CacheStatus::Hit { tier, ttl: fresh },
    }
}

impl Writing {
    /// Writes items, and what closes the list behind the last, until `out` is as
    /// long as `enough`.
    fn write(&mut self, out: &mut Vec<u8>, enough: usize) {
        let first = self.next;
        while out.len() < enough {
            let Some((cached, stored)) = self.answers.get(self.next) else {
                if let Some(closing) = self.closing.take() {
                    out.extend_from_slice(&closing);
                }
                return;
            };
            if self.next > 0 {
                out.push(b',');
            }
            self.batch.adapter.write_head(self.next, out);
            self.write_value(cached, *stored, out);
            self.batch.adapter.write_tail(out);
            if self.next == first {
                // The others are about as long: room for them once, not in doublings.
                let left = self.answers.len() - self.next;
                out.reserve(out.len().saturating_mul(left).min(enough));
            }
            self.next += 1;
        }
    }

    /// Writes the value of the next item. One that takes long to write is kept as it
    /// is written when it is hit again, if it is held in memory.
    fn write_value(&self, cached: &Arc<Cached>, is_hit: bool, out: &mut Vec<u8>) {
        let adapter = self.batch.adapter;
        let identified = &self.batch.identified;
        let encoding = identified.facts.encoding;
        let stored = &cached.entry.body;
        if !adapter.keeps_values(encoding) {
            return adapter.write_value(stored, encoding, out);
        }
        if let Some(kept) = cached.rendered(Rendition::Numbers) {
            return out.extend_from_slice(kept);
        }
        let start = out.len();
        adapter.write_value(stored, encoding, out);
        let key = identified.at.get(self.next);
        let key = key.and_then(|item| identified.keys.get(*item));
        if let Some(key) = key.filter(|_| is_hit && !cached.is_asked_first()) {
            let value = out.get(start..).map(Bytes::copy_from_slice);
            cached.rendition(Rendition::Numbers, || value);
            self.store.weigh_again(key, cached);
        }
    }

    /// The whole answer, beginning with `first`, written no faster than it is taken.
    fn stream(
        self,
        first: Bytes,
        account: Account,
    ) -> stream::BoxStream<'static, Result<Bytes, super::super::ProxyError>> {
        let rest = stream::unfold(Some((self, account)), |state| async move {
            let (mut writing, mut account) = state?;
            let mut out = Vec::new();
            writing.write(&mut out, PIECE_BYTES);
            if out.is_empty() {
                account.complete();
                return None;
            }
            account.sent(out.len());
            Some((Ok(Bytes::from(out)), Some((writing, account))))
        });
        stream::iter([Ok(first)]).chain(rest).fuse().boxed()
    }
}
