//! `GET /admin/v1/prices`: what tokens are charged at.

use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Role;
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::schema::ErrorEnvelope;
use crate::price::{Listed, Price, Rate, Rates};

/// Which prices are asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// A provider of the table; the one whose prices are in force where it is not said.
    provider: Option<String>,
}

/// Prices, in US dollars for a million tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PriceList {
    /// Always `prices`.
    #[schema(example = "prices")]
    object: &'static str,
    /// Where the table is from.
    #[schema(example = "PyPI package genai-prices 0.2.3")]
    source: &'static str,
    /// The day as of which its prices count.
    #[schema(example = "2026-11-21")]
    date: &'static str,
    /// The provider whose prices are in force; null where it is not known, and then only
    /// the overrides count.
    #[schema(example = "openai")]
    in_force: Option<String>,
    /// The provider whose prices are listed.
    #[schema(example = "openai")]
    provider: Option<String>,
    /// Prices the operator has set. They count before those of the table.
    overrides: Vec<ModelPrice>,
    /// Prices of the table.
    data: Vec<ModelPrice>,
}

/// The price of a model.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelPrice {
    /// The model; the table's name for it, which may stand for several.
    #[schema(example = "gpt-4o-mini")]
    model: String,
    /// What its tokens cost; null if they alone do not say what a call costs.
    price: Option<TokenPrice>,
}

/// What tokens cost, in US dollars for a million.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenPrice {
    /// Of the request.
    #[schema(example = 0.15)]
    input: f64,
    /// Of the request, where the provider read them from its prompt cache; null if they
    /// cost what the others do.
    #[schema(example = 0.075)]
    cached_input: Option<f64>,
    /// Of the request, where the provider wrote them to its prompt cache; missing if they
    /// cost what the others do.
    #[serde(skip_serializing_if = "Option::is_none")]
    written_input: Option<f64>,
    /// Of the answer.
    #[schema(example = 0.6)]
    output: f64,
    /// What counts instead for longer requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tiers: Vec<PriceTier>,
}

/// What counts for requests of more than so many tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PriceTier {
    /// More than so many tokens, the cached ones included.
    #[schema(example = 200_000)]
    above: u64,
    /// Of the request.
    input: f64,
    /// Of the request, where read from the prompt cache.
    cached_input: Option<f64>,
    /// Of the request, where written to the prompt cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    written_input: Option<f64>,
    /// Of the answer.
    output: f64,
}

/// Lists what tokens are charged at.
///
/// What has no price here is counted as unpriced in every usage answer, never guessed.
#[utoipa::path(
    get,
    path = "/admin/v1/prices",
    operation_id = "listPrices",
    tag = "Usage",
    params(("provider" = Option<String>, Query, description = "A provider of the table; the one whose prices are in force where it is not said.", example = "openai")),
    responses(
        (status = 200, description = "The prices.", body = PriceList),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
        (status = 404, description = "The table has no such provider.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
pub(super) async fn prices(
    admin: Admin,
    State(state): State<ApiState>,
    asked: Query<Asked>,
) -> Result<Json<PriceList>, ApiError> {
    admin.may(Role::ReadUsage)?;
    let tariff = &state.tariff;
    let in_force = tariff.provider().map(str::to_owned);
    let provider = asked.0.provider.or_else(|| in_force.clone());
    let listed = match &provider {
        None => Vec::new(),
        Some(provider) => tariff
            .of_provider(provider)
            .ok_or_else(|| ApiError::NotFound(format!("provider {provider} in the prices")))?,
    };
    Ok(Json(PriceList {
        object: "prices",
        source: tariff.source(),
        date: tariff.date(),
        in_force,
        provider,
        overrides: tariff.overrides().iter().map(ModelPrice::of).collect(),
        data: listed.iter().map(ModelPrice::of).collect(),
    }))
}

impl ModelPrice {
    fn of(listed: &Listed<'_>) -> Self {
        Self {
            model: listed.model.to_owned(),
            price: listed.price.map(TokenPrice::of),
        }
    }
}

impl TokenPrice {
    fn of(price: &Price) -> Self {
        let Rates {
            input,
            cached_input,
            written_input,
            output,
        } = price.rates(0);
        let tiers = price.tiers().iter().map(|tier| PriceTier {
            above: tier.above,
            input: tier.rates.input.dollars(),
            cached_input: tier.rates.cached_input.map(Rate::dollars),
            written_input: tier.rates.written_input.map(Rate::dollars),
            output: tier.rates.output.dollars(),
        });
        Self {
            input: input.dollars(),
            cached_input: cached_input.map(Rate::dollars),
            written_input: written_input.map(Rate::dollars),
            output: output.dollars(),
            tiers: tiers.collect(),
        }
    }
}
