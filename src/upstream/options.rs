//! How the provider is reached.

use std::time::Duration;

use secrecy::SecretString;

use crate::wire::UpstreamKind;

/// The configuration of this module.
#[derive(Clone, Debug)]
pub struct UpstreamOptions {
    /// Where the provider is.
    pub base: UpstreamBase,
    /// What kind of server it is. Default: inferred from the host.
    pub kind: UpstreamKind,
    /// The credential lent to callers who bring none.
    pub api_key: Option<SecretString>,
    /// How long a connection may take. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long an answer may take to begin. Default: 600 s.
    pub first_byte_timeout: Duration,
    /// How long an answer may be silent once it has begun. Default: 120 s.
    pub idle_timeout: Duration,
}

/// Where the provider is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamBase {
    /// At this base URL, its root (`/v1`) included.
    Url(reqwest::Url),
    /// In this process: the built-in scripted one.
    Mock,
}
