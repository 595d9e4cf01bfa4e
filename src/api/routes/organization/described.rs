//! The queries and answers as the `OpenAPI` document shows them.
//!
//! The queries are described here and read in `asked`, which knows more spellings.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, OpenApi, ToSchema};

/// What the queries refer to: the routes alone register only what bodies refer to.
#[derive(OpenApi)]
#[openapi(components(schemas(
    BucketWidth,
    CostsBucketWidth,
    CompletionsGroup,
    ItemsGroup,
    CostsGroup
)))]
pub(super) struct Referred;

/// How wide a bucket is.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(super) enum BucketWidth {
    /// A minute.
    #[serde(rename = "1m")]
    Minute,
    /// An hour.
    #[serde(rename = "1h")]
    Hour,
    /// A day.
    #[serde(rename = "1d")]
    Day,
}

/// The one width of costs.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(super) enum CostsBucketWidth {
    /// A day.
    #[serde(rename = "1d")]
    Day,
}

/// What completions are grouped by.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CompletionsGroup {
    /// The tenant.
    ProjectId,
    /// The user: not known here.
    UserId,
    /// The API key, by its id.
    ApiKeyId,
    /// The model that answered.
    Model,
    /// Whether it was a batch: never.
    Batch,
    /// The service tier: not known here.
    ServiceTier,
    /// The source: `unlabeled`.
    ApiSource,
}

/// What embeddings and moderations are grouped by.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ItemsGroup {
    /// The tenant.
    ProjectId,
    /// The user: not known here.
    UserId,
    /// The API key, by its id.
    ApiKeyId,
    /// The model that answered.
    Model,
}

/// What costs are grouped by.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CostsGroup {
    /// The tenant.
    ProjectId,
    /// The user: not known here.
    UserId,
    /// The model that answered.
    LineItem,
    /// The API key, by its id.
    ApiKeyId,
    /// The source: `unlabeled`.
    ApiSource,
}

/// A query of the usage of completions.
#[derive(Debug, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CompletionsQuery {
    /// From when on, in seconds since the Unix epoch, inclusive.
    #[param(example = 1_767_312_000)]
    pub(super) start_time: u64,
    /// Until when, in seconds since the Unix epoch, exclusive; now if it is not said.
    pub(super) end_time: Option<u64>,
    /// How wide a bucket is: `1d` if it is not said.
    pub(super) bucket_width: Option<BucketWidth>,
    /// What to tell groups apart by. Also as `group_by[]=…` and as a list with commas.
    pub(super) group_by: Option<Vec<CompletionsGroup>>,
    /// Only these tenants.
    pub(super) project_ids: Option<Vec<String>>,
    /// Only these API keys, by their ids.
    pub(super) api_key_ids: Option<Vec<String>>,
    /// Only these models.
    pub(super) models: Option<Vec<String>>,
    /// Only these users: nothing, users are not known here.
    pub(super) user_ids: Option<Vec<String>>,
    /// Only batches, of which there are none, or only what is not a batch.
    pub(super) batch: Option<bool>,
    /// How many buckets: of days 7 (up to 31), of hours 24 (168), of minutes 60 (1440).
    #[param(minimum = 1, maximum = 1440)]
    pub(super) limit: Option<u64>,
    /// The `next_page` of the same query.
    pub(super) page: Option<String>,
}

/// A query of the usage of embeddings or moderations.
#[derive(Debug, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ItemsQuery {
    /// From when on, in seconds since the Unix epoch, inclusive.
    #[param(example = 1_767_312_000)]
    pub(super) start_time: u64,
    /// Until when, in seconds since the Unix epoch, exclusive; now if it is not said.
    pub(super) end_time: Option<u64>,
    /// How wide a bucket is: `1d` if it is not said.
    pub(super) bucket_width: Option<BucketWidth>,
    /// What to tell groups apart by. Also as `group_by[]=…` and as a list with commas.
    pub(super) group_by: Option<Vec<ItemsGroup>>,
    /// Only these tenants.
    pub(super) project_ids: Option<Vec<String>>,
    /// Only these API keys, by their ids.
    pub(super) api_key_ids: Option<Vec<String>>,
    /// Only these models.
    pub(super) models: Option<Vec<String>>,
    /// Only these users: nothing, users are not known here.
    pub(super) user_ids: Option<Vec<String>>,
    /// How many buckets: of days 7 (up to 31), of hours 24 (168), of minutes 60 (1440).
    #[param(minimum = 1, maximum = 1440)]
    pub(super) limit: Option<u64>,
    /// The `next_page` of the same query.
    pub(super) page: Option<String>,
}

