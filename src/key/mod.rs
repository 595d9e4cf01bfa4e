//! Which requests are the same: the canonical form and the key made of it.
//!
//! A [`Key`] cannot be built without a [`Scope`], so no entry exists outside a
//! tenant. The module is pure: bytes in, digests out.
//!
//! The rule is "everything but a short deny-list": a field or header nobody has
//! heard of is part of the question, because leaving it out could give one
//! caller another caller's answer, while leaving it in costs a miss at worst.
//! Whatever is odd enough that two servers might read it differently is not
//! identified at all, but has a [`Bypass`].

pub mod bypass;
pub mod canonical;
pub mod chat;
pub mod completion;
pub mod embedding;
pub mod explain;
mod field;
pub mod fingerprint;
mod frame;
mod generation;
pub mod headers;
mod mac;
pub mod message;
pub mod moderation;
mod moment;
mod reference;
pub mod rerank;
pub mod response;
mod rules;
pub mod scope;
mod shape;
pub mod sketch;
pub mod speech;
pub mod transcription;

use std::fmt;

pub use bypass::Bypass;
pub use canonical::Canonical;
pub use explain::{Explanation, explain};
pub use field::refuse_control_fields;
pub use fingerprint::{Address, Fingerprinter};
pub(crate) use mac::KeyedDigest;
pub use rules::Rules;
pub use scope::{CacheSecret, Scope};
pub use sketch::{Difference, DifferenceKind, Sketch, Sketchable, Sketcher, Volatile};

/// The name of an entry, and the proof that it is this request's.
///
/// `id` names the entry in a backend. `proof` is a second digest of the same
/// canonical bytes under another secret; it is sealed into the entry and
/// compared on read, so that not even a forged or swapped name gives a wrong answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    id: [u8; 32],
    proof: [u8; 16],
}

/// What a request with several items asks: each item is a question of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What the request says of all of them.
    pub shared: Canonical,
    /// The items, in the order of the request.
    pub items: Vec<Canonical>,
}

impl Key {
    /// The entry's name in a backend.
    pub const fn id(&self) -> &[u8; 32] {
        &self.id
    }

    /// The second digest, compared when an entry is opened.
    pub const fn proof(&self) -> &[u8; 16] {
        &self.proof
    }

    /// The key as bytes, to be written down in an entry that another key leads to.
    pub fn to_bytes(self) -> Vec<u8> {
        [self.id.as_slice(), &self.proof].concat()
    }

    /// A key that was written down so. Nobody makes one up: it is read from an entry of a
    /// scope's own, and opens nothing whose proof it does not have.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (id, proof) = bytes.split_first_chunk()?;
        Some(Self {
            id: *id,
            proof: proof.try_into().ok()?,
        })
    }

    /// A key for tests of the modules that only carry keys.
    #[cfg(test)]
    pub(crate) const fn for_tests(seed: u8) -> Self {
        Self {
            id: [seed; 32],
            proof: [seed.wrapping_add(128); 16],
        }
    }

    /// The same for tests that need more than 256 of them; none is one of those.
    #[cfg(test)]
    pub(crate) fn numbered_for_tests(number: u32) -> Self {
        let mut id = [0xC0; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        Self {
            id,
            proof: [0xC1; 16],
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.id))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short: String = hex::encode(self.id).chars().take(8).collect();
        write!(f, "Key({short}…)")
    }
}
