//! The prices that are in force: the operator's, and those of one provider.

use super::{Price, PriceOptions, Prices, Usd};
use crate::wire::Usage;

/// What calls to the upstream are charged at.
#[derive(Clone, Debug)]
pub struct Tariff {
    prices: Prices,
    provider: Option<String>,
}

/// Whose prices of the table count for a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seller {
    /// Those that are in force: of the upstream that is configured.
    #[default]
    InForce,
    /// Those of this provider of the table.
    Provider(&'static str),
    /// Nobody knows: only the operator's own prices count.
    Unknown,
}

/// A model with its price.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// The model, by the name the table or the operator has for it.
    pub model: &'a str,
    /// Its price; `None` if it is known and not charged for by its tokens alone.
    pub price: Option<&'a Price>,
}

impl Tariff {
    /// The prices that these options choose.
    pub fn new(options: PriceOptions) -> Self {
        Self {
            prices: Prices::shipped().with(options.overrides),
            provider: options.provider,
        }
    }

    /// What tokens cost at `seller` of the model that answered, or where that has no
    /// price, of the one asked for; `None` if neither has.
    pub fn cost(
        &self,
        seller: Seller,
        answered: Option<&str>,
        asked: Option<&str>,
        usage: Usage,
    ) -> Option<Usd> {
        let provider = match seller {
            Seller::InForce => self.provider.as_deref(),
            Seller::Provider(id) => Some(id),
            Seller::Unknown => None,
        };
        let price = |model: &str| self.prices.of(provider, model);
        let price = answered.and_then(price).or_else(|| asked.and_then(price))?;
        Some(price.cost(&usage))
    }

    /// The provider whose prices of the table count.
    pub fn provider(&self) -> Option<&str> {
        self.provider.as_deref()
    }

    /// The day as of which the prices of the table count, as `2026-01-31`.
    pub fn date(&self) -> &'static str {
        self.prices.date()
    }

    /// Where the table is from.
    pub fn source(&self) -> &'static str {
        self.prices.source()
    }

    /// Every model of a provider that the table lists; `None` if there is no such
    /// provider.
    pub fn of_provider(&self, provider: &str) -> Option<Vec<Listed<'static>>> {
        self.prices.of_provider(provider)
    }

    /// Every model the operator has set a price for, in the order of their names.
    pub fn overrides(&self) -> Vec<Listed<'_>> {
        self.prices.overrides()
    }
}
