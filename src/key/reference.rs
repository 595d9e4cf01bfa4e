//! Content that is not in a request itself, but behind an address or an id.

use crate::wire::Json;

/// Whether anything in `value` points elsewhere.
pub(super) fn contains_reference(value: &Json<'_>) -> bool {
    match value {
        Json::Object(members) => members
            .iter()
            .any(|(name, value)| is_reference(name, value) || contains_reference(value)),
        Json::Array(items) => items.iter().any(contains_reference),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
    }
}

/// Whether a member points elsewhere: at a file by its id, or by an address in a
/// member meant for addresses. A `data:` address is its own content.
pub(super) fn is_reference(name: &str, value: &Json<'_>) -> bool {
    let addresses = matches!(name, "url" | "uri" | "file_data" | "data")
        || name.ends_with("_url")
        || name.ends_with("_uri");
    match value.as_str() {
        Some(_) if name == "file_id" => true,
        Some(text) => addresses && is_address(text),
        None => false,
    }
}

/// Whether a text is an absolute address (RFC 3986 §3): `https://…`, `gs://…`,
/// and `http:…`, which some readers repair. Plain base64 has no colon.
fn is_address(text: &str) -> bool {
    let text = text.trim_start();
    let scheme_bytes = text
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        .count();
    match text.split_at_checked(scheme_bytes) {
        Some((scheme, rest)) => {
            !scheme.is_empty() && !scheme.eq_ignore_ascii_case("data") && rest.starts_with(':')
        }
        None => false,
    }
}
