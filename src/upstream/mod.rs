//! The one door to the provider.
//!
//! Nothing else in the program opens a connection to an upstream, and nothing
//! here knows why a call is made. A call is sent once: the official SDKs retry
//! by themselves, and a retry of ours would multiply theirs. Redirects are not
//! followed, bodies are not decoded: what the provider wrote is what comes out.

mod error;
mod headers;
mod options;
mod upstreams;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use crate::wire::UpstreamKind;

pub use error::UpstreamError;
pub use headers::{forwardable, returnable};
pub use options::{UpstreamBase, UpstreamOptions};
pub use reqwest::Url;
pub use upstreams::{Route, Upstreams};

/// A body that arrives piece by piece.
pub type BodyStream = BoxStream<'static, Result<Bytes, UpstreamError>>;

/// What a client sends while it is still sending it.
pub type ClientStream = BoxStream<'static, Result<Bytes, Box<dyn std::error::Error + Send + Sync>>>;

/// One configured provider.
#[derive(Debug)]
pub struct Upstream {
    client: reqwest::Client,
    base: Url,
    identity: String,
    name: Arc<str>,
    kind: UpstreamKind,
    api_key: Option<SecretString>,
    first_byte_timeout: Duration,
    idle_timeout: Duration,
}

/// One request to the provider.
#[derive(Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path below the base URL and the query, as `/chat/completions?x=y`.
    pub path_and_query: String,
    /// Headers that may be forwarded, see [`forwardable`].
    pub headers: HeaderMap,
    /// The body.
    pub body: CallBody,
}

/// The body of a [`Call`].
pub enum CallBody {
    /// None at all.
    Empty,
    /// Known from the first byte to the last.
    Full(Bytes),
    /// Passed on as it arrives.
    Stream(ClientStream),
}

impl CallBody {
    /// A body that is known; an empty one is none at all.
    pub fn of(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Self::Empty
        } else {
            Self::Full(bytes)
        }
    }
}

impl std::fmt::Debug for CallBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Full(_) => "Full",
            Self::Stream(_) => "Stream",
        })
    }
}

/// The provider's answer: its head at once, its body as it arrives.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers, as they came.
    pub headers: HeaderMap,
    /// The body; ends in an error if it was cut or fell silent.
    pub body: BodyStream,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Upstream {
    /// Prepares the client for the provider at `base`; connects nothing yet.
    ///
    /// # Errors
    /// If the TLS backend cannot be set up.
    pub fn new(base: Url, options: &UpstreamOptions) -> Result<Self, UpstreamError> {
        let client = reqwest::Client::builder()
            .connect_timeout(options.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(Duration::from_mins(1))
            .tcp_nodelay(true)
            .build()
            .map_err(UpstreamError::Setup)?;
        let identity = base.as_str().trim_end_matches('/').to_owned();
        let name = match (&options.base, base.host_str(), base.port()) {
            (UpstreamBase::Mock, ..) => "mock".into(),
            (UpstreamBase::Url(_), Some(host), Some(port)) => format!("{host}:{port}").into(),
            (UpstreamBase::Url(_), Some(host), None) => host.into(),
            (UpstreamBase::Url(_), None, _) => identity.as_str().into(),
        };
        Ok(Self {
            client,
            base,
            identity,
            name,
            kind: options.kind,
            api_key: options.api_key.clone(),
            first_byte_timeout: options.first_byte_timeout,
            idle_timeout: options.idle_timeout,
        })
    }

    /// What names this provider in a key: its base URL.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// What it is called in reports: its host.
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// What kind of server it is.
    pub const fn kind(&self) -> UpstreamKind {
        self.kind
    }

    /// The credential to use for a caller that brings none, as a header.
    pub fn own_credential(&self) -> Option<(HeaderName, HeaderValue)> {
        let key = self.api_key.as_ref()?.expose_secret();
        let (name, value) = match self.kind {
            UpstreamKind::Azure => ("api-key", key.to_owned()),
            UpstreamKind::Anthropic => ("x-api-key", key.to_owned()),
            UpstreamKind::OpenAi | UpstreamKind::Compatible => {
                ("authorization", format!("Bearer {key}"))
            }
        };
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::from_static(name), value))
    }

    /// Sends one request and waits for the head of its answer.
    ///
    /// # Errors
    /// If the provider cannot be reached, hangs up or stays silent too long.
    pub async fn send(&self, call: Call) -> Result<Answer, UpstreamError> {
        let mut url = self.base.clone();
        let (path, query) = match call.path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (call.path_and_query.as_str(), None),
        };
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.set_query(query.or_else(|| self.base.query()));
        let request = self.client.request(call.method, url).headers(call.headers);
        let request = match call.body {
            CallBody::Empty => request,
            CallBody::Full(bytes) => request.body(bytes),
            CallBody::Stream(stream) => request.body(reqwest::Body::wrap_stream(stream)),
        };
        let sent = tokio::time::timeout(self.first_byte_timeout, request.send()).await;
        let response = sent.map_err(|_elapsed| UpstreamError::Silent)??;
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: never_silent(response, self.idle_timeout),
        })
    }
}

/// The answer's body, ended by an error once nothing came for `idle_timeout`.
/// The client's own timeout cannot do this: it would also cut short the wait for
/// the head, which a reasoning model makes long.
fn never_silent(response: reqwest::Response, idle_timeout: Duration) -> BodyStream {
    let pieces = response.bytes_stream();
    stream::unfold(Some(pieces), move |pieces| async move {
        let mut pieces = pieces?;
        match tokio::time::timeout(idle_timeout, pieces.next()).await {
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(pieces))),
            Ok(Some(Err(error))) => Some((Err(UpstreamError::from(error)), None)),
            Ok(None) => None,
            Err(_elapsed) => Some((Err(UpstreamError::Silent), None)),
        }
    })
    .fuse()
    .boxed()
}
