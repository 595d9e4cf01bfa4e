//! How long the provider's word on a credential counts, and who administers.

use std::time::Duration;

use secrecy::SecretString;

use super::token::TokenOptions;

/// The configuration of this module.
#[derive(Clone, Debug)]
pub struct AccessOptions {
    /// How long a credential the provider accepted is answered from the cache
    /// without asking again. Default: 5 minutes.
    pub credential_ttl: Duration,
    /// The same while the provider cannot be reached. Default: 24 hours.
    pub credential_grace: Duration,
    /// Whose keys callers bring.
    pub mode: AccessMode,
    /// Which tokens stand for a caller where keys are this server's.
    pub tokens: TokenOptions,
    /// The key that opens the administration; one is made and kept where it is not set.
    pub admin_key: Option<SecretString>,
}

/// Whose keys callers bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessMode {
    /// The provider's.
    #[default]
    PassThrough,
    /// This server's, or tokens it accepts.
    Keys,
}
