//! The keys that tokens are checked with (RFC 7517, RFC 7518 §6).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Why a text is no set of keys.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// It is not JSON of the right shape.
    #[error("this is no set of keys (RFC 7517), an object with `keys`")]
    Shape(#[source] serde_json::Error),
    /// None of its keys can be used.
    #[error("none of the keys in this set can be used: they must be public keys for signatures")]
    Empty,
}

/// A key, and what it may have signed.
pub(super) struct TokenKey {
    /// Its name; none for a key that is tried on every token.
    id: Option<String>,
    /// What tokens it has signed may name. Never both a secret's and a public key's.
    pub(super) algorithms: Vec<Algorithm>,
    /// The key.
    pub(super) key: DecodingKey,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// The keys of a set that can be used; others are left out.
pub(super) fn read(text: &[u8]) -> Result<Vec<TokenKey>, KeySetError> {
    let set: KeySet = serde_json::from_slice(text).map_err(KeySetError::Shape)?;
    let keys: Vec<_> = set
        .keys
        .into_iter()
        .filter_map(TokenKey::of_public)
        .collect();
    if keys.is_empty() {
        return Err(KeySetError::Empty);
    }
    Ok(keys)
}

impl TokenKey {
    /// The key a shared secret is.
    pub(super) fn of_secret(secret: &SecretString) -> Self {
        Self {
            id: None,
            algorithms: vec![Algorithm::HS256],
            key: DecodingKey::from_secret(secret.expose_secret().as_bytes()),
        }
    }

    /// A public key of a set. A secret in a set that is public is none.
    fn of_public(text: serde_json::Value) -> Option<Self> {
        let key: Jwk = serde_json::from_value(text).ok()?;
        let for_signatures = match &key.common.public_key_use {
            None | Some(PublicKeyUse::Signature) => true,
            Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_)) => false,
        };
        let possible = possible(&key.algorithm);
        let algorithms = match key.common.key_algorithm {
            None => possible,
            Some(named) => {
                let named: Algorithm = named.to_string().parse().ok()?;
                possible.into_iter().filter(|one| *one == named).collect()
            }
        };
        if algorithms.is_empty() || !for_signatures {
            return None;
        }
        Some(Self {
            id: key.common.key_id.clone(),
            algorithms,
            key: DecodingKey::from_jwk(&key).ok()?,
        })
    }

    /// Whether it may have signed a token that names this algorithm and this key.
    pub(super) fn fits(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        let is_named = match (&self.id, id) {
            (Some(own), Some(named)) => own == named,
            (None, _) | (_, None) => true,
        };
        is_named && self.algorithms.contains(&algorithm)
    }
}

/// What a public key of a kind can have signed.
fn possible(parameters: &AlgorithmParameters) -> Vec<Algorithm> {
    match parameters {
        AlgorithmParameters::RSA(_) => vec![
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            vec![Algorithm::ES256]
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => {
            vec![Algorithm::ES384]
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            vec![Algorithm::EdDSA]
        }
        // Secrets, other curves, and a list that others may extend.
        AlgorithmParameters::EllipticCurve(_)
        | AlgorithmParameters::OctetKeyPair(_)
        | AlgorithmParameters::OctetKey(_)
        | AlgorithmParameters::Other(_)
        | _ => Vec::new(),
    }
}
