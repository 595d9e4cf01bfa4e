//! What a record adds to the ledger.

use super::{Call, Event, Served};
use crate::ledger::{Counter, Tally};
use crate::wire::Operation;

impl Event {
    /// Counts what was asked, served and saved, but nothing that was spent.
    pub fn count_in(&self, tally: &mut Tally) {
        tally.add(Counter::Requests, 1);
        tally.add(answered_how(self.subject.outcome, self.is_failure()), 1);
        tally.add(Counter::Failed, u64::from(self.is_failure()));
        let left = self.served == Served::ClientLeft;
        tally.add(Counter::Abandoned, u64::from(left));
        tally.add(Counter::BytesServed, self.bytes);
        if let Some(items) = self.items {
            tally.add(Counter::ItemsStored, items.stored);
            tally.add(Counter::ItemsJoined, items.joined);
            tally.add(Counter::ItemsCalled, items.called);
        }
        if let Some(usage) = self.usage {
            tally.add(Counter::ServedInput, usage.input);
            tally.add(Counter::ServedCachedInput, usage.cached_input);
            tally.add(Counter::ServedOutput, usage.output);
            tally.add(Counter::ServedReasoning, usage.reasoning);
        }
        if let Some(saved) = self.saved {
            tally.add(Counter::SavedInput, saved.usage.input);
            tally.add(Counter::SavedCachedInput, saved.usage.cached_input);
            tally.add(Counter::SavedOutput, saved.usage.output);
            tally.add(Counter::SavedReasoning, saved.usage.reasoning);
            tally.add(Counter::SavedMicros, micros(saved.time));
            let cost = saved.cost.unwrap_or_default();
            tally.add(Counter::SavedNanos, cost.nanos());
            let is_unpriced = saved.cost.is_none() && !saved.usage.is_nothing();
            tally.add(Counter::SavedUnpriced, u64::from(is_unpriced));
        }
        tally.total.record(self.total);
        if let Some(first_byte) = self.first_byte {
            tally.first_byte.record(first_byte);
        }
    }
}

impl Call {
    /// Counts what was spent, but no request.
    pub fn count_in(&self, tally: &mut Tally) {
        tally.add(Counter::Calls, 1);
        tally.add(Counter::CallsFailed, u64::from(!self.succeeded()));
        tally.add(Counter::CallMicros, micros(self.total));
        match self.usage {
            Some(usage) => {
                tally.add(Counter::SpentInput, usage.input);
                tally.add(Counter::SpentCachedInput, usage.cached_input);
                tally.add(Counter::SpentOutput, usage.output);
                tally.add(Counter::SpentReasoning, usage.reasoning);
                let cost = self.cost.unwrap_or_default();
                tally.add(Counter::SpentNanos, cost.nanos());
                let is_unpriced = self.cost.is_none() && !usage.is_nothing();
                tally.add(Counter::CallsUnpriced, u64::from(is_unpriced));
            }
            None if self.succeeded() && is_counted(self.subject.operation) => {
                tally.add(Counter::CallsUncounted, 1);
            }
            None => {}
        }
    }
}

/// The counter of an outcome. Who shares another's error has been saved nothing.
fn answered_how(outcome: &str, is_failure: bool) -> Counter {
    match outcome {
        "hit" | "stale" => Counter::Hits,
        "coalesced" if !is_failure => Counter::Hits,
        "partial" => Counter::Partials,
        "bypass" => Counter::Bypasses,
        _ => Counter::Misses,
    }
}

/// Whether answers of this family tell tokens.
const fn is_counted(operation: Operation) -> bool {
    match operation {
        Operation::Chat
        | Operation::Embedding
        | Operation::Response
        | Operation::Completion
        | Operation::Message => true,
        Operation::Passthrough
        | Operation::Moderation
        | Operation::Models
        | Operation::TokenCount
        | Operation::Rerank
        | Operation::Transcription
        | Operation::Translation
        | Operation::Speech => false,
    }
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
