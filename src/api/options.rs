//! The limits of the server.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

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
    /// The names the administration is answered under, in small letters, besides those of
    /// this machine and bare addresses. Default: none.
    pub admin_hosts: Vec<String>,
    /// The networks of proxies that are believed when they say where a request comes
    /// from. Default: none.
    pub trusted_proxies: Vec<IpNet>,
    /// What is worth an alert.
    pub alerts: AlertOptions,
}

/// From where on something is worth an alert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlertOptions {
    /// The share of the backend's room that is in use, from 0 to 1. Default: 0.8.
    pub memory_share: f64,
    /// The share of requests that the cache answered in the last hour, from 0 to 1: less
    /// is worth an alert. Default: 0.5.
    pub hit_ratio: f64,
}
