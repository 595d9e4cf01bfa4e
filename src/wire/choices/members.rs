//! The places in which a streamed object collects its members.

use std::borrow::Cow;

use super::fold::FoldError;
use crate::wire::Json;
use crate::wire::json::Member;

/// The most different members an object of an answer may collect. It bounds what
/// looking a name up costs; real answers have a dozen.
const MEMBERS_MAX: usize = 256;

/// Named places in the order they were first seen.
#[derive(Debug)]
pub(in crate::wire) struct Members<T> {
    places: Vec<(String, T)>,
}

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self { places: Vec::new() }
    }
}

impl<T: Vacant> Members<T> {
    /// The place called `name`, and whether it was not there before.
    pub(in crate::wire) fn slot(&mut self, name: &str) -> Result<(&mut T, bool), FoldError> {
        let known = self.places.iter().position(|(place, _)| place == name);
        if known.is_none() {
            if self.places.len() >= MEMBERS_MAX {
                return Err(FoldError::TooWide);
            }
            self.places.push((name.to_owned(), T::vacant()));
        }
        let at = known.unwrap_or(self.places.len() - 1);
        let (_, place) = self.places.get_mut(at).ok_or(FoldError::TooWide)?;
        Ok((place, known.is_none()))
    }

    /// Takes a place out.
    pub(in crate::wire) fn pull(&mut self, name: &str) -> Option<T> {
        let at = self.places.iter().position(|(place, _)| place == name)?;
        Some(self.places.remove(at).1)
    }

    pub(in crate::wire) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

impl Members<Field> {
    /// Whether the place called `name` has text in it.
    pub(in crate::wire) fn has_text(&self, name: &str) -> bool {
        self.places
            .iter()
            .any(|(place, field)| place == name && field.is_text())
    }
}

impl<T: Into<Json<'static>>> Members<T> {
    /// The members as those of an object.
    pub(in crate::wire) fn into_iter(self) -> impl Iterator<Item = Member<'static>> {
        self.places
            .into_iter()
            .map(|(name, place)| (Cow::Owned(name), place.into()))
    }
}

/// What is in a place before anything is put there.
pub(in crate::wire) trait Vacant {
    fn vacant() -> Self;
}

impl Vacant for Json<'static> {
    fn vacant() -> Self {
        Self::Null
    }
}

/// A value that grows: text and lists come in pieces, others whole.
#[derive(Debug)]
pub(in crate::wire) enum Field {
    Null,
    Text(String),
    List(Vec<Json<'static>>),
    Whole(Json<'static>),
}

impl Vacant for Field {
    fn vacant() -> Self {
        Self::Null
    }
}

/// Which items of a list are pieces of one: the last of what is there and the
/// first of what comes. Within one event nothing is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) enum Joins {
    /// Items stay apart.
    Never,
    /// Parts of a message's content: text and thinking.
    Parts,
    /// Parts of a reasoning, told apart by an index of their own.
    Reasoning,
}

impl Field {
    /// Replaces what is there.
    pub(in crate::wire) fn set(&mut self, value: Json<'_>) {
        *self = Self::Whole(value.into_owned());
    }

    /// Adds a piece. A value may not change its kind once it says something.
    pub(in crate::wire) fn add(&mut self, piece: Json<'_>, joins: Joins) -> Result<(), FoldError> {
        if let Json::Null = piece {
            return Ok(());
        }
        if matches!(self, Self::Text(text) if text.is_empty()) && piece.as_str().is_none() {
            *self = Self::Null;
        }
        if joins == Joins::Parts {
            return self.add_part(piece);
        }
        match (&mut *self, piece) {
            (Self::Null, Json::String(text)) => *self = Self::Text(text.into_owned()),
            (Self::Text(known), Json::String(text)) => known.push_str(&text),
            (Self::Null, Json::Array(items)) => *self = Self::List(owned(items)),
            (Self::List(known), Json::Array(items)) => extend(known, items, joins),
            (Self::Null | Self::Whole(_), piece)
                if piece.as_str().is_none() && piece.as_array().is_none() =>
            {
                self.set(piece);
            }
            _ => return Err(FoldError::Shape),
        }
        Ok(())
    }

    /// Adds to a content that may be text or a list of parts, whichever comes
    /// first: text becomes a part as soon as there is a list.
    fn add_part(&mut self, piece: Json<'_>) -> Result<(), FoldError> {
        let items = match (&mut *self, piece) {
            (Self::List(_), Json::String(text)) if text.is_empty() => return Ok(()),
            (Self::List(_), Json::String(text)) => vec![text_part(text.into_owned())],
            (Self::Text(known), Json::Array(items)) => {
                *self = Self::List(vec![text_part(std::mem::take(known))]);
                items
            }
            (Self::List(_), Json::Array(items)) => items,
            (_, piece) => return self.add(piece, Joins::Never),
        };
        if let Self::List(known) = self {
            extend(known, items, Joins::Parts);
        }
        Ok(())
    }

