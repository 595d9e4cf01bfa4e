//! Taking the upstream's list apart as it arrives.

use bytes::{Bytes, BytesMut};

use crate::operation::{BatchAdapter, Item};
use crate::policy::Refusal;
use crate::wire::UpstreamKind;
use crate::wire::list::ListReader;

/// A list being read.
pub(super) struct Reading {
    adapter: &'static dyn BatchAdapter,
    kind: UpstreamKind,
    reader: ListReader,
    texts: Vec<Vec<u8>>,
    items: Vec<Item>,
    wanted: usize,
    refusal: Option<Refusal>,
    /// The text as it came, in case it cannot be read; given up when it gets long.
    raw: Option<BytesMut>,
    raw_bytes_max: usize,
}

/// A list that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReadItems {
    /// The items, in the order they were asked for.
    pub(super) items: Vec<Item>,
    /// The document around them, with an empty list.
    pub(super) frame: Vec<u8>,
    /// The text as it came, if it was kept.
    pub(super) raw: Option<Bytes>,
}

/// A list that could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unread {
    /// Why.
    pub(super) refusal: Refusal,
    /// The text as it came, if it was kept.
    pub(super) raw: Option<Bytes>,
}

impl Reading {
    /// Begins to read a list of `wanted` items. Its text is kept beside as long as it
    /// is not longer than `raw_bytes_max`.
    pub(super) fn new(
        (adapter, kind): (&'static dyn BatchAdapter, UpstreamKind),
        wanted: usize,
        raw_bytes_max: usize,
    ) -> Self {
        Self {
            adapter,
            kind,
            reader: ListReader::new(adapter.list()),
            texts: Vec::new(),
            items: Vec::with_capacity(wanted),
            wanted,
            refusal: None,
            raw: (raw_bytes_max > 0).then(BytesMut::new),
            raw_bytes_max,
        }
    }

    /// Takes in what came.
    pub(super) fn take(&mut self, chunk: &[u8]) {
        if let Some(raw) = &mut self.raw {
            if raw.len() + chunk.len() > self.raw_bytes_max {
                self.raw = None;
            } else {
                raw.extend_from_slice(chunk);
            }
        }
        if self.refusal.is_none()
            && let Err(refusal) = self.read(chunk)
        {
            self.refusal = Some(refusal);
            self.items = Vec::new();
        }
    }

    /// Whether reading on is of no use to anybody.
    pub(super) const fn is_hopeless(&self) -> bool {
        self.refusal.is_some() && self.raw.is_none()
    }

    /// The end of what came.
    ///
    /// # Errors
    /// Why it is no list of what was asked for.
    pub(super) fn finish(self) -> Result<ReadItems, Unread> {
        let raw = self.raw.map(BytesMut::freeze);
        let read = match self.refusal {
            Some(refusal) => Err(refusal),
            None => self.reader.finish().map_err(|_cut| Refusal::NotJson),
        };
        let items = in_order(self.items, self.wanted).ok_or(Refusal::WrongShape);
        match read.and_then(|frame| Ok((items?, frame))) {
            Ok((items, frame)) => Ok(ReadItems { items, frame, raw }),
            Err(refusal) => Err(Unread { refusal, raw }),
        }
    }

    fn read(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        self.reader
            .push(chunk, &mut self.texts)
            .map_err(|_crooked| Refusal::NotJson)?;
        for text in self.texts.drain(..) {
            let item = self.adapter.item(&text, self.kind)?;
            let first = self.items.first();
            if first.is_some_and(|first| first.shape != item.shape)
                || self.items.len() >= self.wanted
            {
                return Err(Refusal::WrongShape);
            }
            self.items.push(item);
        }
        Ok(())
    }
}

/// The items by their `index`, or as they came if none has one; `None` if some are
/// missing, or one comes twice.
fn in_order(mut items: Vec<Item>, wanted: usize) -> Option<Vec<Item>> {
    if items.len() != wanted {
        return None;
    }
    if items.iter().all(|item| item.index.is_none()) {
        return Some(items);
    }
    items.sort_by_key(|item| item.index);
    let indexes = items.iter().map(|item| item.index);
    indexes.eq((0..).map(Some).take(wanted)).then_some(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Family, family};
    use crate::wire::Operation;

    fn read(text: &str, wanted: usize) -> Result<ReadItems, Unread> {
        let Some(Family::Many(adapter)) = family(Operation::Embedding) else {
            panic!("embeddings are no list");
        };
        let mut reading = Reading::new((adapter, UpstreamKind::OpenAi), wanted, 1000);
        for chunk in text.as_bytes().chunks(7) {
            reading.take(chunk);
        }
        reading.finish()
    }

    fn list(items: &str) -> String {
        format!(r#"{{"object":"list","data":[{items}],"model":"m"}}"#)
    }

    #[test]
    fn items_are_put_in_the_order_they_were_asked_for() {
        let (a, b) = (
            r#"{"index":0,"embedding":[1.0]}"#,
            r#"{"index":1,"embedding":[2.0]}"#,
        );
        let sorted = read(&list(&format!("{a},{b}")), 2).unwrap();
        let shuffled = read(&list(&format!("{b},{a}")), 2).unwrap();
        assert_eq!(sorted.items, shuffled.items);
        assert_ne!(sorted.items[0], sorted.items[1]);
        assert_eq!(sorted.frame, list("").into_bytes());
        let unnumbered = list(r#"{"embedding":[1.0]},{"embedding":[2.0]}"#);
        assert_eq!(read(&unnumbered, 2).unwrap().items.len(), 2);
    }

    #[test]
    fn what_is_no_list_of_what_was_asked_for_is_kept_as_it_came() {
        for (items, wanted) in [
            (r#"{"index":0,"embedding":[1.0]}"#, 2),
            (r#"{"embedding":[1.0]},{"embedding":[2.0]}"#, 1),
            (
                r#"{"index":0,"embedding":[1.0]},{"index":0,"embedding":[2.0]}"#,
                2,
            ),
            (
                r#"{"index":1,"embedding":[1.0]},{"index":2,"embedding":[2.0]}"#,
                2,
            ),
            (r#"{"index":0,"embedding":[1.0]},{"embedding":[2.0]}"#, 2),
            (r#"{"embedding":[1.0]},{"embedding":[2.0,3.0]}"#, 2),
            (r#"{"index":0,"embedding":null}"#, 1),
            (r#"{"index":0}"#, 1),
        ] {
            let text = list(items);
            let unread = read(&text, wanted).unwrap_err();
            assert_eq!(unread.refusal, Refusal::WrongShape, "{items}");
            assert_eq!(unread.raw, Some(text.into()));
        }
        let cut = r#"{"object":"list","data":[]"#;
        let unread = read(cut, 0).unwrap_err();
        assert_eq!(unread.refusal, Refusal::NotJson);
    }

    #[test]
    fn a_long_text_is_not_kept_beside() {
        let text = list(&vec![r#"{"embedding":[0.25]}"#; 100].join(","));
        assert_eq!(read(&text, 100).unwrap().raw, None);
        assert_eq!(read(&text, 99).unwrap_err().raw, None);
    }
}
