//! `reprise healthcheck`: for containers, which have no other client in them.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;

use crate::config::Config;

const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the server that runs under `config` whether it is alive.
///
/// # Errors
/// If it does not answer, or says no.
pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    let address = reachable(config.server.listen);
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("no server on {address}"))?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let request =
        format!("GET /health/live HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    anyhow::ensure!(
        answer.starts_with("HTTP/1.1 200"),
        "the server on {address} is not well"
    );
    Ok(())
}

/// Where a server that listens on `listen` is reached from this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V4(_) | IpAddr::V6(_) => listen.ip(),
    };
    SocketAddr::new(ip, listen.port())
}