    /// Whether this is text that says nothing.
    pub(in crate::wire) fn is_empty_text(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    /// Whether this is text that says something.
    pub(in crate::wire) fn is_text(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Whole(value) => value.as_str().is_some_and(|text| !text.is_empty()),
            Self::Null | Self::List(_) => false,
        }
    }
}

impl From<Field> for Json<'static> {
    fn from(field: Field) -> Self {
        match field {
            Field::Null => Json::Null,
            Field::Text(text) => Json::string(text),
            Field::List(items) => Json::Array(items),
            Field::Whole(value) => value,
        }
    }
}

/// Adds items to a list.
pub(in crate::wire) fn extend(known: &mut Vec<Json<'static>>, items: Vec<Json<'_>>, joins: Joins) {
    let mut items = items.into_iter();
    if let Some(last) = known.last_mut()
        && let Some(first) = items.next()
    {
        if are_pieces(last, &first, joins) {
            join(last, first);
        } else {
            known.push(first.into_owned());
        }
    }
    known.extend(items.map(Json::into_owned));
}

fn are_pieces(last: &Json<'_>, next: &Json<'_>, joins: Joins) -> bool {
    let kinds: &[&str] = match joins {
        Joins::Never => return false,
        Joins::Parts => &["text", "thinking"],
        Joins::Reasoning => &["reasoning.text", "reasoning.summary"],
    };
    let same = |name: &str| last.get(name) == next.get(name);
    let is_joined_kind = last
        .get("type")
        .and_then(Json::as_str)
        .is_some_and(|kind| kinds.contains(&kind));
    // Reasoning without an index gives no way to tell pieces from parts.
    let is_numbered = joins == Joins::Parts || last.get("index").is_some_and(|at| !at.is_null());
    is_joined_kind && is_numbered && same("type") && same("index") && same("id")
}

/// Joins a piece to the part it belongs to: its text grows, the rest is replaced.
fn join(part: &mut Json<'static>, piece: Json<'_>) {
    let (Json::Object(known), Json::Object(members)) = (part, piece) else {
        return;
    };
    for (name, value) in members {
        match known.iter_mut().find(|(other, _)| *other == name) {
            None => known.push((Cow::Owned(name.into_owned()), value.into_owned())),
            Some((_, place)) => match (place, value) {
                (_, Json::Null) => {}
                (Json::String(text), Json::String(more)) if grows(&name) => {
                    text.to_mut().push_str(&more);
                }
                (Json::Array(items), Json::Array(more)) if grows(&name) => {
                    extend(items, more, Joins::Parts);
                }
                (place, value) => *place = value.into_owned(),
            },
        }
    }
}

fn grows(name: &str) -> bool {
    matches!(name, "text" | "summary" | "thinking")
}

fn text_part(text: String) -> Json<'static> {
    Json::Object(vec![
        ("type".into(), Json::string("text")),
        ("text".into(), Json::string(text)),
    ])
}

/// Adds the members of an object that comes in pieces; those that do not grow are
/// replaced.
pub(in crate::wire) fn collect(
    places: &mut Members<Field>,
    value: Json<'_>,
    grows: impl Fn(&str) -> bool,
) -> Result<(), FoldError> {
    let members = match value {
        Json::Null => return Ok(()),
        Json::Object(members) => members,
        Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            return Err(FoldError::Shape);
        }
    };
    for (name, value) in members {
        let (place, _is_new) = places.slot(&name)?;
        if grows(&name) {
            place.add(value, Joins::Never)?;
        } else if !value.is_null() {
            place.set(value);
        }
    }
    Ok(())
}

/// Notes why a choice ended, where a chunk says it.
pub(in crate::wire) fn set_reason(
    known: &mut Option<String>,
    value: Json<'_>,
) -> Result<(), FoldError> {
    match value {
        Json::String(reason) if !reason.is_empty() => *known = Some(reason.into_owned()),
        Json::String(_) | Json::Null => {}
        Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            return Err(FoldError::Shape);
        }
    }
    Ok(())
}

/// Adds a member of a choice that has no place of its own: the last value that says
/// something counts, and the ids of its tokens are a list that grows.
pub(in crate::wire) fn add_extra(
    places: &mut Members<Json<'static>>,
    name: &str,
    value: Json<'_>,
) -> Result<(), FoldError> {
    let (known, is_new) = places.slot(name)?;
    match (&mut *known, value) {
        (Json::Array(known), Json::Array(more)) if name == "token_ids" => {
            extend(known, more, Joins::Never);
        }
        // Azure ends with an empty object where results stood before.
        (_, value) if is_new || value.says_something() => *known = value.into_owned(),
        _ => {}
    }
    Ok(())
}

/// Takes a member out of an object.
pub(in crate::wire) fn pull<'a>(members: &mut Vec<Member<'a>>, name: &str) -> Option<Json<'a>> {
    let at = members.iter().position(|(member, _)| member == name)?;
    Some(members.remove(at).1)
}

/// Whether a value says something, as a dynamic language would have it.
pub(in crate::wire) fn is_truthy(value: &Json<'_>) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(value) => *value,
        Json::Number(lexeme) => lexeme
            .bytes()
            .take_while(|byte| !matches!(byte, b'e' | b'E'))
            .any(|byte| matches!(byte, b'1'..=b'9')),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(members) => !members.is_empty(),
    }
}

fn owned(items: Vec<Json<'_>>) -> Vec<Json<'static>> {
    items.into_iter().map(Json::into_owned).collect()
}
