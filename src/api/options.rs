//! The limits of the server.

use std::net::SocketAddr;
use std::time::Duration;

/// The configuration of this module.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where to listen. Default: `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// The largest request body that is read whole, in bytes. Default: 64 MiB.
    pub request_bytes_max: usize,
    /// How long a request's head may take. Default: 10 s.
    pub header_timeout: Duration,
    /// How long a client may be silent in the middle of a body. Default: 30 s.
    pub body_timeout: Duration,
    /// How long a connection may wait for its next request. Default: 75 s.
    pub idle_timeout: Duration,
    /// How long a client may take nothing of what is sent to it. Default: 60 s.
    pub write_timeout: Duration,
    /// How long running requests may take to end when the server stops. Default: 30 s.
    pub drain_timeout: Duration,
    /// How many connections there may be. Default: 20,000.
    pub connections_max: usize,
}
