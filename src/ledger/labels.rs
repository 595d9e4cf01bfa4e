//! Under what a count is kept.

use serde::{Deserialize, Serialize};

use crate::wire::Operation;

/// What a name stands under that is one too many: models, keys and tags come from
/// clients, and a ledger that keeps every name ever sent would grow without bound.
pub const OTHER: &str = "other";

/// The most bytes of one name. A longer one is cut.
pub const LABEL_BYTES_MAX: usize = 128;

/// The most tags of one request. More are left out.
pub const TAGS_MAX: usize = 8;

/// Who used what, and how it was answered. Empty where it is not known.
///
/// Ordered by its parts in this order, and written as a JSON list of them
/// ([`Labels::to_text`]), which is how backends name a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Labels {
    /// The endpoint family, by [`Operation::as_str`].
    pub operation: String,
    /// The model that answered; the one asked for where no answer says.
    pub model: String,
    /// The id of the API key, never the key.
    pub key: String,
    /// Whose the key is.
    pub tenant: String,
    /// The upstream provider.
    pub upstream: String,
    /// What the cache did, by the word `x-cache` and the metrics have for it.
    pub outcome: String,
    /// What the client called its request.
    pub tags: Tags,
}

/// Words by which a client groups its requests: sorted, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(Vec<String>);

impl Labels {
    /// The text that stands for these labels in a backend; the same for the same
    /// labels, always.
    pub fn to_text(&self) -> String {
        let parts = (
            &self.operation,
            &self.model,
            &self.key,
            &self.tenant,
            &self.upstream,
            &self.outcome,
            &self.tags,
        );
        serde_json::to_string(&parts).unwrap_or_default()
    }

    /// The labels that a text stands for; `None` if it is not one of ours.
    pub fn from_text(text: &str) -> Option<Self> {
        let (operation, model, key, tenant, upstream, outcome, tags) =
            serde_json::from_str(text).ok()?;
        Some(Self {
            operation,
            model,
            key,
            tenant,
            upstream,
            outcome,
            tags,
        })
    }

    /// The same with every name a client can choose taken off.
    #[must_use]
    pub fn among_others(&self) -> Self {
        Self {
            model: OTHER.to_owned(),
            key: OTHER.to_owned(),
            tenant: OTHER.to_owned(),
            tags: Tags::default(),
            ..self.clone()
        }
    }

    /// Whether these are of an operation.
    pub fn is_of(&self, operation: Operation) -> bool {
        self.operation == operation.as_str()
    }
}

impl Tags {
    /// The tags of a comma-separated list. Blanks around them do not count, and
    /// neither do empty ones.
    pub fn of_list(list: &str) -> Self {
        Self::of(list.split(','))
    }

    /// These words as tags.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut tags: Vec<String> = words
            .into_iter()
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
            .map(|tag| cut(tag).to_owned())
            .collect();
        tags.sort_unstable();
        tags.dedup();
        tags.truncate(TAGS_MAX);
        Self(tags)
    }

    /// The text that stands for these tags where each part of the labels is kept by
    /// itself: a JSON list.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The tags that a text stands for; `None` if it is not one of ours.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The tags, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// As much of a name as is kept: [`LABEL_BYTES_MAX`] bytes of whole characters.
pub fn cut(name: &str) -> &str {
    let end = name
        .char_indices()
        .map(|(at, letter)| at + letter.len_utf8())
        .take_while(|end| *end <= LABEL_BYTES_MAX)
        .last()
        .unwrap_or_default();
    name.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_are_sorted_each_once_and_bounded() {
        let tags = |list| Tags::of_list(list).iter().collect::<Vec<_>>().join("|");
        assert_eq!(tags(" team=search ,chat,,chat, "), "chat|team=search");
        assert_eq!(tags(""), "");
        assert_eq!(tags("i,h,g,f,e,d,c,b,a"), "a|b|c|d|e|f|g|h");
        assert_eq!(Tags::of([&*"ä".repeat(200)]).0, ["ä".repeat(64)]);
    }

    #[test]
    fn what_is_no_label_text_is_none() {
        for odd in ["", "{}", "[]", "[1,2,3,4,5,6,[]]", r#"["a"]"#] {
            assert_eq!(Labels::from_text(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn labels_survive_their_text(
            names in proptest::array::uniform6(".{0,20}"),
            tags in proptest::collection::vec(".{0,10}", 0..4),
        ) {
            let [operation, model, key, tenant, upstream, outcome] = names;
            let tags = Tags::of(tags.iter().map(String::as_str));
            prop_assert_eq!(Tags::from_text(&tags.to_text()), Some(tags.clone()));
            let labels = Labels { operation, model, key, tenant, upstream, outcome, tags };
            prop_assert_eq!(Labels::from_text(&labels.to_text()), Some(labels));
        }
    }
}
