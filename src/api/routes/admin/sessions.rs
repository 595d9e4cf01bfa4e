//! `/admin/v1/sessions`: what a browser holds instead of a key.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::ExposeSecret as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::session_bodies::{
    CurrentSession, OpenedSession, RevokedSessions, SessionList, SessionRequest,
};
use crate::access::session::{SessionError, csrf};
use crate::api::ApiState;
use crate::api::admin::{Admin, clearing, is_https, setting, user_agent};
use crate::api::error::ApiError;
use crate::api::inbound::{require_json, whole_body};
use crate::api::schema::ErrorEnvelope;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(open_session, list_sessions))
        .routes(routes!(current_session, close_current_session))
        .routes(routes!(revoke_sessions))
        .routes(routes!(close_session))
}

/// Opens a session, for those who look at the administration with a browser.
///
/// It lasts 24 hours, and may do what the key it is opened with may do whenever it is
/// used; it ends with that key. The token is told once, and set as a cookie: `__Host-reprise`
/// over https, else `reprise_session`. Of more than 20 sessions of one key the oldest is
/// closed.
#[utoipa::path(
    post,
    path = "/admin/v1/sessions",
    operation_id = "openSession",
    tag = "Administration",
    request_body(content = Option<SessionRequest>, description = "May be left out."),
    responses(
        (status = 201, description = "The session, and its token.", body = OpenedSession, headers(
            ("set-cookie" = String, description = "The token, for this host alone."),
        )),
        (status = 400, description = "The body means nothing.", body = ErrorEnvelope),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The key has no role, or a session was sent in its place.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = [])),
)]
async fn open_session(
    admin: Admin,
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    if admin.session().is_some() {
        return Err(ApiError::OpenedBySession);
    }
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = whole_body(&parts.headers, body, &state.options).await?;
    let asked = SessionRequest::read(&body)?;
    let agent = user_agent(&parts.headers);
    let opened = state.sessions.open(admin.actor(), asked.label, agent);
    let opened = opened.await?;
    let id = &opened.record.id;
    state.audit.note(admin.actor(), "session.open", id);
    let lasts = opened.record.expires_at - opened.record.created_at;
    let cookie = setting(&opened.token, is_https(&parts.headers), lasts / 1000);
    let body = Json(OpenedSession::of(&opened, roles(&admin)));
    Ok(with_cookie((StatusCode::CREATED, body), cookie))
}

/// Lists the sessions that are good now: one's own, an owner's list has all.
#[utoipa::path(
    get,
    path = "/admin/v1/sessions",
    operation_id = "listSessions",
    tag = "Administration",
    responses(
        (status = 200, description = "The sessions, the newest first.", body = SessionList),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The key has no role.", body = ErrorEnvelope),
    ),
    security(("admin_key" = [])),
)]
async fn list_sessions(admin: Admin, State(state): State<ApiState>) -> Json<SessionList> {
    let current = admin.session().map(|(session, _)| &*session.record.id);
    Json(SessionList::of(
        &state.sessions.list(admin.actor()),
        current,
    ))
}

/// Tells of the session this request came with.
///
/// The word against forgery is told again, for a page that was loaded anew.
#[utoipa::path(
    get,
    path = "/admin/v1/sessions/current",
    operation_id = "currentSession",
    tag = "Administration",
    responses(
        (status = 200, description = "The session.", body = CurrentSession),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The key has no role.", body = ErrorEnvelope),
        (status = 404, description = "The request came with a key, not with a session.", body = ErrorEnvelope),
    ),
    security(("admin_key" = [])),
)]
async fn current_session(admin: Admin) -> Result<Json<CurrentSession>, ApiError> {
    let (session, token) = admin.session().ok_or(SessionError::Missing)?;
    let csrf = csrf(token.expose_secret());
    Ok(Json(CurrentSession::of(session, roles(&admin), &csrf)))
}

/// Signs out: closes the session this request came with.
#[utoipa::path(
    delete,
    path = "/admin/v1/sessions/current",
    operation_id = "closeCurrentSession",
    tag = "Administration",
    responses(
        (status = 204, description = "It is closed, and its cookie taken away."),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The key has no role, or the request may be forged.", body = ErrorEnvelope),
        (status = 404, description = "The request came with a key, not with a session.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = [])),
)]
async fn close_current_session(
    admin: Admin,
    State(state): State<ApiState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (session, _token) = admin.session().ok_or(SessionError::Missing)?;
    let id = session.record.id.clone();
    state.sessions.close(admin.actor(), &id).await?;
    state.audit.note(admin.actor(), "session.close", &id);
    let cookie = clearing(is_https(&headers));
    Ok(with_cookie(StatusCode::NO_CONTENT, cookie))
}

/// Signs out everywhere: closes all of one's own sessions, an owner everybody's.
#[utoipa::path(
    post,
    path = "/admin/v1/sessions/revoke",
    operation_id = "revokeSessions",
    tag = "Administration",
    responses(
        (status = 200, description = "They are closed, and the cookie taken away.", body = RevokedSessions),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The key has no role, or the request may be forged.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = [])),
)]
async fn revoke_sessions(
    admin: Admin,
    State(state): State<ApiState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let revoked = state.sessions.close_all(admin.actor()).await?;
    let whose = admin.actor().id.clone();
    state
        .audit
        .note(admin.actor(), "session.revoke_all", &whose);
    let cookie = clearing(is_https(&headers));
    Ok(with_cookie(Json(RevokedSessions::of(revoked)), cookie))
}

/// Closes a session: one of one's own, an owner any.
#[utoipa::path(
    delete,
    path = "/admin/v1/sessions/{id}",
    operation_id = "closeSession",
    tag = "Administration",
    params(("id" = String, Path, description = "The session's id.")),
    responses(
        (status = 204, description = "It is closed."),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The key has no role, or the request may be forged.", body = ErrorEnvelope),
        (status = 404, description = "There is no such session, or it is somebody else's.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = [])),
)]
async fn close_session(
    admin: Admin,
    State(state): State<ApiState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    let Path(id) = id.map_err(|_unreadable| SessionError::Missing)?;
    state.sessions.close(admin.actor(), &id).await?;
    state.audit.note(admin.actor(), "session.close", &id);
    Ok(StatusCode::NO_CONTENT)
}

fn roles(admin: &Admin) -> Vec<&'static str> {
    let roles = admin.actor().roles.iter();
    roles.map(|role| role.as_str()).collect()
}

fn with_cookie(answer: impl IntoResponse, cookie: Option<HeaderValue>) -> Response {
    let mut response = answer.into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}
