//! The shipped table: providers, the models of each and what these cost.
//!
//! It is made by `scripts/renew-prices`, which tells its form. Opening it reads the
//! providers and steps over their models; those of a provider are read when the first
//! of them is asked for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::rates::{Price, Rate, Rates, Tier};
use super::rule::Rule;
use super::tariff::Listed;

/// The table this program was built with.
pub(super) static SHIPPED: LazyLock<Table> =
    LazyLock::new(|| Table::read(include_str!("prices.json")).unwrap_or_default());

/// What the table says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Table {
    /// The day as of which the prices count.
    pub(super) date: &'static str,
    /// Where they are from.
    pub(super) source: &'static str,
    providers: Vec<Provider>,
}

/// One provider.
#[derive(Debug, Deserialize)]
pub(super) struct Provider {
    pub(super) id: &'static str,
    /// The hosts that are this provider's; see [`is_host`].
    #[serde(borrow)]
    hosts: Vec<&'static str>,
    /// Whose models it offers as well, at the same prices.
    #[serde(borrow, default)]
    also: Vec<&'static str>,
    #[serde(borrow)]
    models: &'static RawValue,
    #[serde(skip)]
    read: OnceLock<Models>,
}

/// The models of a provider.
#[derive(Debug, Default)]
struct Models {
    /// The first that accepts a name has it.
    in_order: Vec<Model>,
    /// The first model that lists a name.
    by_name: HashMap<Cow<'static, str>, usize>,
    /// The models that accept names by their form.
    by_form: Vec<(usize, Rule)>,
}

/// One model. Without a price it is known, and cannot be charged for by its tokens.
#[derive(Debug)]
pub(super) struct Model {
    id: &'static str,
    pub(super) price: Option<Price>,
}

/// A model as the table writes it.
#[derive(Deserialize)]
struct Line {
    id: &'static str,
    #[serde(rename = "match")]
    rule: Option<Rule>,
    input: Option<Rate>,
    cached: Option<Rate>,
    write: Option<Rate>,
    output: Option<Rate>,
    #[serde(default)]
    tiers: Vec<TierLine>,
}

/// A tier as the table writes it.
#[derive(Deserialize)]
struct TierLine {
    above: u64,
    input: Rate,
    cached: Option<Rate>,
    write: Option<Rate>,
    output: Rate,
}

impl Table {
    /// Reads the providers of a table.
    pub(super) fn read(text: &'static str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// The provider of this id.
    pub(super) fn provider(&self, id: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.id == id)
    }

    /// The provider a host belongs to.
    pub(super) fn provider_of_host(&self, host: &str) -> Option<&Provider> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.providers
            .iter()
            .find(|provider| provider.hosts.iter().any(|known| is_host(&host, known)))
    }

    /// The model a provider means by a name, which is one of its own or of those
    /// whose models it offers as well.
    pub(super) fn model(&self, provider: &str, name: &str) -> Option<&Model> {
        let provider = self.provider(provider)?;
        let name = name.to_lowercase();
        provider.models().find(&name).or_else(|| {
            provider
                .also
                .iter()
                .filter_map(|id| self.provider(id))
                .find_map(|other| other.models().find(&name))
        })
    }
}

impl Provider {
    /// Its models, in the order of the table.
    pub(super) fn listed(&self) -> Vec<Listed<'_>> {
        let models = self.models().in_order.iter();
        models
            .map(|model| Listed {
                model: model.id,
                price: model.price.as_ref(),
            })
            .collect()
    }

    fn models(&self) -> &Models {
        self.read
            .get_or_init(|| Models::read(self.models).unwrap_or_default())
    }
}

impl Models {
    fn read(text: &'static RawValue) -> serde_json::Result<Self> {
        let lines: Vec<Line> = serde_json::from_str(text.get())?;
        let mut known = Self::default();
        for (at, line) in lines.into_iter().enumerate() {
            known.in_order.push(Model {
                id: line.id,
                price: line.price(),
            });
            let Some(rule) = line.rule else {
                let name = Cow::Owned(line.id.to_lowercase());
                known.by_name.entry(name).or_insert(at);
                continue;
            };
            for name in &rule.is {
                known.by_name.entry(Cow::Borrowed(name)).or_insert(at);
            }
            if !rule.is_a_list() {
                known.by_form.push((at, rule));
            }
        }
        Ok(known)
    }

