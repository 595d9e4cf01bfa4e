//! What is logged and where traces are sent, and how.

use http::{HeaderName, HeaderValue};
use secrecy::SecretString;

/// The configuration of this module.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// What to log, as `tracing` filters are written. Default: `info`.
    pub filter: String,
    /// The form of a line. Default: text.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where traces and metrics are sent, and which.
#[derive(Clone, Debug)]
pub struct OtlpOptions {
    /// The collector's base URL, without a slash at its end.
    pub endpoint: String,
    /// Headers that are sent along. Their values are secrets.
    pub headers: Vec<(String, SecretString)>,
    /// How many of the traces that begin here are sent. Default: all, 1.
    pub sample_ratio: f64,
    /// The name they are sent under. Default: `reprise`.
    pub service_name: String,
}

impl OtlpOptions {
    /// Reads headers as the `OpenTelemetry` specification writes them in one
    /// variable: `name=value,name=value`, the values percent-encoded.
    pub fn headers(text: &str) -> Option<Vec<(String, SecretString)>> {
        text.split(',')
            .filter(|pair| !pair.trim().is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=')?;
                let name: HeaderName = name.trim().parse().ok()?;
                let value = percent_decoded(value.trim())?;
                HeaderValue::from_str(&value).ok()?;
                Some((name.as_str().to_owned(), SecretString::from(value)))
            })
            .collect()
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.extend_from_slice(&hex::decode(digits).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        let headers = OtlpOptions::headers(text)?;
        let plain =
            |(name, value): (String, SecretString)| (name, value.expose_secret().to_owned());
        Some(headers.into_iter().map(plain).collect())
    }

    #[test]
    fn headers_are_pairs_with_encoded_values() {
        let pairs = [("authorization", "Basic abc=="), ("x-tenant", "a,b")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let text = "Authorization=Basic%20abc==, x-tenant = a%2Cb ,";
        assert_eq!(read(text).as_deref(), Some(pairs.as_slice()));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for text in ["novalue", "a b=c", "a=%2", "a=%zz", "a=%ff", "a=%0a"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
