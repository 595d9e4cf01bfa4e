//! Tokens and money as metrics: the same sums that go to the ledger, so that no request
//! counts them on its way.

use metrics::{counter, describe_counter};

use crate::ledger::{Counter, Tally};
use crate::wire::Operation;

const TOKENS: &str = "reprise_tokens_total";
const COST: &str = "reprise_cost_nanousd_total";
const UNPRICED: &str = "reprise_unpriced_calls_total";

/// Whose tokens a number of the ledger counts, and which.
const TOKEN_COUNTERS: [(&str, &str, Counter); 12] = [
    ("upstream", "input", Counter::SpentInput),
    ("upstream", "cached_input", Counter::SpentCachedInput),
    ("upstream", "output", Counter::SpentOutput),
    ("upstream", "reasoning", Counter::SpentReasoning),
    ("served", "input", Counter::ServedInput),
    ("served", "cached_input", Counter::ServedCachedInput),
    ("served", "output", Counter::ServedOutput),
    ("served", "reasoning", Counter::ServedReasoning),
    ("saved", "input", Counter::SavedInput),
    ("saved", "cached_input", Counter::SavedCachedInput),
    ("saved", "output", Counter::SavedOutput),
    ("saved", "reasoning", Counter::SavedReasoning),
];

const COST_COUNTERS: [(&str, Counter); 2] = [
    ("upstream", Counter::SpentNanos),
    ("saved", Counter::SavedNanos),
];

/// Describes the metrics, and has them be there before anything happens.
pub(super) fn describe() {
    describe_counter!(
        TOKENS,
        "Tokens counted upstream, served to clients and saved by the cache."
    );
    describe_counter!(
        COST,
        "Billionths of a US dollar spent upstream and saved by the cache, at the prices known."
    );
    describe_counter!(
        UNPRICED,
        "Calls that told their tokens, of models without a known price."
    );
    for operation in Operation::ALL {
        measure(operation, &Tally::default());
    }
}

/// Adds what was counted of an operation.
pub(super) fn measure(operation: Operation, tally: &Tally) {
    let operation = operation.as_str();
    for (kind, direction, counter) in TOKEN_COUNTERS {
        counter!(TOKENS, "operation" => operation, "kind" => kind, "direction" => direction)
            .increment(tally.get(counter));
    }
    for (kind, counter) in COST_COUNTERS {
        counter!(COST, "operation" => operation, "kind" => kind).increment(tally.get(counter));
    }
    counter!(UNPRICED, "operation" => operation).increment(tally.get(Counter::CallsUnpriced));
}
