//! The last step: what happened, told once.
//!
//! An account is opened when a request comes in and travels with its answer. It
//! is closed when the last byte is handed over; dropped before, the client has
//! left, and that is what it tells. Either way every request is told exactly once.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Asked, Proxy, ProxyError};
use crate::access::{Denied, Limited, Meter};
use crate::ledger::{Caller, Tags};
use crate::policy::CacheStatus;
use crate::price::{Seller, Usd};
use crate::upstream::Upstream;
use crate::usage::{Event, Items, Saved, Served, Subject};
use crate::wire::{Operation, SpanIds, Usage};

/// The outcome of a request that came to no answer: nothing was stored for it.
const UNANSWERED: &str = "miss";

/// The reason given for a request whose caller is turned away.
const DENIED: &str = "denied";

/// The reason given for a request whose caller has reached a limit.
const LIMITED: &str = "limited";

/// What is known of a request so far.
#[derive(Debug)]
pub(super) struct Account {
    proxy: Arc<Proxy>,
    at: Instant,
    request_id: String,
    operation: Operation,
    model: Option<String>,
    outcome: Option<CacheStatus>,
    status: Option<u16>,
    resolved_model: Option<String>,
    caller: Option<Caller>,
    upstream: Arc<str>,
    /// Whose prices count.
    seller: Seller,
    tags: Tags,
    usage: Option<Usage>,
    saved: Option<Saved>,
    items: Option<Items>,
    bytes: u64,
    first_byte: Option<Instant>,
    served: Served,
    span: Option<SpanIds>,
    meter: Option<Meter>,
    /// How long the answer is, where that is known before it comes.
    length: Option<u64>,
    /// Whether it is told at all: what nobody asked for an answer to is not.
    is_told: bool,
}

impl Account {
    /// Opens the account of a request.
    pub(super) fn open(proxy: &Arc<Proxy>, operation: Operation, asked: &Asked) -> Self {
        Self {
            proxy: Arc::clone(proxy),
            at: asked.at,
            request_id: asked.id.clone(),
            operation,
            model: None,
            outcome: None,
            status: None,
            resolved_model: None,
            caller: None,
            upstream: proxy.upstreams.default().name(),
            seller: Seller::InForce,
            tags: Tags::default(),
            usage: None,
            saved: None,
            items: None,
            bytes: 0,
            first_byte: None,
            served: Served::ClientLeft,
            length: None,
            span: asked.span,
            is_told: true,
            meter: None,
        }
    }

    /// The account of a request that is only talked about: it is counted nowhere.
    pub(super) fn untold(proxy: &Arc<Proxy>, operation: Operation, asked: &Asked) -> Self {
        let mut account = Self::open(proxy, operation, asked);
        account.is_told = false;
        account
    }

    /// The endpoint family.
    pub(super) fn operation(&self) -> Operation {
        self.operation
    }

