//! Why the proxy itself has no answer to give.

use crate::access::{Denied, Limited};
use crate::flight::Failure;
use crate::limit::{Exceeded, Readings};
use crate::upstream::UpstreamError;

/// The proxy's own failures. What the provider answered, errors included, is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// The caller asked for a stored answer only, and there is none.
    #[error("no stored answer satisfies this request, and `only-if-cached` forbids asking for one")]
    CacheOnlyMiss,
    /// No connection to the provider.
    #[error("the upstream provider cannot be reached")]
    UpstreamUnreachable,
    /// The provider did not answer in time.
    #[error("the upstream provider did not answer in time")]
    UpstreamTimeout,
    /// The provider's answer broke off.
    #[error("the upstream provider's answer broke off before it was complete")]
    UpstreamCut,
    /// The caller is turned away.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The caller has reached a limit.
    #[error("{0}")]
    Limited(Exceeded),
    /// It is not known what the caller has used, and then it is not served.
    #[error(
        "the limits of this caller cannot be looked up, because their store is away; try again"
    )]
    LimitsUnknown,
    /// The server is being stopped.
    #[error("the server is stopping; try again")]
    Stopping,
}

impl ProxyError {
    /// The `code` of the error envelope.
    pub const fn code(self) -> &'static str {
        match self {
            Self::CacheOnlyMiss => "cache_only_miss",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::UpstreamCut => "upstream_cut",
            Self::Denied(denied) => denied.code(),
            Self::Limited(exceeded) if exceeded.is_budget() => "insufficient_quota",
            Self::Limited(_) => "rate_limit_exceeded",
            Self::LimitsUnknown => "limits_unavailable",
            Self::Stopping => "overloaded",
        }
    }
}

impl From<Limited> for ProxyError {
    fn from(limited: Limited) -> Self {
        match limited {
            Limited::Exceeded(exceeded) => Self::Limited(exceeded),
            Limited::Unknown => Self::LimitsUnknown,
        }
    }
}

/// A failure, and what is left to the caller of its limits.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    /// What went wrong.
    #[source]
    pub error: ProxyError,
    /// What is to be told of limits; `None` if the caller has none.
    pub limits: Option<Box<LimitsTold>>,
}

/// What a caller is told of its limits.
#[derive(Clone, Debug, Default)]
pub struct LimitsTold {
    /// What its gauges show.
    pub readings: Readings,
    /// The budgets that run out, as `day=85%`.
    pub warning: Option<String>,
}

impl From<ProxyError> for Failed {
    fn from(error: ProxyError) -> Self {
        Self {
            error,
            limits: None,
        }
    }
}

impl From<Failure> for ProxyError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreachable => Self::UpstreamUnreachable,
            Failure::Silent => Self::UpstreamTimeout,
            Failure::Cut | Failure::Lagged | Failure::Unreadable => Self::UpstreamCut,
            Failure::Abandoned => Self::Stopping,
        }
    }
}

/// What a failed call means for those who wait for it.
pub(super) const fn failure(error: &UpstreamError) -> Failure {
    match error {
        UpstreamError::Silent => Failure::Silent,
        UpstreamError::Cut(_) => Failure::Cut,
        UpstreamError::Setup(_) | UpstreamError::Unreachable(_) | UpstreamError::Request(_) => {
            Failure::Unreachable
        }
    }
}
