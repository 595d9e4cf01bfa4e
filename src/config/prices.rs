//! Which prices count: the operator's own, and the provider's of the shipped table.

use std::path::Path;

use super::errors::ConfigError;
use super::read::Reader;
use crate::price::{Overrides, PriceOptions, Prices};
use crate::upstream::UpstreamBase;
use crate::wire::UpstreamKind;

/// What the built-in upstream pretends to be, so that what it saves is shown in money.
const PROVIDER_OF_MOCK: &str = "openai";

pub(super) fn prices(
    reader: &mut Reader<'_>,
    base: &UpstreamBase,
    kind: UpstreamKind,
) -> PriceOptions {
    let overrides = match reader.path("prices") {
        Some(path) => overrides(&path, &mut reader.errors),
        None => Overrides::default(),
    };
    let shipped = Prices::shipped();
    let inferred = match base {
        UpstreamBase::Url(url) => shipped
            .provider_of_host(url.host_str().unwrap_or_default())
            .or(kind.usual_prices()),
        UpstreamBase::Mock => Some(PROVIDER_OF_MOCK),
    };
    let wanted = "the id of a provider in the table of prices, such as openai, azure, anthropic, \
                  google, mistral or openrouter";
    let provider = reader.value(
        "price_provider",
        wanted,
        inferred.map(str::to_owned),
        |text| shipped.has_provider(text).then(|| Some(text.to_owned())),
    );
    PriceOptions {
        overrides,
        provider,
    }
}

/// Reads the operator's prices; none, and what is wrong with them remembered, where
/// they cannot be understood.
fn overrides(path: &Path, errors: &mut Vec<ConfigError>) -> Overrides {
    let causes = match std::fs::read_to_string(path) {
        Ok(text) => match Overrides::parse(&text) {
            Ok(overrides) => return overrides,
            Err(wrong) => wrong.iter().map(ToString::to_string).collect(),
        },
        Err(error) => vec![error.to_string()],
    };
    errors.extend(causes.into_iter().map(|cause| ConfigError::File {
        path: path.to_owned(),
        cause,
    }));
    Overrides::default()
}
