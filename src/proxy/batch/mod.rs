//! Requests for a list, each item of which is answered by itself: embeddings and
//! moderations.
//!
//! The story is the same as for one answer, told for many: each item has a key, all
//! are looked up at once, those that another request is asking for are waited for,
//! one call asks for the rest, and the answer is put together by position. What is
//! known stays known, whatever becomes of the call.

mod fill;
mod lookup;
mod reading;
mod reply;
mod seats;
mod slots;

use std::collections::HashMap;
use std::sync::Arc;

use super::account::Account;
use super::seat::{View, may_be_stood_in_for, relay};
use super::{Admitted, Proxy, ProxyError, Reply, Request};
use crate::access::Standing;
use crate::flight::{Cursor, Failure, Head};
use crate::key::{Bypass, Fingerprinter, Key};
use crate::operation::{BatchAdapter, BatchFacts};
use crate::policy::cache_status::Staleness;
use crate::policy::{Freshness, Spoken};
use crate::upstream::CallBody;

use slots::{Given, Slots, Source};

/// The reason given when a request is forwarded whole, because the upstream's
/// answer to a part of it could not be read.
const UNREADABLE: &str = "unreadable-answer";

/// What is asked, where a list of answers is.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) request: Request,
    pub(super) adapter: &'static dyn BatchAdapter,
    pub(super) identified: IdentifiedItems,
}

/// The items of a request with their names. An item asked for twice is one item.
#[derive(Debug)]
pub(super) struct IdentifiedItems {
    /// The names of the items' answers, distinct, in the order they come first.
    keys: Vec<Key>,
    /// Where in the request each item comes first.
    first: Vec<usize>,
    /// Which item stands at each position of the request.
    at: Vec<usize>,
    /// What the request says besides its meaning.
    pub(super) facts: BatchFacts,
}

/// Why some items could not be had.
enum Unfilled {
    /// The provider refused the call, or answered it with what cannot be read.
    Refused(Arc<Head>, Cursor),
    /// There was no whole answer.
    Failed(Failure),
}

impl IdentifiedItems {
    /// The name of the answer to the item at each position of the request.
    pub(super) fn by_position(&self) -> impl Iterator<Item = Key> {
        self.at
            .iter()
            .filter_map(|item| self.keys.get(*item).copied())
    }

    fn new(keys: Vec<Key>, facts: BatchFacts) -> Self {
        let mut known = HashMap::with_capacity(keys.len());
        let mut items = Self {
            keys: Vec::with_capacity(keys.len()),
            first: Vec::with_capacity(keys.len()),
            at: Vec::with_capacity(keys.len()),
            facts,
        };
        for (position, key) in keys.into_iter().enumerate() {
            let item = *known.entry(key).or_insert(items.keys.len());
            if item == items.keys.len() {
                items.keys.push(key);
                items.first.push(position);
            }
            items.at.push(item);
        }
        items
    }

    /// How many distinct items there are.
    fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether `items` are all there is, each asked for once.
    fn are_all(&self, items: &[usize]) -> bool {
        items.len() == self.at.len()
    }

    /// The names of some items.
    fn keys_of(&self, items: &[usize]) -> Vec<Key> {
        let key = |item: &usize| self.keys.get(*item).copied();
        items.iter().filter_map(key).collect()
    }
}

impl Proxy {
    /// Reads a request for a list and names its items.
    ///
    /// # Errors
    /// If the request must not be answered from the store, with the reason.
    pub(super) fn identify_items(
        &self,
        adapter: &'static dyn BatchAdapter,
        admitted: &Admitted,
        body: &[u8],
        fingerprinter: &Fingerprinter,
    ) -> Result<IdentifiedItems, Bypass> {
        let question = adapter.read(&self.asking(admitted, body))?;
        let address = admitted.address(adapter.operation());
        let keys = fingerprinter.item_keys(
            &admitted.principal.scope,
            &address,
            &question.batch.shared,
            &question.batch.items,
        );
        Ok(IdentifiedItems::new(keys, question.facts))
    }

