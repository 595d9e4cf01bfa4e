//! Vectors that depend on nothing but the model, the number of dimensions and the
//! item, and the ways in which providers write them down.

use serde_json::Value;

/// How many numbers a vector has where nobody says.
pub(crate) const DIMENSIONS: usize = 8;

/// How a provider prints the numbers of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Floats {
    /// Single precision, widened to double: `-0.006929283495992422`.
    Wide,
    /// The shortest decimal that single precision tells apart: `0.0023064255`.
    Short,
    /// Double precision, of which single precision is only a part.
    Double,
}

impl Floats {
    /// Every way.
    pub(crate) const ALL: [Self; 3] = [Self::Wide, Self::Short, Self::Double];

    /// The number as it is printed. Whole numbers have no point, as in some
    /// providers' answers.
    pub(crate) fn print(self, number: f32) -> String {
        let is_whole = number.fract() == 0.0 && !(number == 0.0 && number.is_sign_negative());
        match self {
            Self::Wide | Self::Short | Self::Double if is_whole => format!("{number}"),
            Self::Wide => format!("{:?}", f64::from(number)),
            Self::Short => format!("{number:?}"),
            // So little more that single precision does not see it.
            Self::Double => format!("{:?}", f64::from(number) * (1.0 + f64::EPSILON * 1024.0)),
        }
    }

    /// The number as a client reads it.
    pub(crate) fn read(self, number: f32) -> f64 {
        self.print(number).parse().unwrap()
    }
}

/// The vector of an item: of either sign, of any size, with a whole number, a
/// tiny one and a negative zero here and there.
pub(crate) fn vector(model: &str, dimensions: usize, item: &Value) -> Vec<f32> {
    let mut state = hash(&format!("{model} {dimensions} {item}"));
    (0..dimensions)
        .map(|at| {
            // xorshift64: it only has to repeat.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let bits = u32::try_from(state >> 32).unwrap();
            match (at, bits % 4) {
                (0, 0) => 0.0,
                (0, 1) => -0.0,
                (0, 2) => 1.0,
                (0, _) => -3.0,
                // Too small for an exponent of single precision.
                (1, 0) => f32::from_bits(bits & 0x007f_ffff),
                (1, 1) => f32::from_bits(bits & 0x807f_ffff | 0x1000_0000),
                // Below one, as numbers of a unit vector are.
                _ => f32::from_bits(bits & 0x81ff_ffff | 0x3c00_0000),
            }
        })
        .collect()
}

/// FNV-1a: a number that follows from the text.
pub(crate) fn hash(text: &str) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, fold) | 1
}

/// The vector as `encoding_format: base64` has it.
pub(crate) fn packed(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    base64(&bytes)
}

/// What is packed in a text, which must be padded and of whole numbers.
pub(crate) fn unpacked(text: &str) -> Vec<f32> {
    let bytes = unbase64(text);
    let (numbers, rest) = bytes.as_chunks::<4>();
    assert!(rest.is_empty(), "{} bytes are no vector", bytes.len());
    numbers
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The padded text of some bytes (RFC 4648 §4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let octet = |at: usize| usize::from(group.get(at).copied().unwrap_or_default());
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for place in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * place)) & 0x3f];
            text.push(char::from(if place <= group.len() { letter } else { b'=' }));
        }
    }
    text
}

/// The bytes of a text that must be padded as RFC 4648 §4 says.
fn unbase64(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(4), "not padded: {text}");
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let plain = text.trim_end_matches('=');
    for group in plain.as_bytes().chunks(4) {
        let sextet = |letter: &u8| {
            let place = ALPHABET.iter().position(|other| other == letter);
            place.unwrap_or_else(|| panic!("not base64: {text}"))
        };
        let mut bits = 0;
        for place in 0..4 {
            bits = bits << 6 | group.get(place).map_or(0, sextet);
        }
        let octets = [bits >> 16, bits >> 8, bits].map(|octet| u8::try_from(octet & 0xff).unwrap());
        bytes.extend_from_slice(&octets[..group.len() - 1]);
    }
    assert_eq!(base64(&bytes), text, "not as the standard writes it");
    bytes
}
