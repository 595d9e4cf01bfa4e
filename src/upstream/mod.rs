//! The one door to the provider.
//!
//! Nothing else in the program opens a connection to an upstream, and nothing
//! here knows why a call is made. A call is sent once: the official SDKs retry
//! by themselves, and a retry of ours would multiply theirs. Redirects are not
//! followed, bodies are not decoded: what the provider wrote is what comes out.

mod azure;
mod check;
mod error;
mod fetcher;
mod headers;
mod location;
mod options;
mod provider;
mod record;
mod table;
mod tunnel;
mod upstreams;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use crate::price::Seller;
use crate::wire::{Operation, UpstreamKind};

pub use check::{Checked, Fault};
pub use error::UpstreamError;
pub use fetcher::{FetchError, Fetcher};
pub use headers::{forwardable, returnable};
pub use options::{UpstreamBase, UpstreamOptions};
pub use provider::{Provider, SealError, Unusable, credential, last4, name};
pub use record::{ProviderRecord, Recognized, RecordError};
pub use reqwest::Url;
pub use tunnel::{Duplex, Opened, Wire};
pub use upstreams::{CredentialOf, KIND, Route, Upstreams};

/// A body that arrives piece by piece.
pub type BodyStream = BoxStream<'static, Result<Bytes, UpstreamError>>;

/// What a client sends while it is still sending it.
pub type ClientStream = BoxStream<'static, Result<Bytes, Box<dyn std::error::Error + Send + Sync>>>;

/// One provider.
#[derive(Debug)]
pub struct Upstream {
    dialer: Dialer,
    base: Url,
    identity: Arc<str>,
    name: Arc<str>,
    kind: UpstreamKind,
    api_key: Option<SecretString>,
    /// What every call has besides.
    headers: HeaderMap,
    seller: Seller,
    /// How long its answers are fresh, where that is said.
    completion_ttl: Option<Duration>,
    embedding_ttl: Option<Duration>,
    /// Set once it has been seen to reject `stream_options`.
    no_stream_options: AtomicBool,
}

/// What makes connections, keeps them for later, and how long it waits. Cheap to clone.
#[derive(Clone, Debug)]
struct Dialer {
    client: reqwest::Client,
    /// For tunnels, which there are only in HTTP/1.1.
    tunnels: reqwest::Client,
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

impl Dialer {
    /// One for where the operator's configuration leads.
    fn free(options: &UpstreamOptions) -> Result<Self, UpstreamError> {
        Self::of(|| client(options), options)
    }

    /// One for where people lead at run time: it goes to no address that is never a
    /// provider's.
    fn guarded(options: &UpstreamOptions) -> Result<Self, UpstreamError> {
        let client = || client(options).dns_resolver(Arc::new(location::Guarded));
        Self::of(client, options)
    }

    fn of(
        client: impl Fn() -> reqwest::ClientBuilder,
        options: &UpstreamOptions,
    ) -> Result<Self, UpstreamError> {
        let tunnels = client().http1_only();
        Ok(Self {
            client: client().build().map_err(UpstreamError::Setup)?,
            tunnels: tunnels.build().map_err(UpstreamError::Setup)?,
            first_byte_timeout: options.first_byte_timeout,
            idle_timeout: options.idle_timeout,
        })
    }
}

fn client(options: &UpstreamOptions) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(options.connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(Duration::from_mins(1))
        .tcp_nodelay(true)
}

impl Upstream {
    /// Prepares the client for the provider at `base`; connects nothing yet.
    ///
    /// # Errors
    /// If the TLS backend cannot be set up.
    pub fn new(base: Url, options: &UpstreamOptions) -> Result<Self, UpstreamError> {
        let identity = base.as_str().trim_end_matches('/');
        let name = match (&options.base, base.host_str(), base.port()) {
            (UpstreamBase::Mock, ..) => "mock".into(),
            (UpstreamBase::Url(_), Some(host), Some(port)) => format!("{host}:{port}").into(),
            (UpstreamBase::Url(_), Some(host), None) => host.into(),
            (UpstreamBase::Url(_), None, _) => identity.into(),
        };
        Ok(Self {
            dialer: Dialer::free(options)?,
            identity: identity.into(),
            base,
            name,
            kind: options.kind,
            api_key: options.api_key.clone(),
            headers: HeaderMap::new(),
            seller: Seller::InForce,
            completion_ttl: None,
            embedding_ttl: None,
            no_stream_options: AtomicBool::new(false),
        })
    }

