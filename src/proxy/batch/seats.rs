//! Getting the items that are not stored: by a call of this request's own, and by
//! those that other requests are making.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::{join_all, try_join};
use tokio::time::timeout;

use super::super::Proxy;
use super::super::lookup::Why;
use super::super::seat::{ELECTION_PAUSE_MAX, is_worth_another_try};
use super::{Batch, Given, Slots, Source, Unfilled};
use crate::access::Standing;
use crate::backend::Cached;
use crate::flight::{Cursor, End, Failure, Head, ItemAnswers, ItemSeats, Producer};
use crate::key::Key;
use crate::policy::{Freshness, Lookup};

/// How a request comes to the items it misses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It waits for what others are asking for, and asks for the rest.
    Join,
    /// It asks for all, and others may wait for that.
    Lead,
    /// It asks for all, for itself: waiting for others has been in vain.
    Alone,
}

/// What a call for items came to.
enum Came {
    Answered(Arc<Head>, Arc<ItemAnswers>),
    Unfilled(Unfilled),
    /// It was waited for too long.
    NotYet,
}

/// The items of a call that another request makes.
type Followed = (Came, Vec<usize>);

impl Proxy {
    /// Gets what is missing.
    ///
    /// # Errors
    /// If the provider does not give it.
    pub(super) async fn fill_items(
        self: &Arc<Self>,
        batch: &Arc<Batch>,
        slots: &mut Slots,
    ) -> Result<(), Unfilled> {
        if !slots.is_missing_any() {
            return Ok(());
        }
        let mut way = match batch.request.directives.lookup {
            Lookup::Allowed => Way::Join,
            Lookup::Refresh | Lookup::Bypass => Way::Lead,
        };
        let mut failures = HashMap::new();
        let mut is_of_one_model = false;
        loop {
            let missing = slots.missing();
            if missing.is_empty() {
                // What was stored may be of a model that has been replaced since.
                if is_of_one_model || !slots.take_back_others(batch.adapter) {
                    return Ok(());
                }
                is_of_one_model = true;
                continue;
            }
            let keys = batch.identified.keys_of(&missing);
            for key in &keys {
                let before = || self.flights.failures(key);
                failures.entry(*key).or_insert_with(before);
            }
            let seats = match way {
                Way::Join => self.flights.join_items(&keys),
                Way::Lead => self.flights.lead_items(&keys),
                Way::Alone => self.flights.lead_items_alone(&keys),
            };
            let followed = self.sit(batch, slots, seats, &missing).await?;
            way = Way::Join;
            for (came, items) in followed {
                let next = self.take_followed(batch, slots, (came, items), &failures);
                if next.await? == Way::Alone {
                    way = Way::Alone;
                }
            }
        }
    }

    /// Renews entries behind the caller's back, except those that are being renewed.
    pub(super) fn refresh_items_behind(self: &Arc<Self>, batch: &Arc<Batch>, items: &[usize]) {
        if items.is_empty() {
            return;
        }
        let seats = self.flights.join_items(&batch.identified.keys_of(items));
        if let Some((producer, _, led)) = seats.lead {
            let led = pick(items, &led);
            self.start_item_fill(batch, led, producer, (Why::Refresh, HashMap::new()));
        }
    }

    /// Makes the call this request has to make and waits for that and for those of
    /// others; gives what became of the others'.
    ///
    /// # Errors
    /// If the own call fails; the others are not waited for then.
    async fn sit(
        self: &Arc<Self>,
        batch: &Arc<Batch>,
        slots: &mut Slots,
        seats: ItemSeats,
        missing: &[usize],
    ) -> Result<Vec<Followed>, Unfilled> {
        let led = seats.lead.and_then(|(producer, cursor, led)| {
            self.lead_items(batch, slots, pick(missing, &led), producer)
                .map(|items| (cursor, items))
        });
        let own = async {
            let Some((cursor, items)) = led else {
                return Ok(None);
            };
            match came(cursor).await {
                Came::Answered(head, answers) => Ok(Some((head, answers, items))),
                Came::Unfilled(unfilled) => Err(unfilled),
                Came::NotYet => Err(Unfilled::Failed(Failure::Silent)),
            }
        };
        let patience = self.flights.options().follow_timeout;
        let others = seats.follow.into_iter().map(|(cursor, places)| async move {
            let came = timeout(patience, came(cursor)).await;
            (came.unwrap_or(Came::NotYet), pick(missing, &places))
        });
        let others = async { Ok(join_all(others).await) };
        let (own, others) = try_join(own, others).await?;
        if let Some((head, answers, items)) = own {
            take(batch, slots, &items, &answers, Source::Call);
            let is_all = batch.identified.are_all(&items);
            slots.call = Some((head, is_all.then(|| answers.frame.clone())));
        }
        Ok(others)
    }

