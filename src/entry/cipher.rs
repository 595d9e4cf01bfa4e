//! The payload of an encrypted entry.
//!
//! Where a plain entry has its check, an encrypted one has the id of the data key, a
//! nonce and a tag; then comes the encrypted payload. The tag takes the check's place:
//! it covers the same (the key's id and proof, head, metadata, payload) and the data
//! key's id, and it cannot be made without the data key, so a second digest over the
//! same bytes would find nothing that it does not.

use super::OpenError;
use crate::key::Key;
use crate::vault::{DataKey, DataKeyId, DataKeys, SEAL_BYTES, VaultError};

/// What stands between the metadata and the encrypted payload, in bytes.
pub(super) const FRONT_BYTES: usize = DataKeyId::BYTES + SEAL_BYTES;

/// Encrypts a payload in place; what is to stand before it.
pub(super) fn encrypt(
    key: &Key,
    data_key: &DataKey,
    parts: [&[u8]; 2],
    payload: &mut [u8],
) -> Result<[u8; FRONT_BYTES], VaultError> {
    let id = data_key.id();
    let seal = data_key.seal(key.id(), &place(key, parts, id), payload)?;
    let mut front = [0; FRONT_BYTES];
    for (kept, byte) in front.iter_mut().zip(id.0.iter().chain(&seal)) {
        *kept = *byte;
    }
    Ok(front)
}

/// The payload in `rest`, which is what follows the metadata.
pub(super) fn decrypt(
    key: &Key,
    keys: &dyn DataKeys,
    parts: [&[u8]; 2],
    rest: &[u8],
) -> Result<Vec<u8>, OpenError> {
    let (id, rest) = rest
        .split_first_chunk::<{ DataKeyId::BYTES }>()
        .ok_or(OpenError::Foreign)?;
    let (seal, text) = rest
        .split_first_chunk::<SEAL_BYTES>()
        .ok_or(OpenError::Foreign)?;
    let id = DataKeyId(*id);
    let data_key = keys.data_key(&id).ok_or(OpenError::UnknownKey)?;
    data_key
        .open(key.id(), &place(key, parts, id), seal, text)
        .map_err(|_vault| OpenError::Mismatch)
}

/// All that an encrypted payload is bound to: it is opened nowhere else. All parts but
/// the metadata have a fixed length, and the head tells that of the metadata.
fn place(key: &Key, [head, meta]: [&[u8]; 2], id: DataKeyId) -> Vec<u8> {
    [&key.id()[..], key.proof(), head, meta, &id.0].concat()
}

#[cfg(test)]
#[path = "cipher_tests.rs"]
mod tests;
