//! The shapes that the forms of a body are put together from.

use crate::wire::Json;

use super::canonical::Form;

/// An object, some of whose members are out of the question or have a form of
/// their own; any other value as it is.
pub(super) fn object<'a>(
    value: &'a Json<'a>,
    member: impl Fn(&'a str, &'a Json<'a>) -> Option<Form<'a>>,
) -> Form<'a> {
    value.as_object().map_or(Form::Normal(value), |members| {
        Form::Object(
            members
                .iter()
                .filter_map(|(name, value)| Some((name.as_ref(), member(name, value)?)))
                .collect(),
        )
    })
}

/// An array, whose items have a form of their own; any other value as it is.
pub(super) fn each<'a>(value: &'a Json<'a>, item: impl Fn(&'a Json<'a>) -> Form<'a>) -> Form<'a> {
    value.as_array().map_or(Form::Normal(value), |items| {
        Form::List(items.iter().map(item).collect())
    })
}

/// An array whose order does not matter; any other value as it is.
pub(super) fn set<'a>(value: &'a Json<'a>) -> Form<'a> {
    value.as_array().map_or(Form::Normal(value), |items| {
        Form::Set(items.iter().map(Form::Normal).collect())
    })
}

/// Whether a format is plain text and nothing else, which is what an answer has anyway.
pub(super) fn is_text_format(value: &Json<'_>) -> bool {
    value.as_object().is_some_and(|members| {
        matches!(members, [(name, format)] if name == "type" && format.as_str() == Some("text"))
    })
}
