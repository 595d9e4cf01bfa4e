//! How the models are doing, by what calls to them came to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::time::Duration;

use super::grouping::{Aggregate, Group};
use super::query::{Dimension, Filters, Query, Shape};
use super::report::ratio;
use super::{Books, BooksError};
use crate::ledger::{Counter, Granularity, Start, Tally};

/// How far back a model is judged by, in seconds, where it was called so lately.
const JUDGED_SECONDS: u64 = 15 * 60;

/// How long a model may go without a call before it is idle, in seconds.
const ACTIVE_SECONDS: u64 = 60 * 60;

/// After how many minutes a call counts half in the moving average.
const HALF_LIFE_MINUTES: f64 = 10.0;

/// From which share of failed calls on a model is not well.
const DEGRADED_FROM: f64 = 0.05;

/// From which share of failed calls on a model fails.
const FAILING_FROM: f64 = 0.5;

/// How one model of one provider is doing, over all instances.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelInformation {
    /// The upstream provider; empty if it is not known.
    pub upstream: String,
    /// The model.
    pub model: String,
    /// How it is doing.
    pub status: Status,
    /// The beginning of the bucket of its last call, in seconds since the Unix epoch.
    pub last_seen: Start,
    /// How wide that bucket is: they get wider as they get older.
    pub precision: Granularity,
    /// How long calls took lately, the latest counting most; `None` without any in the
    /// last hour.
    pub latency: Option<Duration>,
    /// Calls within the time it is judged by.
    pub calls: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// The time it is judged by, in seconds: the last 15 minutes if it was called in
    /// them, otherwise the last hour.
    pub judged_seconds: u64,
}

/// How a model is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Less than 5 % of the calls failed.
    Ok,
    /// Less than half of the calls failed.
    Degraded,
    /// Half of the calls failed, or more.
    Failing,
    /// It was not called within the last hour.
    Idle,
}

type Names = (String, String);

/// The calls to one model within the last hour.
#[derive(Debug, Default)]
struct Recent {
    last: Start,
    hour: Calls,
    judged: Calls,
    weighted_micros: f64,
    weighted_calls: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    all: u64,
    failed: u64,
}

impl ModelInformation {
    /// Which share of the calls failed; `None` if there were none.
    pub fn error_rate(&self) -> Option<f64> {
        ratio(self.failed, self.calls)
    }
}

impl Status {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
            Self::Idle => "idle",
        }
    }

    fn of(calls: Calls) -> Self {
        match ratio(calls.failed, calls.all) {
            None => Self::Idle,
            Some(share) if share < DEGRADED_FROM => Self::Ok,
            Some(share) if share < FAILING_FROM => Self::Degraded,
            Some(_) => Self::Failing,
        }
    }
}

