//! HMAC-SHA256 with a key that is expanded once.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The block of SHA-256 in bytes, to which HMAC pads its key (RFC 2104 §2).
const BLOCK_BYTES: usize = 64;

/// A keyed digest, ready to be used many times.
#[derive(Clone)]
pub(crate) struct KeyedDigest(Hmac<Sha256>);

impl KeyedDigest {
    /// Expands `key`.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        // Padding here what HMAC would pad itself leaves no error to handle.
        let mut block = [0; BLOCK_BYTES];
        for (padded, byte) in block.iter_mut().zip(key) {
            *padded = *byte;
        }
        Self(Hmac::new(&block.into()))
    }

    /// The digest of the parts, one behind the other. The caller frames them.
    pub(crate) fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// The digest of everything that begins with `start`, for many messages that do.
    pub(crate) fn begun(&self, start: &[u8]) -> Self {
        let mut begun = self.clone();
        begun.0.update(start);
        begun
    }
}
