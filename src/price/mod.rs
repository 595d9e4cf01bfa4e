//! What tokens cost: the only module that knows.
//!
//! Prices come from a table that is part of the program, and from the operator, whose
//! word counts first. Nothing is guessed: what neither of them names has no price. The
//! module is pure: the table is a text in the program, and no clock decides.

mod options;
mod overrides;
mod rates;
mod rule;
mod table;
mod tariff;
mod usd;

use std::sync::LazyLock;

pub use options::PriceOptions;
pub use overrides::{OverrideError, Overrides};
pub use rates::{Price, Rate, RateError, Rates, Tier};
pub use tariff::{Listed, Seller, Tariff};
pub use usd::Usd;

use table::{SHIPPED, Table};

/// All prices there are.
#[derive(Clone, Debug)]
pub struct Prices {
    table: &'static LazyLock<Table>,
    overrides: Overrides,
}

impl Prices {
    /// The prices of the shipped table. It is opened when it is first needed.
    pub fn shipped() -> Self {
        Self {
            table: &SHIPPED,
            overrides: Overrides::default(),
        }
    }

    /// The same, with prices that count before those of the table.
    #[must_use]
    pub fn with(self, overrides: Overrides) -> Self {
        Self { overrides, ..self }
    }

    /// What the tokens of a model cost. `None` if nobody says so: neither the overrides
    /// nor the rules of the provider, or the model is not charged for by its tokens.
    pub fn of(&self, provider: Option<&str>, model: &str) -> Option<&Price> {
        self.overrides
            .of(model)
            .or_else(|| self.table.model(provider?, model)?.price.as_ref())
    }

    /// The id of the provider a host belongs to.
    pub fn provider_of_host(&self, host: &str) -> Option<&'static str> {
        Some(self.table.provider_of_host(host)?.id)
    }

    /// The id of a provider as the table has it; `None` if it has no such provider.
    pub fn provider_called(&self, id: &str) -> Option<&'static str> {
        Some(self.table.provider(id)?.id)
    }

    /// Whether the table has a provider of this id.
    pub fn has_provider(&self, id: &str) -> bool {
        self.table.provider(id).is_some()
    }

    /// The day as of which the prices of the table count, as `2026-01-31`.
    pub fn date(&self) -> &'static str {
        self.table.date
    }

    /// Where the table is from.
    pub fn source(&self) -> &'static str {
        self.table.source
    }

    /// Every model of a provider, in the order of the table; `None` if the table has no
    /// such provider.
    pub fn of_provider(&self, id: &str) -> Option<Vec<Listed<'static>>> {
        Some(self.table.provider(id)?.listed())
    }

    /// Every model the operator has set a price for, in the order of their names.
    pub fn overrides(&self) -> Vec<Listed<'_>> {
        self.overrides.listed()
    }
}

#[cfg(test)]
mod tests;
