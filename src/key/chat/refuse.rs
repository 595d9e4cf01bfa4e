//! Which chat requests are not identified at all.
//!
//! A wrong guess here costs either a call that could have been saved or an
//! answer that is not the upstream's; where in doubt, the former.

use crate::wire::Json;

use super::super::Bypass;
use super::super::field::{given, items};
use super::super::generation::{is_well_formed, stores};
use super::super::moment::is_volatile;
use super::super::reference::contains_reference;
use super::Rules;

/// What this request cannot be identified for, the plainest reason first.
///
/// # Errors
/// The reason.
pub(super) fn check(body: &Json<'_>, rules: Rules) -> Result<(), Bypass> {
    let messages = messages(body).ok_or(Bypass::Invalid)?;
    let reason = if !is_well_formed(body, rules) {
        Bypass::Invalid
    } else if stores(body) {
        Bypass::Stateful
    } else if is_volatile(body) {
        Bypass::Volatile
    } else if has_hosted_tool(body) {
        Bypass::HostedTool
    } else if speaks(body, messages) {
        Bypass::AudioOutput
    } else if !rules.remote_references && messages.iter().any(refers) {
        Bypass::RemoteReference
    } else {
        return Ok(());
    };
    Err(reason)
}

/// The messages, if there are any and all are objects.
fn messages<'a>(body: &'a Json<'a>) -> Option<&'a [Json<'a>]> {
    body.get("messages")?.as_array().filter(|messages| {
        !messages.is_empty() && messages.iter().all(|item| item.as_object().is_some())
    })
}

fn has_hosted_tool(body: &Json<'_>) -> bool {
    items(body, "tools")
        .iter()
        .filter_map(|tool| tool.get("type")?.as_str())
        .any(|kind| !matches!(kind, "function" | "custom"))
}

/// Whether sound is asked for, or an answer in sound is referred to by its id.
fn speaks(body: &Json<'_>, messages: &[Json<'_>]) -> bool {
    let modality = items(body, "modalities")
        .iter()
        .any(|modality| modality.as_str() == Some("audio"));
    let spoken = |message: &Json<'_>| given(message, "audio").is_some();
    modality || given(body, "audio").is_some() || messages.iter().any(spoken)
}

/// Whether a message shows something that is not in the request itself.
fn refers(message: &Json<'_>) -> bool {
    message.get("content").is_some_and(contains_reference)
}
