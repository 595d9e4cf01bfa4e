//! The cookie that a session is held in (RFC 6265).
//!
//! Over https its name begins with `__Host-`: a browser then takes it only from this
//! very host, for all of its paths, and sends it over https alone.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

const NAME: &str = "reprise_session";
const HOST_NAME: &str = "__Host-reprise";

/// Whether the client came over https, as far as that can be known behind something
/// that ends TLS. Who lies here only lies to itself.
pub(crate) fn is_https(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let forwarded = text("x-forwarded-proto").unwrap_or_default();
    let first = forwarded.split(',').next().unwrap_or_default().trim();
    let origin = text("origin").unwrap_or_default();
    first.eq_ignore_ascii_case("https") || origin.starts_with("https://")
}

/// The token in the cookies of a request; that of a cookie that was set over https
/// first.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let named = |wanted: &str| {
        let lines = headers.get_all(COOKIE).iter();
        let mut pairs = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        pairs
            .find(|(name, _)| *name == wanted)
            .map(|(_, token)| token)
    };
    named(HOST_NAME).or_else(|| named(NAME))
}

/// Takes our own cookies out of a request that may go on to a provider; the others stay.
pub(crate) fn strip(headers: &mut HeaderMap) {
    if token(headers).is_none() {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    let is_ours = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        [NAME, HOST_NAME].contains(&name)
    };
    for line in lines {
        let Ok(text) = line.to_str() else {
            continue;
        };
        let others: Vec<&str> = text
            .split(';')
            .map(str::trim)
            .filter(|pair| !is_ours(pair))
            .collect();
        if let Ok(kept) = HeaderValue::try_from(others.join("; "))
            && !kept.is_empty()
        {
            headers.append(COOKIE, kept);
        }
    }
}

/// What gives a browser the token, for so many seconds.
pub(crate) fn setting(token: &SecretString, https: bool, seconds: u64) -> Option<HeaderValue> {
    let mut header = line(token.expose_secret(), https, seconds)?;
    header.set_sensitive(true);
    Some(header)
}

/// What takes the token away again.
pub(crate) fn clearing(https: bool) -> Option<HeaderValue> {
    line("", https, 0)
}

fn line(token: &str, https: bool, seconds: u64) -> Option<HeaderValue> {
    let (name, secure) = if https {
        (HOST_NAME, "; Secure")
    } else {
        (NAME, "")
    };
    let attributes = format!("Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}");
    HeaderValue::try_from(format!("{name}={token}; {attributes}{secure}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let found = |pairs| token(&headers(pairs)).map(str::to_owned);
        let among = [("cookie", "a=b; reprise_session=rps_1; c=d")];
        assert_eq!(found(&among).as_deref(), Some("rps_1"));
        let both = [
            ("cookie", "reprise_session=rps_1"),
            ("cookie", "__Host-reprise=rps_2"),
        ];
        assert_eq!(found(&both).as_deref(), Some("rps_2"));
        assert_eq!(found(&[("cookie", "xreprise_session=rps_1")]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn only_our_own_cookies_are_taken_out() {
        let mut request = headers(&[
            ("cookie", "a=b; reprise_session=rps_1; c=d"),
            ("cookie", "__Host-reprise=rps_2"),
        ]);
        strip(&mut request);
        let left: Vec<_> = request.get_all(COOKIE).iter().collect();
        assert_eq!(left, ["a=b; c=d"]);
    }

    #[test]
    fn over_https_the_cookie_is_bound_to_the_host() {
        let text = |https| setting(&"rps_1".into(), https, 60).unwrap();
        assert_eq!(
            text(true).to_str().unwrap(),
            "__Host-reprise=rps_1; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure"
        );
        let plain = text(false);
        assert!(plain.to_str().unwrap().starts_with("reprise_session="));
        assert!(!plain.to_str().unwrap().contains("Secure") && plain.is_sensitive());
        assert!(
            clearing(true)
                .unwrap()
                .to_str()
                .unwrap()
                .contains("Max-Age=0")
        );
    }

    #[test]
    fn https_is_told_by_what_ends_it_or_by_the_page() {
        assert!(is_https(&headers(&[("x-forwarded-proto", "https, http")])));
        assert!(is_https(&headers(&[("origin", "https://a.example")])));
        assert!(!is_https(&headers(&[("x-forwarded-proto", "http")])));
        assert!(!is_https(&headers(&[])));
    }
}
