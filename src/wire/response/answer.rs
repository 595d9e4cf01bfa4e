//! What is read off a response in its JSON form.

use super::item::Item;
use crate::wire::{Json, Usage};

/// A response, read only.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'j>(&'j Json<'j>);

/// How a response says that it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status<'j> {
    /// As it should.
    Completed,
    /// Before it was all said, and why.
    Incomplete(&'j str),
    /// In an error.
    Failed,
    /// Not at all, or it does not say.
    Open,
}

impl<'j> Answer<'j> {
    /// Looks at `answer`, which may be anything.
    pub const fn new(answer: &'j Json<'j>) -> Self {
        Self(answer)
    }

    /// The model that answered, which need not be called as the one asked for.
    pub fn model(&self) -> Option<&'j str> {
        self.text("model")
    }

    /// The tokens it took.
    pub fn usage(&self) -> Option<Usage> {
        let usage = self.0.get("usage").filter(|usage| !usage.is_null());
        Usage::read(usage?)
    }

    /// Whether it is, or comes with, an error. `"error":null` is none.
    pub fn has_error(&self) -> bool {
        self.0.get("error").is_some_and(Json::says_something)
    }

    /// How it ended.
    pub fn status(&self) -> Status<'j> {
        match self.0.get("status").and_then(Json::as_str) {
            Some("completed") => Status::Completed,
            Some("incomplete") => {
                let details = self.0.get("incomplete_details");
                let reason = details.and_then(|details| details.get("reason"));
                Status::Incomplete(reason.and_then(Json::as_str).unwrap_or_default())
            }
            Some("failed") => Status::Failed,
            Some(_) | None => Status::Open,
        }
    }

    /// What it says, item by item; `None` if there is one that cannot be told as events.
    pub fn output(&self) -> Option<Vec<Item<'j>>> {
        let items = self.0.get("output")?.as_array()?;
        items.iter().map(Item::read).collect()
    }

    /// Whether its provider may keep it, so that its id is good for something: only one
    /// that says so is not kept.
    pub fn is_kept(&self) -> bool {
        self.0.get("store").and_then(Json::as_bool) != Some(false)
    }

    fn text(self, name: &str) -> Option<&'j str> {
        let text = self.0.get(name).and_then(Json::as_str);
        text.filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::parse;

    #[test]
    fn an_answer_is_read() {
        let json = parse(
            br#"{"id":"resp_1","model":"m","status":"completed","error":null,"store":false,
            "output":[],"usage":{"input_tokens":2,"output_tokens":1}}"#,
        )
        .unwrap();
        let answer = Answer::new(&json);
        assert_eq!(answer.model(), Some("m"));
        assert_eq!(answer.usage().map(|usage| usage.input), Some(2));
        assert_eq!(answer.status(), Status::Completed);
        assert!(!answer.has_error() && !answer.is_kept());
        assert_eq!(answer.output().map(|items| items.len()), Some(0));
    }

    #[test]
    fn how_it_ended_is_told_apart() {
        for (members, expected) in [
            ("", Status::Open),
            (r#""status":"queued""#, Status::Open),
            (r#""status":"failed""#, Status::Failed),
            (r#""status":"incomplete""#, Status::Incomplete("")),
            (
                r#""status":"incomplete","incomplete_details":{"reason":"content_filter"}"#,
                Status::Incomplete("content_filter"),
            ),
        ] {
            let text = format!("{{{members}}}");
            let json = parse(text.as_bytes()).unwrap();
            assert_eq!(Answer::new(&json).status(), expected, "{members}");
            assert!(Answer::new(&json).is_kept());
            assert!(Answer::new(&json).output().is_none());
        }
    }
}
