//! What the tokens of a model cost.

use serde::Deserialize;

use super::Usd;
use crate::wire::Usage;

/// Rates are whole numbers of this fraction of a nano-dollar.
const PICOS_PER_NANO: u128 = 1_000;

/// The price of one token, in trillionths of a dollar: what a million tokens cost,
/// in millionths of a dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

/// What is wrong with a price that is no [`Rate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// It is less than nothing.
    #[error("is negative")]
    Negative,
    /// It is no number, or infinite.
    #[error("is not a number")]
    NotANumber,
    /// It has more than six decimals, and would be kept as another price.
    #[error("has more than six decimals")]
    TooPrecise,
    /// It is more than a billion dollars.
    #[error("is more than a billion dollars for a million tokens")]
    TooHigh,
}

/// What the tokens of one answer cost, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// A token of the request.
    pub input: Rate,
    /// The same if the provider read it from its own prompt cache; without it such
    /// a token costs what any other of the request does.
    pub cached_input: Option<Rate>,
    /// The same if the provider wrote it to its own prompt cache; without it such a
    /// token costs what any other of the request does.
    pub written_input: Option<Rate>,
    /// A token of the answer.
    pub output: Rate,
}

/// What the tokens of a model cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    base: Rates,
    /// The lowest first.
    tiers: Vec<Tier>,
}

/// What counts instead for a request that is longer than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// It has more tokens than this, the cached ones included.
    pub above: u64,
    /// What all its tokens cost, and those of its answer; not only those above.
    pub rates: Rates,
}

impl Rate {
    /// The rate of so many trillionths of a dollar for a token.
    pub const fn from_picos(picos: u64) -> Self {
        Self(picos)
    }

    /// The rate in US dollars for a million tokens, the way prices are told.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate is below 2^53: a billion dollars for a million tokens"
    )]
    pub const fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The rate in trillionths of a dollar for a token.
    pub const fn picos(self) -> u64 {
        self.0
    }

    fn of(self, tokens: u64) -> u128 {
        u128::from(self.0) * u128::from(tokens)
    }
}

/// From dollars for a million tokens, the way prices are told.
impl TryFrom<f64> for Rate {
    type Error = RateError;

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a whole number from 0 to 10^15, which both types hold"
    )]
    fn try_from(dollars: f64) -> Result<Self, RateError> {
        if !dollars.is_finite() {
            return Err(RateError::NotANumber);
        }
        if dollars < 0.0 {
            return Err(RateError::Negative);
        }
        if 1e9 < dollars {
            return Err(RateError::TooHigh);
        }
        let picos = (dollars * 1e6).round() as u64;
        // A decimal of six places and the quotient are both the float that is nearest
        // to the same number, so they differ only if there are more places.
        let is_exact = (picos as f64 / 1e6).to_bits() == dollars.abs().to_bits();
        is_exact.then_some(Self(picos)).ok_or(RateError::TooPrecise)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        Self::try_from(dollars).map_err(serde::de::Error::custom)
    }
}

impl Price {
    /// A price that is the same for requests of every length.
    pub const fn flat(rates: Rates) -> Self {
        Self {
            base: rates,
            tiers: Vec::new(),
        }
    }

    /// A price that depends on the length of the request.
    pub fn tiered(base: Rates, mut tiers: Vec<Tier>) -> Self {
        tiers.sort_by_key(|tier| tier.above);
        Self { base, tiers }
    }

    /// The tiers, the lowest first.
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// What a request of so many tokens is charged at.
    pub fn rates(&self, input: u64) -> &Rates {
        let reached = self.tiers.iter().rev().find(|tier| tier.above < input);
        reached.map_or(&self.base, |tier| &tier.rates)
    }