    /// The first model that accepts the name.
    fn find(&self, name: &str) -> Option<&Model> {
        let listed = self.by_name.get(name).copied();
        let formed = self
            .by_form
            .iter()
            .take_while(|(at, _)| listed.is_none_or(|listed| *at < listed))
            .find(|(_, rule)| rule.accepts_a_form(name));
        self.in_order.get(formed.map(|(at, _)| *at).or(listed)?)
    }
}

impl Line {
    fn price(&self) -> Option<Price> {
        let rates = Rates {
            input: self.input?,
            cached_input: self.cached,
            written_input: self.write,
            output: self.output?,
        };
        let tiers = self.tiers.iter().map(|tier| Tier {
            above: tier.above,
            rates: Rates {
                input: tier.input,
                cached_input: tier.cached,
                written_input: tier.write,
                output: tier.output,
            },
        });
        Some(Price::tiered(rates, tiers.collect()))
    }
}

/// Whether a host is a known one: the same, or one with something in place of its `*`.
fn is_host(host: &str, known: &str) -> bool {
    let Some((start, end)) = known.split_once('*') else {
        return host == known;
    };
    host.strip_prefix(start)
        .and_then(|rest| rest.strip_suffix(end))
        .is_some_and(|between| !between.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each model's input price says which one it is; 0 stands for none.
    const SAMPLE: &str = r#"{"date": "2026-01-01", "source": "a test", "providers": [
        {"id": "a", "hosts": ["api.a.test", "*.a.example"], "also": ["b"], "models": [
            {"id": "Own", "input": 1, "output": 0},
            {"id": "form", "match": {"starts": ["f"]}, "input": 2, "output": 0},
            {"id": "late", "match": {"is": ["f-late", "late"]}, "input": 3, "output": 0},
            {"id": "by-the-hour", "match": {"starts": ["h"]}}
        ]},
        {"id": "b", "hosts": ["eu.*.b.test"], "also": ["c"], "models": [
            {"id": "early", "match": {"is": ["g-early"]}, "input": 4, "output": 0},
            {"id": "later", "match": {"starts": ["g", "h"]}, "input": 5, "output": 0}
        ]},
        {"id": "c", "hosts": ["api.a.test"], "models": [{"id": "z", "input": 6, "output": 0}]}
    ]}"#;

    fn found(provider: &str, name: &str) -> Option<u64> {
        let table = Table::read(SAMPLE).unwrap();
        let model = table.model(provider, name)?;
        let price = model.price.as_ref();
        Some(price.map_or(0, |price| price.rates(0).input.picos() / 1_000_000))
    }

    #[test]
    fn the_first_model_that_accepts_a_name_has_it() {
        assert_eq!(found("a", "own"), Some(1));
        assert_eq!(found("a", "OWN"), Some(1));
        assert_eq!(found("a", "f-late"), Some(2));
        assert_eq!(found("a", "late"), Some(3));
        assert_eq!(found("b", "g-early"), Some(4));
        assert_eq!(found("b", "g-other"), Some(5));
    }

    #[test]
    fn models_of_others_are_offered_one_step_far() {
        assert_eq!(found("a", "g-early"), Some(4));
        assert_eq!(found("b", "own"), None);
        assert_eq!(found("b", "z"), Some(6));
        assert_eq!(found("a", "z"), None);
    }

    #[test]
    fn a_model_without_a_price_keeps_its_names() {
        assert_eq!(found("a", "h-1"), Some(0));
        assert_eq!(found("b", "h-1"), Some(5));
    }

    #[test]
    fn a_host_belongs_to_the_first_that_names_it() {
        let table = Table::read(SAMPLE).unwrap();
        for (host, provider) in [
            ("api.a.test", Some("a")),
            ("API.A.test.", Some("a")),
            ("x.y.a.example", Some("a")),
            ("a.example", None),
            (".a.example", None),
            ("api.a.test.evil", None),
            ("eu.1.b.test", Some("b")),
            ("eu.b.test", None),
            ("", None),
        ] {
            let found = table.provider_of_host(host).map(|provider| provider.id);
            assert_eq!(found, provider, "{host}");
        }
    }

    #[test]
    fn every_model_of_the_shipped_table_can_be_read() {
        let table = Table::read(include_str!("prices.json")).unwrap();
        assert!(!table.providers.is_empty());
        for provider in &table.providers {
            assert!(!Models::read(provider.models).unwrap().in_order.is_empty());
            let is_known = |id: &&str| table.provider(id).is_some();
            assert!(provider.also.iter().all(is_known), "{}", provider.id);
        }
    }
}
