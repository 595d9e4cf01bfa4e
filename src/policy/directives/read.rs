//! The grammar of `Cache-Control` (RFC 9111 §5.2): `name`, `name=token`,
//! `name="quoted"`, separated by commas.

use std::time::Duration;

/// What an overflowing number of seconds is taken for (RFC 9111 §1.2.2).
pub(in crate::policy) const SECONDS_MAX: Duration = Duration::from_secs(1 << 31);

/// A directive and what follows its `=`.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::policy) struct Directive {
    /// The name in lower case.
    pub(in crate::policy) name: String,
    /// The argument.
    pub(in crate::policy) argument: Argument,
}

/// The argument of a directive. All that are read here count seconds.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::policy) enum Argument {
    /// There is none.
    None,
    /// A number of seconds.
    Seconds(Duration),
    /// There is one, but it is no number of seconds.
    Unreadable,
}

impl Argument {
    /// The seconds, if there are any.
    pub(in crate::policy) const fn seconds(&self) -> Option<Duration> {
        match self {
            Self::Seconds(seconds) => Some(*seconds),
            Self::None | Self::Unreadable => None,
        }
    }
}

/// The directives of one header line. Empty members are skipped, as lists allow.
pub(in crate::policy) fn directives(line: &[u8]) -> Vec<Directive> {
    members(line)
        .into_iter()
        .filter_map(|member| directive(&member))
        .collect()
}

fn directive(member: &[u8]) -> Option<Directive> {
    let mut sides = member.splitn(2, |byte| *byte == b'=');
    let name = sides.next()?.trim_ascii();
    if name.is_empty() {
        return None;
    }
    let argument = sides.next().map_or(Argument::None, |text| {
        delta_seconds(&unquoted(text.trim_ascii())).map_or(Argument::Unreadable, Argument::Seconds)
    });
    Some(Directive {
        name: String::from_utf8_lossy(name).to_ascii_lowercase(),
        argument,
    })
}

/// Splits at commas outside quotes. A quote that is not closed goes to the end.
fn members(line: &[u8]) -> Vec<Vec<u8>> {
    let mut members = vec![];
    let mut member = vec![];
    let (mut quoted, mut escaped) = (false, false);
    for byte in line {
        if *byte == b',' && !quoted {
            members.push(std::mem::take(&mut member));
            continue;
        }
        if *byte == b'"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && *byte == b'\\' && !escaped;
        member.push(*byte);
    }
    members.push(member);
    members
}

/// The content of a quoted string; any other text as it is (RFC 9110 §5.6.4).
fn unquoted(text: &[u8]) -> Vec<u8> {
    let inner = text
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    let Some(inner) = inner else {
        return text.to_vec();
    };
    let mut escaped = false;
    let mut content = vec![];
    for byte in inner {
        escaped = *byte == b'\\' && !escaped;
        if !escaped {
            content.push(*byte);
        }
    }
    content
}

/// A whole number of seconds, at most [`SECONDS_MAX`]; `None` if it is none.
pub(in crate::policy) fn delta_seconds(text: &[u8]) -> Option<Duration> {
    let text = text.trim_ascii();
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = text.iter().fold(0_u64, |seconds, digit| {
        seconds
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Some(Duration::from_secs(seconds).min(SECONDS_MAX))
}
