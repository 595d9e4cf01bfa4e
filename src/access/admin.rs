//! The key that opens the administration.
//!
//! It is the operator's, or one that is made at the first start and kept beside the
//! data. Only a digest of it is held.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The file in the data folder that a made key is kept in.
const FILE: &str = "admin.key";

/// What made keys begin with, so that one is recognized where it does not belong.
const PREFIX: &str = "rk-admin-";

/// Random bytes of a made key: not to be guessed.
const RANDOM_BYTES: usize = 32;

/// The shortest text in the file that is taken for a key: less is a file that was
/// not written to its end.
const KEY_BYTES_MIN: usize = 20;

/// Tells the administrator from everybody else.
#[derive(Clone)]
pub struct AdminKey {
    digest: [u8; 32],
}

/// A key that was made just now: to be shown once.
#[derive(Debug)]
pub struct Made {
    /// The key.
    pub key: SecretString,
    /// Where it is kept; `None` if it could not be and holds for this process alone.
    pub file: Option<PathBuf>,
}

impl AdminKey {
    /// The key the operator chose.
    pub fn chosen(key: &SecretString) -> Self {
        Self {
            digest: digest(key.expose_secret()),
        }
    }

    /// The key kept in `folder`, or one made and kept there now, for the owner's
    /// eyes alone. Of several processes that start at once one makes it.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn kept(folder: &Path) -> io::Result<(Self, Option<Made>)> {
        let path = folder.join(FILE);
        if let Some(key) = read(&path) {
            return Ok((Self::chosen(&key), None));
        }
        let fresh = fresh()?;
        match keep(&fresh, folder, &path) {
            Ok(()) => {}
            Err(error) => {
                // Another process was faster, or nothing can be written here.
                if let Some(key) = read(&path) {
                    return Ok((Self::chosen(&key), None));
                }
                let path = path.display();
                tracing::warn!(%path, %error, "the admin key cannot be kept: it holds until this process ends");
                let admin = Self::chosen(&fresh);
                let made = Made {
                    key: fresh,
                    file: None,
                };
                return Ok((admin, Some(made)));
            }
        }
        let admin = Self::chosen(&fresh);
        let made = Made {
            key: fresh,
            file: Some(path),
        };
        Ok((admin, Some(made)))
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

fn fresh() -> io::Result<SecretString> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    Ok(SecretString::from(key))
}

fn read(path: &Path) -> Option<SecretString> {
    let text = std::fs::read_to_string(path).ok()?;
    warn_if_readable(path);
    let key = text.trim();
    (key.len() >= KEY_BYTES_MIN).then(|| SecretString::from(key))
}

/// Writes the key beside its place first, so that nobody reads half of it. The
/// temporary file is made for its owner alone (mode 0600) and stays so.
fn keep(key: &SecretString, folder: &Path, path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{}", key.expose_secret())?;
    file.as_file().sync_all()?;
    if path.exists() && read(path).is_none() {
        // What is there is no key.
        file.persist(path)?;
    } else {
        file.persist_noclobber(path)?;
    }
    Ok(())
}

#[cfg(unix)]
fn warn_if_readable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).map_or(0, |data| data.permissions().mode());
    if mode & 0o077 != 0 {
        let path = path.display();
        tracing::warn!(%path, "others on this machine can read the admin key: chmod 600 it");
    }
}

#[cfg(not(unix))]
fn warn_if_readable(_path: &Path) {}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let (admin, made) = AdminKey::kept(&data).unwrap();
        let made = made.unwrap();
        assert!(admin.is(made.key.expose_secret()));
        let file = std::fs::metadata(made.file.unwrap()).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        let (again, none) = AdminKey::kept(&data).unwrap();
        assert!(none.is_none());
        assert!(again.is(made.key.expose_secret()));
        assert!(!again.is("rk-admin-wrong") && !again.is(""));
    }

    #[test]
    fn a_file_that_holds_no_key_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "\n").unwrap();
        let (_, made) = AdminKey::kept(folder.path()).unwrap();
        let (again, none) = AdminKey::kept(folder.path()).unwrap();
        assert!(none.is_none());
        assert!(again.is(made.unwrap().key.expose_secret()));
    }

    #[test]
    fn where_nothing_can_be_kept_a_key_holds_for_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let (admin, made) = AdminKey::kept(&file.join("below")).unwrap();
        let made = made.unwrap();
        assert!(made.file.is_none());
        assert!(admin.is(made.key.expose_secret()));
    }

    #[test]
    fn a_key_is_never_shown_by_accident() {
        let admin = AdminKey::chosen(&SecretString::from("rk-admin-canary"));
        assert_eq!(format!("{admin:?}"), "AdminKey(…)");
    }
}
