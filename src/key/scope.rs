//! Whose entries these are: the secret of the cache and the scope of a caller.
//!
//! A scope is a digest of the caller's credential, or of a tenant's name. It is
//! the first component of every key, so that no request reaches an entry of
//! another scope, whatever else it contains. Neither type shows its content.

use std::fmt;

use sha2::{Digest, Sha256};

use super::frame::put_named_parts;
use super::mac::KeyedDigest;

const SCOPE_LABEL: &[u8] = b"reprise/scope/v1\0";
const PASSPHRASE_LABEL: &[u8] = b"reprise/secret/v1\0";
const NAME_LABEL: &[u8] = b"reprise/name/v1\0";
const DERIVED_LABEL: &[u8] = b"reprise/derived/v1\0";

/// The secret under which every digest of this cache is made.
///
/// Whoever lacks it can neither guess the name of an entry from a prompt nor
/// construct two requests with one key.
#[derive(Clone, PartialEq, Eq)]
pub struct CacheSecret([u8; 32]);

impl CacheSecret {
    /// A secret of 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret an operator's passphrase stands for. All the strength is the
    /// passphrase's own: a digest does not add any.
    pub fn from_passphrase(passphrase: &str) -> Self {
        let digest = Sha256::new()
            .chain_update(PASSPHRASE_LABEL)
            .chain_update(passphrase)
            .finalize();
        Self(digest.into())
    }

    /// A keyed digest for one purpose, independent of those for all others.
    pub(super) fn keyed_digest(&self, purpose: &str) -> KeyedDigest {
        let own = KeyedDigest::new(&self.0);
        KeyedDigest::new(&own.digest(&[DERIVED_LABEL, purpose.as_bytes()]))
    }
}

impl fmt::Debug for CacheSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CacheSecret(…)")
    }
}

/// The isolation boundary of a caller: its requests meet only entries of the
/// same scope.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope([u8; 32]);

impl Scope {
    /// The scope of named parts, in the order given: a credential
    /// ([`super::headers::credentials`]) or a tenant's name.
    ///
    /// A part that is missing is left out by the caller; a part that is empty
    /// gives another scope than a missing one.
    pub fn derive(secret: &CacheSecret, parts: &[(&str, &[u8])]) -> Self {
        let mut framed = Vec::new();
        put_named_parts(&mut framed, parts);
        Self(KeyedDigest::new(&secret.0).digest(&[SCOPE_LABEL, &framed]))
    }

    /// A name for reports: 12 hexadecimal digits that stand for this scope and open
    /// nothing.
    pub fn name(&self) -> String {
        let digest = Sha256::new()
            .chain_update(NAME_LABEL)
            .chain_update(self.0)
            .finalize();
        hex::encode(digest.get(..6).unwrap_or_default())
    }

    /// The digest itself, for use as a name in a backend. It gives nothing of the
    /// credential away to one who lacks the secret, and still is not for logs.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: CacheSecret = CacheSecret::new([7; 32]);

    #[test]
    fn another_credential_organization_or_secret_is_another_scope() {
        let base = Scope::derive(&SECRET, &[("authorization", b"Bearer a")]);
        let others = [
            Scope::derive(&SECRET, &[]),
            Scope::derive(&SECRET, &[("authorization", b"Bearer b")]),
            Scope::derive(&SECRET, &[("api-key", b"Bearer a")]),
            Scope::derive(
                &SECRET,
                &[("authorization", b"Bearer a"), ("openai-organization", b"")],
            ),
            Scope::derive(
                &SECRET,
                &[("authorization", b"Bearer a"), ("openai-project", b"")],
            ),
            Scope::derive(
                &CacheSecret::new([8; 32]),
                &[("authorization", b"Bearer a")],
            ),
        ];
        let distinct: std::collections::HashSet<_> = others.iter().collect();
        assert_eq!(distinct.len(), others.len());
        assert!(!distinct.contains(&base));
        assert_eq!(
            base,
            Scope::derive(&SECRET, &[("authorization", b"Bearer a")])
        );
    }

    #[test]
    fn parts_that_join_to_the_same_text_are_different_scopes() {
        assert_ne!(
            Scope::derive(&SECRET, &[("a", b"bc")]),
            Scope::derive(&SECRET, &[("ab", b"c")])
        );
        assert_ne!(
            Scope::derive(&SECRET, &[("a", b"b"), ("c", b"d")]),
            Scope::derive(&SECRET, &[("a", b"b\x01c\x01d")])
        );
    }

    #[test]
    fn nothing_secret_is_shown() {
        let secret = CacheSecret::from_passphrase("canary");
        let scope = Scope::derive(&secret, &[("authorization", b"canary")]);
        assert_eq!(format!("{secret:?} {scope:?}"), "CacheSecret(…) Scope(…)");
    }

    #[test]
    fn a_passphrase_always_stands_for_the_same_secret() {
        assert_eq!(
            CacheSecret::from_passphrase("one"),
            CacheSecret::from_passphrase("one")
        );
        assert_ne!(
            CacheSecret::from_passphrase("one"),
            CacheSecret::from_passphrase("two")
        );
    }
}
