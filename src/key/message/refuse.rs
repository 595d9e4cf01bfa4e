//! Which requests for messages are not identified at all.
//!
//! `context_management` is not among the reasons: its edits are made anew on every
//! request, from nothing but what the request says, and the client keeps the whole
//! conversation. It is in the question.

use crate::wire::Json;

use super::super::field::{given, names_one_model};
use super::super::moment::is_volatile;
use super::super::reference::contains_reference;
use super::super::{Bypass, Rules};
use super::Wanted;

/// What this request cannot be identified for, the plainest reason first.
///
/// # Errors
/// The reason.
pub(super) fn check(body: &Json<'_>, wanted: Wanted, rules: Rules) -> Result<(), Bypass> {
    let messages = messages(body).ok_or(Bypass::Invalid)?;
    let reason = if !is_well_formed(body, wanted, rules) {
        Bypass::Invalid
    } else if given(body, "container").is_some() {
        // What was done in a container before is seen by what is done in it next.
        Bypass::Stateful
    } else if is_volatile(body) {
        Bypass::Volatile
    } else if has_hosted_tool(body) {
        Bypass::HostedTool
    } else if !rules.remote_references && refers(body, messages) {
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

/// Whether what a request cannot do without and the fields out of the question are of
/// the right type. A wrong one is an error upstream, and must not be answered from an
/// entry.
fn is_well_formed(body: &Json<'_>, wanted: Wanted, rules: Rules) -> bool {
    let fits = |name: &str, fits: fn(&Json<'_>) -> bool| given(body, name).is_none_or(fits);
    let is_limited = match wanted {
        Wanted::TokenCount => true,
        Wanted::Message => body
            .get("max_tokens")
            .and_then(Json::as_u64)
            .is_some_and(|limit| limit > 0),
    };
    is_limited
        && names_one_model(body, rules)
        && fits("stream", |value| value.as_bool().is_some())
        && fits("metadata", |value| value.as_object().is_some())
        && fits("service_tier", |value| value.as_str().is_some())
        && fits("cache_control", |value| value.as_object().is_some())
}

/// Whether the provider itself, or a server it calls, is to do something: a tool of any
/// other type than `custom`, or servers of tools. Some typed tools are run by the client;
/// a list of them would be out of date with the next.
fn has_hosted_tool(body: &Json<'_>) -> bool {
    let servers = given(body, "mcp_servers").is_some_and(Json::says_something);
    let tools = body.get("tools").and_then(Json::as_array);
    servers
        || tools
            .unwrap_or_default()
            .iter()
            .filter_map(|tool| given(tool, "type"))
            .any(|kind| kind.as_str() != Some("custom"))
}

/// Whether something is shown that is not in the request itself.
fn refers(body: &Json<'_>, messages: &[Json<'_>]) -> bool {
    let contents = messages.iter().filter_map(|message| message.get("content"));
    contents.chain(body.get("system")).any(any_refers)
}

fn any_refers(content: &Json<'_>) -> bool {
    let blocks = content.as_array().unwrap_or_default();
    blocks.iter().any(block_refers)
}

/// Only the source of a block is looked at, and the blocks within it: addresses in the
/// input of a tool, in what it found or in a citation are text to the model.
fn block_refers(block: &Json<'_>) -> bool {
    block.get("file_id").is_some()
        || block.get("source").is_some_and(source_refers)
        || block.get("content").is_some_and(any_refers)
}

fn source_refers(source: &Json<'_>) -> bool {
    match source.get("type").and_then(Json::as_str) {
        Some("base64" | "text") => false,
        Some("content") => source.get("content").is_some_and(any_refers),
        Some("url" | "file") => true,
        Some(_) | None => contains_reference(source),
    }
}
