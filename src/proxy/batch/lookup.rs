//! Looking up all items of a request at once.

use super::super::Proxy;
use super::super::lookup::Why;
use super::{Batch, Given, Slots, Source};
use crate::policy::cache_status::Staleness;
use crate::policy::{Freshness, Lookup};

impl Proxy {
    /// Looks in memory, then in the backend. Never fails: a store that cannot be
    /// asked has nothing.
    pub(super) async fn look_up_items(&self, batch: &Batch) -> Slots {
        let items = batch.identified.len();
        if batch.request.directives.lookup != Lookup::Allowed {
            return Slots::unknown(items, Why::Refresh);
        }
        let mut slots = Slots::unknown(items, Why::Absent);
        let found = self.store.lookup_many(&batch.identified.keys).await;
        for (item, (cached, tier)) in found.into_iter().enumerate() {
            let Some(cached) = cached else { continue };
            let source = match self.freshness(&batch.request, &cached) {
                Freshness::Fresh { ttl } => Source::Entry { tier, ttl },
                Freshness::Stale { ttl } => Source::Stale {
                    why: Staleness::Accepted,
                    ttl,
                },
                Freshness::StaleWhileRevalidate { ttl } => Source::Stale {
                    why: Staleness::Revalidating,
                    ttl,
                },
                Freshness::StaleIfErrorOnly { .. } => {
                    slots.refuse(item, Why::TooOld, Some(cached));
                    continue;
                }
                Freshness::Unusable => {
                    slots.refuse(item, Why::TooOld, None);
                    continue;
                }
            };
            slots.give(item, Given { cached, source });
        }
        let has_any = slots.given().next().is_some();
        if has_any && !self.may_have_stored(&batch.request).await {
            slots.take_back(Why::Unverified);
        }
        slots.take_back_others(batch.adapter);
        slots
    }
}
