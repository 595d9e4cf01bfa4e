//! The pages of usage and costs, as the provider writes them.

#![expect(
    clippy::struct_field_names,
    reason = "the names are those of the provider's interface"
)]

use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{Asked, Constant};
use crate::ledger::{Counter, Tally};
use crate::usage::books::report::{Named, dollars};
use crate::usage::books::{Bucket, Dimension, Dimensions, Series};

/// A page of buckets.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<R> {
    /// Always `page`.
    #[schema(example = "page")]
    pub(super) object: String,
    /// The buckets in their order, those without use included.
    pub(super) data: Vec<PageBucket<R>>,
    /// Whether there are more.
    pub(super) has_more: bool,
    /// What to send as `page` to get them.
    pub(super) next_page: Option<String>,
    /// Models on this page that have no known price: what was spent on them is not in
    /// any cost.
    pub(super) unpriced_models: Vec<String>,
}

/// A bucket of time, aligned to UTC.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PageBucket<R> {
    /// Always `bucket`.
    #[schema(example = "bucket")]
    pub(super) object: String,
    /// Its beginning, in seconds since the Unix epoch.
    #[schema(example = 1_767_312_000)]
    pub(super) start_time: u64,
    /// Its end, exclusive, in seconds since the Unix epoch.
    #[schema(example = 1_767_398_400)]
    pub(super) end_time: u64,
    /// A result for each group, the one with the most requests first; none if nothing
    /// was used.
    pub(super) results: Vec<R>,
}

/// What a group of completions came to: upstream, and in the cache.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CompletionsResult {
    /// Always `organization.usage.completions.result`.
    #[schema(example = "organization.usage.completions.result")]
    pub(super) object: String,
    /// Tokens of requests the upstream counted, the cached ones included.
    pub(super) input_tokens: u64,
    /// Those of them that the provider read from its prompt cache.
    pub(super) input_cached_tokens: u64,
    /// Those of them that it did not.
    pub(super) input_uncached_tokens: u64,
    /// Tokens of answers the upstream counted.
    pub(super) output_tokens: u64,
    /// Calls made to the upstream.
    pub(super) num_model_requests: u64,
    /// Kinds of tokens that are not told apart here.
    #[serde(flatten)]
    pub(super) kinds: TokenKinds,
    /// Whether it was a batch: never; null unless grouped by.
    pub(super) batch: Option<bool>,
    /// Always null: not known here.
    pub(super) service_tier: Option<String>,
    /// Always `unlabeled`; null unless grouped by.
    pub(super) api_source: Option<String>,
    /// Whose it is.
    #[serde(flatten)]
    pub(super) owner: Owner,
    /// The model; null unless grouped by, and where it is not known.
    pub(super) model: Option<String>,
    /// What the cache did.
    #[serde(flatten)]
    pub(super) cache: CacheCounts,
}

/// Kinds of tokens that are not told apart here: null rather than guessed.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct TokenKinds {
    /// Always null.
    pub(super) input_cache_write_tokens: Option<u64>,
    /// Always null.
    pub(super) input_text_tokens: Option<u64>,
    /// Always null.
    pub(super) output_text_tokens: Option<u64>,
    /// Always null.
    pub(super) input_cached_text_tokens: Option<u64>,
    /// Always null.
    pub(super) input_audio_tokens: Option<u64>,
    /// Always null.
    pub(super) input_cached_audio_tokens: Option<u64>,
    /// Always null.
    pub(super) output_audio_tokens: Option<u64>,
    /// Always null.
    pub(super) input_image_tokens: Option<u64>,
    /// Always null.
    pub(super) input_cached_image_tokens: Option<u64>,
    /// Always null.
    pub(super) output_image_tokens: Option<u64>,
}

