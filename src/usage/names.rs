//! How many names the ledger may come to hold.
//!
//! Models and tags are what clients write, keys what they bring: whoever sends a new
//! one with every request must not fill the ledger. So only so many names are counted
//! by themselves in a day, first come, first named; the others are counted together
//! under one name. A name that met nothing but errors so far takes none of the last
//! places: those are for what is really used.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::ledger::{Granularity, Labels, Line, OTHER, Start, Tags};

/// Models that are counted by themselves in a day.
const MODELS_MAX: usize = 500;

/// Keys that are counted by themselves in a day.
const KEYS_MAX: usize = 10_000;

/// Tags that are counted by themselves in a day.
const TAGS_MAX: usize = 500;

/// Different labels that are counted by themselves in a day.
const LABELS_MAX: usize = 50_000;

/// The names that have been used today.
#[derive(Debug, Default)]
pub(super) struct Names {
    day: Start,
    models: HashSet<String>,
    keys: HashSet<String>,
    tags: HashSet<String>,
    /// Digests: the labels themselves would take much more.
    labels: HashSet<u64>,
    digests: RandomState,
}

impl Names {
    /// Puts the names that are too many together; whether there were any. `is_proven`
    /// says that the upstream answered with success.
    pub(super) fn bound(&mut self, line: &mut Line, is_proven: bool) -> bool {
        let day = Granularity::Day.start_of(line.minute);
        if self.day < day {
            *self = Self {
                day,
                ..Self::default()
            };
        }
        let labels = &mut line.labels;
        let mut merged = false;
        if !admits(&mut self.models, &labels.model, MODELS_MAX, is_proven) {
            OTHER.clone_into(&mut labels.model);
            merged = true;
        }
        if !admits(&mut self.keys, &labels.key, KEYS_MAX, is_proven) {
            OTHER.clone_into(&mut labels.key);
            OTHER.clone_into(&mut labels.tenant);
            merged = true;
        }
        if labels.tags.iter().any(|tag| !self.tags.contains(tag)) {
            let tags = &mut self.tags;
            let named = |tag| {
                if admits(tags, tag, TAGS_MAX, true) {
                    tag
                } else {
                    OTHER
                }
            };
            let bounded = Tags::of(labels.tags.iter().map(named));
            merged |= bounded != labels.tags;
            labels.tags = bounded;
        }
        merged | self.bound_labels(labels)
    }

    fn bound_labels(&mut self, labels: &mut Labels) -> bool {
        let digest = self.digests.hash_one(&*labels);
        if self.labels.contains(&digest) {
            return false;
        }
        if self.labels.len() < LABELS_MAX {
            self.labels.insert(digest);
            return false;
        }
        *labels = labels.among_others();
        true
    }
}

/// Whether there is a place for this name, which it then takes.
fn admits(names: &mut HashSet<String>, name: &str, max: usize, is_proven: bool) -> bool {
    if name.is_empty() || name == OTHER || names.contains(name) {
        return true;
    }
    let places = if is_proven { max } else { max / 2 };
    let has_place = names.len() < places;
    if has_place {
        names.insert(name.to_owned());
    }
    has_place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Tally;

    fn line(model: &str, key: &str) -> Line {
        Line {
            minute: 0,
            labels: Labels {
                operation: "chat".to_owned(),
                model: model.to_owned(),
                key: key.to_owned(),
                tenant: key.to_owned(),
                upstream: "u".to_owned(),
                outcome: "miss".to_owned(),
                tags: Tags::default(),
            },
            tally: Tally::default(),
        }
    }

    #[test]
    fn names_beyond_the_bound_are_counted_together_until_the_next_day() {
        let mut names = Names::default();
        let mut merged = 0;
        for number in 0..MODELS_MAX + 7 {
            let mut one = line(&format!("model-{number}"), "key");
            merged += usize::from(names.bound(&mut one, true));
            if number >= MODELS_MAX {
                assert_eq!((&*one.labels.model, &*one.labels.key), (OTHER, "key"));
            }
        }
        assert_eq!(merged, 7);
        let mut known = line("model-0", "key");
        assert!(!names.bound(&mut known, true));
        let mut tomorrow = line("another", "key");
        tomorrow.minute = Granularity::Day.seconds();
        assert!(!names.bound(&mut tomorrow, true));
    }

    #[test]
    fn names_that_only_met_errors_leave_room_for_those_in_use() {
        let mut names = Names::default();
        for number in 0..2 * MODELS_MAX {
            names.bound(&mut line(&format!("typo-{number}"), "key"), false);
        }
        let mut used = line("real", "key");
        assert!(!names.bound(&mut used, true));
        assert_eq!(used.labels.model, "real");
        let mut typo = line("another typo", "key");
        assert!(names.bound(&mut typo, false));
        assert_eq!(typo.labels.model, OTHER);
    }

    #[test]
    fn there_are_never_more_labels_than_the_bound() {
        let mut names = Names::default();
        for key in 0..KEYS_MAX {
            for model in 0..6 {
                let mut one = line(&format!("model-{model}"), &format!("key-{key}"));
                names.bound(&mut one, true);
            }
        }
        let mut late = line("model-5", "key-9999");
        assert!(names.bound(&mut late, true));
        assert_eq!(late.labels, late.labels.among_others());
        assert_eq!(names.labels.len(), LABELS_MAX);
    }
}
