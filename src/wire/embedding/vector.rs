//! A vector between its three forms: numbers in JSON, base64, and at rest.
//!
//! At rest it is one byte that says how its numbers were written and then its
//! values, little-endian. Servers write numbers in three ways: 32-bit floats
//! widened to 64 bits with every digit of those (`-0.006929283495992422`), 32-bit
//! floats with as few digits as tell them apart (`0.0023064255`), and 64-bit
//! floats. Which it was decides how they are written again, so that a reader gets
//! the very values it would have got; the first two need 4 bytes a value for that,
//! the third 8.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use bytes::Bytes;

use crate::wire::{Json, UpstreamKind};

/// Written with padding, because Python's decoder insists on it; read without, too.
const PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Written plainly, base64 is a third of what a hit of 32 vectors takes; the
/// instructions made for it take a tenth of that.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static BASE64: LazyLock<base64::engine::Simd> =
    LazyLock::new(|| base64::engine::Simd::standard(PADDING));

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static BASE64: LazyLock<base64::engine::GeneralPurpose> =
    LazyLock::new(|| base64::engine::GeneralPurpose::new(&base64::alphabet::STANDARD, PADDING));

/// How the numbers of a vector are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// As 64-bit floats that are 32-bit floats.
    Widened,
    /// As 32-bit floats with as few digits as tell them apart.
    Shortest,
    /// As 64-bit floats.
    Double,
}

/// Set beside the style where whole numbers are written without a fraction.
const WHOLE_AS_INTEGERS: u8 = 1 << 7;

/// A vector that cannot be kept: it is none, or has a value that is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a vector of finite numbers")]
pub struct OddVector;

/// A vector at rest: at least one value, all of them finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vector {
    style: Style,
    whole_as_integers: bool,
    stored: Bytes,
}

impl Style {
    const fn code(self) -> u8 {
        match self {
            Self::Widened => 0,
            Self::Shortest => 1,
            Self::Double => 2,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Widened),
            1 => Some(Self::Shortest),
            2 => Some(Self::Double),
            _ => None,
        }
    }

    const fn value_bytes(self) -> usize {
        match self {
            Self::Widened | Self::Shortest => 4,
            Self::Double => 8,
        }
    }
}

impl Vector {
    /// Reads what an upstream sent, in either form. Base64 does not tell how the
    /// upstream writes numbers: `OpenAI` writes the shortest that tell 32-bit floats
    /// apart, nearly all others widen them.
    ///
    /// # Errors
    /// If it is neither, or a value is missing or not finite.
    pub fn read(embedding: &Json<'_>, kind: UpstreamKind) -> Result<Self, OddVector> {
        match embedding {
            Json::Array(numbers) => Self::from_numbers(numbers),
            Json::String(text) => Self::from_base64(text, kind),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => Err(OddVector),
        }
    }

    /// Reads what [`Vector::stored`] gave; `None` if it is not that.
    pub fn from_stored(stored: Bytes) -> Option<Self> {
        let (head, values) = stored.split_first()?;
        let style = Style::from_code(head & !WHOLE_AS_INTEGERS)?;
        let is_whole = !values.is_empty() && values.len().is_multiple_of(style.value_bytes());
        is_whole.then_some(Self {
            style,
            whole_as_integers: head & WHOLE_AS_INTEGERS != 0,
            stored,
        })
    }

    /// The bytes in which it is kept.
    pub const fn stored(&self) -> &Bytes {
        &self.stored
    }

    /// How many values it has.
    pub fn dimensions(&self) -> usize {
        self.values().len() / self.style.value_bytes()
    }

    /// Writes it as a JSON array of numbers, the values its upstream wrote.
    pub fn write_numbers(&self, out: &mut Vec<u8>) {
        /// The digits of a 32-bit float, its sign, exponent and comma.
        const NUMBER_BYTES: usize = 13;
        out.reserve(self.dimensions() * NUMBER_BYTES);
        let mut buffer = zmij::Buffer::new();
        let mut before = b'[';
        for value in self.values().chunks_exact(self.style.value_bytes()) {
            out.push(before);
            before = b',';
            let text = match self.style {
                Style::Widened => buffer.format_finite(f64::from(single(value))),
                Style::Shortest => buffer.format_finite(single(value)),
                Style::Double => buffer.format_finite(double(value)),
            };
            let text = match text.strip_suffix(".0") {
                // As an integer, a negative zero would lose its sign in some languages.
                Some(whole) if self.whole_as_integers && whole != "-0" => whole,
                Some(_) | None => text,
            };
            out.extend_from_slice(text.as_bytes());
        }
        out.push(b']');
    }