    /// Starts the call for `items`; gives those that it asks for, `None` if a fill
    /// that has just ended has brought them all.
    fn lead_items(
        self: &Arc<Self>,
        batch: &Arc<Batch>,
        slots: &mut Slots,
        items: Vec<usize>,
        producer: Producer,
    ) -> Option<Vec<usize>> {
        let mut found = HashMap::new();
        let mut wanted = Vec::with_capacity(items.len());
        for item in items {
            match self.look_again_for(batch, slots, item) {
                Some((key, cached)) => {
                    found.insert(key, cached);
                }
                None => wanted.push(item),
            }
        }
        if wanted.is_empty() {
            producer.complete_items(ItemAnswers {
                by_key: found,
                frame: bytes::Bytes::new(),
            });
            return None;
        }
        let why = first_why(slots, &wanted);
        self.start_item_fill(batch, wanted.clone(), producer, (why, found));
        Some(wanted)
    }

    /// A fill may have ended between the look-up and taking the seat.
    fn look_again_for(
        &self,
        batch: &Batch,
        slots: &mut Slots,
        item: usize,
    ) -> Option<(Key, Arc<Cached>)> {
        if slots.why_of(item) != Some(Why::Absent)
            || self.standing(&batch.request) != Standing::Accepted
        {
            return None;
        }
        let key = *batch.identified.keys.get(item)?;
        let cached = self.store.lookup_memory(&key)?;
        let Freshness::Fresh { .. } = self.freshness(&batch.request, &cached) else {
            return None;
        };
        let given = Given {
            cached: Arc::clone(&cached),
            source: Source::Joined,
        };
        slots.give(item, given);
        Some((key, cached))
    }

    /// Takes what another request's call came to, and says how to go on with what
    /// is still missing.
    ///
    /// # Errors
    /// If calls have failed so often that another is not worth it.
    async fn take_followed(
        &self,
        batch: &Batch,
        slots: &mut Slots,
        (came, items): Followed,
        before: &HashMap<Key, u32>,
    ) -> Result<Way, Unfilled> {
        let unfilled = match came {
            Came::Answered(_, answers) => {
                let all = take(batch, slots, &items, &answers, Source::Joined);
                return Ok(if all { Way::Join } else { Way::Alone });
            }
            Came::NotYet | Came::Unfilled(Unfilled::Failed(Failure::Unreadable)) => {
                return Ok(Way::Alone);
            }
            // What is wrong with another's batch need not be wrong with this one.
            Came::Unfilled(Unfilled::Refused(head, _)) if !is_worth_another_try(head.status) => {
                return Ok(Way::Alone);
            }
            Came::Unfilled(unfilled) => unfilled,
        };
        let pause = match &unfilled {
            Unfilled::Refused(_, cursor) => cursor.retry_after().unwrap_or_default(),
            Unfilled::Failed(_) => std::time::Duration::ZERO,
        };
        let key = items
            .first()
            .and_then(|item| batch.identified.keys.get(*item));
        let failed = key.map_or(0, |key| {
            let before = before.get(key).copied().unwrap_or_default();
            self.flights.failures(key).saturating_sub(before)
        });
        if pause > ELECTION_PAUSE_MAX || failed > self.flights.options().elections_max {
            return Err(unfilled);
        }
        tokio::time::sleep(pause).await;
        Ok(Way::Join)
    }
}

/// Waits for what a call comes to.
async fn came(mut cursor: Cursor) -> Came {
    let head = match cursor.head().await {
        Ok(head) => head,
        Err(failure) => return Came::Unfilled(Unfilled::Failed(failure)),
    };
    if !head.status.is_success() {
        return Came::Unfilled(Unfilled::Refused(head, cursor));
    }
    match cursor.end().await {
        End::Items(answers) => Came::Answered(head, answers),
        End::Complete(_) => Came::Unfilled(Unfilled::Refused(head, cursor)),
        End::Failed(failure) => Came::Unfilled(Unfilled::Failed(failure)),
    }
}

/// Why the upstream is asked for `items`: what holds for the first of them.
fn first_why(slots: &Slots, items: &[usize]) -> Why {
    let first = items.first().and_then(|item| slots.why_of(*item));
    first.unwrap_or(Why::Absent)
}

/// Notes the answers to `items`; whether each has one.
fn take(
    batch: &Batch,
    slots: &mut Slots,
    items: &[usize],
    answers: &ItemAnswers,
    source: Source,
) -> bool {
    let mut all = true;
    for item in items {
        let key = batch.identified.keys.get(*item);
        match key.and_then(|key| answers.by_key.get(key)) {
            Some(cached) => {
                let cached = Arc::clone(cached);
                slots.give(*item, Given { cached, source });
            }
            None => all = false,
        }
    }
    all
}

/// Those of `items` that stand at `places`.
fn pick(items: &[usize], places: &[usize]) -> Vec<usize> {
    places
        .iter()
        .filter_map(|at| items.get(*at).copied())
        .collect()
}
