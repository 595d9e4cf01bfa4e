//! Secrets at rest: what stands in a backend and must not be read there.
//!
//! Everything hangs on master keys that are kept outside of the backend. For each
//! purpose a key of its own is derived (HKDF-SHA256, RFC 5869), so that none can be
//! used for another. What is sealed (AES-256-GCM) is bound to its purpose and to its
//! place: moved elsewhere, it cannot be opened. The first master key is in force; the
//! others only open what was sealed while they were.

mod data_key;

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::key::KeyedDigest;

pub use data_key::{DataKey, DataKeyId, DataKeys, NoDataKeys, SEAL_BYTES};

/// The bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Tells the master keys of this program from other digests of the same secret.
const MASTER_SALT: &[u8] = b"reprise/master/v1";

/// What a derived key is for. Each has a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The digests that API keys are found by.
    ApiKeys,
    /// The digests that sessions are found by.
    Sessions,
    /// The credentials of providers.
    Providers,
    /// The keys of tenants.
    Tenants,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::ApiKeys => b"reprise/vault/v1/api-keys",
            Self::Sessions => b"reprise/vault/v1/sessions",
            Self::Providers => b"reprise/vault/v1/providers",
            Self::Tenants => b"reprise/vault/v1/tenants",
        }
    }
}

/// Why something cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// There is no master key.
    #[error("there is no master key")]
    NoKey,
    /// It was sealed with a master key that is not known here.
    #[error("sealed with master key {0}, which is not known here")]
    UnknownKey(u8),
    /// It was changed, moved, or never sealed.
    #[error("what is stored cannot be opened: it was changed or belongs elsewhere")]
    Broken,
    /// The system has no randomness.
    #[error("the system has no randomness")]
    NoRandomness,
}

/// A key that others are derived from, and the number it is known by.
#[derive(Clone)]
pub struct MasterKey {
    /// Its number: what is sealed with it says so.
    pub id: u8,
    key: [u8; KEY_BYTES],
}

impl MasterKey {
    /// The key a secret text stands for. All the strength is the text's own.
    pub fn of(id: u8, secret: &str) -> Self {
        // HKDF-Extract (RFC 5869 §2.2): the salt is the key of the digest.
        let mut salt = [0; KEY_BYTES];
        salt.iter_mut()
            .zip(MASTER_SALT)
            .for_each(|(byte, salt)| *byte = *salt);
        Self {
            id,
            key: KeyedDigest::new(&salt).digest(&[secret.as_bytes()]),
        }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, …)", self.id)
    }
}

/// Makes the digests that secrets of one purpose are found by.
#[derive(Clone)]
pub struct Finder(Vec<KeyedDigest>);

impl Finder {
    /// The digests a secret may be found by, that of the master key in force first.
    pub fn digests(&self, secret: &[u8]) -> impl Iterator<Item = [u8; KEY_BYTES]> {
        self.0.iter().map(move |keyed| keyed.digest(&[secret]))
    }
}

impl fmt::Debug for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Finder(…)")
    }
}

/// Seals and opens.
#[derive(Clone, Debug)]
pub struct Vault {
    keys: Vec<MasterKey>,
}

impl Vault {
    /// A vault of some master keys, the one in force first.
    pub const fn new(keys: Vec<MasterKey>) -> Self {
        Self { keys }
    }

    /// The number of the master key in force.
    pub fn in_force(&self) -> Option<u8> {
        self.keys.first().map(|key| key.id)
    }

