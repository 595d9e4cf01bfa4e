//! Who may come in, and what secrets at rest are sealed with.

use super::read::Reader;
use crate::access::{AccessMode, AccessOptions};
use crate::vault::MasterKey;

/// The shortest secret of a master key, in bytes: 128 bits as hexadecimal digits.
const MASTER_SECRET_BYTES_MIN: usize = 32;

pub(super) fn access(reader: &mut Reader<'_>) -> AccessOptions {
    let wanted = "pass-through or keys";
    let mode = reader.value("access", wanted, AccessMode::default(), |text| match text {
        "pass-through" => Some(AccessMode::PassThrough),
        "keys" => Some(AccessMode::Keys),
        _ => None,
    });
    AccessOptions {
        mode,
        credential_ttl: reader.duration("credential_ttl"),
        credential_grace: reader.duration("credential_grace"),
        admin_key: reader.credential("admin_key"),
    }
}

pub(super) fn master_keys(reader: &mut Reader<'_>) -> Vec<MasterKey> {
    let wanted = "number:secret, several with commas between them, each with a number of its own \
                  from 1 to 255 and a secret of at least 32 characters without commas";
    reader.value("master_keys", wanted, Vec::new(), |text| {
        let mut keys: Vec<MasterKey> = Vec::new();
        for part in text.split(',') {
            let (id, secret) = part.trim().split_once(':')?;
            let id: u8 = id.parse().ok().filter(|id| *id > 0)?;
            let is_known = keys.iter().any(|key| key.id == id);
            if is_known || secret.len() < MASTER_SECRET_BYTES_MIN {
                return None;
            }
            keys.push(MasterKey::of(id, secret));
        }
        Some(keys)
    })
}
