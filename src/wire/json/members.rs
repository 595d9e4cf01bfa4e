//! Picking a few members out of a document that passes by in pieces.
//!
//! A document that is forwarded is not held; what has to be known of it, the model
//! and the tokens, stands anywhere in its outermost object. Nothing is verified
//! here: on what is no JSON, nothing is found, or something that cannot be read.

/// The most bytes of a member that is picked. A longer one is not.
const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Picks members of the outermost object.
#[derive(Debug)]
pub struct MembersReader {
    wanted: &'static [&'static str],
    picked: Vec<(&'static str, Vec<u8>)>,
    /// How many objects and arrays are open.
    depth: usize,
    /// The document is an object.
    is_object: bool,
    /// A name of the outermost object stands here, not a value.
    expects_name: bool,
    text: Text,
    name: Vec<u8>,
    /// The value being picked.
    picking: Option<(&'static str, Vec<u8>)>,
}

/// Where in a string the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    /// Behind a backslash.
    Escaped,
}

impl MembersReader {
    /// Picks the members of these names.
    pub const fn new(wanted: &'static [&'static str]) -> Self {
        Self {
            wanted,
            picked: Vec::new(),
            depth: 0,
            is_object: false,
            expects_name: false,
            text: Text::Outside,
            name: Vec::new(),
            picking: None,
        }
    }

    /// Takes in what came.
    pub fn take(&mut self, mut bytes: &[u8]) {
        while let Some(&byte) = bytes.first() {
            if self.text == Text::Inside && !self.notes_all() {
                // Most of a document is text that need not be looked at.
                let text = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'));
                bytes = bytes.get(text.unwrap_or(bytes.len())..).unwrap_or_default();
                if text.is_none() || bytes.is_empty() {
                    return;
                }
                self.step(bytes.first().copied().unwrap_or_default());
            } else {
                self.step(byte);
            }
            bytes = bytes.get(1..).unwrap_or_default();
        }
    }

    /// The text of a member that was picked; the last one, if it came twice.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut named = self.picked.iter().rev();
        let (_, text) = named.find(|(picked, _)| *picked == name)?;
        Some(text)
    }

    /// Whether every byte counts here.
    fn notes_all(&self) -> bool {
        self.picking.is_some() || (self.depth == 1 && self.expects_name)
    }

    fn step(&mut self, byte: u8) {
        if self.text != Text::Outside {
            self.step_in_string(byte);
            return;
        }
        let at_top = self.depth == 1 && self.is_object;
        match byte {
            b'"' => {
                self.text = Text::Inside;
                if at_top && self.expects_name {
                    self.name.clear();
                }
            }
            b'{' | b'[' => {
                if self.depth == 0 {
                    self.is_object = byte == b'{';
                    self.expects_name = self.is_object;
                }
                self.depth += 1;
            }
            b'}' | b']' => {
                if at_top {
                    self.end_value();
                }
                self.depth = self.depth.saturating_sub(1);
            }
            b':' if at_top && self.expects_name => {
                self.expects_name = false;
                let wanted = self.wanted.iter().copied();
                let mut wanted = wanted.filter(|name| name.as_bytes() == self.name);
                self.picking = wanted.next().map(|name| (name, Vec::new()));
                return;
            }
            b',' if at_top => {
                self.end_value();
                self.expects_name = true;
                return;
            }
            _ => {}
        }
        self.note(byte);
    }

    fn step_in_string(&mut self, byte: u8) {
        self.text = match (self.text, byte) {
            (Text::Inside, b'\\') => Text::Escaped,
            (Text::Inside, b'"') => Text::Outside,
            _ => Text::Inside,
        };
        if self.text != Text::Outside && self.depth == 1 && self.expects_name {
            // A name longer than those wanted need not be known to its end.
            if self.name.len() < VALUE_BYTES_MAX {
                self.name.push(byte);
            }
        } else {
            self.note(byte);
        }
    }

    fn note(&mut self, byte: u8) {
        if let Some((_, text)) = &mut self.picking {
            text.push(byte);
            if text.len() > VALUE_BYTES_MAX {
                self.picking = None;
            }
        }
    }

    fn end_value(&mut self) {
        self.picked.extend(self.picking.take());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picked(document: &str, cut: usize) -> (Option<String>, Option<String>) {
        let mut reader = MembersReader::new(&["usage", "model"]);
        for piece in document.as_bytes().chunks(cut.max(1)) {
            reader.take(piece);
        }
        let text = |name| {
            let text = reader.get(name)?;
            Some(String::from_utf8_lossy(text).trim().to_owned())
        };
        (text("usage"), text("model"))
    }

    fn both(usage: &str, model: &str) -> (Option<String>, Option<String>) {
        (Some(usage.to_owned()), Some(model.to_owned()))
    }

    #[test]
    fn members_of_the_outermost_object_are_picked_wherever_they_stand() {
        let usage = r#"{"a":{"b":[1,2]}}"#;
        for document in [
            format!(r#"{{"model":"m","usage":{usage}}}"#),
            format!(r#" {{ "usage" : {usage} , "x":[{{"usage":1}}], "model" : "m" }} "#),
            format!(
                r#"{{"x":"\"usage\":9,{{","model":"m","y":{{"model":"n"}},"usage":{usage},"z":[]}}"#
            ),
        ] {
            for cut in 1..document.len() {
                assert_eq!(picked(&document, cut), both(usage, r#""m""#), "{document}");
            }
        }
    }

    #[test]
    fn what_is_no_object_or_has_no_such_member_gives_nothing() {
        for document in [
            "",
            "[]",
            r#"["usage",{"usage":1}]"#,
            "{}",
            r#"{"usages":1}"#,
            "oops",
            "}}{",
        ] {
            assert_eq!(picked(document, 1), (None, None), "{document}");
        }
    }

    #[test]
    fn a_member_that_never_ends_is_not_held() {
        let mut reader = MembersReader::new(&["usage"]);
        reader.take(br#"{"usage":""#);
        for _ in 0..100 {
            reader.take(&[b'x'; 1024]);
        }
        assert!(reader.picking.is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_taken(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = MembersReader::new(&["usage"]);
            reader.take(&bytes);
        }

        #[test]
        fn a_text_does_not_hide_what_follows(text in ".{0,40}", cut in 1_usize..20) {
            let document = serde_json::json!({"a": text, "model": text, "usage": {"n": 1}}).to_string();
            let model = serde_json::to_string(&text).unwrap();
            let (usage, found) = picked(&document, cut);
            prop_assert_eq!(usage.as_deref(), Some(r#"{"n":1}"#));
            prop_assert_eq!(found.unwrap(), model.trim());
        }
    }
}
