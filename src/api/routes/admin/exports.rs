//! `/admin/v1/exports`: usage as files.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::export_bodies::{Export, ExportList, ExportRequest, read};
use crate::access::Role;
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::conditional::is_listed;
use crate::api::error::ApiError;
use crate::api::inbound::{require_json, whole_body};
use crate::api::schema::ErrorEnvelope;
use crate::usage::export::{Content, ExportError};

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(create_export, list_exports))
        .routes(routes!(retrieve_export, delete_export))
        .routes(routes!(download_export))
}

/// The id in a path; what cannot be read names nothing.
type Id = Result<Path<String>, PathRejection>;

/// Begins an export of usage.
///
/// It is made behind this answer; `Location` tells where to ask how far it is. Two are
/// made at once, sixteen may wait. The file is at most 64 MiB, and kept for 24 hours
/// after it is complete.
#[utoipa::path(
    post,
    path = "/admin/v1/exports",
    operation_id = "createExport",
    tag = "Usage",
    request_body = ExportRequest,
    responses(
        (status = 202, description = "The export, which is being made.", body = Export, headers(
            ("location" = String, description = "Where the export is told of."),
        )),
        (status = 400, description = "The request is wrong, or nothing of that time is kept; `param` tells where.", body = ErrorEnvelope),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
        (status = 415, description = "The body is not plain JSON.", body = ErrorEnvelope),
        (status = 429, description = "Too many exports wait to be made.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
async fn create_export(
    admin: Admin,
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    admin.may(Role::ReadUsage)?;
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = whole_body(&parts.headers, body, &state.options).await?;
    let spec = read(&body, state.exports.now())?;
    state.count_now().await;
    let job = state.exports.create(spec).await?;
    let location = format!("/admin/v1/exports/{}", job.id);
    Ok((
        StatusCode::ACCEPTED,
        [(LOCATION, location)],
        Json(Export::from(job)),
    )
        .into_response())
}

/// Lists the exports that are kept, the newest first.
#[utoipa::path(
    get,
    path = "/admin/v1/exports",
    operation_id = "listExports",
    tag = "Usage",
    responses(
        (status = 200, description = "The exports.", body = ExportList),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
async fn list_exports(
    admin: Admin,
    State(state): State<ApiState>,
) -> Result<Json<ExportList>, ApiError> {
    admin.may(Role::ReadUsage)?;
    Ok(Json(state.exports.list().await?.into()))
}

/// Tells how far an export is.
#[utoipa::path(
    get,
    path = "/admin/v1/exports/{id}",
    operation_id = "retrieveExport",
    tag = "Usage",
    params(("id" = String, Path, description = "The export's id.")),
    responses(
        (status = 200, description = "The export.", body = Export),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
        (status = 404, description = "There is no such export.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
async fn retrieve_export(
    admin: Admin,
    State(state): State<ApiState>,
    id: Id,
) -> Result<Json<Export>, ApiError> {
    admin.may(Role::ReadUsage)?;
    let job = state.exports.get(&name(id)?).await?;
    Ok(Json(job.into()))
}

/// Gives the file of an export.
///
/// A row for each bucket and group: `start_time`, `end_time`, the groups, every number
/// of the ledger, dollars, the hit ratio and latencies in milliseconds. In CSV a text
/// that a spreadsheet would compute begins with an apostrophe.
#[utoipa::path(
    get,
    path = "/admin/v1/exports/{id}/content",
    operation_id = "downloadExport",
    tag = "Usage",
    params(
        ("id" = String, Path, description = "The export's id."),
        ("If-None-Match" = Option<String>, Header, description = "The ETags of what the caller has (RFC 9110 §13.1.2)."),
    ),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/csv"), (String = "application/x-ndjson"),
            (String = "application/vnd.apache.parquet"),
        ), headers(
            ("content-disposition" = String, description = "What the file is called."),
            ("content-length" = u64, description = "Its bytes."),
            ("etag" = String, description = "Its SHA-256."),
        )),
        (status = 304, description = "The caller has it already."),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
        (status = 404, description = "There is no such export.", body = ErrorEnvelope),
        (status = 409, description = "It is not complete yet, or failed.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
async fn download_export(
    admin: Admin,
    State(state): State<ApiState>,
    id: Id,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    admin.may(Role::ReadUsage)?;
    let content = state.exports.content(&name(id)?).await?;
    let tag = format!("\"{}\"", content.job.digest.as_deref().unwrap_or_default());
    if is_listed(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    Ok(file(content, tag))
}

/// Deletes an export and its file. One that is being made is given up.
#[utoipa::path(
    delete,
    path = "/admin/v1/exports/{id}",
    operation_id = "deleteExport",
    tag = "Usage",
    params(("id" = String, Path, description = "The export's id.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `read_usage` is missing.", body = ErrorEnvelope),
        (status = 404, description = "There is no such export.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["read_usage"])),
)]
async fn delete_export(
    admin: Admin,
    State(state): State<ApiState>,
    id: Id,
) -> Result<StatusCode, ApiError> {
    admin.may(Role::ReadUsage)?;
    state.exports.delete(&name(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn name(id: Id) -> Result<String, ApiError> {
    match id {
        Ok(Path(id)) => Ok(id),
        Err(_) => Err(ExportError::Missing.into()),
    }
}

/// A file as a response. If a part of it goes missing on the way, the connection is
/// cut before the announced length.
fn file(content: Content, tag: String) -> Response {
    let spec = &content.job.spec;
    let head = [
        (CONTENT_TYPE, spec.format.media_type().to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{}\"", spec.file_name()),
        ),
        (CONTENT_LENGTH, content.job.bytes.to_string()),
        (ETAG, tag),
    ];
    let mut response = (head, Body::from_stream(content.pieces())).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    // Texts in it were chosen by clients: no browser is to take it for a page.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
