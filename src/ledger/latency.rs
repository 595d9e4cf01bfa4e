//! How long things took, as a histogram that can be merged.
//!
//! Log-linear: every doubling of time has [`STEPS`] equal steps, so that a value
//! read back is off by at most half a step, 6 % of itself, from a microsecond to
//! hours. Two histograms of the same time can be added up bucket by bucket, which
//! percentiles themselves cannot.

use std::collections::BTreeMap;
use std::time::Duration;

/// Steps in a doubling; a power of two.
const STEPS: u64 = 8;
const STEPS_LOG2: u32 = STEPS.trailing_zeros();

/// The number of the last step: 2^40 microseconds, two weeks. What takes longer
/// counts as that.
const LAST: u16 = 303;

/// How often something took how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    counts: BTreeMap<u16, u64>,
}

impl Latencies {
    /// Counts one more.
    pub fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.add(step_of(micros), 1);
    }

    /// Counts `count` more in a step, by its number as [`Latencies::steps`] gives it.
    pub fn add(&mut self, step: u16, count: u64) {
        if count > 0 {
            let counted = self.counts.entry(step.min(LAST)).or_default();
            *counted = counted.saturating_add(count);
        }
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Self) {
        for (step, count) in &other.counts {
            self.add(*step, *count);
        }
    }

    /// The steps that counted anything, by their numbers, which never change their
    /// meaning.
    pub fn steps(&self) -> impl Iterator<Item = (u16, u64)> {
        self.counts.iter().map(|(step, count)| (*step, *count))
    }

    /// The text that stands for this in a backend: `step:count` of each step, with
    /// blanks between.
    pub fn to_text(&self) -> String {
        let steps: Vec<String> = self
            .steps()
            .map(|(step, count)| format!("{step}:{count}"))
            .collect();
        steps.join(" ")
    }

    /// What a text stands for; `None` if it is not one of ours.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut latencies = Self::default();
        for part in text.split_ascii_whitespace() {
            let (step, count) = part.split_once(':')?;
            latencies.add(step.parse().ok()?, count.parse().ok()?);
        }
        Some(latencies)
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts
            .values()
            .fold(0, |sum: u64, count| sum.saturating_add(*count))
    }

    /// The time that a share of those counted took at most, as 0.95; `None` if nothing
    /// was counted.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank needs no more precision than the steps have"
        )]
        let rank = ((share.clamp(0.0, 1.0) * count as f64).ceil() as u64).max(1);
        let mut seen = 0_u64;
        for (step, count) in self.steps() {
            seen = seen.saturating_add(count);
            if seen >= rank {
                return Some(Duration::from_micros(middle_of(step)));
            }
        }
        None
    }
}

/// The step that a time in microseconds falls in.
fn step_of(micros: u64) -> u16 {
    if micros < STEPS {
        return u16::try_from(micros).unwrap_or_default();
    }
    let doubling = micros.ilog2() - STEPS_LOG2;
    let within = (micros >> doubling) - STEPS;
    let step = u64::from(doubling + 1) * STEPS + within;
    u16::try_from(step).unwrap_or(LAST).min(LAST)
}

/// The middle of a step, in microseconds.
fn middle_of(step: u16) -> u64 {
    let step = u64::from(step);
    if step < STEPS {
        return step;
    }
    let doubling = step / STEPS - 1;
    let lowest = (STEPS + step % STEPS) << doubling;
    lowest + (1 << doubling) / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(millis: &[u64]) -> Latencies {
        let mut latencies = Latencies::default();
        for time in millis {
            latencies.record(Duration::from_millis(*time));
        }
        latencies
    }

    #[test]
    fn quantiles_are_within_a_step_of_the_truth() {
        let latencies = of(&(1..=1000).collect::<Vec<_>>());
        for (share, truth) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = latencies.quantile(share).unwrap().as_secs_f64() * 1000.0;
            assert!((found / truth - 1.0).abs() < 0.0625, "{share}: {found}");
        }
        assert_eq!(Latencies::default().quantile(0.5), None);
        assert_eq!(of(&[0]).quantile(0.5), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_no_text_of_latencies_is_none() {
        for odd in ["1", "a:1", "1:a", "1:-1", "70000:1", "1:1;2:1"] {
            assert_eq!(Latencies::from_text(odd), None, "{odd}");
        }
        assert_eq!(Latencies::from_text(""), Some(Latencies::default()));
        assert_eq!(of(&[0, 1, 1]).to_text(), "0:1 63:2");
    }

    #[test]
    fn steps_never_change_their_meaning() {
        let numbers = [0, 1, 7, 8, 9, 15, 16, 17, 1_000, 1_000_000, 60_000_000];
        let steps = numbers.map(step_of);
        assert_eq!(steps, [0, 1, 7, 8, 9, 15, 16, 16, 63, 143, 190]);
        assert_eq!(step_of(u64::MAX), LAST);
    }

    proptest! {
        #[test]
        fn a_step_holds_its_middle_and_is_narrow(micros in 0_u64..1 << 40) {
            let step = step_of(micros);
            let middle = middle_of(step);
            prop_assert_eq!(step_of(middle), step);
            prop_assert!(middle.abs_diff(micros) * 16 <= micros.max(middle));
        }

        #[test]
        fn merging_is_counting_all(
            left in proptest::collection::vec(0_u64..1 << 20, 0..50),
            right in proptest::collection::vec(0_u64..1 << 20, 0..50),
        ) {
            let mut merged = of(&left);
            merged.merge(&of(&right));
            prop_assert_eq!(Latencies::from_text(&merged.to_text()), Some(merged.clone()));
            prop_assert_eq!(merged, of(&[left, right].concat()));
        }
    }
}