    /// Writes it as a JSON string of base64: 32-bit floats, little-endian.
    pub fn write_base64(&self, out: &mut Vec<u8>) {
        let narrowed: Vec<u8>;
        let values = match self.style {
            Style::Widened | Style::Shortest => self.values(),
            Style::Double => {
                let values = self.values().chunks_exact(8);
                narrowed = values
                    .flat_map(|v| narrow(double(v)).to_le_bytes())
                    .collect();
                &narrowed
            }
        };
        out.push(b'"');
        let start = out.len();
        let length = values.len().div_ceil(3) * 4;
        out.resize(start + length, b'=');
        let written = out
            .get_mut(start..)
            .and_then(|room| BASE64.encode_slice(values, room).ok());
        debug_assert_eq!(written, Some(length), "the room is what base64 takes");
        out.push(b'"');
    }

    fn values(&self) -> &[u8] {
        self.stored.get(1..).unwrap_or_default()
    }

    fn from_numbers(numbers: &[Json<'_>]) -> Result<Self, OddVector> {
        let mut values = Vec::with_capacity(numbers.len());
        let mut whole_as_integers = false;
        for number in numbers {
            let Json::Number(lexeme) = number else {
                return Err(OddVector);
            };
            let value: f64 = lexeme.parse().map_err(|_not_a_float| OddVector)?;
            if !narrow(value).is_finite() {
                return Err(OddVector);
            }
            whole_as_integers |= !lexeme.contains(['.', 'e', 'E']);
            values.push(value);
        }
        let style = style_of(&values);
        let mut stored = Vec::with_capacity(1 + values.len() * style.value_bytes());
        let flag = if whole_as_integers {
            WHOLE_AS_INTEGERS
        } else {
            0
        };
        stored.push(style.code() | flag);
        for value in values {
            match style {
                Style::Widened | Style::Shortest => {
                    stored.extend_from_slice(&narrow(value).to_le_bytes());
                }
                Style::Double => stored.extend_from_slice(&value.to_le_bytes()),
            }
        }
        Self::from_stored(stored.into()).ok_or(OddVector)
    }

    fn from_base64(text: &str, kind: UpstreamKind) -> Result<Self, OddVector> {
        let style = match kind {
            UpstreamKind::OpenAi | UpstreamKind::Azure => Style::Shortest,
            UpstreamKind::Anthropic | UpstreamKind::Compatible => Style::Widened,
        };
        let mut stored = vec![style.code()];
        BASE64
            .decode_vec(text, &mut stored)
            .map_err(|_not_base64| OddVector)?;
        let vector = Self::from_stored(stored.into()).ok_or(OddVector)?;
        let values = vector.values();
        let all_finite = values
            .chunks_exact(4)
            .all(|value| single(value).is_finite());
        if all_finite && !is_of_doubles(values) {
            Ok(vector)
        } else {
            Err(OddVector)
        }
    }
}

/// Whether bytes that came as base64 are 64-bit floats, as some servers send them.
/// Read as what they are meant to be, they would be twice as many values, half of
/// them noise. The lower half of a 64-bit float is no number of a vector: it has no
/// bits but the first three where the value was a 32-bit float once, and otherwise
/// is of any order of magnitude.
fn is_of_doubles(values: &[u8]) -> bool {
    /// Of fewer values nothing can be said.
    const DOUBLES_MIN: usize = 16;
    if !values.len().is_multiple_of(8) || values.len() / 8 < DOUBLES_MIN {
        return false;
    }
    let norm: f64 = values.chunks_exact(8).map(|v| double(v).powi(2)).sum();
    let lower = || values.chunks_exact(8).map(single);
    let are_round = lower().all(|value| value.to_bits().trailing_zeros() >= 29);
    let are_wild = lower().any(|value| {
        let size = value.abs();
        size > 1e9 || (size > 0.0 && size < 1e-12)
    });
    (0.1..1e9).contains(&norm) && (are_round || are_wild)
}

/// The style that gives these values back exactly, in the fewest bytes.
fn style_of(values: &[f64]) -> Style {
    let is_same = |left: f64, right: f64| left.to_bits() == right.to_bits();
    if values
        .iter()
        .all(|value| is_same(f64::from(narrow(*value)), *value))
    {
        return Style::Widened;
    }
    let mut buffer = zmij::Buffer::new();
    let is_shortest = values.iter().all(|value| {
        let printed = buffer.format_finite(narrow(*value)).parse();
        printed.is_ok_and(|printed: f64| is_same(printed, *value))
    });
    if is_shortest {
        Style::Shortest
    } else {
        Style::Double
    }
}

/// The nearest 32-bit float, which is what a server does that is asked for base64.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding to the nearest is the purpose"
)]
const fn narrow(value: f64) -> f32 {
    value as f32
}

fn single(bytes: &[u8]) -> f32 {
    f32::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default())
}

fn double(bytes: &[u8]) -> f64 {
    f64::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
#[path = "vector_tests.rs"]
mod tests;
