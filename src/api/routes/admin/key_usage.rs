//! `GET /admin/v1/usage/keys/{id}`.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::described::{self, KeyUsageQuery};
use super::numbers::{GroupNumbers, Numbers, unpriced_models};
use crate::access::Role;
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::schema::ErrorEnvelope;
use crate::ledger::{Granularity, Tally};
use crate::usage::Books;
use crate::usage::books::{DAYS_MAX, Day, Dimension, KeyStatistics, Seen};

/// How many days back, if nothing is said.
const DAYS: u64 = 30;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(key_usage))
}

/// What one key used.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyUsage {
    /// Always `key_usage`.
    #[schema(example = "key_usage")]
    object: &'static str,
    /// The key's id.
    key: String,
    /// The beginning of the first day, in seconds since the Unix epoch.
    start: u64,
    /// The end of the last day, exclusive, in seconds since the Unix epoch.
    end: u64,
    /// All of it.
    totals: Numbers,
    /// Every day, the oldest first.
    days: Vec<DayNumbers>,
    /// By model, the most used first; those beyond the 100th as one.
    models: Vec<GroupNumbers>,
    /// Models that have no known price: what was spent on them is in no cost.
    unpriced_models: Vec<String>,
    /// How old this answer is.
    #[serde(rename = "_cache")]
    cache: CacheNote,
}

/// What was used on one day.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DayNumbers {
    /// Its beginning, in seconds since the Unix epoch.
    start_time: u64,
    /// Its end, exclusive, in seconds since the Unix epoch.
    end_time: u64,
    /// What was used.
    #[serde(flatten)]
    numbers: Numbers,
}

/// How old an answer is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CacheNote {
    /// Whether it was made for an earlier question.
    hit: bool,
    /// How long ago it was made, in seconds.
    age_seconds: u64,
    /// For how long it is given again, in seconds.
    expires_in_seconds: u64,
}

/// Tells what one API key used, by day and by model.
///
/// The answer is given again for five minutes, unless `use_cache` is `false`. A key that
/// nobody used has used nothing: that is no error.
#[utoipa::path(
    get,
    path = "/admin/v1/usage/keys/{id}",
    operation_id = "keyUsage",
    tag = "Usage",
    params(("id" = String, Path, description = "The key's id, never the key."), KeyUsageQuery),
    responses(
        (status = 200, description = "What the key used.", body = KeyUsage, example = json!(described::key_usage_example())),
        (status = 400, description = "A parameter means nothing; `param` names it.", body = ErrorEnvelope),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
        (status = 503, description = "The usage ledger cannot be read now.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
async fn key_usage(
    admin: Admin,
    State(state): State<ApiState>,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Json<KeyUsage>, ApiError> {
    admin.may(Role::ReadUsage)?;
    let books = state.books_now().await;
    tell(books, &id, &parameters).await.map(Json)
}

async fn tell(books: &Books, id: &str, parameters: &Parameters) -> Result<KeyUsage, ApiError> {
    let wanted = format!("a number of days from 1 to {DAYS_MAX}");
    let days = parameters.read("days", &wanted, |text| {
        let days = text.parse().ok()?;
        (1..=DAYS_MAX).contains(&days).then_some(days)
    })?;
    let kept_will_do = parameters.flag("use_cache")?.unwrap_or(true);
    let (statistics, seen) = books
        .key_statistics(id, days.unwrap_or(DAYS), kept_will_do)
        .await?;
    Ok(KeyUsage::of(&statistics, seen))
}

impl KeyUsage {
    fn of(statistics: &KeyStatistics, seen: Seen) -> Self {
        let by_model = [Dimension::Model].into_iter().collect();
        let models = statistics.models.iter();
        Self {
            object: "key_usage",
            key: statistics.key.clone(),
            start: statistics.start,
            end: statistics.end,
            totals: Numbers::of(&statistics.total),
            days: statistics.days.iter().map(DayNumbers::of).collect(),
            models: models
                .map(|named| GroupNumbers::of(named, by_model))
                .collect(),
            unpriced_models: unpriced_models(&statistics.unpriced),
            cache: CacheNote {
                hit: seen.hit,
                age_seconds: seen.age_seconds,
                expires_in_seconds: seen.expires_in_seconds,
            },
        }
    }
}

impl DayNumbers {
    fn of(day: &Day) -> Self {
        let nothing = Tally::default();
        Self {
            start_time: day.start,
            end_time: day.start + Granularity::Day.seconds(),
            numbers: Numbers::of(day.tally.as_ref().unwrap_or(&nothing)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Counter;
    use crate::usage::books::scripted::{NOW, Office, chat};

    #[tokio::test]
    async fn a_key_is_told_of_by_day_and_model_and_how_old_the_answer_is() {
        let office = Office::open();
        let used = [
            (Counter::Requests, 4),
            (Counter::Hits, 3),
            (Counter::Misses, 1),
            (Counter::SpentNanos, 2_000_000_000),
        ];
        office.count(NOW, &chat("m", "k"), &used).await;
        let ask = async |query| {
            let told = tell(&office.books, "k", &Parameters::of(query)).await;
            serde_json::to_value(told.unwrap()).unwrap()
        };
        let told = ask("days=2").await;
        assert_eq!(told["totals"]["hit_ratio"], 0.75);
        assert_eq!(told["totals"]["cost_usd"], 2.0);
        assert_eq!(told["days"].as_array().unwrap().len(), 2);
        assert_eq!(told["days"][0]["requests"], 0);
        assert_eq!(told["days"][1]["requests"], 4);
        assert_eq!(told["models"][0]["model"], "m");
        assert_eq!(told["_cache"]["hit"], false);
        assert_eq!(ask("days=2").await["_cache"]["hit"], true);
        assert_eq!(ask("days=2&use_cache=false").await["_cache"]["hit"], false);
        assert_eq!(ask("").await["days"].as_array().unwrap().len(), 30);
    }

    #[tokio::test]
    async fn days_are_from_1_to_400() {
        let office = Office::open();
        for odd in ["days=0", "days=401", "days=x", "use_cache=maybe"] {
            let told = tell(&office.books, "k", &Parameters::of(odd)).await;
            assert!(matches!(told, Err(ApiError::Invalid { .. })), "{odd}");
        }
    }
}
