//! What in a text looks as if it were another with every request.

use std::ops::Range;

use super::text::words;

/// A kind of text that changes from request to request. The surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatile {
    /// A time of day, with or without a date, or seconds since 1970.
    Timestamp,
    /// A date.
    Date,
    /// A UUID (RFC 9562).
    Uuid,
    /// A random id.
    RandomId,
    /// A number, which may count requests.
    Number,
}

impl Volatile {
    /// What is said of it.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Timestamp => "looks like a timestamp",
            Self::Date => "looks like a date",
            Self::Uuid => "looks like a UUID",
            Self::RandomId => "looks like a random id",
            Self::Number => "looks like a number that counts",
        }
    }

    /// What it is called in a sentence.
    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::Timestamp => "a timestamp",
            Self::Date => "a date",
            Self::Uuid => "a UUID",
            Self::RandomId => "a random id",
            Self::Number => "a number",
        }
    }
}

/// Prefixes of ids; what follows them has a digit.
const PREFIXES: [&str; 20] = [
    "call", "chatcmpl", "conv", "evt", "id", "job", "msg", "order", "req", "request", "resp",
    "run", "sess", "session", "span", "thread", "trace", "txn", "user", "usr",
];

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

const MONTH_NAMES: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const AROUND: &[char] = &[
    '=', ',', ';', '<', '>', '(', ')', '[', ']', '{', '}', '"', '\'', '|', '&', '?', '#', '@', '!',
    '`', '*',
];

/// The first thing of the surest kind in a text, and where it stands. Plain numbers are
/// looked for only where they would mean something.
pub(super) fn volatile(text: &str, with_numbers: bool) -> Option<(Volatile, Range<usize>)> {
    let words = words(text);
    let mut best: Option<(Volatile, Range<usize>)> = None;
    let mut offer = |kind: Volatile, range: Range<usize>| {
        if best.as_ref().is_none_or(|(known, _)| kind < *known) {
            best = Some((kind, range));
        }
    };
    let mut date: Option<(usize, Range<usize>)> = None;
    for at in 0..words.len() {
        if let Some((count, range)) = spelled_date(text, words.get(at..).unwrap_or_default()) {
            offer(Volatile::Date, range.clone());
            date = Some((at + count, range));
        }
        let Some(word) = words.get(at) else { break };
        for (kind, range) in in_word(text, word) {
            let is_wanted = with_numbers || kind != Volatile::Number;
            let before = date.as_ref().filter(|(next, _)| *next == at);
            match (kind, before) {
                // A date and a time behind it are one.
                (Volatile::Timestamp, Some((_, date))) => {
                    offer(kind, date.start..range.end);
                }
                (Volatile::Date, _) => {
                    date = Some((at + 1, range.clone()));
                    offer(kind, range);
                }
                _ if is_wanted => offer(kind, range),
                _ => {}
            }
        }
    }
    best
}

/// What looks volatile in a word, but for the marks around it.
fn in_word(text: &str, word: &Range<usize>) -> Vec<(Volatile, Range<usize>)> {
    let mut found = Vec::new();
    let Some(whole) = text.get(word.clone()) else {
        return found;
    };
    let mut start = word.start;
    for token in whole.split(AROUND) {
        let trimmed = token.trim_end_matches(['.', ':']);
        if let Some((kind, within)) = in_token(trimmed) {
            found.push((kind, start + within.start..start + within.end));
        }
        // All the marks take one byte.
        start += token.len() + 1;
    }
    found
}

/// As a whole, or behind its first colon, or between slashes.
fn in_token(token: &str) -> Option<(Volatile, Range<usize>)> {
    if let Some(kind) = kind_of(token) {
        return Some((kind, 0..token.len()));
    }
    if let Some((name, value)) = token.split_once(':')
        && let Some(kind) = kind_of(value)
    {
        return Some((kind, name.len() + 1..token.len()));
    }
    let mut start = 0;
    for part in token.split('/') {
        if let Some(kind) = kind_of(part).filter(|kind| *kind != Volatile::Number) {
            return Some((kind, start..start + part.len()));
        }
        start += part.len() + 1;
    }
    None
}

fn kind_of(token: &str) -> Option<Volatile> {
    if is_time(token) || is_epoch(token) {
        return Some(Volatile::Timestamp);
    }
    if let Some((date, time)) = token.split_once(['T', 't', '_'])
        && is_date(date)
        && is_time(time)
    {
        return Some(Volatile::Timestamp);
    }
    if is_date(token) {
        return Some(Volatile::Date);
    }
    if is_uuid(token) {
        return Some(Volatile::Uuid);
    }
    if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit()) {
        let is_long = 16 <= token.len();
        return Some(if is_long {
            Volatile::RandomId
        } else {
            Volatile::Number
        });
    }
    is_id(token).then_some(Volatile::RandomId)
}

