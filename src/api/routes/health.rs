//! `GET /health/live` and `GET /health/ready`.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::ApiState;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(live))
        .routes(routes!(ready))
}

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `live`, `ready` or `stopping`.
    #[schema(example = "ready")]
    status: &'static str,
    /// The parts that do not work at the moment; requests are answered without them.
    degraded: Vec<&'static str>,
    /// Where entries are kept.
    #[schema(example = "embedded")]
    backend: &'static str,
}

/// Says that the process runs.
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "live",
    tag = "Operations",
    responses((status = 200, description = "The process runs.", body = Health)),
    security(()),
)]
async fn live(State(state): State<ApiState>) -> Json<Health> {
    Json(Health {
        status: "live",
        degraded: Vec::new(),
        backend: state.store.health().backend,
    })
}

/// Says whether new requests should be sent here.
///
/// A store that is away makes the server degraded, not unready: requests are
/// still answered.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "ready",
    tag = "Operations",
    responses(
        (status = 200, description = "Requests are answered.", body = Health),
        (status = 503, description = "The server is being stopped.", body = Health),
    ),
    security(()),
)]
async fn ready(State(state): State<ApiState>) -> (StatusCode, Json<Health>) {
    let stopping = state.stopping.load(Ordering::Relaxed);
    let health = state.store.health();
    let (status, name) = if stopping {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else {
        (StatusCode::OK, "ready")
    };
    let degraded = if health.reachable {
        Vec::new()
    } else {
        vec!["store"]
    };
    let body = Health {
        status: name,
        degraded,
        backend: health.backend,
    };
    (status, Json(body))
}
