//! Where the next page begins, as an opaque word that fits one query alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::ledger::Start;

/// Bytes of a query's mark.
const MARK_BYTES: usize = 8;

/// Tells queries apart, so that a page of one is not taken for a page of another.
/// It guards against mistakes: there is nothing to win by forging one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark([u8; MARK_BYTES]);

impl Mark {
    /// The mark of a query, by a text that no other query has.
    pub(super) fn of(query: &str) -> Self {
        let mut mark = [0; MARK_BYTES];
        for (to, from) in mark.iter_mut().zip(Sha256::digest(query)) {
            *to = from;
        }
        Self(mark)
    }

    /// The cursor of the page that begins with the bucket `next`.
    pub(super) fn cursor(self, next: Start) -> String {
        let mut bytes = self.0.to_vec();
        bytes.extend(next.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Where the page of a cursor begins; `None` if it is not of this query.
    pub(super) fn next(self, cursor: &str) -> Option<Start> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let next = bytes.strip_prefix(&self.0)?;
        Some(Start::from_be_bytes(next.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_on_in_its_own_query_only() {
        let mark = Mark::of("one");
        let cursor = mark.cursor(86_400);
        assert_eq!(mark.next(&cursor), Some(86_400));
        assert_eq!(Mark::of("two").next(&cursor), None);
        for odd in [
            "",
            "x",
            "AAAA",
            &format!("A{cursor}"),
            &format!("{cursor}AAAA"),
        ] {
            assert_eq!(mark.next(odd), None, "{odd}");
        }
    }
}