/// `10:00`, `10:00:00.123Z`, `10:00:00+01:00`.
fn is_time(token: &str) -> bool {
    let token = token.trim_end_matches(['Z', 'z']);
    let (clock, zone) = match token.rfind(['+', '-']) {
        Some(at) => token.split_at(at),
        None => (token, ""),
    };
    let zone = zone.trim_start_matches(['+', '-']);
    let (clock, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, "0"));
    let parts: Vec<&str> = clock.split(':').collect();
    let below = |part: &str, limit: u32| number(part, 2).is_some_and(|number| number < limit);
    let is_clock = match parts.as_slice() {
        [hours, minutes] => below(hours, 24) && minutes.len() == 2 && below(minutes, 60),
        [hours, minutes, seconds] => {
            below(hours, 24) && below(minutes, 60) && seconds.len() == 2 && below(seconds, 61)
        }
        _ => false,
    };
    let digits = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b':')
    };
    is_clock && digits(fraction) && digits(zone)
}

/// Seconds since 1970, or thousandths to thousand-millionths of one: this century's first
/// decades.
fn is_epoch(token: &str) -> bool {
    let (whole, fraction) = token.split_once('.').unwrap_or((token, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    matches!(whole.len(), 10 | 13 | 16 | 19)
        && (whole.starts_with('1') || whole.starts_with("20"))
        && digits(whole)
        && digits(fraction)
}

/// `2026-11-21`, `2026/11/21`, `21.11.2026`, `11/21/2026`.
fn is_date(token: &str) -> bool {
    ['-', '/', '.'].into_iter().any(|mark| {
        let parts: Vec<&str> = token.split(mark).collect();
        let [first, second, third] = parts.as_slice() else {
            return false;
        };
        let day = |part: &str| number(part, 2).is_some_and(|day| (1..=31).contains(&day));
        let is_year_first = is_year(first) && day(second) && day(third);
        is_year_first || (is_year(third) && day(first) && day(second))
    })
}

fn is_year(part: &str) -> bool {
    part.len() == 4 && number(part, 4).is_some_and(|year| (1900..2200).contains(&year))
}

fn is_uuid(token: &str) -> bool {
    let token = token.strip_prefix("urn:uuid:").unwrap_or(token);
    let lengths = token.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12])
        && token
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Hexadecimal digits, something like base64, or a prefix and something with digits.
fn is_id(token: &str) -> bool {
    let has = |is: fn(&u8) -> bool| token.as_bytes().iter().any(is);
    let is_mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    if !is_mixed {
        return false;
    }
    if 16 <= token.len() && token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return true;
    }
    if let Some((prefix, rest)) = token.split_once(['_', '-']) {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let is_rest = rest.bytes().all(is_plain) && rest.bytes().any(|byte| byte.is_ascii_digit());
        let prefix = prefix.to_ascii_lowercase();
        if 4 <= rest.len() && is_rest && PREFIXES.contains(&prefix.as_str()) {
            return true;
        }
    }
    let runs = token.split(|mark: char| !mark.is_ascii_alphanumeric() && mark != '+');
    let longest = runs.map(str::len).max().unwrap_or_default();
    let is_base64 =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-' | b'=');
    16 <= longest
        && token.bytes().all(is_base64)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
}

/// A date in words, as `Sat, 21 Nov 2026` or `November 21, 2026`: how many words it takes,
/// and where it stands.
fn spelled_date(text: &str, words: &[Range<usize>]) -> Option<(usize, Range<usize>)> {
    let bare = |at: usize| {
        let word = text.get(words.get(at)?.clone())?;
        Some(word.trim_matches(|mark: char| !mark.is_alphanumeric()))
    };
    let is_month = |word: &str| {
        let word = word.to_ascii_lowercase();
        MONTHS.contains(&word.as_str()) || MONTH_NAMES.contains(&word.as_str())
    };
    let is_day = |word: &str| {
        let word = word.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        number(word, 2).is_some_and(|day| (1..=31).contains(&day))
    };
    let (first, second) = (bare(0)?, bare(1)?);
    let is_date = (is_month(first) && is_day(second)) || (is_day(first) && is_month(second));
    if !is_date {
        return None;
    }
    let count = if bare(2).is_some_and(is_year) { 3 } else { 2 };
    let last = text.get(words.get(count - 1)?.clone())?;
    let marks = last.len()
        - last
            .trim_end_matches(|mark: char| !mark.is_alphanumeric())
            .len();
    Some((
        count,
        words.first()?.start..words.get(count - 1)?.end - marks,
    ))
}

/// A number of so many digits at most.
fn number(text: &str, digits_max: usize) -> Option<u32> {
    let is_short = !text.is_empty() && text.len() <= digits_max;
    let is_number = is_short && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

#[cfg(test)]
#[path = "hint_tests.rs"]
mod tests;
