//! How much a caller may use: what an administrator says.

use serde::{Deserialize, Serialize};

/// How much a caller may use. What is not said is not limited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Allowance {
    /// Requests.
    pub requests: PerPeriod,
    /// Tokens of the provider's answers, input and output.
    pub tokens: PerPeriod,
    /// Requests that may be under way at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
    /// Whether answers from the cache count neither as requests nor with their tokens.
    pub exempt_hits: bool,
    /// Money for the provider.
    pub budget: Budget,
}

/// So many in each period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerPeriod {
    /// In a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minute: Option<u64>,
    /// In an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hour: Option<u64>,
    /// In a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<u64>,
}

/// Money that may be spent, in US dollars. Days and months are those of UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// In a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_usd: Option<f64>,
    /// In a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month_usd: Option<f64>,
    /// The share of a budget from which callers are warned, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warn_at: Option<f64>,
}

impl Allowance {
    /// Whether nothing is limited.
    pub fn is_unlimited(&self) -> bool {
        let none = PerPeriod::default();
        self.requests == none
            && self.tokens == none
            && self.concurrent.is_none()
            && self.budget.day_usd.is_none()
            && self.budget.month_usd.is_none()
    }
}
