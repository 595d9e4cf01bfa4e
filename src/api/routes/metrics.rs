//! `GET /metrics`.

use axum::extract::State;
use http::HeaderName;
use http::header::CONTENT_TYPE;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::ApiState;
use crate::backend::Store;
use crate::telemetry;

const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// The metrics, in Prometheus' text exposition format.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "Operations",
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain")),
    security(()),
)]
async fn metrics(State(state): State<ApiState>) -> ([(HeaderName, &'static str); 1], String) {
    measure_store(&state.store).await;
    state.journal.count();
    ([(CONTENT_TYPE, TEXT_FORMAT)], state.exporter.render())
}

/// Reads off the backend what only it knows.
async fn measure_store(store: &Store) {
    telemetry::backend_up(store.health().reachable);
    match store.size().await {
        Ok(size) => {
            telemetry::entries(size.entries, size.bytes);
            telemetry::backend_use(size.used, size.max);
        }
        Err(error) => tracing::debug!(%error, "the backend does not tell its size"),
    }
}
