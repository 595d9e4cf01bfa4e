//! Where things are at Azure `OpenAI`.
//!
//! A resource has two kinds of addresses: `/openai/deployments/{name}/…` and what else
//! stands below `/openai`, which Azure's own clients ask for with the version of the API
//! in the query; and `/openai/v1/…`, which is what other clients find below their root.
//! The base URL may be any of the places people copy: the resource itself, its `/openai`,
//! its `/openai/v1` or one of its deployments.

/// Below what of a resource its API is.
const API: &str = "/openai";

/// The root that clients of any provider know.
const V1: &str = "/openai/v1";

/// What is below a deployment; everything else belongs to the resource.
const DEPLOYED: [&str; 5] = [
    "/audio/",
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/images/",
];

/// The path at the provider for a request for `path`, where the base URL has the path
/// `base`. What is asked below `/openai` is an address of the resource, so that nothing
/// is there twice; the rest is an address below the base's own root.
pub(super) fn place(base: &str, path: &str) -> String {
    let base = base.trim_end_matches('/');
    let (resource, home) = split(base);
    if path.starts_with("/openai/") {
        return format!("{resource}{path}");
    }
    let has_no_root = home == API || base.is_empty();
    let is_elsewhere = is_deployment(home) && !is_deployed(path);
    let home = if has_no_root || is_elsewhere {
        V1
    } else {
        home
    };
    format!("{resource}{home}{path}")
}

/// What of a base's path leads to the resource, and what to its API.
fn split(base: &str) -> (&str, &str) {
    let starts = |at: &usize| {
        let rest = base.get(at + API.len()..).unwrap_or_default();
        rest.is_empty() || rest.starts_with('/')
    };
    let mut found = base.match_indices(API).map(|(at, _)| at);
    let at = found.find(starts);
    at.and_then(|at| base.split_at_checked(at))
        .unwrap_or((base, ""))
}

fn is_deployment(home: &str) -> bool {
    home.starts_with("/openai/deployments/")
}

fn is_deployed(path: &str) -> bool {
    DEPLOYED.iter().any(|below| path.starts_with(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_place_is_the_base_nothing_is_there_twice() {
        let deployed = "/openai/deployments/gpt/chat/completions";
        for base in [
            "",
            "/",
            "/openai",
            "/openai/",
            "/openai/v1",
            "/openai/v1/",
            "/openai/deployments/other",
        ] {
            for path in [deployed, "/openai/responses", "/openai/v1/models"] {
                assert_eq!(place(base, path), path, "below {base:?}");
                let behind = format!("/gateway{base}");
                assert_eq!(place(&behind, path), format!("/gateway{path}"), "{behind}");
            }
        }
    }

    #[test]
    fn what_other_clients_ask_for_is_below_the_root_of_the_base() {
        for (base, path, expected) in [
            ("/", "/chat/completions", "/openai/v1/chat/completions"),
            ("/openai", "/models", "/openai/v1/models"),
            ("/openai/v1/", "/responses", "/openai/v1/responses"),
            (
                "/openai/deployments/d",
                "/embeddings",
                "/openai/deployments/d/embeddings",
            ),
            (
                "/openai/deployments/d",
                "/audio/speech",
                "/openai/deployments/d/audio/speech",
            ),
            ("/openai/deployments/d", "/models", "/openai/v1/models"),
            ("/openai/deployments/d", "/files", "/openai/v1/files"),
            ("/x/openai", "/models", "/x/openai/v1/models"),
            // A place that is laid out in a way of its own.
            ("/v1", "/models", "/v1/models"),
            ("/v1", "/openai/responses", "/v1/openai/responses"),
            ("/openai-eu", "/models", "/openai-eu/models"),
        ] {
            assert_eq!(place(base, path), expected, "{base} and {path}");
        }
    }
}
