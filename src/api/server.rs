//! The accept loop: who may connect, how long they may be silent, how it stops.
//!
//! `axum::serve` has no timeout for a client that never finishes its headers, so
//! the loop is our own. Every limit a connection meets is set here: the time for
//! a request's head, the silence of a kept-alive connection, the silence of a
//! client that does not read, and how many there may be.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::connection::{Phase, Watched};
use super::options::ServerOptions;
use super::peer::Peer;
use super::tunnel::Place;

/// The most bytes hyper may buffer for one request's head. Heads beyond what the
/// API allows are answered by the layer that can explain it; this only bounds
/// what it takes to get there.
const HEAD_BUFFER_BYTES: usize = 512 * 1024;

/// How many header fields are parsed at all, likewise. Room for each is made for
/// every request, so there is not much more of it than is ever used.
const HEAD_FIELDS_MAX: usize = 160;

/// How long to wait after a failed accept. It fails when the process is out of
/// file descriptors, and trying again at once would burn a core.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How long requests may take to end after they have been told to.
const OVERTIME: Duration = Duration::from_secs(2);

/// Serves `router` on `listener` until `stop` completes, then lets what runs
/// finish, for at most the configured drain time. What still runs then is told
/// to end by `overtime`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: &ServerOptions,
    stop: impl Future<Output = ()>,
    overtime: impl FnOnce(),
) {
    let places = Arc::new(Semaphore::new(options.connections_max));
    let stopping = CancellationToken::new();
    let builder = builder();
    let trusted: Arc<[IpNet]> = options.trusted_proxies.clone().into();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut stop => break,
        };
        let (stream, address, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let watched = Watched::new(stream, options);
        let phase = watched.phase();
        let place = Arc::new(place);
        let held = Place(Arc::clone(&place));
        let router = router.clone();
        let trusted = Arc::clone(&trusted);
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            phase.set(Phase::Serving);
            let peer = Peer::of(address, request.headers(), &trusted);
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(held.clone());
            answer(router.clone(), request, phase.clone())
        });
        let connection = builder
            .serve_connection(TokioIo::new(watched), service)
            .with_upgrades();
        let stopping = stopping.clone();
        tokio::spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = stopping.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            // How a connection ends is the client's business: resets, timeouts.
            if let Err(error) = ended {
                tracing::trace!(%error, "connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    stopping.cancel();
    // Every connection has a place until it has ended, and every tunnel that came of one.
    let all = u32::try_from(options.connections_max).unwrap_or(u32::MAX);
    let mut drained = std::pin::pin!(places.acquire_many(all));
    if timeout(options.drain_timeout, &mut drained).await.is_err() {
        tracing::warn!("some requests were still running when the drain time was over");
        overtime();
        drop(timeout(OVERTIME, drained).await);
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    phase: super::connection::PhaseSetter,
) -> Result<http::Response<Body>, Infallible> {
    let response = router.oneshot(request.map(Body::new)).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // No request follows: the tunnel has a clock of its own.
        return Ok(response);
    }
    Ok(response.map(|body| phase.idle_after(body)))
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, IpAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer.ip(), place))
}

/// HTTP/1.1 only: it is what the SDKs speak over plain TCP, and in front of a
/// proxy that terminates TLS HTTP/2 buys nothing.
fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // Heads are timed by the connection itself, which tells waiting for a
        // request from waiting for the rest of one.
        .header_read_timeout(None)
        .max_buf_size(HEAD_BUFFER_BYTES)
        .max_headers(HEAD_FIELDS_MAX);
    builder
}
