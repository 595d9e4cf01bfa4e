//! The shipped table, against the file it is read from and the source's own sums.

use serde_json::Value;

use super::*;
use crate::wire::Usage;

const TABLE: &str = include_str!("prices.json");
const VECTORS: &str = include_str!("../../tests/fixtures/price_vectors.json");

fn texts(value: &Value) -> Vec<&str> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|text| text.as_str().unwrap()).collect()
}

/// Rates as the file writes them, by way of their decimals.
fn rates_of(line: &Value) -> Rates {
    let rate = |name: &str| {
        let told = line.get(name)?.to_string();
        let (whole, decimals) = told.split_once('.').unwrap_or((&told, ""));
        let picos = format!("{whole}{decimals:0<6}").parse().unwrap();
        Some(Rate::from_picos(picos))
    };
    Rates {
        input: rate("input").unwrap(),
        cached_input: rate("cached"),
        written_input: rate("write"),
        output: rate("output").unwrap(),
    }
}

fn price_of(line: &Value) -> Option<Price> {
    line.get("input")?;
    let tiers = line.get("tiers").and_then(Value::as_array);
    let tiers = tiers.into_iter().flatten().map(|tier| Tier {
        above: tier["above"].as_u64().unwrap(),
        rates: rates_of(tier),
    });
    Some(Price::tiered(rates_of(line), tiers.collect()))
}

/// Names that a line's rule accepts, whichever model is tried before it.
fn names_of(line: &Value) -> Vec<String> {
    let Some(rule) = line.get("match") else {
        return vec![line["id"].as_str().unwrap().to_owned()];
    };
    let part = |name: &str| rule.get(name).map(texts).unwrap_or_default();
    let mut names: Vec<String> = ["is", "starts", "ends", "has"]
        .iter()
        .flat_map(|name| part(name))
        .map(str::to_owned)
        .collect();
    let all = rule.get("all").and_then(Value::as_array);
    let starts = all.into_iter().flatten();
    names.extend(
        starts
            .flat_map(|rule| rule.get("starts").map(texts).unwrap_or_default())
            .map(str::to_owned),
    );
    let forms = part("like");
    names.extend(
        forms
            .iter()
            .map(|form| form.replace('#', "1").replace('*', "")),
    );
    names
}

#[test]
fn every_model_of_the_table_has_the_price_that_is_written_there() {
    let table: Value = serde_json::from_str(TABLE).unwrap();
    let prices = Prices::shipped();
    let (mut models, mut nameless) = (0, Vec::new());
    for provider in table["providers"].as_array().unwrap() {
        let id = provider["id"].as_str().unwrap();
        for line in provider["models"].as_array().unwrap() {
            models += 1;
            let wanted = price_of(line);
            let model = line["id"].as_str().unwrap();
            let served = prices.of(Some(id), model);
            // Some ids are labels: what requests call the model is another name.
            if served != wanted.as_ref() {
                assert_eq!(served, None, "{id} {model} has another model's price");
                nameless.push(format!("{id} {model}"));
            }
            let reached = names_of(line);
            let reached = reached
                .iter()
                .any(|name| prices.of(Some(id), name) == wanted.as_ref());
            assert!(reached, "{id} {model} cannot be reached");
        }
    }
    assert!(2_000 < models);
    assert!(nameless.len() < 120, "{nameless:?}");
}

#[test]
fn costs_are_those_that_the_source_works_out() {
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    let prices = Prices::shipped();
    assert!(100 < vectors.len());
    for vector in vectors {
        let number = |name: &str| vector[name].as_u64().unwrap();
        let text = |name: &str| vector[name].as_str().unwrap();
        let price = prices.of(Some(text("provider")), text("model")).unwrap();
        let usage = Usage {
            input: number("input"),
            cached_input: number("cached"),
            output: number("output"),
            ..Usage::default()
        };
        assert_eq!(price.cost(&usage).nanos(), number("nanos"), "{vector}");
    }
}

#[test]
fn what_nobody_names_has_no_price() {
    let prices = Prices::shipped();
    assert!(prices.of(Some("openai"), "gpt-4o").is_some());
    for (provider, model) in [
        (None, "gpt-4o"),
        (Some("nobody"), "gpt-4o"),
        (Some("OpenAI"), "gpt-4o"),
        (Some("openai"), "demo-model"),
        (Some("openai"), ""),
        (Some("openai"), "gpt-4o-1999-01-01"),
        (Some("openai"), "whisper-1"),
    ] {
        assert_eq!(prices.of(provider, model), None, "{provider:?} {model}");
    }
}

#[test]
fn a_dated_name_has_a_price_where_the_rules_accept_it() {
    let prices = Prices::shipped();
    let openai = |model| prices.of(Some("openai"), model);
    assert_eq!(openai("gpt-4o-2024-08-06"), openai("gpt-4o"));
    assert_eq!(prices.of(Some("azure"), "gpt-4o"), openai("gpt-4o"));
}

#[test]
fn what_the_operator_says_counts_first() {
    let overrides =
        "[models.gpt-4o]\ninput = 1\noutput = 2\n[models.mine]\ninput = 3\noutput = 4\n";
    let prices = Prices::shipped().with(Overrides::parse(overrides).unwrap());
    let input = |provider, model| {
        let price = prices.of(provider, model)?;
        Some(price.rates(0).input.picos())
    };
    assert_eq!(input(Some("openai"), "gpt-4o"), Some(1_000_000));
    assert_eq!(input(None, "gpt-4o"), Some(1_000_000));
    assert_eq!(input(None, "mine"), Some(3_000_000));
    assert_eq!(input(None, "mine-2"), None);
    let shipped = Prices::shipped();
    let mini = shipped.of(Some("openai"), "gpt-4o-mini");
    assert_eq!(prices.of(Some("openai"), "gpt-4o-mini"), mini);
}

#[test]
fn the_hosts_of_providers_are_known() {
    let prices = Prices::shipped();
    for (host, provider) in [
        ("api.openai.com", Some("openai")),
        ("mine.openai.azure.com", Some("azure")),
        ("mine.services.ai.azure.com", Some("azure")),
        ("api.anthropic.com", Some("anthropic")),
        ("openrouter.ai", Some("openrouter")),
        ("api.groq.com", Some("groq")),
        ("api.mistral.ai", Some("mistral")),
        ("api.deepseek.com", Some("deepseek")),
        ("api.together.xyz", Some("together")),
        ("api.x.ai", Some("x-ai")),
        ("generativelanguage.googleapis.com", Some("google")),
        ("bedrock-runtime.us-east-1.amazonaws.com", Some("aws")),
        ("router.huggingface.co", None),
        ("127.0.0.1", None),
        ("localhost", None),
        ("api.openai.com.example.com", None),
    ] {
        assert_eq!(prices.provider_of_host(host), provider, "{host}");
        assert!(provider.is_none_or(|provider| prices.has_provider(provider)));
    }
    assert_eq!(prices.date().len(), "2026-01-31".len());
}
