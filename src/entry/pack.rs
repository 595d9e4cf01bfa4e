//! Vectors in seven eighths of their size, bit for bit.
//!
//! The values of a vector span few powers of two, so that most of the eight bits of
//! an exponent say nothing. A packed vector has the 24 bits of sign and fraction of
//! its values in three planes of bytes, and for each value in half a byte how far
//! its exponent lies below the largest one. The few that lie further below stand in
//! a list at the end. A general compressor finds about half of that, in five times
//! the time.

/// Half a byte that means that the exponent is in the list.
const FAR: u8 = 15;

/// Packs one byte and 32-bit floats, little-endian; `None` if that is not what it
/// is, or would not make it smaller.
pub(super) fn pack(plain: &[u8]) -> Option<Vec<u8>> {
    let (head, values) = plain.split_first()?;
    if !values.len().is_multiple_of(4) {
        return None;
    }
    let words = || {
        values
            .chunks_exact(4)
            .map(|value| u32::from_le_bytes(value.first_chunk().copied().unwrap_or_default()))
    };
    let top = words().map(exponent).max()?;
    let distance = |word| (top - exponent(word)).min(FAR);
    let distances: Vec<u8> = words().map(distance).collect();
    let (first, second) = distances.split_at_checked(distances.len().div_ceil(2))?;
    let second = second.iter().chain([&0]);

    let mut out = Vec::with_capacity(plain.len());
    out.extend([*head, top]);
    out.extend(words().map(|word| byte(word, 0)));
    out.extend(words().map(|word| byte(word, 8)));
    out.extend(words().map(|word| byte(word, 16) & 0x7f | byte(word, 24) & 0x80));
    out.extend(first.iter().zip(second).map(|(low, high)| low | high << 4));
    out.extend(words().filter(|word| distance(*word) == FAR).map(exponent));
    (out.len() < plain.len()).then_some(out)
}

/// Unpacks what was `plain_len` bytes; `None` if it is nothing that was packed.
pub(super) fn unpack(packed: &[u8], plain_len: usize) -> Option<Vec<u8>> {
    let count = plain_len.checked_sub(1).filter(|len| len % 4 == 0)? / 4;
    let half = count.div_ceil(2);
    let (head, rest) = packed.split_first()?;
    let (top, rest) = rest.split_first()?;
    let (low, rest) = rest.split_at_checked(count)?;
    let (middle, rest) = rest.split_at_checked(count)?;
    let (high, rest) = rest.split_at_checked(count)?;
    let (distances, list) = rest.split_at_checked(half)?;

    let mut plain = vec![0; plain_len];
    let (first, values) = plain.split_first_mut()?;
    *first = *head;
    let (lower, upper) = values.split_at_mut_checked(half * 4)?;
    let (low, middle, high) = (
        low.split_at_checked(half)?,
        middle.split_at_checked(half)?,
        high.split_at_checked(half)?,
    );
    // Two plain loops without a way out, which the compiler makes wide ones of.
    let are_far = join(
        lower,
        (low.0, middle.0, high.0),
        *top,
        |both| both & 0x0f,
        distances,
    ) | join(
        upper,
        (low.1, middle.1, high.1),
        *top,
        |both| both >> 4,
        distances,
    );
    let mut list = list.iter();
    if are_far {
        let both = distances.iter();
        let each = both
            .clone()
            .map(|both| both & 0x0f)
            .chain(both.map(|both| both >> 4));
        for (value, _) in values
            .chunks_exact_mut(4)
            .zip(each)
            .filter(|(_, each)| *each == FAR)
        {
            let exponent = *list.next()?;
            if let [_, _, rest, sign] = value {
                *rest = *rest & 0x7f | exponent << 7;
                *sign = *sign & 0x80 | exponent >> 1;
            }
        }
    }
    list.next().is_none().then_some(plain)
}

/// Puts values together from their planes; whether any exponent is in the list.
fn join(
    values: &mut [u8],
    (low, middle, high): (&[u8], &[u8], &[u8]),
    top: u8,
    half: impl Fn(u8) -> u8,
    distances: &[u8],
) -> bool {
    let mut are_far = false;
    let planes = low.iter().zip(middle).zip(high).zip(distances);
    for (value, (((low, middle), high), both)) in values.chunks_exact_mut(4).zip(planes) {
        let distance = half(*both);
        are_far |= distance == FAR;
        let exponent = top.wrapping_sub(distance);
        let word = u32::from(*low)
            | u32::from(*middle) << 8
            | u32::from(high & 0x7f) << 16
            | u32::from(exponent) << 23
            | u32::from(high & 0x80) << 24;
        value.copy_from_slice(&word.to_le_bytes());
    }
    are_far
}

/// The exponent of a 32-bit float, as it stands in its bits.
const fn exponent(word: u32) -> u8 {
    byte(word, 23)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the eight bits above the shift are what is wanted"
)]
const fn byte(word: u32, shift: u32) -> u8 {
    (word >> shift) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(values: &[f32]) -> Vec<u8> {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        [7].into_iter().chain(bytes).collect()
    }

    fn like_a_vector() -> impl Strategy<Value = f32> {
        prop_oneof![
            20 => -1.0..1.0_f32,
            1 => any::<u32>().prop_map(f32::from_bits),
            1 => Just(0.0),
            1 => Just(-0.0),
        ]
    }

    #[test]
    fn a_vector_takes_seven_eighths() {
        let values: Vec<f32> = (1_u16..=1536)
            .map(|at| f32::from(at).sin() / 40.0)
            .collect();
        let plain = plain(&values);
        let packed = pack(&plain).unwrap();
        assert!((5378..5400).contains(&packed.len()), "{}", packed.len());
        assert_eq!(unpack(&packed, plain.len()), Some(plain));
    }

    #[test]
    fn what_would_not_get_smaller_is_left_as_it_is() {
        let wild: Vec<f32> = (0..100)
            .map(|at| f32::from_bits(at * 0x0200_0001))
            .collect();
        assert_eq!(pack(&plain(&wild)), None);
        for odd in [&b""[..], b"a", b"abc", b"abcdef"] {
            assert_eq!(pack(odd), None);
        }
    }

    proptest! {
        #[test]
        fn every_bit_comes_back(values in proptest::collection::vec(like_a_vector(), 8..300)) {
            let plain = plain(&values);
            if let Some(packed) = pack(&plain) {
                prop_assert!(packed.len() < plain.len());
                prop_assert_eq!(unpack(&packed, plain.len()), Some(plain));
            }
        }

        #[test]
        fn what_was_not_packed_is_not_unpacked_to_more_than_was_told(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            plain_len in 0_usize..300,
        ) {
            let unpacked = unpack(&bytes, plain_len);
            prop_assert!(unpacked.is_none_or(|plain| plain.len() == plain_len));
        }
    }
}
