//! What is kept of an API key: everything but the key.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::access::{Rights, Role};
use crate::clock::UnixMillis;

/// What is kept of an API key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Its id, which may be shown: `key_` and 16 hexadecimal digits.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whose it is.
    pub tenant: String,
    /// The digest the key is found by.
    pub digest: KeyDigest,
    /// The beginning of the key, to recognize it by.
    pub prefix: String,
    /// The end of the key, for the same.
    pub last4: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at: UnixMillis,
    /// When it ends, in milliseconds since 1970; `None` if it does not.
    #[serde(default)]
    pub expires_at: Option<UnixMillis>,
    /// Whether it has been switched off.
    #[serde(default)]
    pub disabled: bool,
    /// What it may do in the administration.
    #[serde(default)]
    pub roles: BTreeSet<Role>,
    /// What it may do besides. Every request of the key holds on to it.
    #[serde(default, with = "held_together")]
    pub rights: Arc<Rights>,
}

/// Rights are written as if nobody else held them.
mod held_together {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::access::Rights;

    pub(super) fn serialize<S: Serializer>(
        rights: &Arc<Rights>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Rights::serialize(rights, serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Rights>, D::Error> {
        Rights::deserialize(deserializer).map(Arc::new)
    }
}

/// The digest of a key under a secret that is not kept beside it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyDigest(#[serde(with = "hex::serde")] pub [u8; 32]);

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(…)")
    }
}

impl KeyRecord {
    /// Whether it opens anything at this time.
    pub fn is_good(&self, now: UnixMillis) -> bool {
        !self.disabled && self.expires_at.is_none_or(|end| now < end)
    }
}
