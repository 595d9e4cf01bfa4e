//! Embeddings: unit vectors that depend on the model and the input alone.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::base64;
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
pub(super) fn answer(body: &[u8]) -> Result<String, Refusal> {
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
    let written = match question.encoding_format.as_deref() {
        Some("base64") => in_base64,
        Some("float") | None => in_numbers,
        Some(_) => return Err(Refusal::of("encoding_format", "Use float or base64.")),
    };
    let data: Vec<String> = items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let vector = written(&vector(&question.model, item, dimensions));
            format!(r#"{{"object":"embedding","index":{index},"embedding":{vector}}}"#)
        })
        .collect();
    let tokens: usize = items.iter().map(|item| item.len() / 4 + 1).sum();
    let rest = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    Ok(format!(
        r#"{{"object":"list","data":[{}],"model":{},"usage":{rest}}}"#,
        data.join(","),
        json!(question.model),
    ))
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

fn vector(model: &str, item: &[u8], dimensions: usize) -> Vec<f32> {
    let seed: [u8; 32] = Sha256::new()
        .chain_update(model)
        .chain_update([0])
        .chain_update(item)
        .finalize()
        .into();
    let mut state = u64::from_le_bytes(seed.first_chunk().copied().unwrap_or_default()) | 1;
    let raw: Vec<f32> = (0..dimensions)
        .map(|_| {
            // xorshift64: any cheap sequence does, it only has to repeat.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            f32::from(u16::try_from(state & 0xffff).unwrap_or_default()) / 32_768.0 - 1.0
        })
        .collect();
    let length = raw.iter().map(|one| one * one).sum::<f32>().sqrt();
    let length = length.max(f32::MIN_POSITIVE);
    raw.into_iter().map(|one| one / length).collect()
}

fn in_numbers(vector: &[f32]) -> String {
    // As the real one prints them: widened, so that every digit shows.
    json!(vector).to_string()
}

fn in_base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|one| one.to_le_bytes()).collect();
    format!(r#""{}""#, base64::encode(&bytes))
}