/// What a group of embeddings or moderations came to: upstream, and in the cache.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ItemsResult {
    /// `organization.usage.embeddings.result` or `organization.usage.moderations.result`.
    #[schema(example = "organization.usage.embeddings.result")]
    pub(super) object: String,
    /// Tokens of requests the upstream counted.
    pub(super) input_tokens: u64,
    /// Calls made to the upstream.
    pub(super) num_model_requests: u64,
    /// Whose it is.
    #[serde(flatten)]
    pub(super) owner: Owner,
    /// The model; null unless grouped by, and where it is not known.
    pub(super) model: Option<String>,
    /// What the cache did.
    #[serde(flatten)]
    pub(super) cache: CacheCounts,
}

/// What a group cost.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CostsResult {
    /// Always `organization.costs.result`.
    #[schema(example = "organization.costs.result")]
    pub(super) object: String,
    /// What the calls to the upstream cost.
    pub(super) amount: Amount,
    /// The model; null unless grouped by, and where it is not known.
    #[schema(example = "gpt-5-mini-2025-08-07")]
    pub(super) line_item: Option<String>,
    /// Always null: tokens of several prices have no one quantity.
    pub(super) quantity: Option<f64>,
    /// Always null.
    pub(super) quantity_unit: Option<String>,
    /// Always `unlabeled`; null unless grouped by.
    pub(super) api_source: Option<String>,
    /// Whose it is.
    #[serde(flatten)]
    pub(super) owner: Owner,
    /// What the tokens would have cost that the cache saved, in US dollars.
    pub(super) cache_saved_cost_usd: f64,
    /// Calls that told their tokens, but whose model has no known price: they are not
    /// in the amount.
    pub(super) unpriced_requests: u64,
}

/// An amount of money.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Amount {
    /// How much.
    #[schema(example = 0.00725)]
    pub(super) value: f64,
    /// Always `usd`.
    #[schema(example = "usd")]
    pub(super) currency: String,
}

/// Whose use it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Owner {
    /// The tenant; null unless grouped by, and where it is not known.
    pub(super) project_id: Option<String>,
    /// Always null: users are not known here.
    pub(super) user_id: Option<String>,
    /// The id of the API key, never the key; null unless grouped by, and where it is
    /// not known.
    pub(super) api_key_id: Option<String>,
}

/// What the cache did for a group of requests.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CacheCounts {
    /// Requests answered from the cache alone.
    pub(super) cache_hits: u64,
    /// Requests answered by a call of their own.
    pub(super) cache_misses: u64,
    /// Requests for lists of which the cache had some items.
    pub(super) cache_partials: u64,
    /// Tokens of requests that did not have to be sent again.
    pub(super) cache_saved_input_tokens: u64,
    /// Tokens of answers that did not have to be made again.
    pub(super) cache_saved_output_tokens: u64,
    /// What those would have cost, in US dollars.
    pub(super) cache_saved_cost_usd: f64,
}

/// Makes a result of a group.
pub(super) type Tell<R> = fn(&Named, Dimensions, Constant) -> R;

impl<R> Page<R> {
    /// The page of a series.
    pub(super) fn of(asked: &Asked, series: &Series, tell: Tell<R>) -> Self {
        let last = series.buckets.last().map(|bucket| bucket.start);
        let next_page = asked.next_page(last);
        let results = |bucket: &Bucket| {
            let used = bucket.groups.iter().filter(|named| is_used(&named.tally));
            used.map(|named| tell(named, series.group_by, asked.constant))
                .collect()
        };
        let data = series.buckets.iter().map(|bucket| {
            let span = asked.span(bucket.start);
            PageBucket {
                object: "bucket".to_owned(),
                start_time: span.start,
                end_time: span.end,
                results: results(bucket),
            }
        });
        Self {
            object: "page".to_owned(),
            data: data.collect(),
            has_more: next_page.is_some(),
            next_page,
            unpriced_models: series.unpriced.keys().map(ToString::to_string).collect(),
        }
    }
}

