//! What is the operator's: below `/admin/v1`, behind the admin key.

mod live;
mod prices;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::ApiState;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(live::live))
        .routes(routes!(prices::prices))
}
