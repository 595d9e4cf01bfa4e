//! One file a family of routes; each gives its router, this one only merges.

mod admin;
mod audio;
mod azure;
mod chat;
mod completions;
mod docs;
mod embeddings;
mod health;
mod messages;
mod metrics;
mod models;
mod moderations;
pub(super) mod organization;
mod passthrough;
mod rerank;
mod responses;

use axum::Router;
use utoipa_axum::router::OpenApiRouter;

use super::ApiState;

/// The pages of our own, which are not the provider's to answer.
const OWN_PAGES: [&str; 6] = [
    "/health/live",
    "/health/ready",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/",
];

/// The described routes: what the OpenAPI document lists.
pub(super) fn described() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(chat::router())
        .merge(completions::router())
        .merge(responses::router())
        .merge(embeddings::router())
        .merge(moderations::router())
        .merge(messages::router())
        .merge(rerank::router())
        .merge(audio::router())
        .merge(models::router())
        .merge(organization::router())
        .merge(health::router())
        .merge(metrics::router())
        .merge(admin::router())
}

/// All routes.
pub(super) fn router() -> Router<ApiState> {
    let (described, _document) = described().split_for_parts();
    described
        .merge(azure::aliases())
        .merge(chat::aliases())
        .merge(completions::aliases())
        .merge(responses::aliases())
        .merge(embeddings::aliases())
        .merge(moderations::aliases())
        .merge(messages::aliases())
        .merge(rerank::aliases())
        .merge(audio::aliases())
        .merge(models::aliases())
        .merge(organization::aliases())
        .merge(docs::router())
        .method_not_allowed_fallback(passthrough::other_method)
        .fallback(passthrough::forward)
}