/// Whether a group has anything to tell: what was neither called nor looked up is left
/// out.
fn is_used(tally: &Tally) -> bool {
    use Counter::{
        Calls, Hits, Misses, Partials, SavedInput, SavedNanos, SavedOutput, SpentInput, SpentNanos,
        SpentOutput,
    };
    let told = [
        Calls,
        Hits,
        Misses,
        Partials,
        SavedInput,
        SavedNanos,
        SavedOutput,
        SpentInput,
        SpentNanos,
        SpentOutput,
    ];
    told.into_iter().any(|counter| tally.get(counter) > 0)
}

pub(super) fn completions(named: &Named, by: Dimensions, constant: Constant) -> CompletionsResult {
    let get = |counter| named.tally.get(counter);
    let cached = get(Counter::SpentCachedInput);
    CompletionsResult {
        object: "organization.usage.completions.result".to_owned(),
        input_tokens: get(Counter::SpentInput),
        input_cached_tokens: cached,
        input_uncached_tokens: get(Counter::SpentInput).saturating_sub(cached),
        output_tokens: get(Counter::SpentOutput),
        num_model_requests: get(Counter::Calls),
        kinds: TokenKinds::default(),
        batch: constant.batch.then_some(false),
        service_tier: None,
        api_source: constant.api_source.then(unlabeled),
        owner: Owner::of(named, by),
        model: name(named, by, Dimension::Model),
        cache: CacheCounts::of(&named.tally),
    }
}

pub(super) fn embeddings(named: &Named, by: Dimensions, _: Constant) -> ItemsResult {
    items("organization.usage.embeddings.result", named, by)
}

pub(super) fn moderations(named: &Named, by: Dimensions, _: Constant) -> ItemsResult {
    items("organization.usage.moderations.result", named, by)
}

pub(super) fn costs(named: &Named, by: Dimensions, constant: Constant) -> CostsResult {
    let get = |counter| named.tally.get(counter);
    CostsResult {
        object: "organization.costs.result".to_owned(),
        amount: Amount {
            value: dollars(get(Counter::SpentNanos)),
            currency: "usd".to_owned(),
        },
        line_item: name(named, by, Dimension::Model),
        quantity: None,
        quantity_unit: None,
        api_source: constant.api_source.then(unlabeled),
        owner: Owner::of(named, by),
        cache_saved_cost_usd: dollars(get(Counter::SavedNanos)),
        unpriced_requests: get(Counter::CallsUnpriced),
    }
}

fn items(object: &str, named: &Named, by: Dimensions) -> ItemsResult {
    ItemsResult {
        object: object.to_owned(),
        input_tokens: named.tally.get(Counter::SpentInput),
        num_model_requests: named.tally.get(Counter::Calls),
        owner: Owner::of(named, by),
        model: name(named, by, Dimension::Model),
        cache: CacheCounts::of(&named.tally),
    }
}

impl Owner {
    fn of(named: &Named, by: Dimensions) -> Self {
        Self {
            project_id: name(named, by, Dimension::Tenant),
            user_id: None,
            api_key_id: name(named, by, Dimension::Key),
        }
    }
}

impl CacheCounts {
    fn of(tally: &Tally) -> Self {
        Self {
            cache_hits: tally.get(Counter::Hits),
            cache_misses: tally.get(Counter::Misses),
            cache_partials: tally.get(Counter::Partials),
            cache_saved_input_tokens: tally.get(Counter::SavedInput),
            cache_saved_output_tokens: tally.get(Counter::SavedOutput),
            cache_saved_cost_usd: dollars(tally.get(Counter::SavedNanos)),
        }
    }
}

fn name(named: &Named, by: Dimensions, dimension: Dimension) -> Option<String> {
    let name = named.group.name(by, dimension)?;
    (!name.is_empty()).then(|| name.to_owned())
}

fn unlabeled() -> String {
    "unlabeled".to_owned()
}
