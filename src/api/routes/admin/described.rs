//! The queries as the `OpenAPI` document shows them. They are described here and read
//! in `asked`, which knows more spellings.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, OpenApi, ToSchema};

/// What the queries refer to: the routes alone register only what bodies refer to.
#[derive(OpenApi)]
#[openapi(components(schemas(UsageGranularity, UsageGroup)))]
pub(super) struct Referred;

/// How wide a bucket is.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum UsageGranularity {
    /// A minute; kept for 48 hours.
    Minute,
    /// An hour; kept for 35 days.
    Hour,
    /// A day; kept for 400 days.
    Day,
    /// One bucket for the whole range.
    Total,
}

/// What usage is grouped by.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum UsageGroup {
    /// The endpoint family.
    Operation,
    /// The model that answered.
    Model,
    /// The API key, by its id.
    Key,
    /// Whose the key is.
    Tenant,
    /// What the client called its requests. One with several counts in each.
    Tag,
    /// What the cache did.
    Outcome,
    /// The upstream provider.
    Upstream,
}

/// A query of usage. Lists can be written `name=a&name=b`, `name[]=a&name[]=b` or
/// `name=a,b`.
#[derive(Debug, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageQuery {
    /// From when on: seconds since the Unix epoch, or by RFC 3339. The bucket it lies
    /// in is told whole. 24 hours before the end if it is not said.
    #[param(example = "2026-01-02T00:00:00Z")]
    start: Option<String>,
    /// Until when, exclusive, likewise; now if it is not said.
    end: Option<String>,
    /// How wide a bucket is; if it is not said, the narrowest that is kept for as long
    /// and makes no more than 200 buckets.
    granularity: Option<UsageGranularity>,
    /// What to tell groups apart by.
    group_by: Option<Vec<UsageGroup>>,
    /// Only these endpoint families.
    operation: Option<Vec<String>>,
    /// Only these models.
    model: Option<Vec<String>>,
    /// Only these API keys, by their ids.
    key: Option<Vec<String>>,
    /// Only these tenants.
    tenant: Option<Vec<String>>,
    /// Only requests with one of these tags.
    tag: Option<Vec<String>>,
    /// Only these outcomes.
    outcome: Option<Vec<String>>,
    /// Only these upstream providers.
    upstream: Option<Vec<String>>,
    /// How many groups of a bucket to name: those with the most requests. 100 if it is
    /// not said, up to 1,000; the others are told as one.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// A query of one key's usage.
#[derive(Debug, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct KeyUsageQuery {
    /// How many days back, today included: 30 if it is not said, up to 400.
    #[param(minimum = 1, maximum = 400)]
    days: Option<u32>,
    /// Whether an answer of the last five minutes will do: `true` if it is not said.
    use_cache: Option<bool>,
}

/// A query of models.
#[derive(Debug, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ModelsQuery {
    /// Only these models.
    model: Option<Vec<String>>,
    /// Only these upstream providers.
    upstream: Option<Vec<String>>,
}

/// A query of acts.
#[derive(Debug, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// At most so many, from 1 to 500.
    #[param(example = 50, default = 50, minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Those that were done before the one of this id: the last id of a page gives the next.
    before: Option<String>,
    /// Those of this actor: `owner`, or the id of a key.
    #[param(example = "owner")]
    actor: Option<String>,
    /// Those of this name, such as `key.create`; `key.` stands for all that begin so.
    #[param(example = "key.")]
    act: Option<String>,
}

pub(super) fn usage_example() -> Value {
    let mut group = numbers();
    if let Some(members) = group.as_object_mut() {
        members.insert("model".to_owned(), json!("gpt-5-mini-2025-08-07"));
    }
    json!({
        "object": "usage", "granularity": "day", "start": 1_767_312_000, "end": 1_767_398_400,
        "kept_since": 1_732_752_000, "group_by": ["model"],
        "data": [{"start_time": 1_767_312_000, "end_time": 1_767_398_400, "groups": [group]}],
        "totals": numbers(), "unpriced_models": [],
    })
}

pub(super) fn key_usage_example() -> Value {
    let mut day = numbers();
    if let Some(members) = day.as_object_mut() {
        members.insert("start_time".to_owned(), json!(1_767_312_000));
        members.insert("end_time".to_owned(), json!(1_767_398_400));
    }
    let mut model = numbers();
    if let Some(members) = model.as_object_mut() {
        members.insert("model".to_owned(), json!("gpt-5-mini-2025-08-07"));
    }
    json!({
        "object": "key_usage", "key": "key_search", "start": 1_767_312_000,
        "end": 1_767_398_400, "totals": numbers(), "days": [day], "models": [model],
        "unpriced_models": [],
        "_cache": {"hit": true, "age_seconds": 12, "expires_in_seconds": 288},
    })
}

pub(super) fn models_example() -> Value {
    json!({
        "object": "list",
        "data": [{
            "object": "model_information", "upstream": "openai",
            "model": "gpt-5-mini-2025-08-07", "status": "ok", "last_seen": 1_767_349_800,
            "last_seen_granularity": "minute", "latency_ms": 812.4, "error_rate": 0.01,
            "calls": 300, "failed": 3, "judged_seconds": 900,
        }],
    })
}

fn numbers() -> Value {
    json!({
        "requests": 105, "hits": 60, "misses": 40, "partials": 0, "bypasses": 5,
        "failed": 1, "abandoned": 0, "hit_ratio": 0.6,
        "items": {"stored": 0, "joined": 0, "called": 0},
        "bytes_served": 180_000,
        "tokens": {
            "upstream": {"input": 12_000, "cached_input": 2_000, "output": 3_100, "reasoning": 0},
            "served": {"input": 30_000, "cached_input": 2_000, "output": 7_800, "reasoning": 0},
            "saved": {"input": 18_000, "cached_input": 0, "output": 4_700, "reasoning": 0},
        },
        "cost_usd": 0.00875, "saved_cost_usd": 0.0139, "saved_seconds": 48.6,
        "upstream_calls": 45, "upstream_failed": 1, "uncounted": 0, "unpriced": 0,
        "saved_unpriced": 0,
        "latency_ms": {"p50": 2.2, "p90": 896.0, "p95": 1_152.0, "p99": 1_920.0},
        "first_byte_ms": {"p50": 1.1, "p90": 448.0, "p95": 512.0, "p99": 960.0},
    })
}
