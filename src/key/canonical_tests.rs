//! The encoding: numbers as tables, everything else as properties.
//!
//! A property compares trees that know nothing of the encoder: their numbers are
//! a mantissa and an exponent, their objects are maps, and their texts are
//! rendered in many ways.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::Index;

use http::HeaderMap;

use crate::key::chat::identify;
use crate::key::{Address, CacheSecret, Fingerprinter, Key, Rules, Scope};
use crate::wire::json::parse;
use crate::wire::{Operation, UpstreamKind};

use super::*;

fn normal(text: &str) -> Canonical {
    Canonical::of(&Form::Normal(&parse(text.as_bytes()).unwrap()))
}

fn opaque(text: &str) -> Canonical {
    Canonical::of(&Form::Opaque(&parse(text.as_bytes()).unwrap()))
}

#[test]
fn a_number_has_one_spelling() {
    let rows: [(&str, &[&str]); 7] = [
        (
            "1e0",
            &["1", "1.0", "1e0", "10E-1", "0.1e1", "1.000e+00", "0.001e3"],
        ),
        (
            "0e0",
            &["0", "-0", "0.0", "-0.00e5", "0e99999999999999999999999"],
        ),
        ("-15e-1", &["-1.5", "-15e-1", "-0.15e1", "-1.50"]),
        (
            "18446744073709551616e0",
            &["18446744073709551616", "18446744073709551616.0"],
        ),
        ("18446744073709551617e0", &["18446744073709551617"]),
        ("1e-400", &["1e-400", "0.1e-399"]),
        (
            "1e99999999999999999",
            &["1e99999999999999999", "10e99999999999999998"],
        ),
    ];
    for (expected, spellings) in rows {
        for spelling in spellings {
            assert_eq!(
                exact_decimal(spelling).as_deref(),
                Some(expected),
                "{spelling}"
            );
        }
    }
}

#[test]
fn a_huge_exponent_costs_nothing_and_stays_apart() {
    let huge = "9".repeat(100_000);
    assert_eq!(exact_decimal(&format!("1e{huge}")), None);
    assert_eq!(exact_decimal(&format!("1e-{huge}")), None);
    assert_ne!(normal(&format!("1e{huge}")), normal(&format!("1e-{huge}")));
    assert_ne!(normal(&format!("1e{huge}")), normal("0"));
    assert!(same_number(&format!("1e{huge}"), &format!("1e{huge}")));
    assert!(!same_number(&format!("1e{huge}"), "1"));
    let long = format!("1{}", "0".repeat(100_000));
    assert_eq!(normal(&long), normal("1e100000"));
}

