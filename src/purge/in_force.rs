//! The purges in force, put so that asking them is quick.

use std::collections::HashMap;

use super::{Facts, Number, Selector, Target};

/// The purges in force.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    latest: Number,
    /// The last one that means everything; those before it are in it.
    everything: Number,
    /// The last one of each key that is named whole and alone.
    keys: HashMap<[u8; 32], Number>,
    /// The others, the latest first.
    selectors: Vec<(Number, Selector)>,
}

impl InForce {
    /// Puts purges together.
    pub fn of<'a>(purges: impl IntoIterator<Item = (Number, &'a Target)>) -> Self {
        let mut all = Self::default();
        for (number, target) in purges {
            all.latest = all.latest.max(number);
            match target {
                Target::Everything => all.everything = all.everything.max(number),
                Target::Selected(selector) => all.add(number, selector),
            }
        }
        let everything = all.everything;
        all.keys.retain(|_, number| everything < *number);
        all.selectors.retain(|(number, _)| everything < *number);
        all.selectors.sort_by(|(a, _), (b, _)| b.cmp(a));
        all
    }

    fn add(&mut self, number: Number, selector: &Selector) {
        match selector.ids().filter(|_| selector.is_only_keys()) {
            Some(ids) => {
                for id in ids {
                    let last = self.keys.entry(id).or_default();
                    *last = number.max(*last);
                }
            }
            None => self.selectors.push((number, selector.clone())),
        }
    }

    /// The number of the latest; 0 if there is none.
    pub const fn latest(&self) -> Number {
        self.latest
    }

    /// Whether an entry is gone, of which those up to `since` need not be asked.
    pub fn means(&self, facts: &Facts<'_>, since: Number) -> bool {
        if self.latest <= since {
            return false;
        }
        let since = since.max(facts.meta.generation);
        let key = || self.keys.get(facts.id).copied().unwrap_or_default();
        since < self.everything
            || since < key()
            || self
                .selectors
                .iter()
                .take_while(|(number, _)| since < *number)
                .any(|(_, selector)| selector.matches(facts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Meta;
    use crate::wire::Operation;

    fn meta(generation: Number) -> Meta {
        Meta {
            generation,
            tags: vec!["t".to_owned()],
            ..Meta::default()
        }
    }

    fn is_gone(all: &InForce, id: u8, generation: Number) -> bool {
        let facts = Facts {
            id: &[id; 32],
            operation: Operation::Chat,
            stored_at: 5,
            meta: &meta(generation),
        };
        all.means(&facts, 0)
    }

    fn tagged(tag: &str) -> Target {
        Target::Selected(Selector {
            tags: vec![tag.to_owned()],
            ..Selector::default()
        })
    }

    #[test]
    fn an_entry_is_gone_by_later_purges_only() {
        let key = Target::Selected(Selector::key(&[1; 32]));
        let (t, other) = (tagged("t"), tagged("other"));
        let all = InForce::of([(4, &t), (7, &other), (9, &key)]);
        for (id, generation, gone) in [
            (1, 0, true),
            (1, 4, true),
            (1, 8, true),
            (1, 9, false),
            (2, 3, true),
            (2, 4, false),
        ] {
            assert_eq!(is_gone(&all, id, generation), gone, "{id} {generation}");
        }
        assert_eq!(all.latest(), 9);
        assert!(!is_gone(&InForce::default(), 1, 0));
    }

    #[test]
    fn what_means_everything_stands_for_all_before_it() {
        let t = tagged("t");
        let all = InForce::of([(4, &t), (5, &Target::Everything), (6, &tagged("x"))]);
        assert!(is_gone(&all, 2, 4) && !is_gone(&all, 2, 5));
        assert_eq!(all.selectors.len(), 1);
    }

    #[test]
    fn those_that_were_asked_before_are_not_asked_again() {
        let t = tagged("t");
        let all = InForce::of([(4, &t)]);
        let facts = Facts {
            id: &[2; 32],
            operation: Operation::Chat,
            stored_at: 5,
            meta: &meta(0),
        };
        assert!(all.means(&facts, 3) && !all.means(&facts, 4));
    }
}
