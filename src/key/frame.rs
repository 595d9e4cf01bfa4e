//! Length-prefixed framing, so that no two lists of parts make the same bytes.
//!
//! Joining parts with a separator is where caches collide: `["a-b", "c"]` and
//! `["a", "b-c"]` are one string once joined with `-`. Here every part is
//! preceded by its length, as an LEB128 number, which is itself prefix-free.

/// Appends a length or a count.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the mask leaves seven bits, which fit a byte"
)]
pub(super) fn put_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// Appends a part behind its length.
pub(super) fn put_part(out: &mut Vec<u8>, part: &[u8]) {
    put_length(out, part.len());
    out.extend_from_slice(part);
}

/// Appends a part that may be missing; missing and empty stay apart.
pub(super) fn put_optional_part(out: &mut Vec<u8>, part: Option<&[u8]>) {
    match part {
        None => out.push(0),
        Some(part) => {
            out.push(1);
            put_part(out, part);
        }
    }
}

/// Appends named parts behind their count.
pub(super) fn put_named_parts(out: &mut Vec<u8>, parts: &[(&str, &[u8])]) {
    put_length(out, parts.len());
    for (name, value) in parts {
        put_part(out, name.as_bytes());
        put_part(out, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(parts: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        put_length(&mut out, parts.len());
        for part in parts {
            put_part(&mut out, part.as_bytes());
        }
        out
    }

    #[test]
    fn lists_that_join_to_the_same_text_are_framed_apart() {
        assert_ne!(framed(&["a-b", "c"]), framed(&["a", "b-c"]));
        assert_ne!(framed(&["ab", ""]), framed(&["a", "b"]));
        assert_ne!(framed(&[""]), framed(&[]));
    }

    #[test]
    fn lengths_of_two_bytes_and_more_are_told_apart() {
        let lengths = [0_usize, 1, 127, 128, 129, 16_383, 16_384, usize::MAX];
        let mut seen = std::collections::HashSet::new();
        for length in lengths {
            let mut out = Vec::new();
            put_length(&mut out, length);
            let (last, rest) = out.split_last().unwrap();
            assert!(*last < 0x80 && rest.iter().all(|byte| *byte >= 0x80));
            assert!(seen.insert(out));
        }
    }

    #[test]
    fn a_missing_part_is_not_an_empty_one() {
        let (mut missing, mut empty) = (Vec::new(), Vec::new());
        put_optional_part(&mut missing, None);
        put_optional_part(&mut empty, Some(b""));
        assert_ne!(missing, empty);
    }
}
