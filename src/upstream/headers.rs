//! Which headers cross the proxy, in either direction.
//!
//! Hop-by-hop fields (RFC 9110 §7.6.1) belong to one connection; the rest of
//! what is dropped here would tell the provider about the client's network or
//! about the cache between them.

use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName};

const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// The client's headers that go to the provider. `recorded` says that the answer
/// will be read: then it must come unencoded, and the directives to the cache
/// have been obeyed here and go no further.
pub fn forwardable(headers: &HeaderMap, recorded: bool) -> HeaderMap {
    let mut kept = without_hop_by_hop(headers);
    for name in [HOST, CONTENT_LENGTH, FORWARDED, VIA, EXPECT] {
        kept.remove(name);
    }
    let proxied: Vec<HeaderName> = kept
        .keys()
        .filter(|name| {
            let name = name.as_str();
            name.starts_with("x-forwarded-") || name.starts_with("x-cache-") || name == "x-real-ip"
        })
        .cloned()
        .collect();
    for name in proxied {
        kept.remove(name);
    }
    if recorded {
        // Not part of what is asked, so it must not be able to change the answer.
        kept.remove(COOKIE);
        kept.remove(ACCEPT_ENCODING);
        kept.remove(CACHE_CONTROL);
        kept.remove("pragma");
    }
    kept
}

/// The provider's headers that go back to the client.
pub fn returnable(headers: &HeaderMap) -> HeaderMap {
    let mut kept = without_hop_by_hop(headers);
    // Ours is the one the client can quote; the provider's is in the log.
    kept.remove("x-request-id");
    kept
}

fn without_hop_by_hop(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.into_iter().chain(named) {
        kept.remove(name);
    }
    kept
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn what_the_connection_names_is_dropped_with_it() {
        let kept = forwardable(
            &headers(&[
                ("connection", "close, X-Secret-Hop"),
                ("x-secret-hop", "1"),
                ("te", "trailers"),
                ("host", "localhost"),
                ("content-length", "3"),
                ("x-forwarded-for", "10.0.0.1"),
                ("authorization", "Bearer k"),
                ("x-custom", "kept"),
                ("accept-encoding", "gzip"),
            ]),
            false,
        );
        let mut names: Vec<_> = kept.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept-encoding", "authorization", "x-custom"]);
    }

    #[test]
    fn a_recorded_answer_is_asked_for_unencoded_and_without_cache_directives() {
        let kept = forwardable(
            &headers(&[
                ("accept-encoding", "gzip"),
                ("cache-control", "no-cache"),
                ("pragma", "no-cache"),
                ("x-cache-ttl", "60"),
                ("user-agent", "sdk"),
            ]),
            true,
        );
        assert_eq!(kept.len(), 1);
    }
}
