//! What has to be known besides a body to say what it asks.

use crate::wire::UpstreamKind;

/// What has to be known besides a body to say what it asks.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The upstream's kind; it decides which defaults are known.
    pub kind: UpstreamKind,
    /// Whether content behind an address or a file id may be taken as unchanging.
    pub remote_references: bool,
    /// Whether the address names what answers, so that the body need not name a model.
    pub model_in_address: bool,
}

impl Rules {
    /// Those for an upstream of a kind, where nothing else is said.
    pub const fn of(kind: UpstreamKind) -> Self {
        Self {
            kind,
            remote_references: false,
            model_in_address: false,
        }
    }
}
