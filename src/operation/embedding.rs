//! Embeddings: `POST /v1/embeddings`.

use bytes::Bytes;

use super::Asking;
use super::batch::{BatchAdapter, BatchFacts, BatchQuestion, Item, Told};
use crate::key::{self, Bypass};
use crate::policy::Refusal;
use crate::wire::embedding::{Encoding, Input, Request, Vector};
use crate::wire::{Json, Operation, UpstreamKind, Usage, json};

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Embedding;

impl BatchAdapter for Embedding {
    fn operation(&self) -> Operation {
        Operation::Embedding
    }

    fn list(&self) -> &'static str {
        "data"
    }

    fn tokens_max(&self, kind: UpstreamKind) -> Option<u64> {
        kind.folds_documented_defaults()
            .then(|| u64::try_from(key::embedding::TOKENS_MAX).ok())
            .flatten()
    }

    fn read(&self, asking: &Asking<'_>) -> Result<BatchQuestion, Bypass> {
        let request = &asking.json()?;
        key::refuse_control_fields(request)?;
        let batch = key::embedding::identify(request, asking.rules())?;
        let view = Request::new(request);
        let input = view.input().ok_or(Bypass::Invalid)?;
        let (sizes, sizes_are_tokens) = sizes(&input);
        Ok(BatchQuestion {
            batch,
            facts: BatchFacts {
                model: asking.model(view.model()),
                encoding: view.encoding().ok_or(Bypass::Encoding)?,
                sizes,
                sizes_are_tokens,
            },
        })
    }

    fn item(&self, text: &[u8], kind: UpstreamKind) -> Result<Item, Refusal> {
        let item = json::parse(text).map_err(|_unreadable| Refusal::NotJson)?;
        let embedding = item.get("embedding").ok_or(Refusal::WrongShape)?;
        let vector = Vector::read(embedding, kind).map_err(|_odd| Refusal::WrongShape)?;
        Ok(Item {
            index: item.get("index").and_then(Json::as_u64),
            shape: vector.dimensions(),
            content: vector.stored().clone(),
        })
    }

    fn stored(&self, item: Bytes, _frame: &Json<'_>) -> Bytes {
        item
    }

    fn shape(&self, stored: &Bytes) -> usize {
        Vector::from_stored(stored.clone()).map_or(0, |vector| vector.dimensions())
    }

    fn write_head(&self, position: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"object":"embedding","index":"#);
        out.extend_from_slice(position.to_string().as_bytes());
        out.extend_from_slice(br#","embedding":"#);
    }

    fn write_value(&self, stored: &Bytes, encoding: Encoding, out: &mut Vec<u8>) {
        match (Vector::from_stored(stored.clone()), encoding) {
            (Some(vector), Encoding::Numbers) => vector.write_numbers(out),
            (Some(vector), Encoding::Base64) => vector.write_base64(out),
            (None, _) => out.extend_from_slice(b"null"),
        }
    }

    fn write_tail(&self, out: &mut Vec<u8>) {
        out.push(b'}');
    }

    /// Numbers take as long to write as all the rest of a hit ten times over.
    fn keeps_values(&self, encoding: Encoding) -> bool {
        encoding == Encoding::Numbers
    }

    fn empty(&self, told: &Told<'_>) -> Vec<u8> {
        let mut members = vec![
            ("object".into(), Json::string("list")),
            ("data".into(), Json::Array(Vec::new())),
            ("model".into(), Json::string(told.model)),
        ];
        members.extend(told.usage.map(|usage| ("usage".into(), counted(usage))));
        Json::Object(members).to_bytes()
    }
}

fn counted(usage: Usage) -> Json<'static> {
    Json::Object(vec![
        ("prompt_tokens".into(), Json::number(usage.input)),
        ("total_tokens".into(), Json::number(usage.input)),
    ])
}

/// How large each item is, and whether in tokens. Every text counts for one byte
/// at least: a token has been spent on it.
fn sizes(input: &Input<'_>) -> (Vec<u64>, bool) {
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    match input {
        Input::Texts(texts) => (texts.iter().map(|text| count(text.len())).collect(), false),
        Input::Tokens(items) => {
            let length = |item: &&Json<'_>| item.as_array().map_or(0, <[_]>::len);
            (items.iter().map(|item| count(length(item))).collect(), true)
        }
    }
}
