//! Keys that entries are encrypted with: one for each tenant.
//!
//! A data key is random, has an id that may be seen, and is kept sealed. Each entry is
//! encrypted under a key of its own that is derived from it (HKDF-Expand, RFC 5869 §2.3,
//! with the entry's name), with a random nonce a write. So the bound of random nonces,
//! 2³² messages a key (NIST SP 800-38D §8.3), holds for each entry by itself, and not
//! for all that a tenant stores in years.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::{KEY_BYTES, Purpose, Vault, VaultError};
use crate::key::KeyedDigest;

/// The bytes of the tag of AES-256-GCM.
const TAG_BYTES: usize = 16;

/// The bytes that stand beside what was encrypted: nonce and tag.
pub const SEAL_BYTES: usize = NONCE_LEN + TAG_BYTES;

/// Tells the keys of entries from others that may once be derived from a data key.
const ENTRY_LABEL: &[u8] = b"reprise/entry-key/v1\0";

/// The name of a data key. It may be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DataKeyId(pub [u8; Self::BYTES]);

impl DataKeyId {
    /// The bytes of an id.
    pub const BYTES: usize = 16;
}

/// Who knows data keys by their ids.
pub trait DataKeys: Send + Sync + fmt::Debug {
    /// The key of an id, where it is known and in force.
    fn data_key(&self, id: &DataKeyId) -> Option<Arc<DataKey>>;
}

/// Knows none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDataKeys;

impl DataKeys for NoDataKeys {
    fn data_key(&self, _id: &DataKeyId) -> Option<Arc<DataKey>> {
        None
    }
}

/// A key that the entries of one tenant are encrypted with.
pub struct DataKey {
    id: DataKeyId,
    master: u8,
    digest: KeyedDigest,
}

impl DataKey {
    /// Its name.
    pub const fn id(&self) -> DataKeyId {
        self.id
    }

    /// The number of the master key it is kept under.
    pub const fn master(&self) -> u8 {
        self.master
    }

    /// Encrypts `text` in place as the content of the entry named `name`, bound to
    /// `place`. What is returned is needed to open it.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn seal(
        &self,
        name: &[u8; 32],
        place: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; SEAL_BYTES], VaultError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_none| VaultError::NoRandomness)?;
        let tag = self
            .cipher(name)?
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), text)
            .map_err(|_unspecified| VaultError::Broken)?;
        let mut seal = [0; SEAL_BYTES];
        for (kept, byte) in seal.iter_mut().zip(nonce.iter().chain(tag.as_ref())) {
            *kept = *byte;
        }
        Ok(seal)
    }

    /// What was encrypted as the content of the entry named `name`, at the same place.
    ///
    /// # Errors
    /// If anything of it was changed, or it belongs elsewhere.
    pub fn open(
        &self,
        name: &[u8; 32],
        place: &[u8],
        seal: &[u8; SEAL_BYTES],
        text: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let (nonce, tag) = seal
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(VaultError::Broken)?;
        let mut plain = vec![0; text.len()];
        self.cipher(name)?
            .open_separate_gather(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place),
                text,
                tag,
                &mut plain,
            )
            .map_err(|_unspecified| VaultError::Broken)?;
        Ok(plain)
    }

    fn new(id: DataKeyId, master: u8, secret: &[u8; KEY_BYTES]) -> Self {
        Self {
            id,
            master,
            digest: KeyedDigest::new(secret).begun(ENTRY_LABEL),
        }
    }

    fn cipher(&self, name: &[u8; 32]) -> Result<LessSafeKey, VaultError> {
        let key = self.digest.digest(&[name, &[1]]);
        UnboundKey::new(&AES_256_GCM, &key)
            .map(LessSafeKey::new)
            .map_err(|_unspecified| VaultError::Broken)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({}, …)", hex::encode(self.id.0))
    }
}

impl Vault {
    /// A new data key for a tenant: its id, and itself as it may be kept.
    ///
    /// # Errors
    /// If there is no master key, or no randomness.
    pub fn make_data_key(&self, tenant: &str) -> Result<(DataKeyId, Vec<u8>), VaultError> {
        let mut id = [0; DataKeyId::BYTES];
        let mut secret = [0; KEY_BYTES];
        getrandom::fill(&mut id).map_err(|_none| VaultError::NoRandomness)?;
        getrandom::fill(&mut secret).map_err(|_none| VaultError::NoRandomness)?;
        let id = DataKeyId(id);
        let sealed = self.seal(Purpose::Tenants, &place(id, tenant), &secret)?;
        Ok((id, sealed))
    }

