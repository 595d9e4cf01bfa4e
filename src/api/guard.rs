//! Before the administration: how often an address may try to get in.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::ApiState;
use super::admin::is_below_prefix;
use super::error::ApiError;
use super::peer::Peer;
use crate::access::Limited;
use crate::proxy::ProxyError;

/// The provider's own paths of administration that are answered here.
const ORGANIZATION: &str = "/v1/organization/";

/// Turns away whoever asks too often, and whoever was refused too often.
pub(super) async fn administration(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    if !is_below_prefix(path) && !path.starts_with(ORGANIZATION) {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let may = async {
        state.limiter.knock(peer).await?;
        state.limiter.may_administer(peer).await
    };
    if let Err(limited) = may.await {
        return refusal(limited).into_response();
    }
    let response = next.run(request).await;
    if response.status() == StatusCode::UNAUTHORIZED {
        state.limiter.refused(peer);
    }
    response
}

fn refusal(limited: Limited) -> ApiError {
    ProxyError::from(limited).into()
}
