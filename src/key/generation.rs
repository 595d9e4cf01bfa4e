//! What requests that make a model write have in common: chat, and completions of the
//! time before it.

use crate::wire::Json;

use super::Rules;
use super::canonical::Form;
use super::field::{given, items, names_one_model};
use super::shape::set;

/// The fields that are out of the question:
/// - `stream` is transport, both forms are served from one entry;
/// - `user`, `safety_identifier`, `metadata` name the caller and are not shown to the model;
/// - `store` asks for a side effect; asking for it is a bypass, declining it is nothing;
/// - `prompt_cache_*` and `cache_control` steer the provider's own prefix cache;
/// - `service_tier` chooses a price and a latency of the same model.
pub(super) const ASIDE: [&str; 10] = [
    "cache_control",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "user",
];

/// The field that says what a stream carries along.
pub(super) const STREAM_OPTIONS: &str = "stream_options";

/// Where to stop: one text is a list of one, and the order does not matter.
pub(super) fn stop<'a>(value: &'a Json<'a>) -> Form<'a> {
    if value.as_str().is_some() {
        Form::Set(vec![Form::Normal(value)])
    } else {
        set(value)
    }
}

/// Whether the model and the fields out of the question are of the right type. A
/// wrong one is an error upstream, and must not be answered from an entry.
pub(super) fn is_well_formed(body: &Json<'_>, rules: Rules) -> bool {
    let streams = given(body, "stream").is_none_or(|value| value.as_bool().is_some());
    let options = given(body, "stream_options").is_none_or(|value| value.as_object().is_some());
    names_model(body, rules) && streams && options
}

/// Whether a model is named: in `model`, in an aggregator's list of `models`, or
/// on Azure by the deployment in the path.
fn names_model(body: &Json<'_>, rules: Rules) -> bool {
    names_one_model(body, rules)
        || (given(body, "model").is_none() && !items(body, "models").is_empty())
}

/// Whether the upstream is asked to keep the completion.
pub(super) fn stores(body: &Json<'_>) -> bool {
    given(body, "store").is_some_and(|value| value.as_bool() != Some(false))
}
