//! The dashboard, the alert rules and the manual speak of metrics that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{
    ALICE, House, Reply, Request, Store, answer, batch, eventually, in_time, on_each_store,
    question,
};

/// Labels that the one who scrapes puts on everything.
const OF_THE_SCRAPE: [&str; 2] = ["job", "instance"];

/// Names of metrics, and the labels each is seen with.
type Metrics = BTreeMap<String, BTreeSet<String>>;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Makes everything happen that is measured, and reads off the metrics.
async fn measured(store: Store) -> Metrics {
    let house = House::start(store).await;
    in_time(async {
        let asked = question("measured");
        house.ask(&asked).await;
        house.ask(&asked).await;
        house.embed(&batch(["one", "two"])).await;
        house.embed(&batch(["two", "three"])).await;
        house
            .send(&Request::new("GET", "/v1/files").bearer(ALICE))
            .await;
        house.upstream.next(Reply::reset());
        house.ask(&question("broken off")).await;
        let mut unfinished = answer("x", "cut short");
        unfinished["choices"][0]["finish_reason"] = Value::Null;
        house
            .upstream
            .next(Reply::json(200, unfinished.to_string()));
        house.ask(&question("unfinished")).await;
        eventually("the failure is counted", || async {
            let text = house.metrics().await;
            text.contains("reprise_requests_failed_total{")
                .then(|| samples(&text))
        })
        .await
    })
    .await
}

/// The samples of an exposition, and under the name of a histogram its own.
fn samples(text: &str) -> Metrics {
    let mut metrics = Metrics::new();
    for line in text.lines().filter(|line| line.starts_with("reprise_")) {
        let at = line.find(['{', ' ']).unwrap();
        let labels = labels(&line[at..]);
        let name = &line[..at];
        metrics
            .entry(name.to_owned())
            .or_default()
            .extend(labels.clone());
        if let Some(histogram) = name.strip_suffix("_bucket") {
            let labels = labels.into_iter().filter(|label| label != "le");
            metrics
                .entry(histogram.to_owned())
                .or_default()
                .extend(labels);
        }
    }
    metrics
}

/// The names in `{name="value",name=~"value"}`, if the text begins with that.
fn labels(text: &str) -> BTreeSet<String> {
    let Some(inside) = text.strip_prefix('{') else {
        return BTreeSet::new();
    };
    let mut labels = BTreeSet::new();
    let (mut name, mut is_value) = (String::new(), false);
    for c in inside.chars() {
        match c {
            '"' => is_value = !is_value,
            _ if is_value => {}
            '}' => break,
            ',' => name.clear(),
            '=' | '!' => {
                labels.insert(std::mem::take(&mut name));
            }
            '~' => {}
            c => name.push(c),
        }
    }
    labels.remove("");
    labels
}

/// Where words of metric names begin in an expression.
fn names(expression: &str) -> impl Iterator<Item = (&str, &str)> {
    expression.match_indices("reprise_").map(|(at, _)| {
        let rest = &expression[at..];
        let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        rest.split_at(rest.find(|c| !is_of_name(c)).unwrap_or(rest.len()))
    })
}

/// The labels that an expression groups by.
fn groups(expression: &str) -> BTreeSet<&str> {
    expression
        .split("by (")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .flat_map(|(labels, _)| labels.split(','))
        .map(str::trim)
        .collect()
}

/// What an expression says that is not so.
fn wrong(expression: &str, metrics: &Metrics) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut known: BTreeSet<&str> = OF_THE_SCRAPE.into();
    for (name, rest) in names(expression) {
        let Some(labels_there) = metrics.get(name) else {
            wrong.push(format!("no metric {name}"));
            // What its labels are cannot be known.
            known.extend(groups(expression));
            continue;
        };
        known.extend(labels_there.iter().map(String::as_str));
        for label in labels(rest) {
            if !OF_THE_SCRAPE.contains(&label.as_str()) && !labels_there.contains(&label) {
                wrong.push(format!("{name} has no label {label}"));
            }
        }
    }
    for label in groups(expression) {
        if !known.contains(label) {
            wrong.push(format!("nothing has the label {label}: {expression}"));
        }
    }
    wrong
}

