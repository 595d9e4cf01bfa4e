//! The numbers of a tally, as the administration tells them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::ledger::{Counter, Latencies, Tally};
use crate::usage::books::report::{Named, Percentiles, dollars, hit_ratio, percentiles};
use crate::usage::books::{Dimension, Dimensions, Unpriced};

/// A group and what it came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GroupNumbers {
    /// What its requests have in common.
    #[serde(flatten)]
    names: GroupNames,
    /// How many groups this one stands for, where it stands for those that are not
    /// named.
    #[serde(skip_serializing_if = "Option::is_none")]
    others: Option<u64>,
    /// What it came to.
    #[serde(flatten)]
    numbers: Numbers,
}

/// A name for each dimension that is grouped by; null where it is not known, or for
/// requests without tags. Dimensions that are not grouped by are left out.
#[derive(Debug, Serialize, ToSchema)]
#[expect(
    clippy::option_option,
    reason = "a name that is not known is null, one that was not asked for is left out"
)]
struct GroupNames {
    /// The endpoint family.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "chat")]
    operation: Option<Option<String>>,
    /// The model that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "gpt-5-mini-2025-08-07")]
    model: Option<Option<String>>,
    /// The API key, by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "key_search")]
    key: Option<Option<String>>,
    /// Whose the key is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "acme")]
    tenant: Option<Option<String>>,
    /// What the client called its requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "team=search")]
    tag: Option<Option<String>>,
    /// What the cache did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "hit")]
    outcome: Option<Option<String>>,
    /// The upstream provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "openai")]
    upstream: Option<Option<String>>,
}

/// What some requests came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Numbers {
    /// Requests answered or given up, every one once.
    requests: u64,
    /// Those answered from the cache alone: fresh, stale, or by a call that another
    /// request made.
    hits: u64,
    /// Those answered by a call of their own.
    misses: u64,
    /// Those for lists of which the cache had some items.
    partials: u64,
    /// Those the cache had no part in.
    bypasses: u64,
    /// Those that got an error: a status from 400, or no whole answer.
    failed: u64,
    /// Those whose client left before the end of its answer.
    abandoned: u64,
    /// Hits among hits, misses and partials, from 0 to 1; null if there were none.
    hit_ratio: Option<f64>,
    /// How the items of lists were answered.
    items: Items,
    /// Bytes of body handed to clients.
    bytes_served: u64,
    /// Tokens.
    tokens: Tokens,
    /// What the calls to the upstream cost, in US dollars, as far as prices are known.
    cost_usd: f64,
    /// What the saved tokens would have cost, in US dollars, as far as prices are known.
    saved_cost_usd: f64,
    /// Upstream time that did not have to be waited for, in seconds.
    saved_seconds: f64,
    /// Calls made to the upstream.
    upstream_calls: u64,
    /// Those of them that failed.
    upstream_failed: u64,
    /// Those of them that succeeded and did not tell their tokens.
    uncounted: u64,
    /// Those of them that told their tokens, but whose model has no known price.
    unpriced: u64,
    /// Requests with saved tokens of a model that has no known price.
    saved_unpriced: u64,
    /// From a request's head to the end of its answer, in milliseconds; null if nothing
    /// was timed.
    latency_ms: Option<Milliseconds>,
    /// From a request's head to the first byte of its answer, in milliseconds; null if
    /// nothing was timed.
    first_byte_ms: Option<Milliseconds>,
}

/// How the items of lists were answered.
#[derive(Debug, Serialize, ToSchema)]
struct Items {
    /// From the store.
    stored: u64,
    /// By a call that another request made.
    joined: u64,
    /// By a call of the request's own.
    called: u64,
}

/// Tokens of three kinds that are not to be added up.
#[derive(Debug, Serialize, ToSchema)]
struct Tokens {
    /// What the upstream counted: it is on the invoice.
    upstream: TokenCounts,
    /// In the answers that clients got, wherever those came from.
    served: TokenCounts,
    /// What did not have to be called for.
    saved: TokenCounts,
}

/// Tokens.
#[derive(Debug, Serialize, ToSchema)]
struct TokenCounts {
    /// Of requests, the cached ones included.
    input: u64,
    /// Those of them that the provider read from its prompt cache.
    cached_input: u64,
    /// Of answers.
    output: u64,
    /// Those of them spent on reasoning.
    reasoning: u64,
}