    /// What the tokens of one call cost: the only place where money is made of tokens.
    ///
    /// It is rounded once, half up, to a nano-dollar. The reasoning is part of the
    /// output. What a provider counts as cached beyond the input costs nothing.
    pub fn cost(&self, usage: &Usage) -> Usd {
        let rates = self.rates(usage.input);
        let cached = usage.cached_input.min(usage.input);
        let written = usage.written_input.min(usage.input - cached);
        let picos = rates
            .input
            .of(usage.input - cached - written)
            .saturating_add(rates.cached_input.unwrap_or(rates.input).of(cached))
            .saturating_add(rates.written_input.unwrap_or(rates.input).of(written))
            .saturating_add(rates.output.of(usage.output));
        let nanos = picos.saturating_add(PICOS_PER_NANO / 2) / PICOS_PER_NANO;
        Usd::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usage(input: u64, cached_input: u64, output: u64) -> Usage {
        Usage {
            input,
            cached_input,
            output,
            ..Usage::default()
        }
    }

    fn rates(input: u64, cached_input: Option<u64>, output: u64) -> Rates {
        Rates {
            input: Rate::from_picos(input),
            cached_input: cached_input.map(Rate::from_picos),
            written_input: None,
            output: Rate::from_picos(output),
        }
    }

    #[test]
    fn a_million_tokens_cost_what_the_price_says() {
        let price = Price::flat(Rates {
            input: Rate::try_from(2.5).unwrap(),
            cached_input: Some(Rate::try_from(1.25).unwrap()),
            written_input: None,
            output: Rate::try_from(10.0).unwrap(),
        });
        let told = |usage: Usage| price.cost(&usage).to_string();
        assert_eq!(told(usage(1_000_000, 0, 1_000_000)), "12.5");
        assert_eq!(told(usage(1_000_000, 1_000_000, 0)), "1.25");
        assert_eq!(told(usage(9, 4, 5)), "0.0000675");
        // The cached tokens are among those of the input, so more of them there are not.
        assert_eq!(told(usage(4, 9, 0)), "0.000005");
    }

    #[test]
    fn what_is_written_to_the_prompt_cache_has_a_price_of_its_own() {
        let mut rates = rates(1_000, Some(100), 0);
        let used = Usage {
            written_input: 2,
            ..usage(10, 3, 0)
        };
        assert_eq!(Price::flat(rates).cost(&used).nanos(), 7);
        rates.written_input = Some(Rate::from_picos(5_000));
        assert_eq!(Price::flat(rates).cost(&used).nanos(), 15);
        // Of what was read nothing was written as well.
        let odd = Usage {
            written_input: 9,
            ..usage(4, 3, 0)
        };
        assert_eq!(Price::flat(rates).cost(&odd).nanos(), 5);
    }

    #[test]
    fn the_cost_is_rounded_once_and_half_up() {
        let price = Price::flat(rates(500, Some(499), 0));
        let nanos = |usage: Usage| price.cost(&usage).nanos();
        assert_eq!(nanos(usage(1, 0, 0)), 1);
        assert_eq!(nanos(usage(1, 1, 0)), 0);
        assert_eq!(nanos(usage(2, 1, 0)), 1);
        assert_eq!(nanos(usage(3, 0, 0)), 2);
    }

    #[test]
    fn a_tier_counts_for_the_whole_request_from_one_token_above_on() {
        let tier = |above, input| Tier {
            above,
            rates: rates(input, None, 0),
        };
        let price = Price::tiered(
            rates(1_000, None, 0),
            vec![tier(20, 3_000), tier(10, 2_000)],
        );
        let nanos = |input| price.cost(&usage(input, 0, 0)).nanos();
        assert_eq!(
            (nanos(10), nanos(11), nanos(20), nanos(21)),
            (10, 22, 40, 63)
        );
    }

    #[test]
    fn a_price_is_kept_as_it_is_told_or_not_at_all() {
        for (dollars, picos) in [
            (0.0, 0),
            (-0.0, 0),
            (0.000_001, 1),
            (0.0028, 2_800),
            (600.0, 600_000_000),
            (1e9, 1_000_000_000_000_000),
        ] {
            assert_eq!(Rate::try_from(dollars), Ok(Rate::from_picos(picos)));
        }
        for (dollars, error) in [
            (-0.5, RateError::Negative),
            (f64::NAN, RateError::NotANumber),
            (f64::INFINITY, RateError::NotANumber),
            (0.000_000_1, RateError::TooPrecise),
            (1.234_567_8, RateError::TooPrecise),
            (2e9, RateError::TooHigh),
        ] {
            assert_eq!(Rate::try_from(dollars), Err(error), "{dollars}");
        }
    }

    proptest! {
        #[test]
        fn no_usage_is_too_much(
            (input, cached, output) in any::<(u64, u64, u64)>(),
            (a, b, c) in any::<(u64, Option<u64>, u64)>(),
        ) {
            let price = Price::flat(rates(a, b, c));
            let used = usage(input, cached, output);
            let more = Usage { output: output.saturating_add(1), ..used };
            prop_assert!(price.cost(&used) <= price.cost(&more));
        }

        #[test]
        fn costs_add_up_within_a_tier(
            first in (0..100_000_u64, 0..100_000_u64, 0..100_000_u64),
            second in (0..100_000_u64, 0..100_000_u64, 0..100_000_u64),
            (a, b, c) in (0..1_000_000_000_u64, 0..1_000_000_000_u64, 0..1_000_000_000_u64),
        ) {
            let price = Price::flat(rates(a, Some(b), c));
            let used = |(fresh, cached, output)| usage(fresh + cached, cached, output);
            let apart = price.cost(&used(first)).plus(price.cost(&used(second)));
            let together = price.cost(&used(first).plus(used(second)));
            prop_assert!(apart.nanos().abs_diff(together.nanos()) <= 1);
        }

        #[test]
        fn every_price_of_six_decimals_is_exact(picos in 0..1_000_000_000_000_u64) {
            let told = format!("{}.{:06}", picos / 1_000_000, picos % 1_000_000);
            prop_assert_eq!(Rate::try_from(told.parse::<f64>().unwrap()), Ok(Rate::from_picos(picos)));
        }
    }
}
