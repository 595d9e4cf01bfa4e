//! Which request headers are part of the question.
//!
//! As with the fields of a body, everything is, except what this file names: a
//! header nobody has heard of may select a behaviour, so it makes another key.

use std::collections::HashSet;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderName};

/// What a request header is to the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It may change the answer: it is in the key.
    Question,
    /// It says who asks: it is in the [`Scope`](super::Scope), not in the key again.
    Credential,
    /// It changes how the answer travels, is traced or cached, not what it says.
    Aside,
}

/// Headers that say who asks. The organization and the project decide which
/// models and stored objects the upstream shows, so they are part of the scope.
const CREDENTIALS: [&str; 7] = [
    "api-key",
    "authorization",
    "openai-organization",
    "openai-project",
    "proxy-authorization",
    "x-api-key",
    "x-goog-api-key",
];

/// The headers that say who asks.
pub fn credential_names() -> impl Iterator<Item = HeaderName> {
    CREDENTIALS.into_iter().map(HeaderName::from_static)
}

/// Headers that are out of the key by name.
const ASIDE: [&str; 69] = [
    // Transport (RFC 9110, RFC 9112) and what hangs on the connection.
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "keep-alive",
    "max-forwards",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "priority",
    // Conditions and ranges, which have no meaning on these requests.
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
    // The client's software and what it understands; the form of the answer is ours.
    "accept",
    "user-agent",
    "x-goog-api-client",
    "x-ms-useragent",
    // Browsers.
    "cookie",
    "dnt",
    "from",
    "origin",
    "referer",
    "save-data",
    "upgrade-insecure-requests",
    "x-requested-with",
    // A page's word that it knows its credential to be public.
    "anthropic-dangerous-direct-browser-access",
    // The name of the calling application, for an aggregator's statistics.
    "http-referer",
    "x-openrouter-categories",
    "x-openrouter-title",
    "x-title",
    // What gateways count and trace by.
    "helicone-prompt-id",
    "helicone-request-id",
    "helicone-user-id",
    // Identification of the request and tracing.
    "b3",
    "baggage",
    "elastic-apm-traceparent",
    "idempotency-key",
    "newrelic",
    "request-id",
    "sentry-trace",
    "traceparent",
    "tracestate",
    "uber-trace-id",
    "x-client-request-id",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-ms-client-request-id",
    "x-portkey-debug",
    "x-portkey-metadata",
    "x-portkey-trace-id",
    "x-request-id",
    "x-request-start",
    // Proxies on the way.
    "cdn-loop",
    "forwarded",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-real-ip",
    // What is asked of caches, this one included.
    "cache-control",
    "pragma",
];

/// Beginnings of names that are out of the key.
const ASIDE_PREFIXES: [&str; 18] = [
    "accept-",
    "cf-",
    "fly-",
    "helicone-cache-",
    "helicone-property-",
    "helicone-session-",
    "sec-",
    "x-amzn-",
    "x-b3-",
    "x-bf-dim-",
    "x-bf-prom-",
    "x-cache-",
    // The names of a session and its agents, for the provider's statistics.
    "x-claude-code-",
    "x-datadog-",
    "x-envoy-",
    "x-forwarded-",
    "x-stainless-",
    "x-vercel-",
];

/// A credential of a gateway that begins like what the network in front of it adds.
const CF_AUTHORIZATION: &str = "cf-aig-authorization";

/// [`ASIDE`] as a set: a request brings a dozen headers, and none of them should
/// be compared with every name.
fn aside_names() -> &'static HashSet<&'static str> {
    static NAMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| ASIDE.into());
    &NAMES
}

/// What the header called `name` is to the key.
pub fn role(name: &HeaderName) -> Role {
    let name = name.as_str();
    let aside = aside_names().contains(name)
        || name.ends_with("-user-agent")
        || ASIDE_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if CREDENTIALS.contains(&name) {
        Role::Credential
    } else if aside && name != CF_AUTHORIZATION {
        Role::Aside
    } else {
        Role::Question
    }
}

/// The headers that are part of the question, by name; the values of one name in
/// the order they came.
pub fn semantic(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
    in_role(headers, Role::Question)
}

/// The headers that say who asks, by name: the parts of a
/// [`Scope`](super::Scope) when the caller brings its own upstream credential.
pub fn credentials(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
    in_role(headers, Role::Credential)
}

fn in_role(headers: &HeaderMap, wanted: Role) -> Vec<(&str, &[u8])> {
    let mut found: Vec<(&str, &[u8])> = headers
        .iter()
        .filter(|(name, _)| role(name) == wanted)
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    // A stable sort: it keeps the order of the values of one name.
    found.sort_by_key(|(name, _)| *name);
    found
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        map
    }

    #[test]
    fn what_selects_a_behaviour_is_in_the_key() {
        for name in [
            "openai-beta",
            "anthropic-version",
            "anthropic-beta",
            "x-unheard-of",
            "extra-parameters",
            "cf-aig-authorization",
            "helicone-auth",
            "x-portkey-config",
            "x-portkey-provider",
            "x-bf-vk",
            "x-ms-model-mesh-model-name",
        ] {
            assert_eq!(
                role(&HeaderName::from_static(name)),
                Role::Question,
                "{name}"
            );
        }
    }

    #[test]
    fn what_travels_with_a_request_is_not() {
        for name in [
            "accept",
            "anthropic-dangerous-direct-browser-access",
            "x-claude-code-session-id",
            "accept-encoding",
            "accept-language",
            "baggage",
            "b3",
            "cache-control",
            "cf-ray",
            "connection",
            "content-length",
            "content-type",
            "cookie",
            "dnt",
            "forwarded",
            "helicone-property-team",
            "helicone-user-id",
            "host",
            "http-referer",
            "idempotency-key",
            "origin",
            "pragma",
            "priority",
            "referer",
            "sec-fetch-mode",
            "sentry-trace",
            "traceparent",
            "tracestate",
            "user-agent",
            "via",
            "x-amzn-trace-id",
            "x-b3-traceid",
            "x-bf-dim-team",
            "x-cache-ttl",
            "x-client-request-id",
            "x-correlation-id",
            "x-datadog-trace-id",
            "x-forwarded-for",
            "x-portkey-trace-id",
            "x-real-ip",
            "x-request-id",
            "x-stainless-retry-count",
            "x-title",
            "x-together-client-user-agent",
        ] {
            assert_eq!(role(&HeaderName::from_static(name)), Role::Aside, "{name}");
        }
    }

    #[test]
    fn who_asks_is_in_the_scope() {
        let map = headers(&[
            ("x-api-key", "k"),
            ("openai-project", "p"),
            ("authorization", "Bearer a"),
            ("openai-organization", "o"),
            ("user-agent", "curl"),
        ]);
        assert_eq!(
            credentials(&map),
            [
                ("authorization", b"Bearer a".as_slice()),
                ("openai-organization", b"o"),
                ("openai-project", b"p"),
                ("x-api-key", b"k"),
            ]
        );
        assert!(semantic(&map).is_empty());
    }

    #[test]
    fn names_are_sorted_and_values_keep_their_order() {
        let map = headers(&[
            ("x-b", "2"),
            ("openai-beta", "b"),
            ("x-b", "1"),
            ("openai-beta", "a"),
        ]);
        assert_eq!(
            semantic(&map),
            [
                ("openai-beta", b"b".as_slice()),
                ("openai-beta", b"a"),
                ("x-b", b"2"),
                ("x-b", b"1"),
            ]
        );
    }
}
