//! A connection to the provider on which both sides speak as they like (RFC 9110 §7.8).

use http::{HeaderMap, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Answer, Call, Dialer, Upstream, UpstreamError, never_silent};

/// One end of a connection on which both sides speak.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Any such end.
pub type Wire = Box<dyn Duplex>;

/// What the provider says to being asked for a tunnel.
pub enum Opened {
    /// Yes: what it says besides, and the connection.
    Tunnel(HeaderMap, Wire),
    /// Anything else.
    Refused(Answer),
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tunnel(..) => f.write_str("Tunnel"),
            Self::Refused(answer) => f.debug_tuple("Refused").field(answer).finish(),
        }
    }
}

impl Upstream {
    /// Asks the provider for a tunnel, in the words of `call`, and waits for the head of
    /// its answer.
    ///
    /// # Errors
    /// If the provider cannot be reached, hangs up or stays silent too long.
    pub async fn open(&self, call: Call) -> Result<Opened, UpstreamError> {
        let Dialer {
            tunnels,
            first_byte_timeout,
            idle_timeout,
            ..
        } = &self.dialer;
        let request = self.request(tunnels, call);
        let sent = tokio::time::timeout(*first_byte_timeout, request.send()).await;
        let response = sent.map_err(|_elapsed| UpstreamError::Silent)??;
        let (status, headers) = (response.status(), response.headers().clone());
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Opened::Tunnel(headers, Box::new(response.upgrade().await?)));
        }
        Ok(Opened::Refused(Answer {
            status,
            headers,
            body: never_silent(response, *idle_timeout),
        }))
    }

    /// How long the provider may be silent in the middle of what it says.
    pub const fn idle_timeout(&self) -> std::time::Duration {
        self.dialer.idle_timeout
    }
}