    /// Seals something for a purpose and a place: number of the key, nonce, ciphertext.
    ///
    /// # Errors
    /// If there is no master key, or no randomness.
    pub fn seal(
        &self,
        purpose: Purpose,
        place: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let master = self.keys.first().ok_or(VaultError::NoKey)?;
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_none| VaultError::NoRandomness)?;
        let mut sealed = plain.to_vec();
        cipher(master, purpose)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place),
                &mut sealed,
            )
            .map_err(|_unspecified| VaultError::Broken)?;
        Ok([&[master.id][..], &nonce, &sealed].concat())
    }

    /// Opens what was sealed for the same purpose and place.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(
        &self,
        purpose: Purpose,
        place: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let (id, rest) = sealed.split_first().ok_or(VaultError::Broken)?;
        let (nonce, rest) = rest
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(VaultError::Broken)?;
        let master = self.master(*id)?;
        let mut text = rest.to_vec();
        let plain = cipher(master, purpose)?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place),
                &mut text,
            )
            .map_err(|_unspecified| VaultError::Broken)?;
        Ok(plain.to_vec())
    }

    /// The digests a secret may be found by, that of the master key in force first.
    pub fn digests(&self, purpose: Purpose, secret: &[u8]) -> Vec<[u8; KEY_BYTES]> {
        self.finder(purpose).digests(secret).collect()
    }

    /// What makes such digests, its keys derived once: for those who look up much.
    pub fn finder(&self, purpose: Purpose) -> Finder {
        let keyed = |master| KeyedDigest::new(&derived(master, purpose));
        Finder(self.keys.iter().map(keyed).collect())
    }

    fn master(&self, id: u8) -> Result<&MasterKey, VaultError> {
        let mut keys = self.keys.iter();
        keys.find(|key| key.id == id)
            .ok_or(VaultError::UnknownKey(id))
    }
}

/// HKDF-Expand (RFC 5869 §2.3) for one block, which is a key's length.
fn derived(master: &MasterKey, purpose: Purpose) -> [u8; KEY_BYTES] {
    KeyedDigest::new(&master.key).digest(&[purpose.label(), &[1]])
}

fn cipher(master: &MasterKey, purpose: Purpose) -> Result<LessSafeKey, VaultError> {
    UnboundKey::new(&AES_256_GCM, &derived(master, purpose))
        .map(LessSafeKey::new)
        .map_err(|_unspecified| VaultError::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(ids: &[u8]) -> Vault {
        Vault::new(
            ids.iter()
                .map(|id| MasterKey::of(*id, &format!("secret {id}")))
                .collect(),
        )
    }

    #[test]
    fn what_is_sealed_is_opened_at_its_place_alone() {
        let vault = vault(&[1]);
        let sealed = vault.seal(Purpose::Providers, b"openai", b"sk-1").unwrap();
        assert!(!sealed.windows(4).any(|window| window == b"sk-1"));
        let open = |purpose, place| vault.open(purpose, place, &sealed);
        assert_eq!(open(Purpose::Providers, b"openai").unwrap(), b"sk-1");
        assert_eq!(open(Purpose::Providers, b"azure"), Err(VaultError::Broken));
        assert_eq!(open(Purpose::Tenants, b"openai"), Err(VaultError::Broken));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(vault.open(Purpose::Providers, b"openai", &changed).is_err());
        }
    }

    #[test]
    fn an_older_master_key_opens_what_it_sealed() {
        let sealed = vault(&[1]).seal(Purpose::Providers, b"a", b"b").unwrap();
        let rotated = vault(&[2, 1]);
        assert_eq!(
            rotated.open(Purpose::Providers, b"a", &sealed).unwrap(),
            b"b"
        );
        assert_eq!(rotated.in_force(), Some(2));
        let forgotten = vault(&[2]).open(Purpose::Providers, b"a", &sealed);
        assert_eq!(forgotten, Err(VaultError::UnknownKey(1)));
    }

    #[test]
    fn a_secret_is_found_by_its_digest_under_each_key() {
        let digests = vault(&[2, 1]).digests(Purpose::ApiKeys, b"rpk_a");
        assert_eq!(
            digests[1..],
            vault(&[1]).digests(Purpose::ApiKeys, b"rpk_a")
        );
        assert_ne!(digests[0], digests[1]);
        assert_ne!(digests, vault(&[2, 1]).digests(Purpose::Sessions, b"rpk_a"));
    }

    #[test]
    fn a_master_key_is_never_shown_by_accident() {
        let shown = format!("{:?}", MasterKey::of(3, "canary"));
        assert_eq!(shown, "MasterKey(3, …)");
    }
}
