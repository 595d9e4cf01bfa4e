//! The record of one finished request.

use std::time::Duration;

use super::Subject;
use crate::price::Usd;
use crate::wire::Usage;

/// One finished request. It has no prompt, no answer and no credential in it.
#[derive(Clone, Debug)]
pub struct Event {
    /// Who asked for what.
    pub subject: Subject,
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