impl Books {
    /// How the models that were called within 400 days are doing, by provider and
    /// name.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn models(&self, filters: Filters) -> Result<Vec<ModelInformation>, BooksError> {
        let shape = Shape {
            filters,
            group_by: [Dimension::Model, Dimension::Upstream]
                .into_iter()
                .collect(),
        };
        let now = self.now();
        let mut recent = self.recent_calls(&shape, now).await?;
        let mut all = Vec::new();
        for ((model, upstream), (last_seen, precision)) in self.last_seen(&shape).await? {
            let names = (model, upstream);
            let recent = recent.remove(&names).unwrap_or_default();
            let (calls, judged_seconds) = if recent.judged.all > 0 {
                (recent.judged, JUDGED_SECONDS)
            } else {
                (recent.hour, ACTIVE_SECONDS)
            };
            let latency = recent.latency();
            let (model, upstream) = names;
            all.push(ModelInformation {
                upstream,
                model,
                status: Status::of(calls),
                last_seen: last_seen.max(recent.last),
                precision: if recent.last > 0 {
                    Granularity::Minute
                } else {
                    precision
                },
                latency,
                calls: calls.all,
                failed: calls.failed,
                judged_seconds,
            });
        }
        all.sort_by(|one, other| (&one.upstream, &one.model).cmp(&(&other.upstream, &other.model)));
        Ok(all)
    }

    /// The calls of the last hour.
    async fn recent_calls(
        &self,
        shape: &Shape,
        now: u64,
    ) -> Result<BTreeMap<Names, Recent>, BooksError> {
        let mut recent: BTreeMap<Names, Recent> = BTreeMap::new();
        let minutes = now.saturating_sub(ACTIVE_SECONDS)..now + 1;
        let query = Query::spanning(Granularity::Minute, minutes, shape.clone());
        let take = |start: Start, aggregate: &Aggregate| {
            for (names, tally) in called(aggregate) {
                recent.entry(names).or_default().add(start, now, tally);
            }
            ControlFlow::Continue(())
        };
        self.each(&query, take).await?;
        Ok(recent)
    }

    /// When each model was last called: the day, and of the days that hours are kept
    /// of the hour, and of the hours that minutes are kept of the minute. Looks only
    /// into those days and hours.
    async fn last_seen(
        &self,
        shape: &Shape,
    ) -> Result<BTreeMap<Names, (Start, Granularity)>, BooksError> {
        let now = self.now();
        let mut seen: BTreeMap<Names, (Start, Granularity)> = BTreeMap::new();
        let mut within: BTreeSet<(Start, Start)> = BTreeSet::new();
        within.insert((self.kept_since(Granularity::Day), now + 1));
        for granularity in [Granularity::Day, Granularity::Hour, Granularity::Minute] {
            for (from, until) in &within {
                self.find_last(shape, granularity, *from..*until, &mut seen)
                    .await?;
            }
            let wider = granularity.seconds();
            within = seen
                .values()
                .filter(|(_, found)| *found == granularity)
                .map(|(start, _)| (*start, start + wider))
                .collect();
        }
        Ok(seen)
    }

    /// Notes the last bucket of each model in a span where there is one.
    async fn find_last(
        &self,
        shape: &Shape,
        granularity: Granularity,
        span: Range<u64>,
        seen: &mut BTreeMap<Names, (Start, Granularity)>,
    ) -> Result<(), BooksError> {
        let query = Query::spanning(granularity, span, shape.clone());
        let take = |start, aggregate: &Aggregate| {
            for (names, _) in called(aggregate) {
                // Buckets come in their order, and a narrower one that belongs to the
                // last wider one begins no earlier than that.
                let last = seen.entry(names).or_insert((start, granularity));
                if last.0 <= start {
                    *last = (start, granularity);
                }
            }
            ControlFlow::Continue(())
        };
        self.each(&query, take).await
    }
}

impl Recent {
    #[expect(
        clippy::cast_precision_loss,
        reason = "an average of times needs no more than 15 digits"
    )]
    fn add(&mut self, start: Start, now: u64, tally: &Tally) {
        let calls = Calls {
            all: tally.get(Counter::Calls),
            failed: tally.get(Counter::CallsFailed),
        };
        self.last = self.last.max(start);
        self.hour.add(calls);
        if start + JUDGED_SECONDS >= now {
            self.judged.add(calls);
        }
        let age_minutes = (now.saturating_sub(start) / 60) as f64;
        let weight = 0.5_f64.powf(age_minutes / HALF_LIFE_MINUTES);
        self.weighted_micros += weight * tally.get(Counter::CallMicros) as f64;
        self.weighted_calls += weight * calls.all as f64;
    }

    fn latency(&self) -> Option<Duration> {
        (self.weighted_calls > 0.0).then(|| {
            let micros = self.weighted_micros / self.weighted_calls;
            Duration::try_from_secs_f64(micros / 1e6).unwrap_or(Duration::MAX)
        })
    }
}

impl Calls {
    fn add(&mut self, more: Self) {
        self.all = self.all.saturating_add(more.all);
        self.failed = self.failed.saturating_add(more.failed);
    }
}

/// The models of an aggregate that were called, with what came of it.
fn called(aggregate: &Aggregate) -> impl Iterator<Item = (Names, &Tally)> {
    aggregate
        .groups
        .iter()
        .filter(|(_, tally)| tally.get(Counter::Calls) > 0)
        .map(|(group, tally)| (names(group), tally))
}

/// The model and the provider of a group.
fn names(group: &Group) -> Names {
    let mut names = group.names().map(str::to_owned);
    let model = names.next().unwrap_or_default();
    (model, names.next().unwrap_or_default())
}
