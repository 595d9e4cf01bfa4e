//! Requests to speak on as a WebSocket (RFC 6455): handed to the proxy with the client's
//! end of the connection.

use std::io;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderName, Method};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;

use super::error::ApiError;
use super::inbound::{asked, respond};
use super::{ApiState, browser};
use crate::proxy::Knock;
use crate::upstream::Wire;

/// The place of a connection among those there may be. A tunnel keeps it.
#[derive(Clone, Debug)]
pub(super) struct Place(pub(super) Arc<OwnedSemaphorePermit>);

/// Whether a client wants to speak on as a WebSocket.
pub(super) fn is_wanted(request: &Request) -> bool {
    let headers = request.headers();
    request.method() == Method::GET
        && request.extensions().get::<OnUpgrade>().is_some()
        && names(headers, &UPGRADE, "websocket")
        && names(headers, &CONNECTION, "upgrade")
}

/// Opens a tunnel to the provider.
pub(super) async fn open(state: &ApiState, request: Request) -> Response {
    let is_foreign_page = browser::is_foreign_page(&request, &state.options.admin_hosts);
    let mut request = request;
    let place = request.extensions_mut().remove::<Place>();
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (asked, _no_body) = asked(request);
    let client = async move {
        let upgrade = upgrade.ok_or(io::ErrorKind::Unsupported)?;
        let upgraded = upgrade.await.map_err(io::Error::other)?;
        let wire: Wire = Box::new(TokioIo::new(upgraded));
        Ok(wire)
    };
    let knock = Knock {
        asked,
        client: Box::pin(client),
        place: place.map(|place| place.0 as _),
        is_foreign_page,
    };
    match state.proxy.tunnel(knock).await {
        Ok(reply) => respond(reply),
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// Whether a header that is a list of words has this one.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let lists = headers.get_all(name).iter();
    lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .any(|own| own.trim().eq_ignore_ascii_case(word))
}
