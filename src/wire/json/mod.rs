//! JSON as it was written: order, number lexemes and nothing silently repaired.
//!
//! The key and the stream conversions need what a general JSON value throws
//! away: the order of a schema's properties, `18446744073709551617` apart from
//! `18446744073709551616`, and the knowledge that a name came twice. So the
//! reader is strict where servers differ: duplicate names, lone surrogates,
//! invalid UTF-8 and nesting beyond [`DEPTH_MAX`] are errors, and an error means
//! "do not cache", never "do not forward".

pub mod members;
mod read;
pub mod span;
mod write;

use std::borrow::Cow;

pub use read::parse;
pub(in crate::wire) use write::write_string;

/// The deepest nesting of arrays and objects that is read.
pub const DEPTH_MAX: usize = 64;

/// A member of an object: its decoded name and its value.
pub type Member<'a> = (Cow<'a, str>, Json<'a>);

/// A JSON value that borrows from the text it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as its lexeme.
    Number(Cow<'a, str>),
    /// A string, decoded.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Self>),
    /// An object, its members in the order they were written.
    Object(Vec<Member<'a>>),
}

/// Why a text was not read. Carries an offset in bytes, never the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text is not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// The text breaks the grammar of RFC 8259.
    #[error("not JSON at byte {0}")]
    Syntax(usize),
    /// An object has a name twice; readers differ in which one counts.
    #[error("a name occurs twice in an object, at byte {0}")]
    DuplicateName(usize),
    /// An escaped surrogate has no partner.
    #[error("a lone surrogate at byte {0}")]
    LoneSurrogate(usize),
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
}

impl<'a> Json<'a> {
    /// A string value.
    pub fn string(text: impl Into<Cow<'a, str>>) -> Self {
        Self::String(text.into())
    }

    /// A whole number.
    pub fn number(value: u64) -> Self {
        Self::Number(Cow::Owned(value.to_string()))
    }

    /// The member called `name`, if this is an object that has one.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_object()?
            .iter()
            .find(|(member, _)| member == name)
            .map(|(_, value)| value)
    }

    /// The members, if this is an object.
    pub fn as_object(&self) -> Option<&[Member<'a>]> {
        match self {
            Self::Object(members) => Some(members),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => None,
        }
    }

    /// The items, if this is an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Object(_) => {
                None
            }
        }
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The value, if this is a boolean.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Null | Self::Number(_) | Self::String(_) | Self::Array(_) | Self::Object(_) => {
                None
            }
        }
    }

    /// The value, if this is a number written as a whole one that fits.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(lexeme) => lexeme.parse().ok(),
            Self::Null | Self::Bool(_) | Self::String(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// Whether this is `null`.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether there is anything in it: `null`, `""`, `[]` and `{}` say nothing.
    pub fn says_something(&self) -> bool {
        match self {
            Self::Null => false,
            Self::String(text) => !text.is_empty(),
            Self::Array(items) => !items.is_empty(),
            Self::Object(members) => !members.is_empty(),
            Self::Bool(_) | Self::Number(_) => true,
        }
    }

    /// The same value, free of the text it was read from.
    pub fn into_owned(self) -> Json<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(value),
            Self::Number(lexeme) => Json::Number(own(lexeme)),
            Self::String(text) => Json::String(own(text)),
            Self::Array(items) => Json::Array(items.into_iter().map(Self::into_owned).collect()),
            Self::Object(members) => Json::Object(
                members
                    .into_iter()
                    .map(|(name, value)| (own(name), value.into_owned()))
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests;
