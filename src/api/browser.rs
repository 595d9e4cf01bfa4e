//! What keeps a browser from being used against its owner, on every page it may show:
//! the administration, the documentation and what lies at the root.
//!
//! A page of another site can make a browser send requests here, also to an address that
//! only this machine reaches, by giving its own name that address (DNS rebinding). So
//! these pages are given only under names that are known to be this server's, tell the
//! browser to take nothing from elsewhere, and may not be shown inside of other pages.
//! No other origin is ever allowed to read an answer (there is no CORS). The API itself,
//! below `/v1`, is for programs and is left alone.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::uri::Authority;
use http::{HeaderName, HeaderValue};

use super::ApiState;
use super::admin;
use super::error::ApiError;

/// Scripts are those of this server alone. Styles may stand in the page: the page of the
/// documentation cannot do without.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

const SAFETY: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Puts the safety of browsers around the pages that are for them.
pub(super) fn wrap(router: Router<ApiState>, named: Vec<String>) -> Router<ApiState> {
    let named: Arc<[String]> = named.into();
    router.layer(from_fn(move |request, next| {
        guard(Arc::clone(&named), request, next)
    }))
}

async fn guard(named: Arc<[String]>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_administration = admin::is_below_prefix(path);
    if !is_administration && !is_page(path) {
        return next.run(request).await;
    }
    let mut response = if is_ours(&request, &named) {
        next.run(request).await
    } else {
        ApiError::Misdirected.into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in SAFETY {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_administration {
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

fn is_page(path: &str) -> bool {
    matches!(path, "/" | "/docs" | "/openapi.json" | "/favicon.ico") || path.starts_with("/docs/")
}

/// Whether a request is for a name of this server. What stands in the request's target
/// counts before what stands in `Host` (RFC 9112 §3.2.2), and of several none does.
fn is_ours(request: &Request, named: &[String]) -> bool {
    if let Some(authority) = request.uri().authority() {
        return is_known(authority, named);
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let authority = host.to_str().ok().and_then(|host| host.parse().ok());
    authority.is_some_and(|authority| is_known(&authority, named))
}

/// Whether a browser asks for a page of another site. Programs name no origin.
///
/// A page of this very machine is none, nor one under a name of this server, nor one from
/// where the request goes to, if that is a name of this server: any other name may have
/// been given this server's address. A bare address says nothing of whose page it is.
pub(super) fn is_foreign_page(request: &Request, named: &[String]) -> bool {
    let mut origins = request.headers().get_all(ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        (None, _) => return false,
        (Some(origin), None) => origin.to_str().ok(),
        (Some(_), Some(_)) => None,
    };
    let authority = origin
        .and_then(|origin| origin.split_once("://"))
        .and_then(|(_, authority)| authority.parse::<Authority>().ok());
    let Some(authority) = authority else {
        return true;
    };
    let host = authority.host().trim_matches(['[', ']']);
    let is_home = match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_name) => is_known(&authority, named),
    };
    let goes_to = request.headers().get(HOST);
    let is_same = goes_to.is_some_and(|host| host.as_bytes() == authority.as_str().as_bytes());
    !(is_home || is_same && is_ours(request, named))
}

/// Whether a name is known to be this server's. A bare address always is, and so is this
/// very machine: neither can be given to another by whoever keeps a zone of names.
fn is_known(authority: &Authority, named: &[String]) -> bool {
    let host = authority.host().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host).parse::<IpAddr>().is_ok()
        || host == "localhost"
        || host.ends_with(".localhost")
        || named.iter().any(|known| known == host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_this_machine_and_configured_names_are_known() {
        let named = ["cache.example".to_owned()];
        let known = |host: &str| is_known(&host.parse().unwrap(), &named);
        for host in [
            "localhost:8080",
            "LOCALHOST",
            "localhost.",
            "reprise.localhost:1",
            "127.0.0.1:8080",
            "[::1]:8080",
            "10.1.2.3",
            "cache.example",
            "Cache.Example:443",
        ] {
            assert!(known(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "xlocalhost",
            "sub.cache.example",
        ] {
            assert!(!known(host), "{host}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_foreign() {
        let named = ["cache.example".to_owned()];
        let foreign = |host: &str, origin: &str| {
            let request = http::Request::builder()
                .header(HOST, host)
                .header(ORIGIN, origin)
                .body(axum::body::Body::empty());
            is_foreign_page(&request.unwrap(), &named)
        };
        for (host, origin) in [
            ("localhost:8080", "http://localhost:3000"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("10.1.2.3:8080", "http://10.1.2.3:8080"),
            ("cache.example", "https://cache.example"),
        ] {
            assert!(!foreign(host, origin), "{origin} at {host}");
        }
        for (host, origin) in [
            ("localhost:8080", "https://evil.example"),
            ("evil.example", "http://evil.example"),
            ("localhost:8080", "http://203.0.113.5"),
            ("10.1.2.3:8080", "http://10.1.2.4:8080"),
            ("localhost:8080", "null"),
            ("localhost:8080", ""),
        ] {
            assert!(foreign(host, origin), "{origin} at {host}");
        }
        let program = http::Request::new(axum::body::Body::empty());
        assert!(!is_foreign_page(&program, &named));
    }

    #[test]
    fn a_request_has_one_host() {
        let request = |hosts: &[&str], target: &str| {
            let mut request = http::Request::builder().uri(target);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            request.body(axum::body::Body::empty()).unwrap()
        };
        assert!(is_ours(&request(&["localhost"], "/admin"), &[]));
        assert!(!is_ours(&request(&[], "/admin"), &[]));
        assert!(!is_ours(
            &request(&["localhost", "localhost"], "/admin"),
            &[]
        ));
        assert!(!is_ours(&request(&["a b"], "/admin"), &[]));
        let absolute = request(&["localhost"], "http://evil.example/admin");
        assert!(!is_ours(&absolute, &[]));
    }
}
