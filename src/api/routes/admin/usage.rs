//! `GET /admin/v1/usage`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::Asked;
use super::described::{self, Referred, UsageQuery};
use super::numbers::{GroupNumbers, Numbers, unpriced_models};
use crate::access::Role;
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::parameters::{Parameters, bad};
use crate::api::schema::ErrorEnvelope;
use crate::ledger::Start;
use crate::usage::Books;
use crate::usage::books::report::named;
use crate::usage::books::{Bounds, Bucket, Dimension, Series};

/// The most groups of one answer, in all its buckets.
const GROUPS_MAX: usize = 20_000;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Referred::openapi()).routes(routes!(usage))
}

/// Usage over time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Usage {
    /// Always `usage`.
    #[schema(example = "usage")]
    object: &'static str,
    /// How wide the buckets are: `minute`, `hour`, `day` or `total`.
    #[schema(example = "hour")]
    granularity: &'static str,
    /// The beginning of the first bucket, in seconds since the Unix epoch.
    start: u64,
    /// The end of the last bucket, exclusive, in seconds since the Unix epoch.
    end: u64,
    /// The beginning of the oldest bucket of this width that is still kept, in seconds
    /// since the Unix epoch: what lies before is unknown, not nothing.
    kept_since: u64,
    /// What the groups are told apart by.
    group_by: Vec<&'static str>,
    /// The buckets in their order, those without use included.
    data: Vec<UsageBucket>,
    /// All of it, every request once.
    totals: Numbers,
    /// Models that have no known price: what was spent on them is in no cost.
    unpriced_models: Vec<String>,
}

/// A bucket of time, aligned to UTC.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsageBucket {
    /// Its beginning, in seconds since the Unix epoch.
    start_time: u64,
    /// Its end, exclusive, in seconds since the Unix epoch.
    end_time: u64,
    /// Its groups, the one with the most requests first; none if nothing was used.
    groups: Vec<GroupNumbers>,
}

/// Tells what was used, over any range and in any grouping.
///
/// Grouped by tag, a request with several tags counts in each of them; the totals count
/// it once. Ranges that are asked for again cost only the buckets that changed.
#[utoipa::path(
    get,
    path = "/admin/v1/usage",
    operation_id = "usage",
    tag = "Usage",
    params(UsageQuery),
    responses(
        (status = 200, description = "The buckets.", body = Usage, example = json!(described::usage_example())),
        (status = 400, description = "A parameter means nothing; `param` names it.", body = ErrorEnvelope),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
        (status = 503, description = "The usage ledger cannot be read now.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
async fn usage(
    admin: Admin,
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<Usage>, ApiError> {
    admin.may(Role::ReadUsage)?;
    tell(state.books_now().await, &parameters).await.map(Json)
}

async fn tell(books: &Books, parameters: &Parameters) -> Result<Usage, ApiError> {
    let asked = Asked::read(parameters, books)?;
    let granularity = asked.query.granularity;
    let starts: Vec<Start> = asked.query.every_start().collect();
    let start = starts.first().copied().unwrap_or_default();
    let end = starts
        .last()
        .map_or(start, |last| last + granularity.seconds());
    let series = if asked.as_one {
        as_one(books, &asked, start).await?
    } else {
        let bounds = Bounds {
            named_max: asked.named_max,
            groups_enough: GROUPS_MAX,
        };
        books.series(&asked.query, bounds).await?
    };
    if series.cut {
        let message = format!(
            "there are more than {GROUPS_MAX} groups: name fewer of each bucket, choose a wider granularity or a shorter range"
        );
        return Err(bad("limit", message));
    }
    let width = if asked.as_one {
        end - start
    } else {
        granularity.seconds()
    };
    let group_by = series.group_by;
    let data = series.buckets.iter().map(|bucket| UsageBucket {
        start_time: bucket.start,
        end_time: bucket.start + width,
        groups: bucket
            .groups
            .iter()
            .map(|named| GroupNumbers::of(named, group_by))
            .collect(),
    });
    Ok(Usage {
        object: "usage",
        granularity: if asked.as_one {
            "total"
        } else {
            granularity.as_str()
        },
        start,
        end,
        kept_since: books.kept_since(granularity),
        group_by: group_by.iter().map(Dimension::as_str).collect(),
        data: data.collect(),
        totals: Numbers::of(&series.total),
        unpriced_models: unpriced_models(&series.unpriced),
    })
}

/// The whole range as one bucket.
async fn as_one(books: &Books, asked: &Asked, start: Start) -> Result<Series, ApiError> {
    let sum = books.sum(&asked.query).await?;
    Ok(Series {
        group_by: asked.query.shape.group_by,
        buckets: vec![Bucket {
            start,
            groups: named(&sum, asked.named_max),
        }],
        total: sum.total,
        unpriced: sum.unpriced,
        cut: false,
    })
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
