//! How much a caller may use: what an administrator says.

use serde::{Deserialize, Serialize};

use crate::limit::LIMIT_MAX;

/// The largest budget, in US dollars.
const DOLLARS_MAX: f64 = 9_000_000.0;

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

/// What makes no sense in an allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{member}` {wrong}")]
pub struct AllowanceError {
    /// The member at fault, as `requests.minute`.
    pub member: &'static str,
    /// What is wrong with it.
    pub wrong: &'static str,
}

impl Allowance {
    /// Makes sure that every limit can be held to.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn check(&self) -> Result<(), AllowanceError> {
        let rates = [
            ("requests.minute", self.requests.minute),
            ("requests.hour", self.requests.hour),
            ("requests.day", self.requests.day),
            ("tokens.minute", self.tokens.minute),
            ("tokens.hour", self.tokens.hour),
            ("tokens.day", self.tokens.day),
            ("concurrent", self.concurrent.map(u64::from)),
        ];
        for (member, rate) in rates {
            if rate.is_some_and(|rate| !(1..=LIMIT_MAX).contains(&rate)) {
                let wrong = "is from 1 up to 1000000000000; a key that may do nothing is disabled";
                return Err(AllowanceError { member, wrong });
            }
        }
        let amounts = [
            ("budget.day_usd", self.budget.day_usd),
            ("budget.month_usd", self.budget.month_usd),
        ];
        for (member, amount) in amounts {
            if amount.is_some_and(|usd| !(0.0..=DOLLARS_MAX).contains(&usd)) {
                let wrong = "is an amount of US dollars from 0 up to 9000000";
                return Err(AllowanceError { member, wrong });
            }
        }
        let warn_at = self.budget.warn_at;
        if warn_at.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            let wrong = "is a share from 0 to 1";
            let member = "budget.warn_at";
            return Err(AllowanceError { member, wrong });
        }
        Ok(())
    }

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
