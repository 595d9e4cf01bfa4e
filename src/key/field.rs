//! What holds for the fields of a body, whatever the operation.

use crate::wire::Json;

use super::canonical::Form;
use super::{Bypass, Rules};

/// The members of `stream_options` that only say what a stream carries along.
/// Others are in the question.
const STREAM_OPTIONS_ASIDE: [&str; 3] = [
    "continuous_usage_stats",
    "include_obfuscation",
    "include_usage",
];

/// Whether a top-level field is meant for a gateway such as this one, not for
/// the model. Such fields are out of the question, so they must not be forwarded: those
/// that are understood have been taken out of the request before it is identified.
pub(super) fn is_control_field(name: &str) -> bool {
    name == "cache" || name.starts_with("litellm_")
}

/// Makes sure that nothing in the request is meant for a gateway.
///
/// # Errors
/// [`Bypass::ControlField`].
pub fn refuse_control_fields(body: &Json<'_>) -> Result<(), Bypass> {
    let mut members = body.as_object().unwrap_or_default().iter();
    if members.any(|(name, _)| is_control_field(name)) {
        return Err(Bypass::ControlField);
    }
    Ok(())
}

/// Whether a member of a message, a part or a tool is but a mark for the
/// provider's prefix cache. Only there: in a schema it is somebody's property.
pub(super) fn is_hint(name: &str) -> bool {
    matches!(name, "cache_control" | "prompt_cache_breakpoint")
}

/// What of `stream_options` is in the question; `None` if nothing is.
pub(super) fn stream_options<'a>(value: &'a Json<'a>) -> Option<Form<'a>> {
    let members: Vec<_> = value
        .as_object()?
        .iter()
        .filter(|(name, _)| !STREAM_OPTIONS_ASIDE.contains(&name.as_ref()))
        .map(|(name, value)| (name.as_ref(), as_written(value)))
        .collect();
    (!members.is_empty()).then_some(Form::Object(members))
}

/// The items of a member; none if it is missing or no array.
pub(super) fn items<'a>(value: &'a Json<'a>, name: &str) -> &'a [Json<'a>] {
    value.get(name).and_then(Json::as_array).unwrap_or_default()
}

/// A member that is there and not null.
pub(super) fn given<'a>(value: &'a Json<'a>, name: &str) -> Option<&'a Json<'a>> {
    value.get(name).filter(|value| !value.is_null())
}

/// Whether one model is named: in `model`, or on Azure by the deployment in the address.
pub(super) fn names_one_model(body: &Json<'_>, rules: Rules) -> bool {
    match given(body, "model") {
        Some(model) => model.as_str().is_some_and(|name| !name.is_empty()),
        None => rules.model_in_address,
    }
}

/// A value nobody documents, or a schema: its order and its numbers as written,
/// if it is more than a scalar.
pub(super) fn as_written<'a>(value: &'a Json<'a>) -> Form<'a> {
    match value {
        Json::Array(_) | Json::Object(_) => Form::Opaque(value),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Form::Normal(value),
    }
}
