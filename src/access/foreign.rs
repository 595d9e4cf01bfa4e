//! What a request says to choose a provider or a credential by itself.
//!
//! Where this server brings the credential, nothing the client sends may say where that
//! goes or which it is. Gateways that stand behind us may obey such words, so that they
//! are refused, not ignored.

use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;

use crate::key::headers;

/// Members of a body and parameters of a query that say it.
const NAMES: [&str; 16] = [
    "api_base",
    "api_key",
    "aws_access_key_id",
    "aws_bedrock_runtime_endpoint",
    "aws_secret_access_key",
    "aws_session_token",
    "azure_ad_token",
    "azure_endpoint",
    "base_url",
    "custom_llm_provider",
    "deployment_id",
    "extra_headers",
    "fallbacks",
    "organization",
    "user_config",
    "vertex_credentials",
];

/// Parameters of a query that are credentials.
const PARAMETERS: [&str; 4] = ["access_token", "key", "subscription_key", "token"];

/// Endings of headers that choose an upstream.
const CHOOSING: [&str; 5] = [
    "api-base",
    "base-url",
    "custom-host",
    "target-url",
    "upstream-url",
];

/// Endings of headers that are credentials, besides those that are always.
const CREDENTIALS: [&str; 10] = [
    "-access-token",
    "-api-key",
    "-auth",
    "-auth-token",
    "-authorization",
    "-security-token",
    "-session-token",
    "-subscription-key",
    "-virtual-key",
    "-vk",
];

/// Headers with which clients of another gateway say where a request goes. They bring
/// them on every request, meaning that gateway, so that they are taken away and nobody is
/// refused for them.
const ROUTES: [&str; 2] = ["x-portkey-config", "x-portkey-provider"];

/// The member of a body that says so, if there is one. Case does not count: there are
/// readers for whom it does not.
pub fn member(name: &str) -> Option<&'static str> {
    let mut names = NAMES.into_iter();
    names.find(|refused| refused.eq_ignore_ascii_case(name))
}

/// The parameter of a query that says so, if there is one.
pub fn parameter(path_and_query: &str) -> Option<&'static str> {
    let (_, query) = path_and_query.split_once('?')?;
    let mut given = query.split('&').map(|pair| {
        let (name, _) = pair.split_once('=').unwrap_or((pair, ""));
        decoded(name)
    });
    given.find_map(|given| {
        let mut names = NAMES.into_iter().chain(PARAMETERS);
        names.find(|name| name.as_bytes() == given)
    })
}

/// The header that chooses an upstream, if there is one: what it ends with.
pub fn header(request: &HeaderMap) -> Option<&'static str> {
    request.keys().find_map(|name| ending(name, &CHOOSING))
}

/// Takes the credentials of the client from a request, and where it was to be sent.
pub fn strip(request: &mut HeaderMap) {
    for name in headers::credential_names() {
        request.remove(name);
    }
    request.remove(http::header::COOKIE);
    for name in ROUTES {
        request.remove(name);
    }
    let others: Vec<HeaderName> = request
        .keys()
        .filter(|name| ending(name, &CREDENTIALS).is_some())
        .cloned()
        .collect();
    for name in others {
        request.remove(name);
    }
}

fn ending(name: &HeaderName, endings: &[&'static str]) -> Option<&'static str> {
    let mut endings = endings.iter().copied();
    endings.find(|ending| name.as_str().ends_with(ending))
}

/// The name of a parameter as servers read it: escapes resolved, in lower case, with
/// underscores for dashes.
fn decoded(name: &str) -> Vec<u8> {
    percent_decode_str(name)
        .map(|byte| match byte {
            b'-' => b'_',
            byte => byte.to_ascii_lowercase(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn parameters_are_found_however_they_are_written() {
        for query in [
            "/x?api_key=1",
            "/x?a=b&api-key=1",
            "/x?API-Key",
            "/x?%61pi_ke%79=1",
            "/x?key=1",
            "/x?base_url=http://169.254.169.254/",
        ] {
            assert!(parameter(query).is_some(), "{query}");
        }
        for query in [
            "/api_key",
            "/x?limit=1",
            "/x?q=api_key",
            "/x?keys=1",
            "/x?%",
        ] {
            assert_eq!(parameter(query), None, "{query}");
        }
    }

    #[test]
    fn headers_that_are_credentials_do_not_go_on() {
        let mut request = HeaderMap::new();
        for name in [
            "authorization",
            "api-key",
            "x-api-key",
            "cookie",
            "openai-organization",
            "x-portkey-virtual-key",
            "helicone-auth",
            "cf-aig-authorization",
            "x-bf-vk",
            "x-portkey-config",
            "x-portkey-provider",
            "x-amz-security-token",
            "openai-beta",
        ] {
            request.insert(name, HeaderValue::from_static("1"));
        }
        strip(&mut request);
        assert_eq!(request.len(), 1);
        assert!(request.contains_key("openai-beta"));
    }

    #[test]
    fn headers_that_choose_an_upstream_are_found() {
        let mut request = HeaderMap::new();
        request.insert("content-type", HeaderValue::from_static("1"));
        assert_eq!(header(&request), None);
        request.insert("helicone-target-url", HeaderValue::from_static("1"));
        assert_eq!(header(&request), Some("target-url"));
    }
}