    /// Answers a request for a list.
    ///
    /// # Errors
    /// If an item is not stored and the provider does not answer it, or the caller
    /// insists on stored ones.
    pub(super) async fn answer_items(
        self: &Arc<Self>,
        batch: Arc<Batch>,
        account: Account,
    ) -> Result<Reply, ProxyError> {
        let mut slots = self.look_up_items(&batch).await;
        if slots.is_missing_any() && batch.request.directives.only_if_cached {
            account.failed(ProxyError::CacheOnlyMiss.code());
            return Err(ProxyError::CacheOnlyMiss);
        }
        if Self::is_over_limit(&batch, &slots) {
            let reason = Bypass::OverLimit.as_str();
            return self.forward_whole(&batch, reason, account).await;
        }
        if slots.is_missing_any()
            && let Err(limited) = account.need_call().await
        {
            return Err(account.limited(limited));
        }
        self.refresh_items_behind(&batch, &slots.outdated());
        match self.fill_items(&batch, &mut slots).await {
            Ok(()) => Ok(self.reply_items(&batch, &slots, account)),
            Err(unfilled) => self.make_do(&batch, slots, unfilled, account).await,
        }
    }

    /// There is no good answer for some items: gives stale ones if they may stand
    /// in for all of those, otherwise what the provider said, otherwise the failure.
    async fn make_do(
        self: &Arc<Self>,
        batch: &Arc<Batch>,
        mut slots: Slots,
        unfilled: Unfilled,
        account: Account,
    ) -> Result<Reply, ProxyError> {
        let status = match &unfilled {
            Unfilled::Refused(head, _) => Some(head.status),
            Unfilled::Failed(Failure::Unreadable) => {
                return self.forward_whole(batch, UNREADABLE, account).await;
            }
            Unfilled::Failed(_) => None,
        };
        let known = self.standing(&batch.request) != Standing::Unknown;
        let why = Staleness::Error(status);
        if known
            && status.is_none_or(may_be_stood_in_for)
            && slots.stand_in(|cached| match self.freshness(&batch.request, cached) {
                Freshness::StaleIfErrorOnly { ttl } => Some(Source::Stale { why, ttl }),
                Freshness::Fresh { .. }
                | Freshness::Stale { .. }
                | Freshness::StaleWhileRevalidate { .. }
                | Freshness::Unusable => None,
            })
        {
            return Ok(self.reply_items(batch, &slots, account));
        }
        match unfilled {
            Unfilled::Refused(head, cursor) => {
                let outcome = slots.why().outcome(head.status);
                Ok(relay(View::WHOLE, &head, cursor, outcome, account))
            }
            Unfilled::Failed(failure) => {
                account.failed(failure.as_str());
                Err(failure.into())
            }
        }
    }

    /// Whether what is stored is already more than the upstream would have answered
    /// at once: the request would have been refused, and is the upstream's to refuse.
    fn is_over_limit(batch: &Batch, slots: &Slots) -> bool {
        let known = || {
            let given = batch
                .identified
                .at
                .iter()
                .filter_map(|item| slots.get(*item));
            given.fold(0_u64, |sum, given| {
                let usage = given.cached.entry.meta.usage;
                sum.saturating_add(usage.map_or(0, |usage| usage.input))
            })
        };
        let max = batch.adapter.tokens_max(batch.request.upstream.kind());
        !batch.request.directives.only_if_cached && max.is_some_and(|max| known() > max)
    }

    /// Forwards the request as it came, for this reason.
    async fn forward_whole(
        self: &Arc<Self>,
        batch: &Batch,
        reason: &'static str,
        account: Account,
    ) -> Result<Reply, ProxyError> {
        let admitted = Admitted {
            asked: batch.request.asked.clone(),
            principal: batch.request.principal.clone(),
            // Where it goes has been decided already.
            is_lent: false,
            upstream: Arc::clone(&batch.request.upstream),
            tags: batch.request.tags.clone(),
            spoken: Spoken::default(),
            directives: batch.request.directives,
            meter: batch.request.meter.clone(),
            account,
        };
        let body = CallBody::of(batch.request.body.clone());
        self.forward(reason, admitted, body).await
    }
}
