//! Every other path and method: the provider's to answer.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};

use super::{OWN_PAGES, organization};
use crate::api::ApiState;
use crate::api::admin::{brings_admin_key, is_below_prefix};
use crate::api::error::ApiError;
use crate::api::inbound::{asked, passing_body, respond};
use crate::api::tunnel;

/// Forwards a request to a path that has no route here.
pub(super) async fn forward(State(state): State<ApiState>, request: Request) -> Response {
    let path = request.uri().path();
    let is_ours = OWN_PAGES.contains(&path) || is_below_prefix(path) || path == "/favicon.ico";
    // The rest of the organization's administration is the provider's, but not the key
    // of this server's.
    let is_meant_for_us =
        organization::is_administration(path) && brings_admin_key(&state, request.headers());
    if is_ours || is_meant_for_us {
        return ApiError::NotFound(path.to_owned()).into_response();
    }
    if tunnel::is_wanted(&request) {
        return tunnel::open(&state, request).await;
    }
    let (asked, body) = asked(request);
    match state
        .proxy
        .pass(asked, passing_body(body, &state.options))
        .await
    {
        Ok(reply) => respond(reply),
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// A method that a route here does not have: an error on pages of our own,
/// otherwise the provider's to judge.
pub(super) async fn other_method(state: State<ApiState>, request: Request) -> Response {
    let path = request.uri().path();
    let is_ours = OWN_PAGES.contains(&path) || is_below_prefix(path);
    if is_ours || organization::is_ours(path) {
        return ApiError::MethodNotAllowed(request.method().to_string()).into_response();
    }
    forward(state, request).await
}