fn expressions_of_dashboard(value: &Value, found: &mut Vec<String>) {
    if let Value::Object(fields) = value {
        let texts = fields
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "expr" | "definition"));
        found.extend(texts.filter_map(|(_, value)| value.as_str().map(str::to_owned)));
        for value in fields.values() {
            expressions_of_dashboard(value, found);
        }
    } else if let Value::Array(items) = value {
        for item in items {
            expressions_of_dashboard(item, found);
        }
    }
}

/// The expressions of a rule file: behind `expr:`, on that line or, indented
/// further, on those that follow.
fn expressions_of_rules(text: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(rest) = line.trim_start().strip_prefix("expr:") else {
            continue;
        };
        let block = lines[at + 1..]
            .iter()
            .take_while(|next| indent(next) > indent(line));
        found.push(match rest.trim() {
            "|" => block.copied().collect::<Vec<_>>().join("\n"),
            expression => expression.to_owned(),
        });
    }
    found
}

/// The metrics in the manual's table, with the labels it names.
fn documented() -> Metrics {
    let manual = file("docs/operations.md");
    let rows = manual
        .lines()
        .filter(|line| line.starts_with("| `reprise_"));
    rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2))
        .map(|cell| {
            let (name, labels) = cell.split_once('{').unwrap_or((cell, ""));
            let labels = labels.trim_end_matches('}').split(',');
            let labels = labels.filter(|label| !label.is_empty()).map(str::to_owned);
            (name.to_owned(), labels.collect())
        })
        .collect()
}

on_each_store! {
    async fn every_panel_and_every_rule_is_of_metrics_that_exist(store) {
        let metrics = measured(store).await;
        let mut expressions = expressions_of_rules(&file("deploy/grafana/alerts.yaml"));
        assert!(expressions.len() >= 6, "{expressions:#?}");
        let dashboard = serde_json::from_str(&file("deploy/grafana/dashboard.json")).unwrap();
        expressions_of_dashboard(&dashboard, &mut expressions);
        assert!(expressions.len() >= 30, "{expressions:#?}");
        let wrong: BTreeSet<String> = expressions
            .iter()
            .flat_map(|expression| wrong(expression, &metrics))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    async fn the_manual_lists_the_metrics_that_exist(store) {
        let (mut metrics, documented) = (measured(store).await, documented());
        metrics.retain(|name, _| {
            let parts = ["_bucket", "_sum", "_count"];
            let histogram = parts.iter().find_map(|part| name.strip_suffix(part));
            !histogram.is_some_and(|name| documented.contains_key(name))
        });
        let names = |metrics: &Metrics| metrics.keys().cloned().collect::<BTreeSet<String>>();
        let (there, told) = (names(&metrics), names(&documented));
        let untold: Vec<_> = there.difference(&told).collect();
        let missing: Vec<_> = told.difference(&there).collect();
        assert!(
            untold.is_empty() && missing.is_empty(),
            "not in the manual: {untold:?}; only in the manual: {missing:?}"
        );
        for (name, labels) in &documented {
            assert_eq!(labels, &metrics[name], "the labels of {name}");
        }
    }
}

#[test]
fn what_an_expression_gets_wrong_is_seen() {
    let text = "reprise_a_total{kind=\"x\"} 1\nreprise_b_seconds_bucket{le=\"1\"} 2\n";
    let metrics = samples(text);
    let sound = "sum by (kind, job) (rate(reprise_a_total{kind=~\"x|y\",job!=\"z\"}[5m]))";
    assert!(wrong(sound, &metrics).is_empty());
    assert!(wrong("reprise_b_seconds_bucket{le=\"1\"}", &metrics).is_empty());
    for expression in [
        "rate(reprise_c_total[5m])",
        "reprise_a_total{sort=\"x\"}",
        "sum by (sort) (reprise_a_total)",
    ] {
        assert_eq!(wrong(expression, &metrics).len(), 1, "{expression}");
    }
    let rules = "    expr: up == 0\n    for: 1m\n    expr: |\n      a\n        / b\n    for: 2m\n";
    assert_eq!(
        expressions_of_rules(rules),
        ["up == 0", "      a\n        / b"]
    );
}
