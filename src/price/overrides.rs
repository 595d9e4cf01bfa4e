//! Prices the operator sets: a TOML document, a table for each model.
//!
//! ```toml
//! [models."my-model"]      # the name as requests have it
//! input = 1.5              # US dollars for a million tokens
//! cached_input = 0.75      # the same as `input` if it is left out
//! written_input = 1.875    # the same
//! output = 6
//! ```

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::rates::{Price, Rate, RateError, Rates};
use super::tariff::Listed;

/// The prices an operator set, by the exact name of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(HashMap<String, Price>);

/// What is wrong with a document of prices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// It is no TOML document with a table for each model.
    #[error("line {line}: {cause}")]
    Document {
        /// The line, the first is 1.
        line: usize,
        /// What the parser says.
        cause: String,
    },
    /// A model's table has what no price has, or lacks what a price needs.
    #[error("model {model:?}: {cause}")]
    Model {
        /// The model.
        model: String,
        /// What the parser says.
        cause: String,
    },
    /// A price that cannot be charged.
    #[error("model {model:?}: {field} {cause}")]
    Price {
        /// The model.
        model: String,
        /// Which of its prices.
        field: &'static str,
        /// What is wrong with it.
        cause: RateError,
    },
}

/// The document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    models: BTreeMap<String, toml::Value>,
}

/// The table of one model.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    input: f64,
    cached_input: Option<f64>,
    written_input: Option<f64>,
    output: f64,
}

impl Overrides {
    /// Reads a document.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<OverrideError>> {
        let document: Document =
            toml::from_str(text).map_err(|error| vec![OverrideError::located(text, &error)])?;
        let mut prices = HashMap::new();
        let mut errors = Vec::new();
        for (model, table) in document.models {
            match table.try_into::<Entry>() {
                Ok(entry) => {
                    let price = entry.price(&model, &mut errors);
                    prices.insert(model, price);
                }
                Err(error) => errors.push(OverrideError::Model {
                    model,
                    cause: error.message().to_owned(),
                }),
            }
        }
        if errors.is_empty() {
            Ok(Self(prices))
        } else {
            Err(errors)
        }
    }

    /// Every model with a price, in the order of their names.
    pub(super) fn listed(&self) -> Vec<Listed<'_>> {
        let mut listed: Vec<Listed<'_>> = self
            .0
            .iter()
            .map(|(model, price)| Listed {
                model,
                price: Some(price),
            })
            .collect();
        listed.sort_unstable_by_key(|listed| listed.model);
        listed
    }

    /// The price set for the model of exactly this name.
    pub fn of(&self, model: &str) -> Option<&Price> {
        self.0.get(model)
    }
}

impl Entry {
    fn price(&self, model: &str, errors: &mut Vec<OverrideError>) -> Price {
        let mut rate = |field, dollars| {
            Rate::try_from(dollars).unwrap_or_else(|cause| {
                let model = model.to_owned();
                errors.push(OverrideError::Price {
                    model,
                    field,
                    cause,
                });
                Rate::default()
            })
        };
        Price::flat(Rates {
            input: rate("input", self.input),
            cached_input: self
                .cached_input
                .map(|dollars| rate("cached_input", dollars)),
            written_input: self
                .written_input
                .map(|dollars| rate("written_input", dollars)),
            output: rate("output", self.output),
        })
    }
}

impl OverrideError {
    fn located(text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start));
        Self::Document {
            line: before.unwrap_or_default().matches('\n').count() + 1,
            cause: error.message().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let errors = Overrides::parse(text).unwrap_err();
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn prices_are_read_as_dollars_for_a_million_tokens() {
        let overrides = Overrides::parse(
            "[models.\"my-model\"]\ninput = 1.5\ncached_input = 0.75\noutput = 6\n\
             [models.vectors]\ninput = 0.000001\noutput = 0\n",
        )
        .unwrap();
        let rates = overrides.of("my-model").unwrap().rates(0);
        let cached = rates.cached_input.map(Rate::picos);
        assert_eq!(
            (rates.input.picos(), cached, rates.output.picos()),
            (1_500_000, Some(750_000), 6_000_000)
        );
        let rates = overrides.of("vectors").unwrap().rates(0);
        assert_eq!((rates.input.picos(), rates.cached_input), (1, None));
        assert_eq!(overrides.of("My-Model"), None);
        assert_eq!(Overrides::parse(""), Ok(Overrides::default()));
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_model() {
        let text = "[models.a]\ninput = -1\noutput = nan\n\
                    [models.b]\ninput = 1\ncached_input = 0.0000001\noutput = inf\n\
                    [models.c]\ninput = 1\noutput = 2\nimage = 3\n\
                    [models.d]\ninput = 1\n\
                    [models.e]\ninput = \"1\"\noutput = 2\n";
        let told = told(text);
        for (line, part) in told.iter().zip([
            "model \"a\": input is negative",
            "model \"a\": output is not a number",
            "model \"b\": cached_input has more than six decimals",
            "model \"b\": output is not a number",
            "model \"c\": unknown field `image`",
            "model \"d\": missing field `output`",
            "model \"e\": invalid type: string",
        ]) {
            assert!(line.starts_with(part), "{part}: {line}");
        }
        assert_eq!(told.len(), 7);
    }

    #[test]
    fn what_is_no_such_document_is_told_with_its_line() {
        assert!(told("\nmodel = 1\n")[0].starts_with("line 2: unknown field `model`"));
        assert!(told("[models.a]\ninput = \n")[0].starts_with("line 2: "));
        assert!(told("models = 3\n")[0].starts_with("line 1: "));
    }
}
