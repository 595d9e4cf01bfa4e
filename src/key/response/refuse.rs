//! Which requests for a response are not identified at all.

use crate::wire::Json;

use super::super::field::{given, items, names_one_model};
use super::super::moment::is_volatile;
use super::super::reference::{contains_reference, is_reference};
use super::super::{Bypass, Rules};

/// How many pairs `metadata` may have, and how many characters their names and values.
const METADATA_MAX: (usize, usize, usize) = (16, 64, 512);

/// The fields out of the question that are text, where they are given.
const TEXTS: [&str; 5] = [
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "user",
];

/// What this request cannot be identified for, the plainest reason first.
///
/// # Errors
/// The reason.
pub(super) fn check(body: &Json<'_>, rules: Rules) -> Result<(), Bypass> {
    let reason = if !is_well_formed(body, rules) {
        Bypass::Invalid
    } else if is_stateful(body) {
        Bypass::Stateful
    } else if is_volatile(body) {
        Bypass::Volatile
    } else if has_hosted_tool(body) {
        Bypass::HostedTool
    } else if !rules.remote_references && refers(body) {
        Bypass::RemoteReference
    } else {
        return Ok(());
    };
    Err(reason)
}

/// Whether what an answer cannot do without is there, and the fields out of the question
/// are what they should be. What is not is an error upstream, and must not be answered
/// from an entry.
fn is_well_formed(body: &Json<'_>, rules: Rules) -> bool {
    let has_prompt = given(body, "prompt").is_some();
    let input = match given(body, "input") {
        None => has_prompt,
        Some(Json::String(_)) => true,
        Some(Json::Array(items)) => {
            !items.is_empty() && items.iter().all(|item| item.as_object().is_some())
        }
        Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_)) => false,
    };
    // A prompt that is kept at the provider may name the model.
    let model = names_one_model(body, rules) || (has_prompt && given(body, "model").is_none());
    let is = |name, fits: fn(&Json<'_>) -> bool| given(body, name).is_none_or(fits);
    let is_bool = |value: &Json<'_>| value.as_bool().is_some();
    let is_object = |value: &Json<'_>| value.as_object().is_some();
    let flags = ["background", "store", "stream"];
    let objects = ["prompt", "prompt_cache_options", "stream_options"];
    model
        && input
        && flags.into_iter().all(|name| is(name, is_bool))
        && objects.into_iter().all(|name| is(name, is_object))
        && TEXTS
            .into_iter()
            .all(|name| is(name, |value| value.as_str().is_some()))
        && is("metadata", is_metadata)
}

/// Whether these are pairs of short texts, as the API takes them.
fn is_metadata(value: &Json<'_>) -> bool {
    let (pairs, name_max, value_max) = METADATA_MAX;
    value.as_object().is_some_and(|members| {
        members.len() <= pairs
            && members.iter().all(|(name, value)| {
                name.chars().count() <= name_max
                    && value
                        .as_str()
                        .is_some_and(|text| text.chars().count() <= value_max)
            })
    })
}

/// Whether the answer depends on what the provider keeps, or goes on behind the request.
fn is_stateful(body: &Json<'_>) -> bool {
    let refers_back = ["previous_response_id", "conversation"]
        .into_iter()
        .any(|name| given(body, name).is_some());
    let background = given(body, "background").and_then(Json::as_bool) == Some(true);
    let referenced = items(body, "input")
        .iter()
        .any(|item| item.get("type").and_then(Json::as_str) == Some("item_reference"));
    // Without its version a prompt is the latest one.
    let moving = given(body, "prompt").is_some_and(|prompt| given(prompt, "version").is_none());
    refers_back || background || referenced || moving
}

/// Whether a tool is one that the provider runs itself, or is of no known kind.
fn has_hosted_tool(body: &Json<'_>) -> bool {
    let is_own = |kind: Option<&str>| matches!(kind, Some("function" | "custom"));
    let kind = |tool: &Json<'_>| is_own(tool.get("type").and_then(Json::as_str));
    let choice = body
        .get("tool_choice")
        .and_then(|choice| choice.get("type"));
    let chosen = choice.and_then(Json::as_str);
    !items(body, "tools").iter().all(kind)
        || chosen.is_some_and(|kind| kind != "allowed_tools" && !is_own(Some(kind)))
}

/// Whether anything that is put in is not in the request itself.
fn refers(body: &Json<'_>) -> bool {
    items(body, "input").iter().any(item_refers)
        || given(body, "prompt").is_some_and(contains_reference)
}

fn item_refers(item: &Json<'_>) -> bool {
    let members = item.as_object().unwrap_or_default().iter();
    members
        .into_iter()
        .any(|(name, value)| match name.as_ref() {
            // What the model said before may name its sources: that is text.
            "content" => {
                let said = |part: &Json<'_>| {
                    part.get("type").and_then(Json::as_str) == Some("output_text")
                };
                let parts = value.as_array().unwrap_or_default().iter();
                parts.filter(|part| !said(part)).any(contains_reference)
            }
            _ => is_reference(name, value) || contains_reference(value),
        })
}
