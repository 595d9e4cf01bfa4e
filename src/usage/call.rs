//! The record of one call to the upstream.
//!
//! A request and the call it leads are told apart, because neither ends with the
//! other: a call outlives the client that left, answers others as well, and may have
//! been made for nobody, to renew an entry.

use std::sync::Arc;
use std::time::Duration;

use super::event::answered_by;
use crate::clock::UnixMillis;
use crate::ledger::{Caller, Tags};
use crate::price::Usd;
use crate::wire::{Operation, SpanIds, Usage};

/// One finished call. It has no prompt, no answer and no credential in it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The id of the request that led to it.
    pub request_id: String,
    /// When it was finished, by the time of day.
    pub at: UnixMillis,
    /// The endpoint family.
    pub operation: Operation,
    /// The model asked for, where one was named.
    pub model: Option<String>,
    /// The model that answered, where the answer told another name than was asked for.
    pub resolved_model: Option<String>,
    /// Who asked.
    pub caller: Caller,
    /// What the client calls requests like this one.
    pub tags: Tags,
    /// The upstream provider.
    pub upstream: Arc<str>,
    /// Why it was made, by the outcome of the request: `miss`, `refresh`, `bypass`, …
    pub outcome: &'static str,
    /// The status of the answer, where one came.
    pub status: Option<u16>,
    /// How it ended.
    pub ended: Ended,
    /// The tokens the upstream counted, where it told them.
    pub usage: Option<Usage>,
    /// What they cost; `None` if there are none or the model has no known price.
    pub cost: Option<Usd>,
    /// From the call to the first byte of the answer's body.
    pub first_byte: Option<Duration>,
    /// From the call to its end.
    pub total: Duration,
    /// Its span, where traces are sent.
    pub span: Option<SpanIds>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The answer came whole; it may have been an error.
    Whole,
    /// Nobody wanted it any more, and it was given up.
    GivenUp,
    /// It failed, before or after the answer had begun; with the reason.
    Failed(&'static str),
}

impl Call {
    /// The model that answered; the one asked for where the answer did not say.
    pub fn answered_by(&self) -> &str {
        answered_by(self.resolved_model.as_ref(), self.model.as_ref())
    }

    /// Whether it came to a whole answer that is no error.
    pub fn succeeded(&self) -> bool {
        self.ended == Ended::Whole && self.status.is_some_and(|status| status < 400)
    }

    /// Why there was no whole answer.
    pub const fn error(&self) -> Option<&'static str> {
        match self.ended {
            Ended::Whole => None,
            Ended::GivenUp => Some("given-up"),
            Ended::Failed(reason) => Some(reason),
        }
    }

    /// Every word that [`Call::result`] gives, for registering metrics.
    pub const RESULTS: [&'static str; 4] = ["ok", "refused", "given-up", "failed"];

    /// The word for how it went, in metric labels.
    pub fn result(&self) -> &'static str {
        match (self.ended, self.status) {
            (Ended::Whole, Some(status)) if status < 400 => "ok",
            (Ended::Whole, _) => "refused",
            (Ended::GivenUp, _) => "given-up",
            (Ended::Failed(_), _) => "failed",
        }
    }
}
