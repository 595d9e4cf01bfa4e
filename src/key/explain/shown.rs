//! A form as JSON that people can read: equal for what is encoded equal.

use super::super::Canonical;
use super::super::canonical::{Form, exact_decimal};
use crate::wire::Json;
use crate::wire::json::Member;

/// Exponents up to this far from zero are written out.
const ZEROS_MAX: i64 = 12;

/// A form as JSON.
pub(super) fn shown(form: &Form<'_>) -> Json<'static> {
    match form {
        Form::Normal(value) => normal(value),
        Form::Opaque(value) => (*value).clone().into_owned(),
        Form::Text(text) => Json::string((*text).to_owned()),
        Form::List(items) => Json::Array(items.iter().map(shown).collect()),
        Form::Set(items) => {
            let mut items: Vec<_> = items.iter().collect();
            items.sort_by_cached_key(|item| Canonical::of(item).as_bytes().to_vec());
            Json::Array(items.into_iter().map(shown).collect())
        }
        Form::Object(members) => {
            let members = members.iter();
            sorted(members.map(|(name, form)| ((*name).to_owned(), shown(form))))
        }
    }
}

fn normal(value: &Json<'_>) -> Json<'static> {
    match value {
        Json::Number(lexeme) => Json::Number(number(lexeme).into()),
        Json::Array(items) => Json::Array(items.iter().map(normal).collect()),
        Json::Object(members) => {
            let members = members.iter();
            sorted(members.map(|(name, value)| (name.to_string(), normal(value))))
        }
        Json::Null | Json::Bool(_) | Json::String(_) => value.clone().into_owned(),
    }
}

fn sorted(members: impl Iterator<Item = (String, Json<'static>)>) -> Json<'static> {
    let mut members: Vec<Member<'static>> =
        members.map(|(name, value)| (name.into(), value)).collect();
    members.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    Json::Object(members)
}

/// The one spelling of a number, written out where that is short.
fn number(lexeme: &str) -> String {
    let Some(exact) = exact_decimal(lexeme) else {
        return lexeme.to_owned();
    };
    written_out(&exact).unwrap_or(exact)
}

fn written_out(exact: &str) -> Option<String> {
    let (mantissa, exponent) = exact.split_once('e')?;
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", mantissa),
    };
    let exponent: i64 = exponent.parse().ok()?;
    let zeros = usize::try_from(exponent.unsigned_abs()).ok()?;
    if exponent.abs() > ZEROS_MAX {
        return None;
    }
    if exponent >= 0 {
        return Some(format!("{sign}{digits}{}", "0".repeat(zeros)));
    }
    let padded = format!(
        "{}{digits}",
        "0".repeat((zeros + 1).saturating_sub(digits.len()))
    );
    let (whole, fraction) = padded.split_at_checked(padded.len().checked_sub(zeros)?)?;
    Some(format!("{sign}{whole}.{fraction}"))
}