    /// A provider that was set up at run time.
    fn named(
        record: &ProviderRecord,
        understood: record::Understood,
        api_key: Option<SecretString>,
        dialer: &Dialer,
    ) -> Self {
        let record::Understood {
            base,
            headers,
            seller,
        } = understood;
        Self {
            dialer: dialer.clone(),
            identity: record.identity(&base).into(),
            base,
            name: record.name.as_str().into(),
            kind: record.kind,
            api_key,
            headers,
            seller,
            completion_ttl: record.completion_ttl_seconds.map(Duration::from_secs),
            embedding_ttl: record.embedding_ttl_seconds.map(Duration::from_secs),
            no_stream_options: AtomicBool::new(false),
        }
    }

    /// What names this provider in a key: the base URL of the default one, and of a named
    /// one all that decides what a question means there.
    pub const fn identity(&self) -> &Arc<str> {
        &self.identity
    }

    /// What it is called in reports: the name it was given, or its host.
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Where it is.
    pub const fn base(&self) -> &Url {
        &self.base
    }

    /// Whose prices count for it.
    pub const fn seller(&self) -> Seller {
        self.seller
    }

    /// How long its answers are fresh, where that is said of it alone.
    pub const fn ttl(&self, operation: Operation) -> Option<Duration> {
        match operation {
            Operation::Chat | Operation::Response | Operation::Completion | Operation::Message => {
                self.completion_ttl
            }
            Operation::Embedding => self.embedding_ttl,
            Operation::Passthrough
            | Operation::Moderation
            | Operation::Models
            | Operation::TokenCount
            | Operation::Rerank
            | Operation::Transcription
            | Operation::Translation
            | Operation::Speech => None,
        }
    }

    /// Whether it has not been seen to reject `stream_options`.
    pub fn takes_stream_options(&self) -> bool {
        !self.no_stream_options.load(Ordering::Relaxed)
    }

    /// It has rejected `stream_options`.
    pub fn rejects_stream_options(&self) {
        self.no_stream_options.store(true, Ordering::Relaxed);
    }

    /// The end of its own credential, to recognize it by.
    pub fn last4(&self) -> Option<String> {
        last4(self.api_key.as_ref()?)
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

    /// The path there for what is asked for at `path`.
    fn place(&self, path: &str) -> String {
        match self.kind {
            UpstreamKind::Azure => azure::place(self.base.path(), path),
            UpstreamKind::OpenAi | UpstreamKind::Anthropic | UpstreamKind::Compatible => {
                format!("{}{path}", root_of(&self.base, path))
            }
        }
    }

    /// Sends one request and waits for the head of its answer.
    ///
    /// # Errors
    /// If the provider cannot be reached, hangs up or stays silent too long.
    pub async fn send(&self, call: Call) -> Result<Answer, UpstreamError> {
        let Dialer {
            client,
            tunnels: _,
            first_byte_timeout,
            idle_timeout,
        } = &self.dialer;
        let request = self.request(client, call);
        let sent = tokio::time::timeout(*first_byte_timeout, request.send()).await;
        let response = sent.map_err(|_elapsed| UpstreamError::Silent)??;
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: never_silent(response, *idle_timeout),
        })
    }

    /// A request for the provider.
    fn request(&self, client: &reqwest::Client, call: Call) -> reqwest::RequestBuilder {
        let mut url = self.base.clone();
        let (path, query) = match call.path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (call.path_and_query.as_str(), None),
        };
        url.set_path(&self.place(path));
        url.set_query(query.or_else(|| self.base.query()));
        let mut headers = call.headers;
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        let request = client.request(call.method, url).headers(headers);
        match call.body {
            CallBody::Empty => request,
            CallBody::Full(bytes) => request.body(bytes),
            CallBody::Stream(stream) => request.body(reqwest::Body::wrap_stream(stream)),
        }
    }
}

/// What stands before `path` at a provider. A path that names a later version of the API
/// is not below that of the first.
fn root_of<'a>(base: &'a Url, path: &str) -> &'a str {
    let root = base.path().trim_end_matches('/');
    match root.strip_suffix("/v1") {
        Some(above) if path.starts_with("/v2/") => above,
        Some(_) | None => root,
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
