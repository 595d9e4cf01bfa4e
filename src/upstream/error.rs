//! What can go wrong on the way to the provider and back.

/// Why a call gave no answer, or only a part of one.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The client could not be set up.
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] reqwest::Error),
    /// No connection, or it broke before the answer's head.
    #[error("the upstream cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// No answer, or no further byte of it, in the configured time.
    #[error("the upstream did not answer in time")]
    Silent,
    /// The answer broke off.
    #[error("the upstream's answer broke off")]
    Cut(#[source] reqwest::Error),
    /// The client's own request body broke off while it was passed on.
    #[error("the request body broke off")]
    Request(#[source] reqwest::Error),
}

impl From<reqwest::Error> for UpstreamError {
    fn from(error: reqwest::Error) -> Self {
        // The URL may carry credentials of an operator; the cause never needs it.
        let error = error.without_url();
        if error.is_timeout() && !error.is_connect() {
            Self::Silent
        } else if error.is_body() && !error.is_request() || error.is_decode() {
            Self::Cut(error)
        } else if error.is_body() {
            Self::Request(error)
        } else {
            Self::Unreachable(error)
        }
    }
}
