//! One byte string for all JSON texts that mean the same, and another for any other.
//!
//! The encoding (`canon/v1`) is typed, length-prefixed and thereby prefix-free:
//!
//! | value | [`Form::Normal`] | [`Form::Opaque`] |
//! |---|---|---|
//! | null, true, false | `z`, `t`, `f` | the same |
//! | number | `n`, the exact decimal (`1.0` and `10E-1` are `1e0`) | `N`, the lexeme |
//! | string | `s`, the decoded UTF-8: no trimming, case folding or composing | the same |
//! | array | `[`, count, items in order | the same |
//! | object | `{`, count, members by the bytes of their names | `(`, count, members in order |
//!
//! Opaque is for what a server renders into its prompt or grammar, where the
//! order of a schema's properties is the order of generation.

use std::fmt;

use crate::wire::Json;

use super::frame::{put_length, put_part};

/// The longest exponent, in digits without leading zeros, that is folded. A
/// longer one has no use but to make arithmetic expensive; its number is encoded
/// as its lexeme, which costs a miss when another spelling of it comes along.
const EXPONENT_DIGITS_MAX: usize = 17;

/// A request in canonical form. Holds the prompt, so it shows only its size.
#[derive(Clone, PartialEq, Eq)]
pub struct Canonical(Vec<u8>);

impl Canonical {
    /// Encodes what is in the question.
    pub fn of(form: &Form<'_>) -> Self {
        let mut out = Vec::new();
        form.write(&mut out);
        Self(out)
    }

    /// The encoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Canonical({} bytes)", self.0.len())
    }
}

/// What of a value is in the question, and in which mode it is encoded.
#[derive(Clone, Debug)]
pub enum Form<'a> {
    /// The whole value; spelling of numbers and order of members do not matter.
    Normal(&'a Json<'a>),
    /// The whole value as it was written, white space and escapes aside.
    Opaque(&'a Json<'a>),
    /// A string.
    Text(&'a str),
    /// An array whose order matters.
    List(Vec<Self>),
    /// An array whose order does not matter. Repetitions are kept: a server may
    /// refuse them, and an error must stay an error.
    Set(Vec<Self>),
    /// An object; members by name. The names must be distinct.
    Object(Vec<(&'a str, Self)>),
}

impl Form<'_> {
    /// Appends the encoding.
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Normal(value) => write_normal(value, out),
            Self::Opaque(value) => write_opaque(value, out),
            Self::Text(text) => write_text(text, out),
            Self::List(items) => {
                open(b'[', items.len(), out);
                for item in items {
                    item.write(out);
                }
            }
            Self::Set(items) => {
                let mut encoded: Vec<Vec<u8>> = items
                    .iter()
                    .map(|item| {
                        let mut bytes = Vec::new();
                        item.write(&mut bytes);
                        bytes
                    })
                    .collect();
                encoded.sort_unstable();
                open(b'[', encoded.len(), out);
                out.extend(encoded.into_iter().flatten());
            }
            Self::Object(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_unstable_by_key(|(name, _)| *name);
                open(b'{', sorted.len(), out);
                for (name, value) in sorted {
                    put_part(out, name.as_bytes());
                    value.write(out);
                }
            }
        }
    }
}

fn write_normal(value: &Json<'_>, out: &mut Vec<u8>) {
    match value {
        Json::Null => out.push(b'z'),
        Json::Bool(true) => out.push(b't'),
        Json::Bool(false) => out.push(b'f'),
        Json::Number(lexeme) => write_number(lexeme, out),
        Json::String(text) => write_text(text, out),
        Json::Array(items) => {
            open(b'[', items.len(), out);
            for item in items {
                write_normal(item, out);
            }
        }
        Json::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
            open(b'{', sorted.len(), out);
            for (name, value) in sorted {
                put_part(out, name.as_bytes());
                write_normal(value, out);
            }
        }
    }
}

fn write_opaque(value: &Json<'_>, out: &mut Vec<u8>) {
    match value {
        Json::Null => out.push(b'z'),
        Json::Bool(true) => out.push(b't'),
        Json::Bool(false) => out.push(b'f'),
        Json::Number(lexeme) => write_lexeme(lexeme, out),
        Json::String(text) => write_text(text, out),
        Json::Array(items) => {
            open(b'[', items.len(), out);
            for item in items {
                write_opaque(item, out);
            }
        }
        Json::Object(members) => {
            open(b'(', members.len(), out);
            for (name, value) in members {
                put_part(out, name.as_bytes());
                write_opaque(value, out);
            }
        }
    }
}

fn open(tag: u8, count: usize, out: &mut Vec<u8>) {
    out.push(tag);
    put_length(out, count);
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b's');
    put_part(out, text.as_bytes());
}

fn write_lexeme(lexeme: &str, out: &mut Vec<u8>) {
    out.push(b'N');
    put_part(out, lexeme.as_bytes());
}

fn write_number(lexeme: &str, out: &mut Vec<u8>) {
    match exact_decimal(lexeme) {
        Some(decimal) => {
            out.push(b'n');
            put_part(out, decimal.as_bytes());
        }
        None => write_lexeme(lexeme, out),
    }
}

/// Whether two lexemes are the same number. Numbers beyond what is folded are
/// the same only if they are written the same.
pub(super) fn same_number(left: &str, right: &str) -> bool {
    match (exact_decimal(left), exact_decimal(right)) {
        (Some(left), Some(right)) => left == right,
        (None, None) => left == right,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// The one spelling of a number: its digits without zeros at either end, `e`, an
/// exponent; zero is `0e0`, whatever its sign. Works on the text, because a
/// float would make 18446744073709551616 and …617 the same number.
///
/// `None` if the exponent is longer than [`EXPONENT_DIGITS_MAX`].
pub(super) fn exact_decimal(lexeme: &str) -> Option<String> {
    let (negative, unsigned) = match lexeme.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, lexeme),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, ""));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole, fraction].concat();
    let leading = digits.trim_start_matches('0');
    if leading.is_empty() {
        return Some("0e0".to_owned());
    }
    let significant = leading.trim_end_matches('0');
    let dropped = leading.len() - significant.len();
    let shift = i64::try_from(dropped).ok()? - i64::try_from(fraction.len()).ok()?;
    let exponent = read_exponent(exponent)?.checked_add(shift)?;
    let sign = if negative { "-" } else { "" };
    Some(format!("{sign}{significant}e{exponent}"))
}

/// The value of an exponent's text, which is empty if there is none.
fn read_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    if digits.len() > EXPONENT_DIGITS_MAX {
        return None;
    }
    let magnitude: i64 = digits.parse().ok()?;
    Some(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
#[path = "canonical_tests.rs"]
mod tests;
