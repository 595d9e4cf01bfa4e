//! The choices of a stored answer, in the order in which a stream tells them.

use crate::wire::Json;

/// Why an answer cannot be told as a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreplayable {
    /// It has no choices: it is no answer.
    #[error("the answer has no choices")]
    NoChoices,
    /// The choices are not numbered from 0 without gaps.
    #[error("the choices are not numbered from 0 without gaps")]
    ChoiceGap,
    /// A choice, its message or a tool call is not an object.
    #[error("the answer has an unknown shape")]
    Shape,
}

impl Unreplayable {
    /// The name used in logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoChoices => "no-choices",
            Self::ChoiceGap => "choice-gap",
            Self::Shape => "wrong-shape",
        }
    }
}

/// The choices of an answer by their index, each read by `read`. One without an index
/// has that of its place.
///
/// # Errors
/// If they are not numbered from 0 without gaps, or one cannot be read.
pub fn listed<'j, C>(
    stored: &'j Json<'j>,
    read: impl Fn(&'j Json<'j>) -> Result<C, Unreplayable>,
) -> Result<Vec<(u64, C)>, Unreplayable> {
    let listed = stored
        .get("choices")
        .and_then(Json::as_array)
        .filter(|choices| !choices.is_empty())
        .ok_or(Unreplayable::NoChoices)?;
    let mut choices = (0..)
        .zip(listed)
        .map(|(position, choice)| {
            let read = read(choice)?;
            let index = match choice.get("index") {
                None | Some(Json::Null) => position,
                Some(index) => index.as_u64().ok_or(Unreplayable::ChoiceGap)?,
            };
            Ok((index, read))
        })
        .collect::<Result<Vec<_>, _>>()?;
    choices.sort_by_key(|(index, _)| *index);
    let in_order = choices.iter().map(|(index, _)| *index);
    if !in_order.eq((0..).take(choices.len())) {
        return Err(Unreplayable::ChoiceGap);
    }
    Ok(choices)
}
