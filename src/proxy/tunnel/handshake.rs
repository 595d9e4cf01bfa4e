//! The heads that open a tunnel (RFC 6455 §4), and where a client may have put its
//! credential and its model in them.

use http::header::{AUTHORIZATION, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::upgraded;

/// How browsers show a credential, which can set no headers: as a subprotocol.
const KEY_PROTOCOL: &str = "openai-insecure-api-key.";

/// The parameter that names the model.
const MODEL: &str = "model";

/// The headers that show a credential.
const CREDENTIALS: [HeaderName; 3] = [
    AUTHORIZATION,
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
];

/// Takes a credential out of the subprotocols and shows it as a header, unless one is
/// shown there already. The provider is never offered it as a subprotocol.
pub(super) fn take_credential(headers: &mut HeaderMap) {
    let mut shown = None;
    let mut kept = Vec::new();
    for protocol in protocols(headers) {
        match protocol.strip_prefix(KEY_PROTOCOL) {
            Some(key) => shown = Some(format!("Bearer {key}")),
            None => kept.push(protocol),
        }
    }
    let Some(shown) = shown else {
        return;
    };
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    if let Ok(kept) = HeaderValue::try_from(kept.join(", "))
        && !kept.is_empty()
    {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, kept);
    }
    if CREDENTIALS.iter().all(|name| !headers.contains_key(name))
        && let Ok(mut value) = HeaderValue::try_from(shown)
    {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
}

/// The headers that show a credential, alone.
pub(super) fn credentials(headers: &HeaderMap) -> HeaderMap {
    let shown = headers.iter();
    let shown = shown.filter(|(name, _)| CREDENTIALS.contains(name));
    shown
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The headers that ask the provider for a tunnel. No extension is offered: it would
/// make unreadable what the provider says.
pub(super) fn request(mut headers: HeaderMap) -> HeaderMap {
    headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    upgraded(&mut headers);
    headers
}

/// The headers that tell the client that the tunnel is open.
pub(super) fn response(mut headers: HeaderMap) -> HeaderMap {
    headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    upgraded(&mut headers);
    headers
}

/// The model an address names; `None` if it names none, or several.
pub(super) fn model(path_and_query: &str) -> Option<String> {
    let (_, query) = path_and_query.split_once('?')?;
    let mut named = query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (decoded(name)?.eq_ignore_ascii_case(MODEL)).then_some(value)
    });
    match (named.next(), named.next()) {
        (Some(only), None) => decoded(only).filter(|model| !model.is_empty()),
        (_, _) => None,
    }
}

/// The address with another model in the place of the one it names.
pub(super) fn with_model(path_and_query: &str, model: &str) -> String {
    let Some((path, query)) = path_and_query.split_once('?') else {
        return path_and_query.to_owned();
    };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if decoded(name).is_some_and(|name| name == MODEL) => {
                format!("{MODEL}={}", utf8_percent_encode(model, NON_ALPHANUMERIC))
            }
            Some(_) | None => pair.to_owned(),
        })
        .collect();
    format!("{path}?{}", pairs.join("&"))
}

fn decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    let text = percent_decode_str(&text).decode_utf8().ok()?;
    Some(text.into_owned())
}

/// The subprotocols a client offers.
fn protocols(headers: &HeaderMap) -> Vec<String> {
    let lists = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let lists = lists.filter_map(|list| list.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .map(|protocol| protocol.trim().to_owned())
        .filter(|protocol| !protocol.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offering(protocols: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocols))])
    }

    #[test]
    fn a_credential_among_the_subprotocols_becomes_a_header() {
        let mut headers = offering("realtime, openai-insecure-api-key.sk-1, v1");
        take_credential(&mut headers);
        assert_eq!(headers[SEC_WEBSOCKET_PROTOCOL], "realtime, v1");
        assert_eq!(headers[AUTHORIZATION], "Bearer sk-1");
        assert!(headers[AUTHORIZATION].is_sensitive());
        assert_eq!(credentials(&headers).len(), 1);

        let mut both = offering("openai-insecure-api-key.sk-1");
        both.insert(AUTHORIZATION, HeaderValue::from_static("Bearer sk-2"));
        take_credential(&mut both);
        assert_eq!(both[AUTHORIZATION], "Bearer sk-2");
        assert!(!both.contains_key(SEC_WEBSOCKET_PROTOCOL));

        let mut none = offering("realtime");
        take_credential(&mut none);
        assert_eq!(none[SEC_WEBSOCKET_PROTOCOL], "realtime");
        assert!(!none.contains_key(AUTHORIZATION));
    }

    #[test]
    fn an_address_names_one_model() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(model("/realtime?model=gpt-realtime"), some("gpt-realtime"));
        assert_eq!(model("/realtime?a=b&mod%65l=a%2Fb"), some("a/b"));
        assert_eq!(model("/realtime?model=a&model=b"), None);
        assert_eq!(model("/realtime?model=a&MODEL=b"), None);
        assert_eq!(model("/realtime?model="), None);
        assert_eq!(model("/realtime"), None);
        assert_eq!(
            with_model("/realtime?a=b&model=x", "c/d"),
            "/realtime?a=b&model=c%2Fd"
        );
    }

    #[test]
    fn no_extension_is_offered() {
        let mut asked = offering("realtime");
        let deflate = HeaderValue::from_static("permessage-deflate");
        asked.insert(SEC_WEBSOCKET_EXTENSIONS, deflate);
        let asked = request(asked);
        assert!(!asked.contains_key(SEC_WEBSOCKET_EXTENSIONS));
        assert_eq!(asked["upgrade"], "websocket");
        assert_eq!(asked["connection"], "Upgrade");
    }
}
