//! Embeddings: unit vectors that depend on the model and the input alone.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::books::Call;
use super::refusal::Refusal;

const ITEMS_MAX: usize = 2048;

const DIMENSIONS_MAX: usize = 3072;

#[derive(Deserialize)]
struct Question<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    input: Input<'a>,
    dimensions: Option<usize>,
    #[serde(default, borrow)]
    encoding_format: Option<Cow<'a, str>>,
}

/// The four forms an input may have.
#[derive(Deserialize)]
#[serde(untagged)]
enum Input<'a> {
    Text(Cow<'a, str>),
    Texts(Vec<Cow<'a, str>>),
    Tokens(Vec<u32>),
    ManyTokens(Vec<Vec<u32>>),
}

/// The answer to `body`, as JSON.
pub(super) fn answer(body: &[u8], call: &Call) -> Result<String, Refusal> {
    let question: Question<'_> =
        serde_json::from_slice(body).map_err(|error| Refusal::unread(&error))?;
    let items = items(&question.input);
    let is_sound = |item: &Vec<u8>| !item.is_empty();
    if items.is_empty() || ITEMS_MAX < items.len() || !items.iter().all(is_sound) {
        return Err(Refusal::of("input", "'$.input' is invalid."));
    }
    let usual = if question.model.contains("large") {
        DIMENSIONS_MAX
    } else {
        1536
    };
    let dimensions = question.dimensions.unwrap_or(usual);
    if !(1..=DIMENSIONS_MAX).contains(&dimensions) {
        return Err(Refusal::of("dimensions", "'$.dimensions' is invalid."));
    }
    let write = match question.encoding_format.as_deref() {
        Some("base64") => in_base64,
        Some("float") | None => in_numbers,
        Some(_) => return Err(Refusal::of("encoding_format", "Use float or base64.")),
    };
    call.count_embedding_items(items.len());
    let mut text = r#"{"object":"list","data":["#.to_owned();
    let mut values = Vec::with_capacity(dimensions);
    for (index, item) in items.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        text.extend([
            comma,
            r#"{"object":"embedding","index":"#,
            &index.to_string(),
            r#","embedding":"#,
        ]);
        fill(&mut values, &question.model, item, dimensions);
        write(&values, &mut text);
        text.push('}');
    }
    let tokens: usize = items.iter().map(|item| item.len() / 4 + 1).sum();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    text.extend([
        r#"],"model":"#,
        &json!(question.model).to_string(),
        r#","usage":"#,
        &usage.to_string(),
        "}",
    ]);
    Ok(text)
}

/// The bytes that stand for each item. Text and tokens never look the same.
fn items(input: &Input<'_>) -> Vec<Vec<u8>> {
    let text = |text: &Cow<'_, str>| text.as_bytes().to_vec();
    let tokens = |tokens: &[u32]| -> Vec<u8> {
        let numbers = tokens.iter().flat_map(|token| token.to_le_bytes());
        // No text begins with this byte.
        let mark = (!tokens.is_empty()).then_some(0xff);
        mark.into_iter().chain(numbers).collect()
    };
    match input {
        Input::Text(one) => vec![text(one)],
        Input::Texts(many) => many.iter().map(text).collect(),
        Input::Tokens(one) => vec![tokens(one)],
        Input::ManyTokens(many) => many.iter().map(|one| tokens(one)).collect(),
    }
}

/// Makes `values` the vector of `item`.
///
/// Loops rather than iterators here and below: the longest list has six million
/// values, and tests are built without optimization.
fn fill(values: &mut Vec<f32>, model: &str, item: &[u8], dimensions: usize) {
    let seed: [u8; 32] = Sha256::new()
        .chain_update(model)
        .chain_update([0])
        .chain_update(item)
        .finalize()
        .into();
    let mut state = u64::from_le_bytes(seed.first_chunk().copied().unwrap_or_default()) | 1;
    let mut square = 0.0;
    values.clear();
    for _ in 0..dimensions {
        // xorshift64: any cheap sequence does, it only has to repeat.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let [low, high, ..] = state.to_le_bytes();
        let value = f32::from(u16::from_le_bytes([low, high])) / 32_768.0 - 1.0;
        square += value * value;
        values.push(value);
    }
    let length = square.sqrt().max(f32::MIN_POSITIVE);
    for value in values {
        *value /= length;
    }
}

/// As the real one prints them: with as few digits as tell 32-bit floats apart.
fn in_numbers(values: &[f32], text: &mut String) {
    let mut buffer = zmij::Buffer::new();
    let mut before = "[";
    for value in values {
        text.push_str(before);
        text.push_str(buffer.format_finite(*value));
        before = ",";
    }
    text.push(']');
}

fn in_base64(values: &[f32], text: &mut String) {
    let mut bytes = Vec::with_capacity(values.len() * 4);
    for value in values {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    text.push('"');
    BASE64.encode_string(bytes, text);
    text.push('"');
}
