//! The headers in which other gateways say what their caches did.
//!
//! They are given only to who has spoken like that: everybody else has `Cache-Status` and
//! `x-cache`. None names the entry, so `LiteLLM`'s `x-litellm-cache-key` is not among them.

use http::header::AGE;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::super::CacheStatus;
use super::Dialect;

const HELICONE_CACHE: HeaderName = HeaderName::from_static("helicone-cache");
const HELICONE_BUCKET: HeaderName = HeaderName::from_static("helicone-cache-bucket-idx");
const CF_STATUS: HeaderName = HeaderName::from_static("cf-aig-cache-status");
const PORTKEY_STATUS: HeaderName = HeaderName::from_static("x-portkey-cache-status");
const OPENROUTER_STATUS: HeaderName = HeaderName::from_static("x-openrouter-cache-status");
const OPENROUTER_AGE: HeaderName = HeaderName::from_static("x-openrouter-cache-age");
const OPENROUTER_TTL: HeaderName = HeaderName::from_static("x-openrouter-cache-ttl");
const BT_CACHED: HeaderName = HeaderName::from_static("x-bt-cached");
const LLMGATEWAY_CACHE: HeaderName = HeaderName::from_static("x-llmgateway-cache");
const VSR_HIT: HeaderName = HeaderName::from_static("x-vsr-cache-hit");

const HIT: HeaderValue = HeaderValue::from_static("HIT");
const MISS: HeaderValue = HeaderValue::from_static("MISS");

/// Which dialects a request was spoken in, and what of that is repeated in its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accents {
    /// One bit for each [`Dialect`].
    heard: u16,
    /// Which of several answers to the same question was chosen.
    pub(super) bucket: Option<u32>,
}

impl Accents {
    pub(super) const fn hear(&mut self, dialect: Dialect) {
        self.heard |= 1 << dialect as u16;
    }

    /// Whether there is any.
    pub const fn is_any(self) -> bool {
        self.heard != 0
    }

    const fn has(self, dialect: Dialect) -> bool {
        self.heard & (1 << dialect as u16) != 0
    }

    /// Says in each dialect that was spoken what the cache did.
    pub fn answer(self, outcome: CacheStatus, headers: &mut HeaderMap) {
        if !self.is_any() {
            return;
        }
        let is_hit = is_hit(outcome);
        let word = || if is_hit { HIT } else { MISS };
        if self.has(Dialect::Helicone) {
            headers.insert(HELICONE_CACHE, word());
            if let Some(bucket) = self.bucket {
                headers.insert(HELICONE_BUCKET, HeaderValue::from(bucket));
            }
        }
        if self.has(Dialect::Cloudflare) {
            headers.insert(CF_STATUS, word());
        }
        if self.has(Dialect::Portkey) {
            headers.insert(PORTKEY_STATUS, portkey(outcome, word()));
        }
        if self.has(Dialect::OpenRouter) {
            headers.insert(OPENROUTER_STATUS, word());
            if let Some(age) = headers.get(AGE).filter(|_| is_hit).cloned() {
                headers.insert(OPENROUTER_AGE, age);
            }
            if let Some(ttl) = ttl(outcome) {
                headers.insert(OPENROUTER_TTL, HeaderValue::from(ttl));
            }
        }
        if self.has(Dialect::Braintrust) {
            headers.insert(BT_CACHED, word());
        }
        if self.has(Dialect::LlmGateway) && is_hit {
            headers.insert(LLMGATEWAY_CACHE, HIT);
        }
        if self.has(Dialect::SemanticRouter) && is_hit {
            headers.insert(VSR_HIT, HeaderValue::from_static("true"));
        }
    }
}

/// Whether no call was made for this answer.
const fn is_hit(outcome: CacheStatus) -> bool {
    match outcome {
        CacheStatus::Hit { .. } | CacheStatus::Stale { .. } | CacheStatus::Collapsed => true,
        CacheStatus::Miss { .. }
        | CacheStatus::Expired { .. }
        | CacheStatus::CollapseFailed { .. }
        | CacheStatus::Unverified { .. }
        | CacheStatus::Refresh { .. }
        | CacheStatus::Bypass { .. }
        | CacheStatus::Partial { .. } => false,
    }
}

/// Portkey has words for more.
fn portkey(outcome: CacheStatus, word: HeaderValue) -> HeaderValue {
    match outcome {
        CacheStatus::Refresh { .. } => HeaderValue::from_static("REFRESH"),
        CacheStatus::Bypass { .. } => HeaderValue::from_static("DISABLED"),
        CacheStatus::Hit { .. }
        | CacheStatus::Stale { .. }
        | CacheStatus::Collapsed
        | CacheStatus::Miss { .. }
        | CacheStatus::Expired { .. }
        | CacheStatus::CollapseFailed { .. }
        | CacheStatus::Unverified { .. }
        | CacheStatus::Partial { .. } => word,
    }
}

/// How many seconds a stored answer is still fresh; none once it is stale.
const fn ttl(outcome: CacheStatus) -> Option<i64> {
    match outcome {
        CacheStatus::Hit { ttl, .. } => Some(ttl),
        CacheStatus::Stale { .. } => Some(0),
        CacheStatus::Collapsed
        | CacheStatus::Miss { .. }
        | CacheStatus::Expired { .. }
        | CacheStatus::CollapseFailed { .. }
        | CacheStatus::Unverified { .. }
        | CacheStatus::Refresh { .. }
        | CacheStatus::Bypass { .. }
        | CacheStatus::Partial { .. } => None,
    }
}
