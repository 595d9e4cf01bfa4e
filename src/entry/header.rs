//! The fixed head of a sealed entry.
//!
//! 32 bytes, little-endian: `"LC"`, version, kind, flags, master key id, dictionary id
//! (u32), stored at (u64, ms since 1970), fresh for (u64, ms), plain length
//! (u32), length of the metadata (u16). A u32 for the freshness would end at 49
//! days, which is less than an operator may ask for.

use crate::clock::UnixMillis;

/// The bytes of a head.
pub(super) const HEADER_BYTES: usize = 32;
/// The version written. Another one has another layout behind its first three bytes.
pub(super) const VERSION: u8 = 1;

const MAGIC: [u8; 2] = *b"LC";

/// The payload is one zstd frame.
pub(super) const FLAG_ZSTD: u8 = 1 << 0;
/// The payload is encrypted, behind whatever else was done to it.
pub(super) const FLAG_SEALED: u8 = 1 << 1;
/// The frame needs the dictionary named in the head.
pub(super) const FLAG_DICTIONARY: u8 = 1 << 2;
/// The payload is a packed vector.
pub(super) const FLAG_PACKED: u8 = 1 << 3;

/// Bits that have a meaning.
const FLAGS_KNOWN: u8 = FLAG_ZSTD | FLAG_SEALED | FLAG_DICTIONARY | FLAG_PACKED;

/// The head of a sealed entry, read but not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The operation's code.
    pub(super) kind: u8,
    /// What was done to the payload.
    pub(super) flags: u8,
    /// The number of the master key in force when the payload was encrypted; 0 if it is
    /// not.
    pub(super) master: u8,
    /// The dictionary the payload was compressed with; 0 for none.
    pub(super) dictionary: u32,
    /// When the call that got the answer began.
    pub(super) stored_at: UnixMillis,
    /// For how many milliseconds the answer is fresh.
    pub(super) fresh_millis: u64,
    /// The length of the body before compression.
    pub(super) plain_len: u32,
    /// The length of the metadata that follows the head.
    pub(super) meta_len: u16,
}

/// Why bytes have no head this version understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// They are not a sealed entry, or one cut short.
    Foreign,
    /// They are one of another version.
    Version(u8),
}

impl Header {
    /// The head as it is stored.
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let fields: [&[u8]; 7] = [
            &MAGIC,
            &[VERSION, self.kind, self.flags, self.master],
            &self.dictionary.to_le_bytes(),
            &self.stored_at.to_le_bytes(),
            &self.fresh_millis.to_le_bytes(),
            &self.plain_len.to_le_bytes(),
            &self.meta_len.to_le_bytes(),
        ];
        for (stored, field) in bytes.iter_mut().zip(fields.iter().copied().flatten()) {
            *stored = *field;
        }
        bytes
    }

    /// Reads the head and returns what follows it.
    pub(super) fn read(sealed: &[u8]) -> Result<(Self, &[u8]), Unreadable> {
        let (magic, rest) = take::<2>(sealed)?;
        if magic != MAGIC {
            return Err(Unreadable::Foreign);
        }
        let ([version], rest) = take::<1>(rest)?;
        if version != VERSION {
            return Err(Unreadable::Version(version));
        }
        let ([kind, flags, master], rest) = take::<3>(rest)?;
        let (dictionary, rest) = take::<4>(rest)?;
        let (stored_at, rest) = take::<8>(rest)?;
        let (fresh_millis, rest) = take::<8>(rest)?;
        let (plain_len, rest) = take::<4>(rest)?;
        let (meta_len, rest) = take::<2>(rest)?;
        let header = Self {
            kind,
            flags,
            master,
            dictionary: u32::from_le_bytes(dictionary),
            stored_at: u64::from_le_bytes(stored_at),
            fresh_millis: u64::from_le_bytes(fresh_millis),
            plain_len: u32::from_le_bytes(plain_len),
            meta_len: u16::from_le_bytes(meta_len),
        };
        Ok((header, rest))
    }

    /// Whether every flag is one this version acts on.
    pub(super) const fn flags_are_known(self) -> bool {
        self.flags & !FLAGS_KNOWN == 0
    }
}

fn take<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), Unreadable> {
    bytes
        .split_first_chunk::<N>()
        .map(|(head, rest)| (*head, rest))
        .ok_or(Unreadable::Foreign)
}
