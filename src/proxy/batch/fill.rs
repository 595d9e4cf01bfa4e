//! One call for some items of a request, and what becomes of its answer.
//!
//! As with one answer, the call is a task of its own that outlives the clients who
//! wait for it. What comes is read item by item as it arrives, so that a large
//! answer is never held as text.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;

use super::super::bill::Bill;
use super::super::error::failure;
use super::super::fill::retry_after;
use super::super::forward::log_failure;
use super::super::lookup::Why;
use super::super::recording::Recording;
use super::super::seat::is_worth_another_try;
use super::super::{Proxy, Request};
use super::Batch;
use super::reading::{ReadItems, Reading, Unread};
use crate::backend::Cached;
use crate::entry::{Entry, Meta};
use crate::flight::{Failure, Form, Head, ItemAnswers, Piece, Producer};
use crate::key::Key;
use crate::operation::{AnswerFacts, Item, Told};
use crate::policy::{freshness, gate};
use crate::upstream::{Answer, BodyStream, returnable};
use crate::wire::{Json, Usage};

/// Answers that are there already, by their keys.
type Known = HashMap<Key, Arc<Cached>>;

/// What came around the items, and how.
struct Around<'a> {
    text: &'a [u8],
    json: &'a Json<'a>,
    facts: AnswerFacts,
    took: Duration,
    /// Whether the answer may be stored.
    stores: bool,
}

impl Proxy {
    /// Starts the call for `items`. `found` are answers that those who follow wait
    /// for as well.
    pub(super) fn start_item_fill(
        self: &Arc<Self>,
        batch: &Arc<Batch>,
        items: Vec<usize>,
        producer: Producer,
        (why, found): (Why, Known),
    ) {
        let Some(body) = batch.asking_for(&items) else {
            return producer.fail(Failure::Unreadable);
        };
        let (operation, model) = (batch.adapter.operation(), &batch.identified.facts.model);
        let bill = self.open_bill(&batch.request, operation, model, why);
        let (proxy, batch) = (Arc::clone(self), Arc::clone(batch));
        self.tasks.spawn(async move {
            let (mut producer, mut bill) = (producer, bill);
            if let Some(answer) = proxy
                .call_for_items(&batch.request, body, &mut producer, &mut bill)
                .await
            {
                if answer.status.is_success() {
                    let filling = (producer, bill);
                    proxy
                        .take_items(&batch, &items, filling, (answer, found))
                        .await;
                } else {
                    proxy.pass_refusal(producer, bill, answer.body).await;
                }
            }
        });
    }

    /// Makes the call and passes the head of its answer on. `None` if there is none.
    async fn call_for_items(
        &self,
        request: &Request,
        body: Bytes,
        producer: &mut Producer,
        bill: &mut Bill,
    ) -> Option<Answer> {
        let call = self.send(request, body, bill);
        let answer = match producer.while_wanted(call).await.ok()? {
            Err(error) => {
                log_failure(bill.request_id(), &error);
                let failure = failure(&error);
                bill.failed(failure.as_str());
                producer.fail_now(failure);
                return None;
            }
            Ok(answer) => answer,
        };
        bill.status(answer.status);
        self.note_standing(&request.principal, &request.upstream, answer.status);
        if is_worth_another_try(answer.status) {
            producer.count_failure();
        }
        let head = Head {
            status: answer.status,
            headers: returnable(&answer.headers),
            form: Form::Json,
        };
        producer.head(head, retry_after(&answer.headers));
        Some(answer)
    }

    async fn pass_refusal(&self, mut producer: Producer, mut bill: Bill, body: BodyStream) {
        let passing = Recording::Passing;
        let passed = self.record(&mut producer, &mut bill, passing, body).await;
        if passed.is_some() {
            bill.whole();
            drop(bill);
            producer.complete(None);
        }
    }

    /// Reads the answer, stores what it has of the items and ends the fill.
    async fn take_items(
        &self,
        batch: &Batch,
        items: &[usize],
        (mut producer, mut bill): (Producer, Bill),
        (answer, found): (Answer, Known),
    ) {
        let began = bill.began();
        let request = &batch.request;
        // A list that cannot be taken apart has been paid for all the same.
        bill.reads(false);
        let storable = gate::head(answer.status, &answer.headers, &self.policy);
        let Some(reading) = self
            .read_items((batch, items), &mut producer, &mut bill, answer)
            .await
        else {
            return;
        };
        bill.whole();
        let ReadItems {
            items: read,
            frame,
            raw,
        } = match reading.finish() {
            Ok(read) => read,
            Err(unread) => return self.give_up_reading(unread, producer),
        };
        let (json, facts) = match batch.adapter.around(&frame) {
            Ok(around) => around,
            Err(refusal) => return self.give_up_reading(Unread { refusal, raw }, producer),
        };
        if let Err(refusal) = storable {
            self.metrics.refused(refusal.as_str());
        }
        let around = Around {
            text: &frame,
            json: &json,
            facts,
            took: began.elapsed(),
            stores: storable.is_ok() && request.directives.store,
        };
        bill.told(around.facts.usage, around.facts.model.clone());
        drop(bill);
        let mut by_key = self.store_items(batch, items, read, &around);
        by_key.extend(found);
        producer.complete_items(ItemAnswers {
            by_key,
            frame: frame.into(),
        });
    }