/// How long things took at most, in milliseconds, within 7 %.
#[derive(Debug, Serialize, ToSchema)]
struct Milliseconds {
    /// Half of them.
    p50: f64,
    /// 90 % of them.
    p90: f64,
    /// 95 % of them.
    p95: f64,
    /// 99 % of them.
    p99: f64,
}

impl GroupNumbers {
    /// A group of some that are told apart by `group_by`.
    pub(super) fn of(named: &Named, group_by: Dimensions) -> Self {
        Self {
            names: GroupNames::of(named, group_by),
            others: named.others,
            numbers: Numbers::of(&named.tally),
        }
    }
}

impl GroupNames {
    fn of(named: &Named, group_by: Dimensions) -> Self {
        let name = |dimension| {
            let name = named.group.name(group_by, dimension)?;
            Some((!name.is_empty()).then(|| name.to_owned()))
        };
        Self {
            operation: name(Dimension::Operation),
            model: name(Dimension::Model),
            key: name(Dimension::Key),
            tenant: name(Dimension::Tenant),
            tag: name(Dimension::Tag),
            outcome: name(Dimension::Outcome),
            upstream: name(Dimension::Upstream),
        }
    }
}

impl Numbers {
    /// The numbers of a tally.
    pub(super) fn of(tally: &Tally) -> Self {
        let get = |counter| tally.get(counter);
        Self {
            requests: get(Counter::Requests),
            hits: get(Counter::Hits),
            misses: get(Counter::Misses),
            partials: get(Counter::Partials),
            bypasses: get(Counter::Bypasses),
            failed: get(Counter::Failed),
            abandoned: get(Counter::Abandoned),
            hit_ratio: hit_ratio(tally),
            items: Items {
                stored: get(Counter::ItemsStored),
                joined: get(Counter::ItemsJoined),
                called: get(Counter::ItemsCalled),
            },
            bytes_served: get(Counter::BytesServed),
            tokens: Tokens::of(tally),
            cost_usd: dollars(get(Counter::SpentNanos)),
            saved_cost_usd: dollars(get(Counter::SavedNanos)),
            saved_seconds: Duration::from_micros(get(Counter::SavedMicros)).as_secs_f64(),
            upstream_calls: get(Counter::Calls),
            upstream_failed: get(Counter::CallsFailed),
            uncounted: get(Counter::CallsUncounted),
            unpriced: get(Counter::CallsUnpriced),
            saved_unpriced: get(Counter::SavedUnpriced),
            latency_ms: Milliseconds::of(&tally.total),
            first_byte_ms: Milliseconds::of(&tally.first_byte),
        }
    }
}

impl Tokens {
    fn of(tally: &Tally) -> Self {
        let counts = |[input, cached_input, output, reasoning]: [Counter; 4]| TokenCounts {
            input: tally.get(input),
            cached_input: tally.get(cached_input),
            output: tally.get(output),
            reasoning: tally.get(reasoning),
        };
        Self {
            upstream: counts([
                Counter::SpentInput,
                Counter::SpentCachedInput,
                Counter::SpentOutput,
                Counter::SpentReasoning,
            ]),
            served: counts([
                Counter::ServedInput,
                Counter::ServedCachedInput,
                Counter::ServedOutput,
                Counter::ServedReasoning,
            ]),
            saved: counts([
                Counter::SavedInput,
                Counter::SavedCachedInput,
                Counter::SavedOutput,
                Counter::SavedReasoning,
            ]),
        }
    }
}

impl Milliseconds {
    fn of(latencies: &Latencies) -> Option<Self> {
        let Percentiles { p50, p90, p95, p99 } = percentiles(latencies)?;
        Some(Self {
            p50: milliseconds(p50),
            p90: milliseconds(p90),
            p95: milliseconds(p95),
            p99: milliseconds(p99),
        })
    }
}

/// A time in milliseconds, to the microsecond.
pub(super) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// The names of models without a known price.
pub(super) fn unpriced_models(unpriced: &BTreeMap<Box<str>, Unpriced>) -> Vec<String> {
    unpriced.keys().map(ToString::to_string).collect()
}
