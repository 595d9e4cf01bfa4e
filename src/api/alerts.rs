//! What is worth an alert, by the numbers at hand, and since when it is.
//!
//! The same that `deploy/grafana/alerts.yaml` watches over has the same name here. Here
//! it is judged whenever somebody looks, and by this process alone: it tells what is the
//! matter now, and does not wake anybody.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use utoipa::ToSchema;

use super::options::AlertOptions;
use crate::clock::UnixMillis;

/// Fewer requests than these say nothing about the share of hits.
const REQUESTS_MIN: u64 = 100;

/// For how long it is told that writes were given up, in milliseconds.
const DROPPED_TOLD_FOR: UnixMillis = 15 * 60 * 1000;

/// Since when something is worth an alert.
#[derive(Debug, Default)]
pub struct Alerts(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    since: BTreeMap<&'static str, UnixMillis>,
    /// Writes that had been given up when somebody looked last, and when there were more
    /// than before.
    dropped: u64,
    dropped_at: Option<UnixMillis>,
}

/// The numbers that are judged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    /// Whether the backend is there and is used; nothing where there is none.
    pub(super) backend_down: bool,
    /// Whether what is told of room is the backend's or that of the memory tier.
    pub(super) is_memory_tier: bool,
    /// The share of the room that is in use.
    pub(super) used_share: Option<f64>,
    /// Requests of the last hour, and the share that the cache answered.
    pub(super) hits: Option<(u64, f64)>,
    /// Writes given up since the start.
    pub(super) writes_dropped: u64,
    /// Rows of usage that cannot be written at the moment.
    pub(super) usage_stuck: Option<u64>,
}

/// Something that is worth an alert.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct Alert {
    /// Its name.
    #[schema(example = "RepriseBackendMemoryHigh")]
    pub(super) name: &'static str,
    /// `critical`, `warning` or `info`.
    #[schema(example = "warning")]
    severity: &'static str,
    /// What it is now.
    #[schema(example = 0.91)]
    value: f64,
    /// From where on it is worth an alert.
    #[schema(example = 0.8)]
    threshold: f64,
    /// When it was first seen by somebody who looked, in seconds since the Unix epoch.
    since: u64,
}

impl Alert {
    /// Whether something should be done about it.
    pub(super) fn is_serious(&self) -> bool {
        self.severity != "info"
    }
}

impl Alerts {
    /// Judges the numbers of this moment.
    pub(super) fn judge(
        &self,
        signs: &Signs,
        options: AlertOptions,
        now: UnixMillis,
    ) -> Vec<Alert> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if signs.writes_dropped > seen.dropped {
            seen.dropped_at = Some(now);
        }
        seen.dropped = signs.writes_dropped;
        let dropped = seen
            .dropped_at
            .is_some_and(|at| now.saturating_sub(at) < DROPPED_TOLD_FOR);
        let mut found = found(signs, options);
        if dropped {
            found.push(("RepriseWritesDropped", "warning", real(seen.dropped), 0.0));
        }
        seen.since
            .retain(|name, _| found.iter().any(|(found, ..)| found == name));
        let alerts = found.into_iter().map(|(name, severity, value, threshold)| {
            let since = seen.since.entry(name).or_insert(now);
            Alert {
                name,
                severity,
                value,
                threshold,
                since: *since / 1000,
            }
        });
        alerts.collect()
    }
}

type Found = (&'static str, &'static str, f64, f64);

fn found(signs: &Signs, options: AlertOptions) -> Vec<Found> {
    let mut found = Vec::new();
    if signs.backend_down {
        found.push(("RepriseBackendDown", "critical", 0.0, 1.0));
    }
    if let Some(share) = signs.used_share
        && share > options.memory_share
    {
        let (name, severity) = if signs.is_memory_tier {
            ("RepriseMemoryHigh", "info")
        } else {
            ("RepriseBackendMemoryHigh", "warning")
        };
        found.push((name, severity, share, options.memory_share));
    }
    if let Some((requests, ratio)) = signs.hits
        && requests >= REQUESTS_MIN
        && ratio < options.hit_ratio
    {
        found.push(("RepriseHitRatioLow", "warning", ratio, options.hit_ratio));
    }
    if let Some(rows) = signs.usage_stuck {
        found.push(("RepriseUsageNotFlushed", "warning", real(rows), 0.0));
    }
    found
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count that large need not be told to the unit"
)]
const fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: AlertOptions = AlertOptions {
        memory_share: 0.8,
        hit_ratio: 0.5,
    };

    fn names(alerts: &[Alert]) -> Vec<&'static str> {
        alerts.iter().map(|alert| alert.name).collect()
    }

    #[test]
    fn nothing_is_the_matter_with_good_numbers() {
        let signs = Signs {
            used_share: Some(0.8),
            hits: Some((99, 0.0)),
            ..Signs::default()
        };
        assert!(Alerts::default().judge(&signs, OPTIONS, 1).is_empty());
    }

    #[test]
    fn every_sign_has_its_name() {
        let signs = Signs {
            backend_down: true,
            is_memory_tier: false,
            used_share: Some(0.81),
            hits: Some((100, 0.49)),
            writes_dropped: 1,
            usage_stuck: Some(3),
        };
        let alerts = Alerts::default();
        let told = alerts.judge(&signs, OPTIONS, 1);
        let yaml = include_str!("../../deploy/grafana/alerts.yaml");
        for alert in &told {
            let rule = format!("- alert: {}\n", alert.name);
            let rule = yaml.split_once(&rule).expect(alert.name).1;
            let severity = rule.split_once("severity: ").unwrap().1;
            assert!(severity.starts_with(alert.severity), "{}", alert.name);
        }
        assert_eq!(told.len(), 5);
    }

    #[test]
    fn an_alert_is_told_since_it_was_first_seen_and_ends() {
        let down = Signs {
            backend_down: true,
            ..Signs::default()
        };
        let alerts = Alerts::default();
        assert_eq!(alerts.judge(&down, OPTIONS, 5_000)[0].since, 5);
        assert_eq!(alerts.judge(&down, OPTIONS, 9_000)[0].since, 5);
        assert!(alerts.judge(&Signs::default(), OPTIONS, 10_000).is_empty());
        assert_eq!(alerts.judge(&down, OPTIONS, 11_000)[0].since, 11);
    }

    #[test]
    fn dropped_writes_are_told_for_a_quarter_of_an_hour() {
        let alerts = Alerts::default();
        let dropped = Signs {
            writes_dropped: 2,
            ..Signs::default()
        };
        assert_eq!(
            names(&alerts.judge(&dropped, OPTIONS, 1)),
            ["RepriseWritesDropped"]
        );
        assert_eq!(alerts.judge(&dropped, OPTIONS, DROPPED_TOLD_FOR).len(), 1);
        assert!(
            alerts
                .judge(&dropped, OPTIONS, DROPPED_TOLD_FOR + 1)
                .is_empty()
        );
    }
}
