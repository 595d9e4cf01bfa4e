//! Sealing and opening entries.
//!
//! A sealed entry is head ‖ metadata ‖ check (16 bytes) ‖ payload. The check is
//! SHA-256, cut to 128 bits, over the key's id and proof and everything else in
//! the entry as it is stored. It is compared before the metadata or the payload
//! are looked at, so that neither decoder sees bytes this program did not write
//! for this key. As the proof is nowhere in a backend, who can write there can
//! make entries unreadable but cannot make one.
//!
//! An encrypted entry has other means to the same end: see [`cipher`].

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::cipher;
use super::codec;
use super::dictionary;
use super::header::{
    FLAG_DICTIONARY, FLAG_PACKED, FLAG_SEALED, FLAG_ZSTD, HEADER_BYTES, Header, Unreadable,
};
use super::pack::{pack, unpack};
use super::{Entry, Meta};
use crate::clock::UnixMillis;
use crate::key::Key;
use crate::vault::{DataKey, DataKeys, NoDataKeys};
use crate::wire::Operation;

const CHECK_BYTES: usize = 16;

/// What opening an entry may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest body, in bytes. Default: 64 MiB.
    pub plain_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            plain_bytes_max: 64 * 1024 * 1024,
        }
    }
}

/// Why an entry cannot be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The body is longer than 4 GiB.
    #[error("the body is too long to be stored")]
    BodyTooLong,
    /// The metadata are longer than 64 KiB.
    #[error("the metadata are too long to be stored")]
    MetaTooLong,
    /// It cannot be encrypted.
    #[error("it cannot be encrypted")]
    Unencryptable,
}

/// Why stored bytes are not the entry of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// They are no sealed entry, or the beginning of one.
    #[error("not a stored entry")]
    Foreign,
    /// They were written by another version of this program.
    #[error("written as version {0}")]
    Version(u8),
    /// They use something this version does not know: an operation, a dictionary.
    #[error("written with something unknown to this version")]
    Unsupported,
    /// They are encrypted with a key that is not known here, or not any more.
    #[error("encrypted with a key that is not known here")]
    UnknownKey,
    /// They were changed, or belong to another key.
    #[error("the check does not match")]
    Mismatch,
    /// The body is longer than allowed.
    #[error("the body is longer than allowed")]
    TooLarge,
    /// The check matches, and still they cannot be decoded.
    #[error("the content cannot be decoded")]
    Undecodable,
}

impl OpenError {
    /// Whether the bytes are of no use to anyone. Those of another version are:
    /// while servers are being upgraded, each leaves the others' entries alone. So are
    /// those under a key that another server may have.
    pub const fn is_damage(self) -> bool {
        match self {
            Self::Foreign | Self::Mismatch | Self::TooLarge | Self::Undecodable => true,
            Self::Version(_) | Self::Unsupported | Self::UnknownKey => false,
        }
    }

    /// The name used in logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Version(_) => "version",
            Self::Unsupported => "unsupported",
            Self::UnknownKey => "unknown_key",
            Self::Mismatch => "mismatch",
            Self::TooLarge => "too_large",
            Self::Undecodable => "undecodable",
        }
    }
}

impl From<Unreadable> for OpenError {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Foreign => Self::Foreign,
            Unreadable::Version(version) => Self::Version(version),
        }
    }
}

/// What can be told of a sealed entry without decoding its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// Which endpoint family it answers.
    pub operation: Operation,
    /// When the call that got it began.
    pub stored_at: UnixMillis,
    /// How long after `stored_at` it is fresh.
    pub fresh_for: Duration,
    /// What is known of the answer.
    pub meta: Meta,
    /// The length of the body, in bytes.
    pub body_bytes: u32,
}

/// Seals an entry for storing it under `key`.
///
/// # Errors
/// If the body or the metadata are too long for the layout.
pub fn seal(entry: &Entry, key: &Key) -> Result<Vec<u8>, SealError> {
    let payload = Payload::of(entry);
    let (header, meta) = front(entry, &payload, None)?;
    let check = check(key, &[&header, &meta], &payload.bytes);
    Ok(put_together(&[&header, &meta, &check, &payload.bytes]))
}

