//! Why a member is in no key, in words.

use super::super::field::is_control_field;

/// For a documented member that is `null`.
pub(super) const NULL: &str = "null is the same as leaving it out";

/// For a member nobody has written a reason for.
pub(super) const UNTOLD: &str = "it is not part of the question";

/// Why a member of this name is in no key.
pub(super) fn of(name: &str) -> &'static str {
    match name {
        "stream" => "it is transport: both forms are served from one entry",
        "stream_options" | "continuous_usage_stats" | "include_obfuscation" | "include_usage" => {
            "it only says what a stream carries along"
        }
        "user" | "safety_identifier" | "metadata" => {
            "it names the caller, and is not shown to the model"
        }
        "store" => "declining to keep the answer changes nothing of it; asking for it is a bypass",
        "background" => "declining it changes nothing; asking for it is a bypass",
        "cache_control"
        | "prompt_cache_breakpoint"
        | "prompt_cache_key"
        | "prompt_cache_options"
        | "prompt_cache_retention" => "it steers the provider's own prefix cache",
        "service_tier" => "it chooses a price and a latency of the same model",
        "encoding_format" => "every form of a vector is made of one entry",
        _ if is_control_field(name) => {
            "it is meant for a gateway; a request from which it cannot be taken is a bypass"
        }
        _ => UNTOLD,
    }
}
