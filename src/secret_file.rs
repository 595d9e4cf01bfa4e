//! A secret that is made at the first start and kept in a file beside the data, for
//! its owner's eyes alone.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

/// Random bytes of a made secret: not to be guessed.
const RANDOM_BYTES: usize = 32;

/// The shortest text in the file that is taken for a secret: less is a file that was
/// not written to its end.
const SECRET_BYTES_MIN: usize = 20;

/// A secret, and how it came to be.
#[derive(Debug)]
pub struct Kept {
    /// The secret.
    pub secret: SecretString,
    /// Whether it was made just now.
    pub is_new: bool,
    /// Where it is kept; `None` if it could not be and holds for this process alone.
    pub file: Option<PathBuf>,
}

/// The secret kept in the file of this name in `folder`, or one made and kept there
/// now: `prefix` and 43 random letters. Of several processes that start at once one
/// makes it.
///
/// # Errors
/// If the system has no randomness.
pub fn kept(folder: &Path, name: &str, prefix: &str) -> io::Result<Kept> {
    let path = folder.join(name);
    let known = |secret| Kept {
        secret,
        is_new: false,
        file: Some(path.clone()),
    };
    if let Some(secret) = read(&path) {
        return Ok(known(secret));
    }
    let fresh = random(prefix)?;
    if let Err(error) = keep(&fresh, folder, &path) {
        // Another process was faster, or nothing can be written here.
        if let Some(secret) = read(&path) {
            return Ok(known(secret));
        }
        let path = path.display();
        tracing::warn!(%path, %error, "a secret cannot be kept: it holds until this process ends");
        return Ok(Kept {
            secret: fresh,
            is_new: true,
            file: None,
        });
    }
    Ok(Kept {
        secret: fresh,
        is_new: true,
        file: Some(path),
    })
}

/// A secret nobody can guess: `prefix` and 256 random bits as 43 letters (base64url).
///
/// # Errors
/// If the system has no randomness.
pub fn random(prefix: &str) -> io::Result<SecretString> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let secret = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random));
    Ok(SecretString::from(secret))
}

fn read(path: &Path) -> Option<SecretString> {
    let text = std::fs::read_to_string(path).ok()?;
    warn_if_readable(path);
    let secret = text.trim();
    (secret.len() >= SECRET_BYTES_MIN).then(|| SecretString::from(secret))
}

/// Writes the secret beside its place first, so that nobody reads half of it. The
/// temporary file is made for its owner alone (mode 0600) and stays so.
fn keep(secret: &SecretString, folder: &Path, path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{}", secret.expose_secret())?;
    file.as_file().sync_all()?;
    if path.exists() && read(path).is_none() {
        // What is there is no secret.
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
        tracing::warn!(%path, "others on this machine can read this secret: chmod 600 it");
    }
}

#[cfg(not(unix))]
fn warn_if_readable(_path: &Path) {}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_kept_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let made = kept(&data, "a.key", "a-").unwrap();
        assert!(made.is_new && made.secret.expose_secret().starts_with("a-"));
        let file = std::fs::metadata(made.file.unwrap()).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        let again = kept(&data, "a.key", "a-").unwrap();
        assert!(!again.is_new);
        assert_eq!(again.secret.expose_secret(), made.secret.expose_secret());
    }

    #[test]
    fn a_file_that_holds_no_secret_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.key"), "\n").unwrap();
        let made = kept(folder.path(), "a.key", "").unwrap();
        let again = kept(folder.path(), "a.key", "").unwrap();
        assert!(made.is_new && !again.is_new);
        assert_eq!(again.secret.expose_secret(), made.secret.expose_secret());
    }

    #[test]
    fn where_nothing_can_be_kept_a_secret_holds_for_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let made = kept(&file.join("below"), "a.key", "").unwrap();
        assert!(made.is_new && made.file.is_none());
    }
}