#[test]
fn normal_ignores_what_opaque_keeps() {
    assert_eq!(normal(r#"{"a":1,"b":2}"#), normal(r#"{"b":2.0,"a":1}"#));
    assert_ne!(opaque(r#"{"a":1,"b":2}"#), opaque(r#"{"b":2,"a":1}"#));
    assert_ne!(opaque("1"), opaque("1.0"));
    assert_eq!(opaque(r#"{ "a" : "\u00e9" }"#), opaque(r#"{"a":"é"}"#));
    assert_ne!(normal("{}"), opaque("{}"));
}

#[test]
fn a_set_ignores_order_and_keeps_repetitions() {
    let (a, b) = (Form::Text("a"), Form::Text("b"));
    let set = |items: &[&Form<'static>]| {
        Canonical::of(&Form::Set(
            items.iter().map(|item| (*item).clone()).collect(),
        ))
    };
    assert_eq!(set(&[&a, &b]), set(&[&b, &a]));
    assert_ne!(set(&[&a]), set(&[&a, &a]));
    assert_eq!(set(&[&a]), normal(r#"["a"]"#));
}

#[test]
fn the_layout_is_the_documented_one() {
    assert_eq!(
        normal(r#"{"b":[null,true,false],"a":-2.50}"#).as_bytes(),
        b"{\x02\x01an\x06-25e-1\x01b[\x03ztf"
    );
    assert_eq!(
        opaque(r#"{"b":"x","a":1.0}"#).as_bytes(),
        b"(\x02\x01bs\x01x\x01aN\x031.0"
    );
}

#[test]
fn the_prompt_is_not_shown() {
    assert_eq!(format!("{:?}", normal(r#""canary""#)), "Canonical(8 bytes)");
}

/// The key of a request that has this text in a documented field.
fn chat_key(text: &str) -> Key {
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"logit_bias":{text}}}"#
    );
    let rules = Rules::of(UpstreamKind::Compatible);
    let secret = CacheSecret::new([7; 32]);
    let address = Address {
        upstream: "u",
        operation: Operation::Chat,
        path: "/",
        query: None,
        headers: &HeaderMap::new(),
        partition: &[],
    };
    let question = identify(&parse(body.as_bytes()).unwrap(), rules).unwrap();
    Fingerprinter::new(&secret).key(&Scope::derive(&secret, &[]), &address, &question)
}

/// A value as it is meant, with one form only.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Bool(bool),
    /// `mantissa * 10^exponent`, the mantissa no multiple of ten.
    Number(i64, i16),
    String(String),
    Array(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-2000_i64..2000, -4_i16..4).prop_map(|(mantissa, exponent)| number(mantissa, exponent)),
        (any::<i64>(), any::<i16>()).prop_map(|(mantissa, exponent)| number(mantissa, exponent)),
        "[abAB\u{e9}\u{1f600}\"\\\\\n -]{0,5}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::btree_map("[abAB]{0,2}", inner, 0..5).prop_map(Value::Object),
        ]
    })
}

fn number(mut mantissa: i64, mut exponent: i16) -> Value {
    while mantissa != 0 && mantissa % 10 == 0 && exponent < i16::MAX {
        mantissa /= 10;
        exponent += 1;
    }
    Value::Number(mantissa, if mantissa == 0 { 0 } else { exponent })
}

/// Writes the value in one of many ways, chosen by the bits of `seed`.
fn render(value: &Value, seed: &mut u64, out: &mut String) {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    let choice = *seed >> 33;
    out.push_str([" ", "", "\n", "\t "][(choice % 4) as usize]);
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => write!(out, "{value}").unwrap(),
        Value::Number(mantissa, exponent) => match choice % 4 {
            0 => write!(out, "{mantissa}e{exponent}").unwrap(),
            1 => write!(out, "{mantissa}.000E{exponent:+}").unwrap(),
            2 if *mantissa != 0 => {
                write!(out, "{mantissa}00e{}", i32::from(*exponent) - 2).unwrap();
            }
            _ if (0..20).contains(exponent) && *mantissa != 0 => {
                write!(
                    out,
                    "{mantissa}{}",
                    "0".repeat((*exponent).try_into().unwrap())
                )
                .unwrap();
            }
            _ => write!(out, "{mantissa}.0e{exponent}").unwrap(),
        },
        Value::String(text) => render_text(text, choice, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                render(item, seed, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            if choice & 1 == 1 {
                members.reverse();
            }
            out.push('{');
            for (at, (name, item)) in members.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                render_text(name, choice, out);
                out.push(':');
                render(item, seed, out);
            }
            out.push('}');
        }
    }
}

fn render_text(text: &str, choice: u64, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if choice & 2 == 2 || matches!(c, '"' | '\\' | '\n') {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}").unwrap();
            }
        } else {
            out.push(c);
        }
    }
    out.push('"');
}

fn rendered(value: &Value, mut seed: u64) -> String {
    let mut out = String::new();
    render(value, &mut seed, &mut out);
    out
}

/// All the nodes of a tree, for picking one to change.
fn nodes(value: &mut Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter_mut().map(nodes).sum(),
        Value::Object(members) => members.values_mut().map(nodes).sum(),
        Value::Null | Value::Bool(_) | Value::Number(..) | Value::String(_) => 0,
    }
}

/// Changes the node that `at` counts down to.
fn change(value: &mut Value, at: &mut usize, how: u8) {
    if *at == 0 {
        *at = usize::MAX;
        *value = changed(value, how);
        return;
    }
    *at -= 1;
    match value {
        Value::Array(items) => {
            for item in items {
                if *at == usize::MAX {
                    return;
                }
                change(item, at, how);
            }
        }
        Value::Object(members) => {
            for item in members.values_mut() {
                if *at == usize::MAX {
                    return;
                }
                change(item, at, how);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(..) | Value::String(_) => {}
    }
}

fn changed(value: &Value, how: u8) -> Value {
    match (value, how % 6) {
        (value, 0) => Value::Array(vec![value.clone()]),
        (_, 1) => Value::Null,
        (Value::Null, _) => Value::String("null".to_owned()),
        (Value::Bool(value), _) => Value::Bool(!value),
        (Value::Number(mantissa, exponent), 2) => number(mantissa.wrapping_add(1), *exponent),
        (Value::Number(mantissa, exponent), 3) => number(*mantissa, exponent.wrapping_add(1)),
        (Value::Number(mantissa, exponent), _) => Value::String(format!("{mantissa}e{exponent}")),
        (Value::String(text), 2) => Value::String(text.to_uppercase()),
        (Value::String(text), 3) => Value::String(format!("{text} ")),
        (Value::String(text), _) => {
            Value::Array(text.chars().map(|c| Value::String(c.into())).collect())
        }
        (Value::Array(items), 2) => Value::Array(items.iter().rev().cloned().collect()),
        (Value::Array(items), 3) => Value::Array(items.iter().skip(1).cloned().collect()),
        (Value::Array(items), 4) => Value::Array(vec![Value::Array(items.clone())]),
        (Value::Array(items), _) => Value::Object(
            items
                .iter()
                .enumerate()
                .map(|(at, item)| (at.to_string(), item.clone()))
                .collect(),
        ),
        (Value::Object(members), 2) => Value::Object(
            members
                .iter()
                .skip(1)
                .map(|(name, item)| (name.clone(), item.clone()))
                .collect(),
        ),
        (Value::Object(members), 3) => Value::Object(
            members
                .iter()
                .map(|(name, item)| (name.to_lowercase(), item.clone()))
                .collect(),
        ),
        (Value::Object(members), _) => Value::Array(members.values().cloned().collect()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_value_in_two_texts_is_one_encoding(value in value(), left: u64, right: u64) {
        prop_assert_eq!(normal(&rendered(&value, left)), normal(&rendered(&value, right)));
    }

    #[test]
    fn two_values_are_two_encodings(left in value(), right in value(), seed: u64) {
        let same = normal(&rendered(&left, seed)) == normal(&rendered(&right, !seed));
        prop_assert_eq!(same, left == right);
    }

    #[test]
    fn a_value_changed_in_one_place_is_another_encoding(value in value(), at: Index, how: u8, seed: u64) {
        let mut other = value.clone();
        let mut at = at.index(nodes(&mut other));
        change(&mut other, &mut at, how);
        let same = normal(&rendered(&value, seed)) == normal(&rendered(&other, !seed));
        prop_assert_eq!(same, value == other);
    }

    #[test]
    fn two_texts_that_are_parsed_differently_are_two_opaque_encodings(left in value(), right in value(), seed: u64) {
        let (left, right) = (rendered(&left, seed), rendered(&right, seed));
        let same = parse(left.as_bytes()).unwrap() == parse(right.as_bytes()).unwrap();
        prop_assert_eq!(opaque(&left) == opaque(&right), same);
    }

    #[test]
    fn two_requests_that_differ_in_one_field_have_two_keys(value in value(), at: Index, how: u8, seed: u64) {
        let mut other = value.clone();
        let mut at = at.index(nodes(&mut other));
        change(&mut other, &mut at, how);
        let (left, right) = (rendered(&value, seed), rendered(&other, !seed));
        prop_assert_eq!(chat_key(&left) == chat_key(&right), value == other);
    }

    #[test]
    fn no_encoding_is_the_beginning_of_another(left in value(), right in value()) {
        let (left, right) = (normal(&rendered(&left, 1)), normal(&rendered(&right, 2)));
        prop_assert!(left == right || !right.as_bytes().starts_with(left.as_bytes()));
    }
}
