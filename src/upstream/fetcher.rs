//! Small documents from addresses that an operator named, such as the keys of an
//! identity provider.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Url;

/// How long a document may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes of a document.
const BYTES_MAX: usize = 1024 * 1024;

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The client cannot be set up, the address cannot be reached or answers an error.
    #[error(transparent)]
    Http(reqwest::Error),
    /// It sends one elsewhere.
    #[error("it answers with a redirect, which is not followed")]
    Redirect,
    /// It sends more than a small document.
    #[error("it answers with more than 1 MiB")]
    TooLarge,
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        // The address may have a secret in its query.
        Self::Http(error.without_url())
    }
}

/// Gets documents. No credential goes along, and no redirect is followed.
#[derive(Clone, Debug)]
pub struct Fetcher(reqwest::Client);

impl Fetcher {
    /// Prepares the client; connects nothing yet.
    ///
    /// # Errors
    /// If the TLS backend cannot be set up.
    pub fn new() -> Result<Self, FetchError> {
        let client = reqwest::Client::builder()
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self(client))
    }

    /// Gets the document at an address.
    ///
    /// # Errors
    /// If it cannot be reached, answers anything but success, or with too much.
    pub async fn fetch(&self, url: &Url) -> Result<Bytes, FetchError> {
        let answer = self.0.get(url.clone()).send().await?;
        let mut answer = answer.error_for_status()?;
        if !answer.status().is_success() {
            return Err(FetchError::Redirect);
        }
        let mut document = BytesMut::new();
        while let Some(piece) = answer.chunk().await? {
            if document.len() + piece.len() > BYTES_MAX {
                return Err(FetchError::TooLarge);
            }
            document.extend_from_slice(&piece);
        }
        Ok(document.freeze())
    }
}
