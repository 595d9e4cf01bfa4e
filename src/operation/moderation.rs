//! Moderations: `POST /v1/moderations`.

use bytes::Bytes;

use super::Asking;
use super::batch::{BatchAdapter, BatchFacts, BatchQuestion, Frame, Item, Told};
use crate::key::{self, Bypass};
use crate::policy::Refusal;
use crate::wire::embedding::Encoding;
use crate::wire::list::ListReader;
use crate::wire::{Json, Operation, UpstreamKind, json};

const LIST: &str = "results";

/// The adapter. An item is stored as an answer of its own, with one result.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moderation;

impl BatchAdapter for Moderation {
    fn operation(&self) -> Operation {
        Operation::Moderation
    }

    fn list(&self) -> &'static str {
        LIST
    }

    fn tokens_max(&self, _kind: UpstreamKind) -> Option<u64> {
        None
    }

    fn read(&self, asking: &Asking<'_>) -> Result<BatchQuestion, Bypass> {
        let request = &asking.json()?;
        key::refuse_control_fields(request)?;
        let batch = key::moderation::identify(request, asking.rules())?;
        let model = request.get("model").and_then(Json::as_str);
        Ok(BatchQuestion {
            facts: BatchFacts {
                model: model.unwrap_or("omni-moderation-latest").to_owned(),
                encoding: Encoding::Numbers,
                sizes: vec![1; batch.items.len()],
                sizes_are_tokens: false,
            },
            batch,
        })
    }

    fn item(&self, text: &[u8], _kind: UpstreamKind) -> Result<Item, Refusal> {
        let result = json::parse(text).map_err(|_unreadable| Refusal::NotJson)?;
        let judges = result.get("flagged").and_then(Json::as_bool).is_some();
        if !judges {
            return Err(Refusal::WrongShape);
        }
        Ok(Item {
            index: None,
            content: Bytes::copy_from_slice(text),
            shape: 0,
        })
    }

    fn stored(&self, item: Bytes, frame: &Json<'_>) -> Bytes {
        match Frame::split(&frame.to_bytes(), LIST) {
            Some(frame) => [frame.opening, item, frame.closing].concat().into(),
            None => item,
        }
    }

    fn shape(&self, _stored: &Bytes) -> usize {
        0
    }

    fn write_head(&self, _position: usize, _out: &mut Vec<u8>) {}

    fn write_value(&self, stored: &Bytes, _encoding: Encoding, out: &mut Vec<u8>) {
        let (items, _) = apart(stored);
        match items.first() {
            Some(result) => out.extend_from_slice(result),
            None => out.extend_from_slice(b"null"),
        }
    }

    fn write_tail(&self, _out: &mut Vec<u8>) {}

    fn keeps_values(&self, _encoding: Encoding) -> bool {
        false
    }

    /// What stood around the first item: an id names one answer, and of those
    /// that are put together here the first is as good as any.
    fn empty(&self, told: &Told<'_>) -> Vec<u8> {
        apart(told.first).1
    }
}

/// The result in a stored item and what stands around it.
fn apart(stored: &Bytes) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut reader = ListReader::new(LIST);
    let mut items = Vec::new();
    let read = reader.push(stored, &mut items);
    let frame = read.and_then(|()| reader.finish());
    (items, frame.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_stored_as_an_answer_of_its_own() {
        let kind = UpstreamKind::OpenAi;
        let frame = json::parse(br#"{"id":"modr-1","model":"m","results":[]}"#).unwrap();
        let item = Moderation
            .item(br#"{"flagged":true,"categories":{}}"#, kind)
            .unwrap();
        let stored = Moderation.stored(item.content, &frame);
        assert_eq!(
            stored,
            &br#"{"id":"modr-1","model":"m","results":[{"flagged":true,"categories":{}}]}"#[..]
        );
        let told = Told {
            model: "other",
            usage: None,
            first: &stored,
        };
        assert_eq!(Moderation.empty(&told), frame.to_bytes());
        let mut out = Vec::new();
        Moderation.write_value(&stored, Encoding::Numbers, &mut out);
        assert_eq!(out, br#"{"flagged":true,"categories":{}}"#);
    }

    #[test]
    fn what_is_no_judgement_is_refused() {
        let item = |text: &[u8]| Moderation.item(text, UpstreamKind::OpenAi);
        assert_eq!(item(b"null"), Err(Refusal::WrongShape));
        assert_eq!(item(b"{"), Err(Refusal::NotJson));
    }
}
