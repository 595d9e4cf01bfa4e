//! Which provider answers for a model: pure, made anew when a provider changes.

use std::collections::{BTreeMap, HashMap};

use super::record::ProviderRecord;
use crate::policy::Pattern;

/// Where a model is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// The provider's name.
    pub(super) provider: String,
    /// Its own name for the model, where that is not the one asked for.
    pub(super) model: Option<String>,
}

/// The routes there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// The aliases of each provider, for names that say which is meant.
    named: HashMap<String, BTreeMap<String, String>>,
    /// Who has an alias: the first that may be taken is.
    aliases: HashMap<String, Vec<Way>>,
    /// The patterns, the first that may be taken first.
    patterns: Vec<(Pattern, String)>,
}

impl Table {
    /// The routes that some providers make.
    pub(super) fn of<'a>(providers: impl Iterator<Item = &'a ProviderRecord>) -> Self {
        let mut providers: Vec<_> = providers.collect();
        providers.sort_by(|one, other| {
            let precedence = other.priority.cmp(&one.priority);
            precedence.then_with(|| one.name.cmp(&other.name))
        });
        let mut table = Self::default();
        for provider in providers {
            let name = &provider.name;
            table.named.insert(name.clone(), provider.aliases.clone());
            for (alias, model) in &provider.aliases {
                let way = Way {
                    provider: name.clone(),
                    model: (alias != model).then(|| model.clone()),
                };
                table.aliases.entry(alias.clone()).or_default().push(way);
            }
            let patterns = provider.models.iter();
            let patterns = patterns.map(|pattern| (pattern.clone(), name.clone()));
            table.patterns.extend(patterns);
        }
        // Stable: among those as specific, the order of the providers stays.
        table
            .patterns
            .sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.said()));
        table
    }

    /// Whether it has no routes.
    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// The way a model goes among the providers that may be taken; `None` for the
    /// default one.
    pub(super) fn way(&self, model: &str, may_take: impl Fn(&str) -> bool) -> Option<Way> {
        if let Some((provider, rest)) = model.split_once('/')
            && !rest.is_empty()
            && let Some(aliases) = self.named.get(provider)
            && may_take(provider)
        {
            let rest = aliases.get(rest).map_or(rest, String::as_str);
            return Some(Way {
                provider: provider.to_owned(),
                model: Some(rest.to_owned()),
            });
        }
        let mut aliased = self.aliases.get(model).into_iter().flatten();
        if let Some(way) = aliased.find(|way| may_take(&way.provider)) {
            return Some(way.clone());
        }
        let mut patterns = self.patterns.iter();
        let found =
            patterns.find(|(pattern, provider)| pattern.matches(model) && may_take(provider));
        found.map(|(_, provider)| Way {
            provider: provider.clone(),
            model: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(
        name: &str,
        priority: i32,
        models: &[&str],
        aliases: &[(&str, &str)],
    ) -> ProviderRecord {
        let aliases: BTreeMap<_, _> = aliases.iter().copied().collect();
        serde_json::from_value(serde_json::json!({
            "name": name, "kind": "compatible", "base_url": "https://llm.example/v1",
            "priority": priority, "models": models, "aliases": aliases,
        }))
        .unwrap()
    }

    fn table() -> Table {
        let providers = [
            provider("azure", 0, &["gpt-*", "*"], &[("fast", "gpt-4o-mini")]),
            provider(
                "openai",
                5,
                &["gpt-4*", "*"],
                &[("fast", "gpt-5-nano"), ("same", "same")],
            ),
            provider(
                "a-claude",
                0,
                &["claude-*", "gpt-*"],
                &[("smart", "claude-opus")],
            ),
        ];
        Table::of(providers.iter())
    }

    fn way(model: &str) -> Option<(String, Option<String>)> {
        let way = table().way(model, |_| true)?;
        Some((way.provider, way.model))
    }

    fn goes(model: &str, provider: &str, becomes: Option<&str>) {
        let expected = Some((provider.to_owned(), becomes.map(str::to_owned)));
        assert_eq!(way(model), expected, "{model}");
    }

    #[test]
    fn a_prefix_comes_first_then_an_alias_then_the_most_specific_pattern() {
        goes("azure/gpt-4o", "azure", Some("gpt-4o"));
        goes("azure/fast", "azure", Some("gpt-4o-mini"));
        goes("azure/smart", "azure", Some("smart"));
        goes("azure/a/b", "azure", Some("a/b"));
        goes("fast", "openai", Some("gpt-5-nano"));
        goes("same", "openai", None);
        goes("smart", "a-claude", Some("claude-opus"));
        goes("gpt-4o", "openai", None);
        goes("claude-3", "a-claude", None);
        // As specific and of the same priority: by name.
        goes("gpt-3.5", "a-claude", None);
        // As specific: by priority.
        goes("llama", "openai", None);
    }

    #[test]
    fn a_prefix_that_names_no_provider_is_a_part_of_the_models_name() {
        goes("meta-llama/Llama-3", "openai", None);
        goes("azure/", "openai", None);
        goes("/gpt-4o", "openai", None);
        goes("Azure/gpt-4o", "openai", None);
    }

    #[test]
    fn who_may_not_be_taken_is_passed_over() {
        let table = table();
        let but = |names: &'static [&'static str]| move |name: &str| !names.contains(&name);
        let to = |model: &str, names| table.way(model, but(names)).map(|way| way.provider);
        assert_eq!(to("fast", &["openai"]).as_deref(), Some("azure"));
        assert_eq!(to("gpt-4o", &["openai"]).as_deref(), Some("a-claude"));
        assert_eq!(to("azure/gpt-4o", &["azure"]).as_deref(), Some("openai"));
        assert_eq!(to("gpt-4o", &["openai", "azure", "a-claude"]), None);
    }
}
