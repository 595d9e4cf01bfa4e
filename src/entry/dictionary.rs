//! The dictionaries short answers are compressed with.
//!
//! Half of all answers are shorter than a kilobyte, and most of such an answer is
//! its envelope: names of fields, ids of a known shape, the usage block. A
//! dictionary that holds those once makes them a third of the size, and faster to
//! write and read. An entry names the dictionary it needs, so one is never
//! changed, only succeeded; an old one is kept as long as entries may live.
//! `scripts/train-dictionary` makes them, of text written for that purpose.

use std::sync::LazyLock;

use zstd::dict::EncoderDictionary;

use super::codec::LEVEL;

/// The dictionary new entries are written with; 0 for none.
pub(super) const CURRENT: u32 = 40_001;

/// The content of a dictionary; `None` for one of another version.
pub(super) const fn bytes(id: u32) -> Option<&'static [u8]> {
    match id {
        40_001 => Some(include_bytes!("dictionary/40001.bin")),
        _ => None,
    }
}

/// The current dictionary, prepared for compressing. It carries the level.
pub(super) fn encoder() -> Option<&'static EncoderDictionary<'static>> {
    static PREPARED: LazyLock<Option<EncoderDictionary<'static>>> =
        LazyLock::new(|| EncoderDictionary::try_copy(bytes(CURRENT)?, LEVEL).ok());
    PREPARED.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_has_the_id_it_is_known_by() {
        // RFC 8878 §5: the magic number, then the id.
        let bytes = bytes(CURRENT).unwrap();
        assert_eq!(bytes[..4], 0xEC30_A437_u32.to_le_bytes());
        assert_eq!(bytes[4..8], CURRENT.to_le_bytes());
        assert!(encoder().is_some());
    }
}
