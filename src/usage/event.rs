//! The record of one finished request.

use std::time::Duration;

use crate::wire::{Operation, Usage};

/// One finished request. It has no prompt, no answer and no credential in it.
#[derive(Clone, Debug)]
pub struct Event {
    /// The id the request was answered with.
    pub request_id: String,
    /// The endpoint family.
    pub operation: Operation,
    /// The model asked for, where one was named.
    pub model: Option<String>,
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
    /// How the items of a list were answered, where a list was asked for.
    pub items: Option<Items>,
    /// The bytes of body that were handed to the client's connection.
    pub bytes: u64,
    /// From the request's head to the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// From the request's head to the end of the answer.
    pub total: Duration,
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
