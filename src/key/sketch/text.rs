//! A text as digests of its pieces, and where another text differs from it.

use std::ops::Range;

use super::Digests;

/// A text that was cut at equal numbers of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextSketch {
    /// Which message it is of.
    pub(super) at: usize,
    /// How many words it has.
    pub(super) words: usize,
    /// How many words a piece has; the last may have fewer.
    pub(super) step: usize,
    pub(super) pieces: Vec<u16>,
}

impl TextSketch {
    /// The words of each piece, with its digest.
    fn cuts(&self) -> impl DoubleEndedIterator<Item = (Range<usize>, u16)> {
        self.pieces.iter().enumerate().map(|(at, piece)| {
            let start = at.saturating_mul(self.step);
            let end = start.saturating_add(self.step).min(self.words);
            (start..end, *piece)
        })
    }
}

impl Digests {
    /// Digests a text in so many pieces at most; `None` if it has no word.
    pub(super) fn text(&self, at: usize, text: &str, pieces: usize) -> Option<TextSketch> {
        let words = words(text);
        let step = words.len().div_ceil(pieces);
        (step != 0).then(|| TextSketch {
            at,
            words: words.len(),
            step,
            pieces: words
                .chunks(step)
                .map(|cut| self.piece(text, cut))
                .collect(),
        })
    }

    /// Which bytes of a text differ from another, of which this sketch is left. Empty
    /// where words are missing; `None` if all words are the same.
    ///
    /// Pieces are compared from both ends, so that a word more or less in the middle does
    /// not make all behind it differ.
    pub(super) fn locate(&self, text: &str, other: &TextSketch) -> Option<Range<usize>> {
        let words = words(text);
        let is_piece = |range: Range<usize>, piece: u16| {
            let cut = words.get(range);
            cut.is_some_and(|cut| self.piece(text, cut) == piece)
        };
        let mut front = 0;
        for (cut, piece) in other.cuts() {
            let end = cut.end;
            if !is_piece(cut, piece) {
                break;
            }
            front = end;
        }
        if front == other.words && front == words.len() {
            return None;
        }
        let mut back = 0;
        for (cut, piece) in other.cuts().rev() {
            let from_end = |place: usize| words.len().checked_sub(other.words.checked_sub(place)?);
            let (Some(start), Some(end)) = (from_end(cut.start), from_end(cut.end)) else {
                break;
            };
            if start < front || !is_piece(start..end, piece) {
                break;
            }
            back = words.len() - start;
        }
        let end = words.len().saturating_sub(back).max(front);
        let differing = words.get(front..end).unwrap_or_default();
        if let (Some(first), Some(last)) = (differing.first(), differing.last()) {
            return Some(first.start..last.end);
        }
        let place = words.get(front).map_or(text.len(), |word| word.start);
        Some(place..place)
    }

    fn piece(&self, text: &str, words: &[Range<usize>]) -> u16 {
        let words = words.iter().filter_map(|word| text.get(word.clone()));
        let joined: Vec<_> = words.collect();
        self.short(b"piece", &[joined.join(" ").as_bytes()])
    }
}

/// Where the words of a text stand.
pub(super) fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, character) in text.char_indices() {
        if character.is_whitespace() {
            words.extend(start.take().map(|start| start..at));
        } else {
            start.get_or_insert(at);
        }
    }
    words.extend(start.map(|start| start..text.len()));
    words
}
