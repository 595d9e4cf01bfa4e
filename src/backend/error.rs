//! Why a backend did not do what it was asked.

/// Why a backend did not do what it was asked.
///
/// The text of a cause is for the operator's log. It holds no credential, no
/// address beyond the configured one, and nothing of an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// It did not answer in time.
    #[error("the backend did not answer in time")]
    Timeout,
    /// It failed lately and is left alone until it answers a probe.
    #[error("the backend failed lately and is left alone for now")]
    LeftAlone,
    /// It cannot be reached, or says that it cannot serve now.
    #[error("the backend is not available: {0}")]
    Unavailable(String),
    /// It has no room left, in memory or on disk.
    #[error("the backend has no room left: {0}")]
    OutOfSpace(String),
    /// It does not take writes.
    #[error("the backend is read-only: {0}")]
    ReadOnly(String),
    /// It refuses the credentials, or they lack a right.
    #[error("the backend refuses the credentials: {0}")]
    Unauthorized(String),
    /// What is kept under the key is not an entry.
    #[error("the stored value is damaged: {0}")]
    Corrupt(String),
    /// More is asked of it at once than it takes.
    #[error("the backend is overloaded")]
    Overloaded,
    /// What is to be encrypted has no key yet; it is being made.
    #[error("there is no key to encrypt with yet")]
    NoKeyYet,
    /// What is to be encrypted has no key that can be used.
    #[error("there is no key to encrypt with: {0}")]
    NoKey(String),
    /// It is configured in a way that cannot work.
    #[error("the backend is configured wrongly: {0}")]
    Invalid(String),
    /// It said something this program does not understand.
    #[error("the backend failed: {0}")]
    Other(String),
}

/// What an error says about the backend as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It answers; the trouble is with this one request.
    Single,
    /// It may be slow, or this process may be.
    Slow,
    /// It cannot serve now.
    Hard,
}

impl BackendError {
    /// The name used in logs and metric labels.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::LeftAlone => "left_alone",
            Self::Unavailable(_) => "unavailable",
            Self::OutOfSpace(_) => "out_of_space",
            Self::ReadOnly(_) => "read_only",
            Self::Unauthorized(_) => "unauthorized",
            Self::Corrupt(_) => "corrupt",
            Self::Overloaded => "overloaded",
            Self::NoKeyYet => "no_key_yet",
            Self::NoKey(_) => "no_key",
            Self::Invalid(_) => "invalid",
            Self::Other(_) => "other",
        }
    }

    /// What the error says about the backend as a whole.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Timeout | Self::Overloaded | Self::NoKeyYet => Severity::Slow,
            Self::LeftAlone
            | Self::Unavailable(_)
            | Self::OutOfSpace(_)
            | Self::ReadOnly(_)
            | Self::Unauthorized(_) => Severity::Hard,
            Self::NoKey(_) | Self::Corrupt(_) | Self::Invalid(_) | Self::Other(_) => {
                Severity::Single
            }
        }
    }

    /// Whether the same request may succeed later.
    pub const fn is_passing(&self) -> bool {
        match self.severity() {
            Severity::Slow | Severity::Hard => true,
            Severity::Single => false,
        }
    }
}
