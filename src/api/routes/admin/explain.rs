//! `POST /admin/v1/cache/explain`: why a request is a hit, a miss or neither.

use axum::Json;
use axum::extract::{Request, State};

use super::explain_bodies::{ExplainRequest, ExplainedRequest, read};
use crate::access::Role;
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::inbound::{require_json, whole_body};
use crate::api::schema::ErrorEnvelope;

/// Explains what the cache would do with a request.
///
/// The request is not sent to the provider, not stored and not counted. What is shown of
/// it is what was sent here; nothing of stored answers is shown but when and how they came.
/// Of a chat request that is a miss, the stored request that is most like it is told by its
/// key, with what differs.
#[utoipa::path(
    post,
    path = "/admin/v1/cache/explain",
    operation_id = "explainRequest",
    tag = "Cache",
    request_body = ExplainRequest,
    responses(
        (status = 200, description = "What would become of the request.", body = ExplainedRequest),
        (status = 400, description = "What was sent makes no sense, or its caller would be turned away.", body = ErrorEnvelope),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
        (status = 415, description = "The body is not plain JSON.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
pub(super) async fn explain(
    admin: Admin,
    State(state): State<ApiState>,
    request: Request,
) -> Result<Json<ExplainedRequest>, ApiError> {
    admin.may(Role::ReadUsage)?;
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = whole_body(&parts.headers, body, &state.options).await?;
    let inquiry = read(&body)?;
    let operation = inquiry.operation;
    let explained = state.proxy.explain(inquiry).await;
    let explained = explained
        .map_err(|denied| ApiError::invalid(None, format!("it would be turned away: {denied}")))?;
    Ok(Json(ExplainedRequest::of(operation, explained)))
}