/// Seals an entry for storing it under `key`, encrypted with a tenant's data key. The
/// metadata stay readable for those who list entries.
///
/// # Errors
/// As [`seal`], or if the system has no randomness.
pub fn seal_with(entry: &Entry, key: &Key, data_key: &DataKey) -> Result<Vec<u8>, SealError> {
    let payload = Payload::of(entry);
    let (header, meta) = front(entry, &payload, Some(data_key.master()))?;
    let mut text = payload.bytes.into_owned();
    let front = cipher::encrypt(key, data_key, [&header, &meta], &mut text)
        .map_err(|_vault| SealError::Unencryptable)?;
    Ok(put_together(&[&header, &meta, &front, &text]))
}

/// The head and the metadata of an entry; with the number of the master key in force if
/// it is going to be encrypted.
fn front(
    entry: &Entry,
    payload: &Payload<'_>,
    master: Option<u8>,
) -> Result<([u8; HEADER_BYTES], Vec<u8>), SealError> {
    let meta = minicbor::to_vec(&entry.meta).map_err(|_cbor| SealError::MetaTooLong)?;
    let sealed = if master.is_some() { FLAG_SEALED } else { 0 };
    let header = Header {
        kind: entry.operation.code(),
        flags: payload.flags | sealed,
        master: master.unwrap_or_default(),
        dictionary: payload.dictionary,
        stored_at: entry.stored_at,
        fresh_millis: u64::try_from(entry.fresh_for.as_millis()).unwrap_or(u64::MAX),
        plain_len: u32::try_from(entry.body.len()).map_err(|_long| SealError::BodyTooLong)?,
        meta_len: u16::try_from(meta.len()).map_err(|_long| SealError::MetaTooLong)?,
    };
    Ok((header.to_bytes(), meta))
}

fn put_together(parts: &[&[u8]; 4]) -> Vec<u8> {
    parts.concat()
}

/// A body as it is stored.
struct Payload<'a> {
    bytes: Cow<'a, [u8]>,
    flags: u8,
    dictionary: u32,
}

impl<'a> Payload<'a> {
    /// The smallest of the ways to store a body that are worth reading it back from.
    fn of(entry: &'a Entry) -> Self {
        let body = &entry.body;
        let frame = match entry.operation {
            Operation::Embedding => codec::compress_numbers(body),
            Operation::Passthrough
            | Operation::Chat
            | Operation::Moderation
            | Operation::Models
            | Operation::Response
            | Operation::Completion
            | Operation::Message
            | Operation::TokenCount
            | Operation::Rerank
            | Operation::Transcription
            | Operation::Translation => codec::compress_text(body),
            // Sound comes compressed.
            Operation::Speech => None,
        };
        if let Some(frame) = frame {
            return Self {
                flags: frame.flags(),
                dictionary: frame.dictionary,
                bytes: frame.bytes.into(),
            };
        }
        let packed = (entry.operation == Operation::Embedding)
            .then(|| pack(body))
            .flatten();
        Self {
            flags: if packed.is_some() { FLAG_PACKED } else { 0 },
            dictionary: 0,
            bytes: packed.map_or(Cow::Borrowed(body), Cow::Owned),
        }
    }
}

/// Opens what was sealed under `key`, if it is not encrypted.
///
/// # Errors
/// If the bytes are anything but what [`seal`] made of an entry for this key, or
/// if the body is longer than `limits` allow.
pub fn open(sealed: &[u8], key: &Key, limits: Limits) -> Result<Entry, OpenError> {
    open_with(sealed, key, &NoDataKeys, limits)
}

/// Opens what was sealed under `key`, encrypted or not.
///
/// # Errors
/// As [`open`], or if none of the data keys is the entry's.
pub fn open_with(
    sealed: &[u8],
    key: &Key,
    keys: &dyn DataKeys,
    limits: Limits,
) -> Result<Entry, OpenError> {
    let checked = Checked::read(sealed, key, keys)?;
    let told = checked.tell()?;
    Ok(Entry {
        operation: told.operation,
        stored_at: told.stored_at,
        fresh_for: told.fresh_for,
        meta: told.meta,
        body: checked.body(limits)?,
    })
}

