//! The record of one finished request.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixMillis;
use crate::ledger::{Caller, Tags};
use crate::price::Usd;
use crate::wire::{Operation, SpanIds, Usage};

/// One finished request. It has no prompt, no answer and no credential in it.
#[derive(Clone, Debug)]
pub struct Event {
    /// The id the request was answered with.
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
    /// How it was answered, in lower case: `hit`, `miss`, …
    pub outcome: &'static str,
    /// Why, for outcomes that have a reason.
    pub detail: Option<&'static str>,
    /// The status the client got; `None` if it left before.
    pub status: Option<u16>,
    /// How the answer ended.
    pub served: Served,
    /// The tokens of the answer, where it told them.
    pub usage: Option<Usage>,
    /// What the upstream did not have to do again for it.
    pub saved: Option<Saved>,
    /// How the items of a list were answered, where a list was asked for.
    pub items: Option<Items>,
    /// The bytes of body that were handed to the client's connection.
    pub bytes: u64,
    /// From the request's head to the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// From the request's head to the end of the answer.
    pub total: Duration,
    /// Its span, where traces are sent.
    pub span: Option<SpanIds>,
}

/// What the upstream did not have to do again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The tokens it did not have to read and write.
    pub usage: Usage,
    /// The time it had taken when it did.
    pub time: Duration,
    /// What those tokens would have cost; `None` if the model has no known price.
    pub cost: Option<Usd>,
}

/// How the items of a list were answered, counted by position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Items {
    /// From the store.
    pub stored: u64,
    /// By a call that another request made.
    pub joined: u64,
    /// By a call of the request's own.
    pub called: u64,
}

/// How an answer ended, seen from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// The client got all of it.
    Complete,
    /// The client left before the end.
    ClientLeft,
    /// The answer failed, before or after it had begun; with the reason.
    Failed(&'static str),
}

impl Event {
    /// The model that answered; the one asked for where the answer did not say.
    pub fn answered_by(&self) -> &str {
        answered_by(self.resolved_model.as_ref(), self.model.as_ref())
    }

    /// Whether the client got an error: a status from 400, or no whole answer.
    pub fn is_failure(&self) -> bool {
        matches!(self.served, Served::Failed(_)) || self.status.is_some_and(|status| status >= 400)
    }
}

impl Served {
    /// The name used in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientLeft => "client-left",
            Self::Failed(reason) => reason,
        }
    }
}

pub(super) fn answered_by<'a>(resolved: Option<&'a String>, asked: Option<&'a String>) -> &'a str {
    resolved.or(asked).map_or("", String::as_str)
}
