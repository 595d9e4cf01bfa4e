//! What is kept of a session: everything but its token.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::access::Actor;
use crate::clock::UnixMillis;
use crate::key::KeyedDigest;

/// What tokens of sessions begin with.
pub const PREFIX: &str = "rps_";

/// Tells the word against forgery from other digests of the same token.
const CSRF_LABEL: &[u8] = b"reprise/csrf/v1";

/// What is kept of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Its id, which may be shown: `ses_` and 16 hexadecimal digits.
    pub id: String,
    /// The digest its token is found by.
    pub digest: SessionDigest,
    /// What opened it.
    pub opener: Opener,
    /// What its opener calls it.
    #[serde(default)]
    pub label: Option<String>,
    /// The beginning of what the browser said it is.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// When it was opened, in milliseconds since 1970.
    pub created_at: UnixMillis,
    /// When it was last used, to the minute, in milliseconds since 1970.
    pub used_at: UnixMillis,
    /// When it ends, in milliseconds since 1970.
    pub expires_at: UnixMillis,
}

/// What opened a session: it is worth no more than this is worth now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opener {
    /// The admin key, known by a digest that only this server can make.
    AdminKey(SessionDigest),
    /// The key of this id.
    Key(String),
}

impl Opener {
    /// The id of who opened it, as [`Actor::id`] has it.
    pub fn actor_id(&self) -> &str {
        match self {
            Self::AdminKey(_) => Actor::OWNER,
            Self::Key(id) => id,
        }
    }
}

/// A digest under a secret that is not kept beside it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionDigest(#[serde(with = "hex::serde")] pub [u8; 32]);

impl fmt::Debug for SessionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionDigest(…)")
    }
}

/// The word that a page sends along with what it changes, so that no other site can
/// have a browser change it. It hangs on the token alone, and tells nothing of it.
pub fn csrf(token: &str) -> SecretString {
    let key: [u8; 32] = Sha256::digest(token).into();
    let word = KeyedDigest::new(&key).digest(&[CSRF_LABEL]);
    SecretString::from(hex::encode(word))
}

/// Whether this is the word of a token. Takes as long for a wrong one as for the right
/// one.
pub fn is_csrf(token: &str, word: &[u8]) -> bool {
    csrf(token).expose_secret().as_bytes().ct_eq(word).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_word_of_its_own() {
        let word = csrf("rps_a");
        assert_eq!(word.expose_secret().len(), 64);
        assert!(is_csrf("rps_a", word.expose_secret().as_bytes()));
        assert!(!is_csrf("rps_b", word.expose_secret().as_bytes()));
        assert!(!is_csrf("rps_a", b""));
    }

    #[test]
    fn a_digest_is_never_shown_by_accident() {
        let opener = Opener::AdminKey(SessionDigest([7; 32]));
        assert_eq!(format!("{opener:?}"), "AdminKey(SessionDigest(…))");
    }
}