    /// Reads the answer as it arrives. `None` if there is nothing to settle: the fill
    /// has been given up or has failed.
    async fn read_items(
        &self,
        (batch, items): (&Batch, &[usize]),
        producer: &mut Producer,
        bill: &mut Bill,
        answer: Answer,
    ) -> Option<Reading> {
        let is_all = batch.identified.are_all(items);
        let raw_bytes_max = if is_all {
            self.policy.entry_bytes_max
        } else {
            0
        };
        let mut reading = Reading::new(
            (batch.adapter, batch.request.upstream.kind()),
            items.len(),
            raw_bytes_max,
        );
        let mut body = answer.body;
        while !reading.is_hopeless() {
            match producer.while_wanted(body.next()).await.ok()? {
                None => break,
                Some(Ok(chunk)) => {
                    bill.take(&chunk);
                    reading.take(&chunk);
                }
                Some(Err(error)) => {
                    log_failure(&batch.request.asked.id, &error);
                    let failure = failure(&error);
                    bill.failed(failure.as_str());
                    producer.fail_now(failure);
                    return None;
                }
            }
        }
        Some(reading)
    }

    /// Ends a fill whose answer cannot be taken apart: those who can take it as it
    /// came get it so.
    fn give_up_reading(&self, unread: Unread, producer: Producer) {
        self.metrics.refused(unread.refusal.as_str());
        producer.unshareable();
        match unread.raw {
            Some(raw) => {
                producer.push(Piece::plain(raw));
                producer.complete(None);
            }
            None => producer.fail(Failure::Unreadable),
        }
    }

    /// Makes an entry of each item, and stores it if it may be.
    fn store_items(
        &self,
        batch: &Batch,
        items: &[usize],
        read: Vec<Item>,
        around: &Around<'_>,
    ) -> Known {
        let sizes = batch.sizes_of(items);
        let are_tokens = batch.identified.facts.sizes_are_tokens;
        let share = |usage: Usage| usage.share(&sizes, are_tokens);
        let mut shares = around
            .facts
            .usage
            .map(share)
            .unwrap_or_default()
            .into_iter();
        let keep_for = freshness::keep_for(
            self.fresh_for(&batch.request, batch.adapter.operation()),
            &self.policy,
        );
        batch
            .identified
            .keys_of(items)
            .into_iter()
            .zip(read)
            .map(|(key, item)| {
                let mut entry = self.entry_of(batch, item, around);
                entry.meta.usage = shares.next();
                if items.len() == 1 {
                    entry.meta.around = batch.kept_around(&entry, around);
                }
                let cached = if around.stores {
                    self.store.insert(key, entry, keep_for)
                } else {
                    Arc::new(Cached::new(entry))
                };
                (key, cached)
            })
            .collect()
    }

    /// Makes an entry of an item. There may be millions of these: what can be told
    /// without being stored is left out.
    fn entry_of(&self, batch: &Batch, item: Item, around: &Around<'_>) -> Entry {
        let model = &batch.identified.facts.model;
        let resolved = around.facts.model.clone();
        Entry {
            operation: batch.adapter.operation(),
            stored_at: batch.request.began,
            fresh_for: self.fresh_for(&batch.request, batch.adapter.operation()),
            meta: Meta {
                model: model.clone(),
                resolved_model: resolved.filter(|resolved| resolved != model),
                status: 200,
                tenant: Some(batch.request.principal.caller.tenant.as_ref().to_owned()),
                tags: batch.request.tags.iter().map(str::to_owned).collect(),
                took_millis: u32::try_from(around.took.as_millis()).unwrap_or(u32::MAX),
                content_type: "application/json".to_owned(),
                generation: batch.request.generation,
                ..Meta::default()
            },
            body: batch.adapter.stored(item.content, around.json),
        }
    }
}

impl Batch {
    /// The body that asks for `items`: the client's own, if those are all.
    fn asking_for(&self, items: &[usize]) -> Option<Bytes> {
        if self.identified.are_all(items) {
            return Some(self.request.body.clone());
        }
        let first = |item: &usize| self.identified.first.get(*item).copied();
        let positions: Vec<usize> = items.iter().filter_map(first).collect();
        let body = self.adapter.asking_for(&self.request.body, &positions)?;
        Some(body.into())
    }

    /// What of the text around the only item of a call has to be kept with it.
    fn kept_around(&self, entry: &Entry, around: &Around<'_>) -> Option<String> {
        let told = Told {
            model: entry.meta.answered_by(),
            usage: around.facts.usage,
            first: &entry.body,
        };
        self.adapter.kept_around(around.text, &told)
    }

    fn sizes_of(&self, items: &[usize]) -> Vec<u64> {
        let size = |item: &usize| {
            let position = self.identified.first.get(*item)?;
            self.identified.facts.sizes.get(*position).copied()
        };
        items
            .iter()
            .map(|item| size(item).unwrap_or_default())
            .collect()
    }
}
