//! The record of one call to the upstream.
//!
//! A request and the call it leads are told apart, because neither ends with the
//! other: a call outlives the client that left, answers others as well, and may have
//! been made for nobody, to renew an entry.

use std::time::Duration;

use super::Subject;
use crate::price::Usd;
use crate::wire::Usage;

/// One finished call. It has no prompt, no answer and no credential in it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who asked for what; the outcome is that of the request that led to the call.
    pub subject: Subject,
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
