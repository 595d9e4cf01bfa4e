//! Operations that ask for a list, each item of which is answered by itself.

use std::fmt::Debug;

use bytes::Bytes;

use super::{AnswerFacts, Asking};
use crate::key::{self, Bypass};
use crate::policy::Refusal;
use crate::wire::embedding::Encoding;
use crate::wire::json::{self, span::ObjectSpan};
use crate::wire::list::ListReader;
use crate::wire::{Json, Operation, UpstreamKind, Usage};

/// The longest text around an item that is kept with it, in bytes.
const KEPT_AROUND_BYTES_MAX: usize = 4096;

/// An endpoint family whose requests ask for a list of answers.
pub trait BatchAdapter: Debug + Send + Sync {
    /// Its name.
    fn operation(&self) -> Operation;

    /// The member of its answers that is the list.
    fn list(&self) -> &'static str;

    /// The most tokens that the items of a request may have together, where that is
    /// documented: the upstream refuses more.
    fn tokens_max(&self, kind: UpstreamKind) -> Option<u64>;

    /// Reads a request.
    ///
    /// # Errors
    /// If the request must not be answered from a store, with the reason.
    fn read(&self, asking: &Asking<'_>) -> Result<BatchQuestion, Bypass>;

    /// Reads an item of the upstream's list.
    ///
    /// # Errors
    /// The gate that refused it.
    fn item(&self, text: &[u8], kind: UpstreamKind) -> Result<Item, Refusal>;

    /// The form in which an item is stored, given what stood around the list.
    fn stored(&self, item: Bytes, frame: &Json<'_>) -> Bytes;

    /// How many values a stored item has, which is the same for all items that one
    /// model answers.
    fn shape(&self, stored: &Bytes) -> usize;

    /// Writes what stands before the value of the item at `position` of a list.
    fn write_head(&self, position: usize, out: &mut Vec<u8>);

    /// Writes the value of a stored item.
    fn write_value(&self, stored: &Bytes, encoding: Encoding, out: &mut Vec<u8>);

    /// Writes what stands behind the value of an item.
    fn write_tail(&self, out: &mut Vec<u8>);

    /// Whether writing a value takes so long that it is worth keeping.
    fn keeps_values(&self, encoding: Encoding) -> bool;

    /// An answer of this family with an empty list.
    fn empty(&self, told: &Told<'_>) -> Vec<u8>;
}

/// A request for a list, as far as the story needs it.
#[derive(Debug)]
pub struct BatchQuestion {
    /// What is asked, item by item.
    pub batch: key::Batch,
    /// What a request says besides its meaning.
    pub facts: BatchFacts,
}

/// What a request for a list says besides its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchFacts {
    /// The model asked for.
    pub model: String,
    /// The form in which vectors are wanted.
    pub encoding: Encoding,
    /// How large each item is, in tokens or in bytes: what it costs hangs on that.
    pub sizes: Vec<u64>,
    /// Whether the sizes are in tokens.
    pub sizes_are_tokens: bool,
}

/// An item of an upstream's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its place in the list, where it says so.
    pub index: Option<u64>,
    /// What it says.
    pub content: Bytes,
    /// How many values it has, which is the same for all items of a list.
    pub shape: usize,
}

/// What is told around a list that is put together of stored items.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The model that answered.
    pub model: &'a str,
    /// The tokens of all items; `None` if nobody counted.
    pub usage: Option<Usage>,
    /// The first item as it is stored.
    pub first: &'a Bytes,
}

/// The text around a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Up to and with the bracket that opens the list.
    pub opening: Bytes,
    /// From the bracket that closes it.
    pub closing: Bytes,
}

impl Frame {
    /// Takes a document with an empty list called `list` apart; `None` if it has
    /// none.
    pub fn split(document: &[u8], list: &str) -> Option<Self> {
        let text = std::str::from_utf8(document).ok()?;
        let at = ObjectSpan::read(text)?.value_start(list)? + 1;
        let (opening, closing) = text.split_at_checked(at)?;
        (opening.ends_with('[') && closing.trim_start().starts_with(']')).then(|| Self {
            opening: Bytes::copy_from_slice(opening.as_bytes()),
            closing: Bytes::copy_from_slice(closing.as_bytes()),
        })
    }
}

impl dyn BatchAdapter {
    /// The request changed so that it asks for the items at `positions` alone,
    /// in that order. All other bytes stay as the client wrote them. `None` if
    /// that cannot be told of it.
    pub fn asking_for(&self, request: &[u8], positions: &[usize]) -> Option<Vec<u8>> {
        let mut reader = ListReader::new("input");
        let mut items = Vec::new();
        reader.push(request, &mut items).ok()?;
        let frame = Frame::split(&reader.finish().ok()?, "input")?;
        let wanted: Vec<&[u8]> = positions
            .iter()
            .map(|at| items.get(*at).map(Vec::as_slice))
            .collect::<Option<_>>()?;
        Some([&frame.opening, &*wanted.join(&b","[..]), &frame.closing].concat())
    }

