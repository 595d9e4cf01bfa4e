//! What one API key used, day by day and model by model.
//!
//! Kept for five minutes: a page that shows a hundred keys asks for each.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::grouping::{Aggregate, Unpriced};
use super::query::{Dimension, Filters, Query, Shape};
use super::report::{Named, named};
use super::{Books, BooksError};
use crate::clock::UnixMillis;
use crate::ledger::{Granularity, Start, Tally};

/// The most days back.
pub const DAYS_MAX: u64 = 400;

/// The most models that are named.
const MODELS_MAX: usize = 100;

/// How long an answer is given again, in milliseconds.
const KEPT_MILLIS: UnixMillis = 5 * 60 * 1000;

/// The most memory for answers that are kept.
const KEPT_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// What an answer takes on average, to size the table's own bookkeeping.
const ANSWER_BYTES: u64 = 32 * 1024;

/// What one key used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatistics {
    /// The key's id.
    pub key: String,
    /// The beginning of the first day, in seconds since the Unix epoch.
    pub start: Start,
    /// The end of the last day, which is today's, in seconds since the Unix epoch.
    pub end: Start,
    /// All of it.
    pub total: Tally,
    /// Every day of the range, those without use included, the oldest first.
    pub days: Vec<Day>,
    /// By model, the most used first.
    pub models: Vec<Named>,
    /// The models without a known price.
    pub unpriced: BTreeMap<Box<str>, Unpriced>,
}

/// What was used on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// Its beginning, in seconds since the Unix epoch.
    pub start: Start,
    /// What was used; `None` if nothing was.
    pub tally: Option<Tally>,
}

/// How old an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether it was made for an earlier question.
    pub hit: bool,
    /// How long ago it was made, in seconds.
    pub age_seconds: u64,
    /// For how long it is given again, in seconds.
    pub expires_in_seconds: u64,
}

/// Answers that were given lately, by key and number of days.
#[derive(Debug)]
pub(super) struct KeptStatistics(Cache<(String, u64), Held, ByBytes>);

#[derive(Clone, Debug)]
struct Held {
    made_at: UnixMillis,
    statistics: Arc<KeyStatistics>,
    weight: u64,
}

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<(String, u64), Held> for ByBytes {
    fn weight(&self, _asked: &(String, u64), held: &Held) -> u64 {
        held.weight
    }
}

impl Default for KeptStatistics {
    fn default() -> Self {
        let items = usize::try_from(KEPT_BYTES_MAX / ANSWER_BYTES).unwrap_or(1);
        Self(Cache::with_weighter(items, KEPT_BYTES_MAX, ByBytes))
    }
}

impl Books {
    /// What one key used in the last `days` days, today included: as it was told
    /// within the last five minutes, unless that will not do. A key that nobody used
    /// has used nothing.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn key_statistics(
        &self,
        key: &str,
        days: u64,
        kept_will_do: bool,
    ) -> Result<(Arc<KeyStatistics>, Seen), BooksError> {
        let asked = (key.to_owned(), days.clamp(1, DAYS_MAX));
        let now = self.clock.unix_millis();
        if kept_will_do && let Some(held) = self.statistics.0.get(&asked) {
            let age = now.saturating_sub(held.made_at);
            if age < KEPT_MILLIS {
                return Ok((held.statistics, Seen::after(age, true)));
            }
        }
        let statistics = Arc::new(self.add_up_key(key, asked.1).await?);
        let held = Held {
            made_at: now,
            weight: statistics.weight(),
            statistics: Arc::clone(&statistics),
        };
        self.statistics.0.insert(asked, held);
        Ok((statistics, Seen::after(0, false)))
    }

    async fn add_up_key(&self, key: &str, days: u64) -> Result<KeyStatistics, BooksError> {
        const DAY: u64 = Granularity::Day.seconds();
        let today = Granularity::Day.start_of(self.now());
        let first = today.saturating_sub((days - 1) * DAY);
        let shape = Shape {
            filters: Filters::default().only(Dimension::Key, [key]),
            group_by: [Dimension::Model].into_iter().collect(),
        };
        let query = Query::spanning(Granularity::Day, first..today + DAY, shape);
        let mut used = BTreeMap::new();
        let mut sum = Aggregate::default();
        let take = |start, aggregate: &Aggregate| {
            if !aggregate.groups.is_empty() {
                used.insert(start, aggregate.total.clone());
                sum.merge(aggregate);
            }
            ControlFlow::Continue(())
        };
        self.each(&query, take).await?;
        let days = query.every_start().map(|start| Day {
            start,
            tally: used.remove(&start),
        });
        Ok(KeyStatistics {
            key: key.to_owned(),
            start: first,
            end: today + DAY,
            days: days.collect(),
            models: named(&sum, MODELS_MAX),
            total: sum.total,
            unpriced: sum.unpriced,
        })
    }
}

impl KeyStatistics {
    /// About how much memory it takes, in bytes.
    fn weight(&self) -> u64 {
        let used = self.days.iter().filter_map(|day| day.tally.as_ref());
        let models = self.models.iter().map(|named| &named.tally);
        let steps = used.chain(models).map(|tally| {
            let steps = tally.total.steps().count() + tally.first_byte.steps().count();
            u64::try_from(steps).unwrap_or_default()
        });
        let rows = self.days.len() + self.models.len() + self.unpriced.len() + 1;
        u64::try_from(rows * size_of::<Day>()).unwrap_or(u64::MAX) + steps.sum::<u64>() * 20
    }
}

impl Seen {
    fn after(age: UnixMillis, hit: bool) -> Self {
        Self {
            hit,
            age_seconds: age / 1000,
            expires_in_seconds: KEPT_MILLIS.saturating_sub(age).div_ceil(1000),
        }
    }
}
