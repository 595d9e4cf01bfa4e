//! The secret of the cache and what is derived from it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::Proxy;
use crate::key::{CacheSecret, Fingerprinter, Sketcher};

/// The secret in force and the digests made under it.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) secret: Arc<CacheSecret>,
    pub(super) fingerprinter: Fingerprinter,
    pub(super) sketcher: Sketcher,
}

/// The keys last used. The secret changes once in the life of a process at most:
/// when a backend that was away at the start comes and brings the shared one.
pub(super) type LastKeys = ArcSwapOption<Keys>;

impl Proxy {
    /// The keys in force now.
    pub(super) fn keys(&self) -> Arc<Keys> {
        let secret = Arc::clone(&self.secrets.borrow());
        if let Some(keys) = self.keys.load_full()
            && Arc::ptr_eq(&keys.secret, &secret)
        {
            return keys;
        }
        let keys = Arc::new(Keys {
            fingerprinter: Fingerprinter::new(&secret),
            sketcher: Sketcher::new(&secret),
            secret,
        });
        self.keys.store(Some(Arc::clone(&keys)));
        keys
    }
}
