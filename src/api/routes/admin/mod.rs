//! What is the operator's: below `/admin/v1`, behind the doors of [`crate::api::admin`].

mod asked;
mod audit;
mod cache;
mod described;
mod explain;
mod explain_bodies;
mod explain_nearest;
mod export_bodies;
mod exports;
mod health;
mod key_usage;
mod keys;
mod live;
mod models;
mod numbers;
mod prices;
mod provider_bodies;
mod providers;
mod session_bodies;
mod sessions;
mod tenants;
mod tokens;
mod usage;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::ApiState;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(usage::router())
        .merge(key_usage::router())
        .merge(models::router())
        .routes(routes!(live::live))
        .routes(routes!(prices::prices))
        .routes(routes!(explain::explain))
        .merge(exports::router())
        .merge(providers::router())
        .merge(cache::router())
        .routes(routes!(tenants::erase_tenant))
        .merge(keys::router())
        .merge(tokens::router())
        .merge(sessions::router())
        .merge(audit::router())
        .merge(health::router())
}