    /// The data key of a tenant that is kept so.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open_data_key(
        &self,
        tenant: &str,
        id: DataKeyId,
        sealed: &[u8],
    ) -> Result<DataKey, VaultError> {
        let secret = self.open(Purpose::Tenants, &place(id, tenant), sealed)?;
        let secret = <[u8; KEY_BYTES]>::try_from(secret).map_err(|_length| VaultError::Broken)?;
        let master = *sealed.first().ok_or(VaultError::Broken)?;
        Ok(DataKey::new(id, master, &secret))
    }

    /// The same key, kept under the master key in force.
    ///
    /// # Errors
    /// If it cannot be opened, or not be sealed.
    pub fn reseal_data_key(
        &self,
        tenant: &str,
        id: DataKeyId,
        sealed: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let place = place(id, tenant);
        let secret = self.open(Purpose::Tenants, &place, sealed)?;
        self.seal(Purpose::Tenants, &place, &secret)
    }
}

/// Where a data key belongs. The id is of one length, so nothing runs together.
fn place(id: DataKeyId, tenant: &str) -> Vec<u8> {
    [&id.0, tenant.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::MasterKey;

    const NAME: [u8; 32] = [7; 32];

    fn vault(ids: &[u8]) -> Vault {
        let key = |id: &u8| MasterKey::of(*id, &format!("secret {id}"));
        Vault::new(ids.iter().map(key).collect())
    }

    fn data_key(tenant: &str) -> DataKey {
        let (id, sealed) = vault(&[1]).make_data_key(tenant).unwrap();
        vault(&[1]).open_data_key(tenant, id, &sealed).unwrap()
    }

    #[test]
    fn what_is_encrypted_is_opened_with_its_name_place_and_key_alone() {
        let (key, other) = (data_key("acme"), data_key("acme"));
        let mut text = b"the capital is Paris".to_vec();
        let seal = key.seal(&NAME, b"here", &mut text).unwrap();
        assert_ne!(text, b"the capital is Paris");
        let opened = key.open(&NAME, b"here", &seal, &text);
        assert_eq!(opened.unwrap(), b"the capital is Paris");
        let broken = Err(VaultError::Broken);
        assert_eq!(key.open(&[8; 32], b"here", &seal, &text), broken);
        assert_eq!(key.open(&NAME, b"there", &seal, &text), broken);
        assert_eq!(other.open(&NAME, b"here", &seal, &text), broken);
        assert_eq!(key.open(&NAME, b"here", &seal, &text[1..]), broken);
    }

    #[test]
    fn the_same_is_never_encrypted_the_same() {
        let key = data_key("acme");
        let seals: Vec<_> = (0..100)
            .map(|_| key.seal(&NAME, b"", &mut [0; 16]).unwrap())
            .collect();
        let distinct: std::collections::HashSet<_> = seals.iter().map(|seal| &seal[..12]).collect();
        assert_eq!(distinct.len(), seals.len());
    }

    #[test]
    fn a_data_key_is_one_tenants_and_survives_a_change_of_master_keys() {
        let (id, sealed) = vault(&[1]).make_data_key("acme").unwrap();
        let mut text = b"kept".to_vec();
        let key = vault(&[1]).open_data_key("acme", id, &sealed).unwrap();
        let seal = key.seal(&NAME, b"", &mut text).unwrap();
        assert!(vault(&[1]).open_data_key("globex", id, &sealed).is_err());
        let elsewhere = DataKeyId([0; DataKeyId::BYTES]);
        assert!(
            vault(&[1])
                .open_data_key("acme", elsewhere, &sealed)
                .is_err()
        );
        let moved = vault(&[2, 1]).reseal_data_key("acme", id, &sealed).unwrap();
        let again = vault(&[2]).open_data_key("acme", id, &moved).unwrap();
        assert_eq!((key.master(), again.master()), (1, 2));
        assert_eq!(again.open(&NAME, b"", &seal, &text).unwrap(), b"kept");
        let unknown = vault(&[2]).open_data_key("acme", id, &sealed).err();
        assert_eq!(unknown, Some(VaultError::UnknownKey(1)));
    }

    #[test]
    fn a_data_key_is_never_shown_by_accident() {
        let shown = format!("{:?}", data_key("acme"));
        assert!(shown.starts_with("DataKey(") && shown.len() == "DataKey(, …)".len() + 32);
    }
}