    /// The model asked for, as far as the request has been read.
    pub(super) fn model_asked(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Notes what the cache did with the request.
    pub(super) fn outcome(&mut self, outcome: CacheStatus) {
        self.outcome = Some(outcome);
    }

    /// Notes who asked, and what the client calls requests like this one.
    pub(super) fn asked_by(&mut self, caller: &Caller, tags: &Tags) {
        self.caller = Some(caller.clone());
        self.tags.clone_from(tags);
    }

    /// Notes what the request is held to: it is under way from now on.
    pub(super) fn held_to(&mut self, meter: &Meter) {
        self.meter = Some(meter.clone());
    }

    /// The provider has to be called: counts the request, if it was not counted before.
    ///
    /// # Errors
    /// If its caller has reached a limit.
    pub(super) async fn need_call(&self) -> Result<(), Limited> {
        match &self.meter {
            Some(meter) => meter.need().await,
            None => Ok(()),
        }
    }

    /// Notes the provider the request goes to.
    pub(super) fn upstream(&mut self, upstream: &Upstream) {
        self.upstream = upstream.name();
        self.seller = upstream.seller();
    }

    /// Notes the model that answered, if the answer tells another name than was asked
    /// for.
    pub(super) fn answered_by(&mut self, model: Option<&str>) {
        self.resolved_model = model
            .filter(|model| Some(*model) != self.model.as_deref())
            .map(str::to_owned);
    }

    /// What tokens cost of the model that answered, which has to have been noted.
    pub(super) fn price(&self, usage: Usage) -> Option<Usd> {
        let (answered, asked) = (self.resolved_model.as_deref(), self.model.as_deref());
        let tariff = &self.proxy.tariff;
        tariff.cost(self.seller, answered, asked, usage)
    }

    /// Notes what the upstream did not have to do again.
    pub(super) fn saved(&mut self, saved: Saved) {
        self.saved = Some(saved);
    }

    /// Notes the model asked for.
    pub(super) fn model(&mut self, model: &str) {
        self.model = (!model.is_empty()).then(|| model.to_owned());
    }

    /// Notes the status the client is given.
    pub(super) fn status(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// Notes the tokens of the answer.
    pub(super) fn usage(&mut self, usage: Option<Usage>) {
        self.usage = usage;
    }

    /// Notes how the items of a list were answered.
    pub(super) fn items(&mut self, items: Items) {
        self.items = Some(items);
    }

    /// Notes how long the answer is. The server stops asking for more of a body
    /// once it has that much, so its end is not seen otherwise.
    pub(super) fn length(&mut self, length: Option<u64>) {
        self.length = length;
    }

    /// Notes a piece of body handed over.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.first_byte.get_or_insert_with(Instant::now);
        self.bytes += bytes as u64;
    }

    /// The answer is all handed over.
    pub(super) fn complete(mut self) {
        self.served = Served::Complete;
    }

    /// The caller is turned away.
    pub(super) fn denied(mut self, denied: Denied) -> ProxyError {
        self.outcome(CacheStatus::Bypass { reason: DENIED });
        self.failed(denied.code());
        denied.into()
    }

    /// The caller has reached a limit.
    pub(super) fn limited(mut self, limited: Limited) -> ProxyError {
        let error = ProxyError::from(limited);
        self.outcome(CacheStatus::Bypass { reason: LIMITED });
        self.failed(error.code());
        error
    }

    /// All of the answer is there: nothing is under way any more.
    pub(super) fn ended(&self) {
        if let Some(meter) = &self.meter {
            meter.ended();
        }
    }

    /// There was no answer, or it broke off.
    pub(super) fn failed(mut self, reason: &'static str) {
        self.served = Served::Failed(reason);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if !self.is_told {
            return;
        }
        if self.served == Served::ClientLeft && self.length == Some(self.bytes) {
            self.served = Served::Complete;
        }
        if let Some(meter) = &self.meter {
            meter.ended();
            if let Some(saved) = &self.saved {
                meter.served(saved.usage.input.saturating_add(saved.usage.output));
            }
        }
        let subject = Subject {
            request_id: std::mem::take(&mut self.request_id),
            at: self.proxy.clock.unix_millis(),
            operation: self.operation,
            model: self.model.take(),
            resolved_model: self.resolved_model.take(),
            caller: self.caller.take().unwrap_or_else(nobody),
            tags: std::mem::take(&mut self.tags),
            upstream: Arc::clone(&self.upstream),
            outcome: self.outcome.map_or(UNANSWERED, CacheStatus::as_str),
            span: self.span,
        };
        let event = Event {
            subject,
            detail: self.outcome.and_then(CacheStatus::detail),
            status: self.status,
            served: self.served,
            usage: self.usage.take(),
            saved: self.saved,
            items: self.items,
            bytes: self.bytes,
            first_byte: self.first_byte.map(|first| first.duration_since(self.at)),
            total: self.at.elapsed(),
        };
        // First, because it takes the time of day for the end of the request.
        if let Some(otlp) = &self.proxy.otlp {
            otlp.request(&event);
        }
        self.proxy.metrics.record(&event);
        crate::telemetry::log_request(&event);
        self.proxy.journal.request(event);
    }
}

/// Who a request is counted for that was not read far enough to know.
fn nobody() -> Caller {
    Caller {
        key: "".into(),
        tenant: "".into(),
    }
}
