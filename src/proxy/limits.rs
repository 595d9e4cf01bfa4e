//! What a caller is told of its limits: on every answer, whatever it is.
//!
//! The headers are those of the provider, so that clients which slow down by them go on
//! doing so. Its own are taken away where a caller is held to limits here: they are those
//! of the operator's account.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::{Failed, LimitsTold};
use super::{ProxyError, Reply};
use crate::access::Meter;
use crate::limit::Shown;

/// What the provider's headers about limits begin with.
const PREFIX: &str = "x-ratelimit-";

/// The budgets that run out, and how much of each is spent.
const BUDGET_WARNING: HeaderName = HeaderName::from_static("x-reprise-budget-warning");

const REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];

const TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

impl LimitsTold {
    /// What a caller's meter shows, if there is anything to be told.
    pub(super) fn of(meter: &Meter) -> Option<Self> {
        Some(Self {
            readings: meter.readings()?,
            warning: meter.warning(),
        })
    }

    /// Tells it, in the place of what the provider said of its own limits.
    pub fn write(&self, headers: &mut HeaderMap) {
        let (requests, tokens) = (self.readings.requests(), self.readings.tokens());
        if requests.is_some() || tokens.is_some() {
            let is_theirs = |name: &&HeaderName| name.as_str().starts_with(PREFIX);
            let theirs: Vec<HeaderName> = headers.keys().filter(is_theirs).cloned().collect();
            for name in theirs {
                headers.remove(name);
            }
        }
        for (shown, names) in [(requests, REQUESTS), (tokens, TOKENS)] {
            if let Some(shown) = shown {
                insert(headers, names, &shown);
            }
        }
        let warning = self.warning.as_ref();
        if let Some(warning) = warning.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(BUDGET_WARNING, warning);
        }
    }
}

fn insert(headers: &mut HeaderMap, [limit, remaining, reset]: [HeaderName; 3], shown: &Shown) {
    headers.insert(limit, HeaderValue::from(shown.limit));
    headers.insert(remaining, HeaderValue::from(shown.left));
    if let Ok(text) = HeaderValue::try_from(shown.reset_text()) {
        headers.insert(reset, text);
    }
}

/// An answer, or the want of one, with what its caller is told of its limits.
pub(super) fn told(
    meter: Option<&Meter>,
    result: Result<Reply, ProxyError>,
) -> Result<Reply, Failed> {
    match result {
        Ok(mut reply) => {
            if let Some(limits) = meter.and_then(LimitsTold::of) {
                limits.write(&mut reply.headers);
            }
            Ok(reply)
        }
        Err(error) => Err(failed(meter, error)),
    }
}

/// A failure, with what its caller is told of its limits.
pub(super) fn failed(meter: Option<&Meter>, error: ProxyError) -> Failed {
    Failed {
        error,
        limits: meter.and_then(LimitsTold::of).map(Box::new),
    }
}
