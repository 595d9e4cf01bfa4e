//! A provider that was set up at run time: its record, its credential, and the document
//! that holds both.
//!
//! The credential is sealed, and the seal is bound to every byte of the record: whoever
//! can write to the backend but has no master key can neither send the credential
//! elsewhere nor set a provider up.

use std::sync::Arc;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::record::{ProviderRecord, RecordError, check_name};
use super::{Dialer, Upstream};
use crate::backend::Revision;
use crate::vault::{Purpose, Vault, VaultError};

/// The longest credential, in bytes.
const CREDENTIAL_BYTES_MAX: usize = 4096;

/// The shortest credential of which the end is shown, in bytes: of a shorter one it
/// would tell too much.
const SHOWN_BYTES_MIN: usize = 12;

/// How much of it is shown.
const SHOWN_BYTES: usize = 4;

/// A provider that was set up at run time.
#[derive(Debug)]
pub struct Provider {
    /// What was said of it.
    pub record: ProviderRecord,
    /// The revision of its document.
    pub revision: Revision,
    /// The way to it.
    pub upstream: Result<Arc<Upstream>, Unusable>,
}

/// Why a provider that is set up cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Its document was sealed with another master key, or changed since.
    #[error(transparent)]
    Sealed(#[from] VaultError),
    /// It can be opened, and this version does not take it.
    #[error(transparent)]
    Unsound(#[from] RecordError),
}

/// Why a document is not a provider's at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum DocumentError {
    /// It is not what is written.
    #[error("it cannot be read")]
    Json(#[from] serde_json::Error),
    /// It says another name than it is kept under.
    #[error("it is kept under another name")]
    Name,
}

/// A provider cannot be written down.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It cannot be sealed.
    #[error("the provider cannot be sealed")]
    Vault(#[from] VaultError),
    /// It cannot be written as JSON.
    #[error("the provider cannot be written")]
    Json(#[from] serde_json::Error),
}

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Document {
    /// The record, as it was sealed to the byte.
    record: Box<RawValue>,
    /// The credential, which may be empty, sealed for that record: hexadecimal digits.
    seal: String,
}

impl Provider {
    /// Its credential, where it has one that can be read.
    pub fn credential(&self) -> Option<&SecretString> {
        self.upstream.as_ref().ok()?.api_key.as_ref()
    }

    /// What is wrong with it, where it cannot be used.
    pub fn fault(&self) -> Option<&Unusable> {
        self.upstream.as_ref().err()
    }

    /// Whether what is sealed of it can be read.
    pub fn is_readable(&self) -> bool {
        !matches!(self.fault(), Some(Unusable::Sealed(_)))
    }

    /// The word for whether it is used.
    pub fn state(&self) -> &'static str {
        match (self.fault(), self.record.disabled) {
            (Some(Unusable::Sealed(_)), _) => "unreadable",
            (Some(Unusable::Unsound(_)), _) => "unsound",
            (None, true) => "disabled",
            (None, false) => "ready",
        }
    }

    /// Whether requests may go to it.
    pub fn is_open(&self) -> bool {
        self.upstream.is_ok() && !self.record.disabled
    }

    pub(super) fn read(
        id: &str,
        (revision, content): (Revision, &[u8]),
        vault: &Vault,
        dialer: &Dialer,
    ) -> Result<Self, DocumentError> {
        let document: Document = serde_json::from_slice(content)?;
        let record: ProviderRecord = serde_json::from_str(document.record.get())?;
        if record.name != id {
            return Err(DocumentError::Name);
        }
        let credential = open(vault, id, &document);
        let upstream = credential.map_err(Unusable::from).and_then(|credential| {
            let understood = record.understand()?;
            Ok(Arc::new(Upstream::named(
                &record, understood, credential, dialer,
            )))
        });
        Ok(Self {
            record,
            revision,
            upstream,
        })
    }
}

/// The document of a provider.
pub(super) fn document(
    vault: &Vault,
    record: &ProviderRecord,
    credential: Option<&SecretString>,
) -> Result<Bytes, SealError> {
    let text = serde_json::value::to_raw_value(record)?;
    let credential = credential.map_or("", |credential| credential.expose_secret());
    let place = place(&record.name, &text);
    let seal = vault.seal(Purpose::Providers, &place, credential.as_bytes())?;
    let document = Document {
        record: text,
        seal: hex::encode(seal),
    };
    Ok(serde_json::to_vec(&document)?.into())
}

fn open(vault: &Vault, id: &str, document: &Document) -> Result<Option<SecretString>, VaultError> {
    let sealed = hex::decode(&document.seal).map_err(|_no_digits| VaultError::Broken)?;
    let plain = vault.open(Purpose::Providers, &place(id, &document.record), &sealed)?;
    let text = String::from_utf8(plain).map_err(|_no_text| VaultError::Broken)?;
    Ok((!text.is_empty()).then(|| SecretString::from(text)))
}

/// What a seal is bound to. No name has a zero byte in it.
fn place(name: &str, record: &RawValue) -> Vec<u8> {
    [name.as_bytes(), &[0], record.get().as_bytes()].concat()
}

/// Reads a credential as an administrator writes it: nothing that could not be the
/// value of a header.
///
/// # Errors
/// If it cannot be one.
pub fn credential(text: String) -> Result<SecretString, RecordError> {
    let is_sound = !text.is_empty()
        && text.len() <= CREDENTIAL_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    let credential = SecretString::from(text);
    if is_sound {
        Ok(credential)
    } else {
        Err(RecordError::Credential)
    }
}

/// The end of a credential, to recognize it by; `None` of one too short to show any of.
pub fn last4(credential: &SecretString) -> Option<String> {
    let text = credential.expose_secret();
    let from = text.len().checked_sub(SHOWN_BYTES)?;
    let end = text.get(from..)?;
    (text.len() >= SHOWN_BYTES_MIN).then(|| end.to_owned())
}

/// A check of a provider's name, and of nothing else.
///
/// # Errors
/// If it cannot be one.
pub fn name(text: String) -> Result<String, RecordError> {
    check_name(&text).map(|()| text)
}
