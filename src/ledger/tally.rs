//! What is counted in a line.

use super::Latencies;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// One number of a [`Tally`]. New ones are added at the end: a backend may
        /// keep them by their place.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Counter {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Counter {
            /// All of them, in their order.
            pub const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];

            /// The name used in columns and in answers.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

counters! {
    /// Requests answered or given up; every request once.
    Requests = "requests",
    /// Requests answered from the cache alone: fresh, stale, or by a call that another
    /// request made.
    Hits = "hits",
    /// Requests answered by a call of their own.
    Misses = "misses",
    /// Requests for lists of which the cache had some items.
    Partials = "partials",
    /// Requests the cache had no part in.
    Bypasses = "bypasses",
    /// Requests that got an error: a status from 400, or no whole answer.
    Failed = "failed",
    /// Requests whose client left before the end of its answer.
    Abandoned = "abandoned",
    /// Items of lists answered from the store.
    ItemsStored = "items_stored",
    /// Items of lists answered by a call that another request made.
    ItemsJoined = "items_joined",
    /// Items of lists answered by a call of the request's own.
    ItemsCalled = "items_called",
    /// Bytes of body handed to clients.
    BytesServed = "bytes_served",
    /// Tokens of requests in the answers served, wherever those came from.
    ServedInput = "served_input_tokens",
    /// Those of them that the provider had read from its prompt cache.
    ServedCachedInput = "served_cached_input_tokens",
    /// Tokens of answers served.
    ServedOutput = "served_output_tokens",
    /// Those of them spent on reasoning.
    ServedReasoning = "served_reasoning_tokens",
    /// Calls made to the upstream.
    Calls = "upstream_calls",
    /// Calls that failed: a status from 400, no answer, or a broken one.
    CallsFailed = "upstream_calls_failed",
    /// Calls answered with success that did not tell their tokens.
    CallsUncounted = "upstream_calls_uncounted",
    /// Calls that told their tokens, but whose model has no known price.
    CallsUnpriced = "upstream_calls_unpriced",
    /// Time the calls took, in microseconds.
    CallMicros = "upstream_micros",
    /// Tokens of requests the upstream counted, the cached ones included.
    SpentInput = "spent_input_tokens",
    /// Those of them that the provider read from its prompt cache.
    SpentCachedInput = "spent_cached_input_tokens",
    /// Tokens of answers the upstream counted.
    SpentOutput = "spent_output_tokens",
    /// Those of them spent on reasoning.
    SpentReasoning = "spent_reasoning_tokens",
    /// What the calls cost, in billionths of a US dollar.
    SpentNanos = "spent_nanousd",
    /// Tokens of requests that did not have to be sent again.
    SavedInput = "saved_input_tokens",
    /// Those of them that the provider had read from its prompt cache.
    SavedCachedInput = "saved_cached_input_tokens",
    /// Tokens of answers that did not have to be made again.
    SavedOutput = "saved_output_tokens",
    /// Those of them spent on reasoning.
    SavedReasoning = "saved_reasoning_tokens",
    /// What the saved tokens would have cost, in billionths of a US dollar.
    SavedNanos = "saved_nanousd",
    /// Requests with saved tokens of a model that has no known price.
    SavedUnpriced = "saved_unpriced",
    /// Upstream time that did not have to be waited for, in microseconds.
    SavedMicros = "saved_micros",
}

/// Everything that is counted under one set of labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: [u64; Counter::ALL.len()],
    /// From a request's head to the end of its answer.
    pub total: Latencies,
    /// From a request's head to the first byte of its answer.
    pub first_byte: Latencies,
}

impl Tally {
    /// Adds to a number. It stays at its largest value rather than start over.
    pub fn add(&mut self, counter: Counter, count: u64) {
        if let Some(counted) = self.counts.get_mut(counter as usize) {
            *counted = counted.saturating_add(count);
        }
    }

    /// A number.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counts
            .get(counter as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Adds all of another tally.
    pub fn merge(&mut self, other: &Self) {
        for (counted, count) in self.counts.iter_mut().zip(other.counts) {
            *counted = counted.saturating_add(count);
        }
        self.total.merge(&other.total);
        self.first_byte.merge(&other.first_byte);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;

    #[test]
    fn tallies_add_up_number_by_number() {
        let mut one = Tally::default();
        one.add(Counter::Requests, 2);
        one.total.record(Duration::from_millis(1));
        let mut other = Tally::default();
        other.add(Counter::Requests, 3);
        other.add(Counter::SavedNanos, u64::MAX);
        one.merge(&other);
        one.merge(&other);
        assert_eq!(one.get(Counter::Requests), 8);
        assert_eq!(one.get(Counter::SavedNanos), u64::MAX);
        assert_eq!(one.get(Counter::Hits), 0);
        assert_eq!(one.total.count(), 1);
    }

    #[test]
    fn every_number_has_a_place_and_a_name_of_its_own() {
        let names: HashSet<_> = Counter::ALL
            .iter()
            .map(|counter| counter.as_str())
            .collect();
        assert_eq!(names.len(), Counter::ALL.len());
        for (place, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, place);
        }
    }
}
