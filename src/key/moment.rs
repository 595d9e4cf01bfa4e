//! What makes an answer depend on the moment it is asked.

use crate::wire::Json;

use super::field::{given, items};

/// Parts of model names that search the web whenever they answer.
const VOLATILE_MODELS: [&str; 3] = ["-search-preview", "-search-api", "-deep-research"];

/// The suffix with which `OpenRouter` turns web search on for any model.
const ONLINE_SUFFIX: &str = ":online";

/// The fields that turn web search on by being there.
const VOLATILE_FIELDS: [&str; 2] = ["web_search_options", "search_parameters"];

/// Whether the model, or something beside it, looks things up whenever it answers.
pub(super) fn is_volatile(body: &Json<'_>) -> bool {
    let named = |name: &str| {
        name.ends_with(ONLINE_SUFFIX) || VOLATILE_MODELS.iter().any(|part| name.contains(part))
    };
    let listed = items(body, "models")
        .iter()
        .filter_map(Json::as_str)
        .any(named);
    let web_plugin = items(body, "plugins")
        .iter()
        .any(|plugin| plugin.get("id").and_then(Json::as_str) == Some("web"));
    body.get("model").and_then(Json::as_str).is_some_and(named)
        || listed
        || web_plugin
        || VOLATILE_FIELDS
            .iter()
            .any(|name| given(body, name).is_some())
}