/// A query of the costs.
#[derive(Debug, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CostsQuery {
    /// From when on, in seconds since the Unix epoch, inclusive.
    #[param(example = 1_767_312_000)]
    pub(super) start_time: u64,
    /// Until when, in seconds since the Unix epoch, exclusive; now if it is not said.
    pub(super) end_time: Option<u64>,
    /// How wide a bucket is: always `1d`.
    pub(super) bucket_width: Option<CostsBucketWidth>,
    /// What to tell groups apart by. Also as `group_by[]=…` and as a list with commas.
    pub(super) group_by: Option<Vec<CostsGroup>>,
    /// Only these tenants.
    pub(super) project_ids: Option<Vec<String>>,
    /// Only these API keys, by their ids.
    pub(super) api_key_ids: Option<Vec<String>>,
    /// Only these models.
    pub(super) line_items: Option<Vec<String>>,
    /// How many days: 7, up to 180.
    #[param(minimum = 1, maximum = 180)]
    pub(super) limit: Option<u64>,
    /// The `next_page` of the same query.
    pub(super) page: Option<String>,
}

pub(super) fn completions_example() -> Value {
    page(&json!({
        "object": "organization.usage.completions.result",
        "input_tokens": 12_000, "input_cached_tokens": 2_000, "input_uncached_tokens": 10_000,
        "output_tokens": 3_100, "num_model_requests": 40,
        "input_cache_write_tokens": null, "input_text_tokens": null,
        "output_text_tokens": null, "input_cached_text_tokens": null,
        "input_audio_tokens": null, "input_cached_audio_tokens": null,
        "output_audio_tokens": null, "input_image_tokens": null,
        "input_cached_image_tokens": null, "output_image_tokens": null,
        "batch": null, "service_tier": null, "api_source": null,
        "project_id": null, "user_id": null, "api_key_id": null,
        "model": "gpt-5-mini-2025-08-07",
        "cache_hits": 60, "cache_misses": 40, "cache_partials": 0,
        "cache_saved_input_tokens": 18_000, "cache_saved_output_tokens": 4_700,
        "cache_saved_cost_usd": 0.0139,
    }))
}

pub(super) fn embeddings_example() -> Value {
    page(&items("organization.usage.embeddings.result"))
}

pub(super) fn moderations_example() -> Value {
    page(&items("organization.usage.moderations.result"))
}

pub(super) fn costs_example() -> Value {
    page(&json!({
        "object": "organization.costs.result",
        "amount": {"value": 0.0087, "currency": "usd"},
        "line_item": "gpt-5-mini-2025-08-07", "quantity": null, "quantity_unit": null,
        "api_source": null, "project_id": null, "user_id": null, "api_key_id": null,
        "cache_saved_cost_usd": 0.0139, "unpriced_requests": 0,
    }))
}

fn items(object: &str) -> Value {
    json!({
        "object": object, "input_tokens": 5_200, "num_model_requests": 12,
        "project_id": null, "user_id": null, "api_key_id": "key_search", "model": null,
        "cache_hits": 30, "cache_misses": 8, "cache_partials": 4,
        "cache_saved_input_tokens": 61_000, "cache_saved_output_tokens": 0,
        "cache_saved_cost_usd": 0.00122,
    })
}

fn page(result: &Value) -> Value {
    json!({
        "object": "page",
        "data": [
            {
                "object": "bucket", "start_time": 1_767_312_000, "end_time": 1_767_398_400,
                "results": [result],
            },
            {
                "object": "bucket", "start_time": 1_767_398_400, "end_time": 1_767_484_800,
                "results": [],
            },
        ],
        "has_more": false, "next_page": null, "unpriced_models": [],
    })
}