/// Reads what is known of a sealed entry, checked as [`open`] checks it.
///
/// # Errors
/// As [`open`], except that the body is not decoded.
pub fn peek(sealed: &[u8], key: &Key) -> Result<Peeked, OpenError> {
    Checked::read(sealed, key, &NoDataKeys)?.tell()
}

/// A sealed entry taken apart, after its check was found right.
struct Checked<'a> {
    header: Header,
    meta: &'a [u8],
    payload: Cow<'a, [u8]>,
}

impl<'a> Checked<'a> {
    fn read(sealed: &'a [u8], key: &Key, keys: &dyn DataKeys) -> Result<Self, OpenError> {
        let (mut header, rest) = Header::read(sealed)?;
        let (meta, rest) = rest
            .split_at_checked(usize::from(header.meta_len))
            .ok_or(OpenError::Foreign)?;
        let head = sealed.get(..HEADER_BYTES).ok_or(OpenError::Foreign)?;
        let payload = if header.flags & FLAG_SEALED == 0 {
            let (stored, payload) = rest
                .split_first_chunk::<CHECK_BYTES>()
                .ok_or(OpenError::Foreign)?;
            if check(key, &[head, meta], payload) != *stored {
                return Err(OpenError::Mismatch);
            }
            Cow::Borrowed(payload)
        } else {
            header.flags &= !FLAG_SEALED;
            Cow::Owned(cipher::decrypt(key, keys, [head, meta], rest)?)
        };
        Ok(Self {
            header,
            meta,
            payload,
        })
    }

    fn tell(&self) -> Result<Peeked, OpenError> {
        if !self.header.flags_are_known() {
            return Err(OpenError::Unsupported);
        }
        Ok(Peeked {
            operation: Operation::from_code(self.header.kind).ok_or(OpenError::Unsupported)?,
            stored_at: self.header.stored_at,
            fresh_for: Duration::from_millis(self.header.fresh_millis),
            meta: minicbor::decode(self.meta).map_err(|_cbor| OpenError::Undecodable)?,
            body_bytes: self.header.plain_len,
        })
    }

    fn body(&self, limits: Limits) -> Result<Bytes, OpenError> {
        let plain_len = usize::try_from(self.header.plain_len)
            .ok()
            .filter(|len| *len <= limits.plain_bytes_max)
            .ok_or(OpenError::TooLarge)?;
        let flags = self.header.flags;
        if flags == FLAG_PACKED {
            let plain = unpack(&self.payload, plain_len).ok_or(OpenError::Undecodable)?;
            return Ok(plain.into());
        }
        if flags & FLAG_PACKED != 0 {
            return Err(OpenError::Undecodable);
        }
        if flags & FLAG_ZSTD == 0 {
            return if self.payload.len() == plain_len && flags & FLAG_DICTIONARY == 0 {
                Ok(Bytes::copy_from_slice(&self.payload))
            } else {
                Err(OpenError::Undecodable)
            };
        }
        let dictionary = self.header.dictionary;
        let needs_one = flags & FLAG_DICTIONARY != 0;
        if needs_one != (dictionary != 0) {
            return Err(OpenError::Undecodable);
        }
        if needs_one && dictionary::bytes(dictionary).is_none() {
            return Err(OpenError::Unsupported);
        }
        codec::decompress(&self.payload, dictionary, plain_len)
            .map(Bytes::from)
            .map_err(|_zstd| OpenError::Undecodable)
    }
}

/// The digest that binds an entry to its key. The parts need no framing of their
/// own: all but the last have lengths the head tells.
fn check(key: &Key, parts: &[&[u8]], payload: &[u8]) -> [u8; CHECK_BYTES] {
    let mut digest = Sha256::new()
        .chain_update(key.id())
        .chain_update(key.proof());
    for part in parts {
        digest.update(part);
    }
    let digest: [u8; 32] = digest.chain_update(payload).finalize().into();
    let mut check = [0; CHECK_BYTES];
    for (kept, byte) in check.iter_mut().zip(digest) {
        *kept = byte;
    }
    check
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
