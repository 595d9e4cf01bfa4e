//! Under which names a caller is counted.

use std::sync::Arc;

/// The names of a caller that may be shown: none of them opens anything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The id of its key.
    pub key: Arc<str>,
    /// Whose the key is.
    pub tenant: Arc<str>,
}
