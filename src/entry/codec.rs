//! zstd with contexts that are made once a thread, and a cap on what is decoded.
//!
//! A context is a few hundred kilobytes to set up: made anew for every answer it
//! costs several times what compressing a short answer does.

use std::cell::RefCell;
use std::io;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use super::dictionary;
use super::header::{FLAG_DICTIONARY, FLAG_ZSTD};

/// Bodies shorter than this are stored as they are.
const COMPRESS_BYTES_MIN: usize = 64;
/// Numbers repeat nothing that a dictionary or a higher level would find.
const NUMBERS_LEVEL: i32 = 1;
/// With a dictionary, level 6 gives a tenth less than level 3. It takes several
/// times as long, but that is behind the reply, and microseconds.
pub(super) const LEVEL: i32 = 6;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static NUMBERS: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSORS: RefCell<Vec<(u32, Decompressor<'static>)>> =
        const { RefCell::new(Vec::new()) };
}

/// A compressed body.
pub(super) struct Frame {
    /// The zstd frame.
    pub(super) bytes: Vec<u8>,
    /// The dictionary it needs; 0 for none.
    pub(super) dictionary: u32,
}

impl Frame {
    /// The flags that say what was done.
    pub(super) const fn flags(&self) -> u8 {
        if self.dictionary == 0 {
            FLAG_ZSTD
        } else {
            FLAG_ZSTD | FLAG_DICTIONARY
        }
    }
}

/// Compresses text; `None` if that would not make it smaller.
pub(super) fn compress_text(plain: &[u8]) -> Option<Frame> {
    if plain.len() < COMPRESS_BYTES_MIN {
        return None;
    }
    let bytes = COMPRESSOR.with_borrow_mut(|slot| compress(slot, text_compressor, plain))?;
    (bytes.len() < plain.len()).then_some(Frame {
        bytes,
        dictionary: dictionary::CURRENT,
    })
}

/// Compresses binary numbers; `None` unless that saves a fifth, as it does where
/// they have fewer digits than they have room for. Otherwise they are noise, and the
/// little that is saved is not worth what reading them would take.
pub(super) fn compress_numbers(plain: &[u8]) -> Option<Frame> {
    let bytes = NUMBERS.with_borrow_mut(|slot| compress(slot, numbers_compressor, plain))?;
    (bytes.len() <= plain.len() / 5 * 4).then_some(Frame {
        bytes,
        dictionary: 0,
    })
}

fn compress(
    slot: &mut Option<Compressor<'static>>,
    make: impl FnOnce() -> io::Result<Compressor<'static>>,
    plain: &[u8],
) -> Option<Vec<u8>> {
    let compressor = match slot {
        Some(ready) => ready,
        None => slot.insert(make().ok()?),
    };
    compressor.compress(plain).ok()
}

/// Decodes a frame that holds exactly `plain_len` bytes; anything else is an
/// error, found before more than that is written. 0 stands for no dictionary.
pub(super) fn decompress(frame: &[u8], dictionary: u32, plain_len: usize) -> io::Result<Vec<u8>> {
    let mut plain = Vec::with_capacity(plain_len);
    DECOMPRESSORS.with_borrow_mut(|made| {
        let known = made.iter().position(|(id, _)| *id == dictionary);
        if known.is_none() {
            made.push((dictionary, new_decompressor(dictionary)?));
        }
        let place = known.unwrap_or(made.len().saturating_sub(1));
        let (_, decompressor) = made.get_mut(place).ok_or(io::ErrorKind::NotFound)?;
        decompressor.decompress_to_buffer(frame, &mut plain)
    })?;
    if plain.len() == plain_len {
        Ok(plain)
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

fn text_compressor() -> io::Result<Compressor<'static>> {
    checked(match dictionary::encoder() {
        Some(dictionary) => Compressor::with_prepared_dictionary(dictionary)?,
        None => Compressor::new(LEVEL)?,
    })
}

fn numbers_compressor() -> io::Result<Compressor<'static>> {
    checked(Compressor::new(NUMBERS_LEVEL)?)
}

/// A frame decoded with a dictionary that only has the right number must be an
/// error too.
fn checked(mut compressor: Compressor<'static>) -> io::Result<Compressor<'static>> {
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(compressor)
}

fn new_decompressor(dictionary: u32) -> io::Result<Decompressor<'static>> {
    if dictionary == 0 {
        return Decompressor::new();
    }
    let bytes = dictionary::bytes(dictionary).ok_or(io::ErrorKind::NotFound)?;
    Decompressor::with_dictionary(bytes)
}
