//! `GET /openapi.json` and `GET /docs`: the interface, described by itself.

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::api::ApiState;
use crate::api::openapi;

/// The document and a page that shows it. Everything the page needs is in the
/// binary: it works without a network.
pub(super) fn router() -> Router<ApiState> {
    let page = SwaggerUi::new("/docs")
        .url("/openapi.json", openapi::document())
        .config(Config::default().validator_url("none"));
    Router::new()
        .merge(Router::from(page))
        .route("/", get(|| async { Redirect::temporary("/docs/") }))
}
