//! How a key is made.

use std::io;

use secrecy::{ExposeSecret, SecretString};

use super::{KeyDigest, Keyring, PREFIX};
use crate::secret_file;

/// How much of the beginning of a key is kept, to recognize it by.
const SHOWN_FIRST: usize = 8;

/// How much of its end.
const SHOWN_LAST: usize = 4;

/// A key that was just made: shown once, and then only known by its digest.
#[derive(Debug)]
pub struct NewKey {
    /// The key.
    pub key: SecretString,
    /// The id it gets.
    pub id: String,
    /// The digest it is found by.
    pub digest: KeyDigest,
    /// Its beginning.
    pub prefix: String,
    /// Its end.
    pub last4: String,
}

/// Why no key can be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The system has no randomness.
    #[error("the system has no randomness")]
    NoRandomness(#[source] io::Error),
    /// There is no master key to keep its digest under.
    #[error("there is no master key")]
    NoMasterKey,
}

impl Keyring {
    /// Makes a key. It is not known until its record is written.
    ///
    /// # Errors
    /// If there is no randomness or no master key.
    pub fn make(&self) -> Result<NewKey, MakeError> {
        let key = secret_file::random(PREFIX).map_err(MakeError::NoRandomness)?;
        let mut id = [0; 8];
        getrandom::fill(&mut id)
            .map_err(io::Error::other)
            .map_err(MakeError::NoRandomness)?;
        let text = key.expose_secret();
        let last = text.len().saturating_sub(SHOWN_LAST);
        Ok(NewKey {
            id: format!("key_{}", hex::encode(id)),
            digest: self.digest(&key).ok_or(MakeError::NoMasterKey)?,
            prefix: text.get(..SHOWN_FIRST).unwrap_or_default().to_owned(),
            last4: text.get(last..).unwrap_or_default().to_owned(),
            key,
        })
    }
}