    /// Reads what stands around the upstream's list, which is given empty.
    ///
    /// # Errors
    /// The gate that refused it.
    pub fn around<'a>(&self, frame: &'a [u8]) -> Result<(Json<'a>, AnswerFacts), Refusal> {
        let answer = json::parse(frame).map_err(|_unreadable| Refusal::NotJson)?;
        if answer.get("error").is_some_and(Json::says_something) {
            return Err(Refusal::ErrorObject);
        }
        answer
            .get(self.list())
            .and_then(Json::as_array)
            .ok_or(Refusal::WrongShape)?;
        let text = |name| Some(answer.get(name)?.as_str()?.to_owned());
        let facts = AnswerFacts {
            model: text("model"),
            usage: answer.get("usage").and_then(Usage::read_any),
        };
        Ok((answer, facts))
    }

    /// What has to be kept of what stood around the only item of a list, so that it
    /// can be told as it was: nothing, if that is what is told anyway.
    pub fn kept_around(&self, frame: &[u8], told: &Told<'_>) -> Option<String> {
        let usual = self.empty(told);
        let is_usual = match (json::parse(frame), json::parse(&usual)) {
            (Ok(Json::Object(mut known)), Ok(Json::Object(mut usual))) => {
                known.sort_unstable_by(|left, right| left.0.cmp(&right.0));
                usual.sort_unstable_by(|left, right| left.0.cmp(&right.0));
                known == usual
            }
            _ => false,
        };
        if is_usual || frame.len() > KEPT_AROUND_BYTES_MAX {
            return None;
        }
        String::from_utf8(frame.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Family, family};

    fn embedding() -> &'static dyn BatchAdapter {
        match family(Operation::Embedding) {
            Some(Family::Many(adapter)) => adapter,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_part_of_a_request_is_the_request_with_a_shorter_list() {
        let request =
            br#"{ "model" : "m", "input" : ["a, ]", "b\"" , "c"],"encoding_format":"base64" }"#;
        let asked = embedding().asking_for(request, &[1, 2]).unwrap();
        assert_eq!(
            String::from_utf8(asked).unwrap(),
            r#"{ "model" : "m", "input" : ["b\"","c"],"encoding_format":"base64" }"#
        );
        let tokens = br#"{"input":[[1,2],[3]],"model":"m"}"#;
        let asked = embedding().asking_for(tokens, &[1]).unwrap();
        assert_eq!(asked, br#"{"input":[[3]],"model":"m"}"#);
        assert_eq!(embedding().asking_for(tokens, &[2]), None);
        assert_eq!(embedding().asking_for(br#"{"input":"a"}"#, &[0]), None);
    }

    #[test]
    fn only_what_is_not_told_anyway_is_kept() {
        let told = Told {
            model: "m",
            usage: Some(Usage {
                input: 3,
                ..Usage::default()
            }),
            first: &Bytes::new(),
        };
        let kept = |text: &str| embedding().kept_around(text.as_bytes(), &told);
        let usual = r#"{"model":"m", "object":"list","usage":{"prompt_tokens":3,"total_tokens":3},"data":[]}"#;
        assert_eq!(kept(usual), None);
        for other in [
            usual.replace("\"m\"", "\"n\""),
            usual.replace("\"data\"", "\"id\":\"x\",\"data\""),
            usual.replace("\"prompt_tokens\":3,", ""),
        ] {
            assert_eq!(kept(&other), Some(other.clone()));
        }
    }

    #[test]
    fn what_stands_around_a_list_is_read() {
        let text = br#"{"object":"list","data":[],"model":"m-1","usage":{"prompt_tokens":3,"total_tokens":3}}"#;
        let (_, facts) = embedding().around(text).unwrap();
        assert_eq!(facts.model.as_deref(), Some("m-1"));
        assert_eq!(facts.usage.map(|usage| usage.input), Some(3));
        let total = br#"{"data":[],"usage":{"total_tokens":3}}"#;
        let (_, facts) = embedding().around(total).unwrap();
        assert_eq!(facts.usage.map(|usage| usage.input), Some(3));
        for (text, refusal) in [
            (&b"{"[..], Refusal::NotJson),
            (b"[]", Refusal::WrongShape),
            (br#"{"data":{}}"#, Refusal::WrongShape),
            (
                br#"{"data":[],"error":{"message":"no"}}"#,
                Refusal::ErrorObject,
            ),
        ] {
            assert_eq!(embedding().around(text).err(), Some(refusal));
        }
    }
}
