//! What a record is about, be it of a request or of a call.

use std::sync::Arc;

use crate::clock::UnixMillis;
use crate::ledger::{Caller, Labels, Tags, cut};
use crate::wire::{Operation, SpanIds};

/// What a record is about: who asked for what, and how that was answered.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The id the request was answered with; of a call, that of the request that led
    /// to it.
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
    /// What the cache did with the request, in lower case: `hit`, `miss`, …
    pub outcome: &'static str,
    /// Its span, where traces are sent.
    pub span: Option<SpanIds>,
}

impl Subject {
    /// The model that answered; the one asked for where the answer did not say.
    pub fn answered_by(&self) -> &str {
        let model = self.resolved_model.as_ref().or(self.model.as_ref());
        model.map_or("", String::as_str)
    }

    /// Under what it is counted.
    pub fn labels(&self) -> Labels {
        Labels {
            operation: self.operation.as_str().to_owned(),
            model: cut(self.answered_by()).to_owned(),
            key: self.caller.key.as_ref().to_owned(),
            tenant: self.caller.tenant.as_ref().to_owned(),
            upstream: self.upstream.as_ref().to_owned(),
            outcome: self.outcome.to_owned(),
            tags: self.tags.clone(),
        }
    }
}
