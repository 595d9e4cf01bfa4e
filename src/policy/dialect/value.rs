//! How the values of other gateways are written.

use std::time::Duration;

use super::super::directives::read::delta_seconds;
use crate::wire::Json;

/// A yes or no; `None` if it is neither.
pub(super) fn is_true(text: &[u8]) -> Option<bool> {
    let text = text.trim_ascii();
    let is = |words: &[&str]| {
        let mut words = words.iter();
        words.any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
    };
    match (
        is(&["true", "1", "on", "yes"]),
        is(&["false", "0", "off", "no"]),
    ) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        (false, false) => None,
    }
}

/// A number of seconds, or a duration as Go writes it: `90`, `30s`, `5m`, `1h30m`,
/// `500ms`. Parts of a second do not count.
pub(super) fn go_duration(text: &[u8]) -> Option<Duration> {
    if let Some(seconds) = delta_seconds(text) {
        return Some(seconds);
    }
    let mut rest = std::str::from_utf8(text).ok()?.trim();
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit_end)?;
        sum += number.parse::<f64>().ok()? * seconds_of(unit)?;
        rest = tail;
    }
    (!text.trim_ascii().is_empty()).then(|| whole_seconds(sum))?
}

/// A number of seconds in a body, as a number or a string; parts of a second do not count.
pub(super) fn seconds(value: &Json<'_>) -> Option<Duration> {
    match value {
        Json::Number(text) => {
            delta_seconds(text.as_bytes()).or_else(|| whole_seconds(text.parse().ok()?))
        }
        Json::String(text) => delta_seconds(text.as_bytes()),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A yes or no in a body; `None` if it is neither.
pub(super) fn flag(value: &Json<'_>) -> Option<bool> {
    match value {
        Json::Bool(flag) => Some(*flag),
        Json::Null => Some(false),
        Json::String(text) | Json::Number(text) => is_true(text.as_bytes()),
        Json::Array(_) | Json::Object(_) => None,
    }
}

fn seconds_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "h" => 3600.0,
        "m" => 60.0,
        "s" => 1.0,
        "ms" => 1e-3,
        "us" | "µs" | "μs" => 1e-6,
        "ns" => 1e-9,
        _ => return None,
    })
}

fn whole_seconds(seconds: f64) -> Option<Duration> {
    let time = Duration::try_from_secs_f64(seconds).ok()?;
    delta_seconds(time.as_secs().to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::parse;

    #[test]
    fn units_are_told_apart() {
        for (text, expected) in [
            ("90", Some(90)),
            ("30s", Some(30)),
            ("5m", Some(300)),
            ("1h30m", Some(5400)),
            ("1.5m", Some(90)),
            ("500ms", Some(0)),
            ("5000ms", Some(5)),
            ("1m500ms", Some(60)),
            (" 5m ", Some(300)),
            ("3000000000us", Some(3000)),
            ("99999999h", Some(1 << 31)),
            ("", None),
            ("s", None),
            ("5", Some(5)),
            ("5.5", None),
            ("5 m", None),
            ("5d", None),
            ("-5s", None),
            ("1..5s", None),
        ] {
            let seconds = go_duration(text.as_bytes()).map(|time| time.as_secs());
            assert_eq!(seconds, expected, "{text:?}");
        }
    }

    #[test]
    fn seconds_of_a_body_are_numbers_or_digits() {
        for (text, expected) in [
            ("60", Some(60)),
            ("60.0", Some(60)),
            ("6e1", Some(60)),
            ("59.99", Some(59)),
            ("0", Some(0)),
            ("\"60\"", Some(60)),
            ("1e400", None),
            ("-1", None),
            ("\"60s\"", None),
            ("true", None),
            ("null", None),
            ("[60]", None),
        ] {
            let seconds = seconds(&parse(text.as_bytes()).unwrap());
            assert_eq!(seconds.map(|time| time.as_secs()), expected, "{text}");
        }
    }

    #[test]
    fn yes_and_no_have_a_few_spellings() {
        for (text, expected) in [
            ("true", Some(true)),
            (" True ", Some(true)),
            ("on", Some(true)),
            ("1", Some(true)),
            ("FALSE", Some(false)),
            ("0", Some(false)),
            ("", None),
            ("maybe", None),
        ] {
            assert_eq!(is_true(text.as_bytes()), expected, "{text:?}");
        }
    }
}
