//! The bytes of a sketch: a version, then counts and digests one behind the other.

use super::super::frame::put_length;
use super::text::TextSketch;
use super::{Said, Sketch};

const VERSION: u8 = 1;

impl Sketch {
    /// The bytes that are stored.
    pub(super) fn pack(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_length(&mut out, self.members.len());
        for (name, hash) in &self.members {
            out.extend_from_slice(&name.to_be_bytes());
            out.extend_from_slice(&hash.to_be_bytes());
        }
        put_length(&mut out, self.count);
        for some in [&self.head, &self.tail] {
            put_length(&mut out, some.len());
            for said in some {
                out.push(said.role);
                out.extend_from_slice(&said.hash.to_be_bytes());
            }
        }
        put_length(&mut out, self.texts.len());
        for text in &self.texts {
            put_length(&mut out, text.at);
            put_length(&mut out, text.words);
            put_length(&mut out, text.step);
            for piece in &text.pieces {
                out.extend_from_slice(&piece.to_be_bytes());
            }
        }
        out
    }

    /// Reads what was stored; `None` if it is of another version, or damaged: nobody has
    /// checked it.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        if rest.take::<1>()? != [VERSION] {
            return None;
        }
        let members = rest.several(|rest| {
            let name = u16::from_be_bytes(rest.take()?);
            Some((name, u32::from_be_bytes(rest.take()?)))
        })?;
        let count = rest.length()?;
        let said = |rest: &mut Rest<'_>| {
            let [role] = rest.take()?;
            let hash = u32::from_be_bytes(rest.take()?);
            Some(Said { role, hash })
        };
        let (head, tail) = (rest.several(said)?, rest.several(said)?);
        let texts = rest.several(|rest| {
            let (at, words, step) = (rest.length()?, rest.length()?, rest.length()?);
            let pieces = words.checked_add(step)?.checked_sub(1)?.checked_div(step)?;
            let pieces = rest.so_many(pieces, |rest| Some(u16::from_be_bytes(rest.take()?)))?;
            Some(TextSketch {
                at,
                words,
                step,
                pieces,
            })
        })?;
        let is_whole = rest.0.is_empty() && head.len().checked_add(tail.len())? <= count;
        is_whole.then_some(Self {
            members,
            count,
            head,
            tail,
            texts,
        })
    }
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// A number as [`put_length`] writes it.
    fn length(&mut self) -> Option<usize> {
        let mut length = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(length);
            }
        }
        None
    }

    fn several<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.length()?;
        self.so_many(count, read)
    }

    fn so_many<T>(
        &mut self,
        count: usize,
        read: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        // Each takes a byte at least, so a count that lies is not believed for long.
        if self.0.len() < count {
            return None;
        }
        (0..count).map(|_| read(self)).collect()
    }
}
