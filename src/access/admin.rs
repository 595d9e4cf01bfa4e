//! The key that opens the whole administration.
//!
//! It is the operator's, or one that is made at the first start and kept beside the
//! data. Only a digest of it is held.

use std::fmt;
use std::io;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::secret_file::{self, Kept};

/// The file in the data folder that a made key is kept in.
const FILE: &str = "admin.key";

/// What made keys begin with, so that one is recognized where it does not belong.
const PREFIX: &str = "rk-admin-";

/// Tells the administrator from everybody else.
#[derive(Clone)]
pub struct AdminKey {
    digest: [u8; 32],
}

impl AdminKey {
    /// The key the operator chose.
    pub fn chosen(key: &SecretString) -> Self {
        Self {
            digest: digest(key.expose_secret()),
        }
    }

    /// The key kept in `folder`, or one made and kept there now: then it is to be
    /// shown, once.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn kept(folder: &Path) -> io::Result<(Self, Option<Kept>)> {
        let kept = secret_file::kept(folder, FILE, PREFIX)?;
        Ok((Self::chosen(&kept.secret), kept.is_new.then_some(kept)))
    }

    /// What tells this key from others. Not to be written down as it is: a key that was
    /// chosen badly could be guessed from it.
    pub(super) const fn fingerprint(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether this is the key. Takes as long for a wrong one as for the right one.
    pub fn is(&self, presented: &str) -> bool {
        digest(presented).ct_eq(&self.digest).into()
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminKey(…)")
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_key_is_the_one_that_was_shown() {
        let folder = tempfile::tempdir().unwrap();
        let (_, made) = AdminKey::kept(folder.path()).unwrap();
        let (again, none) = AdminKey::kept(folder.path()).unwrap();
        assert!(none.is_none());
        assert!(again.is(made.unwrap().secret.expose_secret()));
        assert!(!again.is("rk-admin-wrong") && !again.is(""));
    }

    #[test]
    fn a_key_is_never_shown_by_accident() {
        let admin = AdminKey::chosen(&SecretString::from("rk-admin-canary"));
        assert_eq!(format!("{admin:?}"), "AdminKey(…)");
    }
}
