//! Where a request comes from.
//!
//! The address of a connection is that of whoever connected, which may be a proxy. What a
//! proxy says of those before it is believed if the operator trusts it, and only then:
//! anybody can write a header. Each proxy adds to the right of what it was told, so the
//! list is read from there, up to the first address that is not trusted.

use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address a request comes from, proxies that are trusted left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer(pub(super) IpAddr);

impl Peer {
    /// Finds it, for a request that came over a connection from `connected`.
    pub(super) fn of(connected: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let mut peer = connected.to_canonical();
        let is_trusted = |peer: IpAddr| trusted.iter().any(|network| network.contains(&peer));
        if !is_trusted(peer) {
            return Self(peer);
        }
        let names = if headers.contains_key(X_FORWARDED_FOR) {
            hops(headers, &X_FORWARDED_FOR, Some)
        } else {
            hops(headers, &FORWARDED, forwarded_for)
        };
        for name in names.into_iter().rev() {
            // Behind what cannot be read nothing is known.
            let Some(before) = name.and_then(address) else {
                break;
            };
            peer = before;
            if !is_trusted(peer) {
                break;
            }
        }
        Self(peer)
    }
}

/// The hops that a header lists, in their order; `None` for those that cannot be read.
fn hops<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    read: impl Fn(&'a str) -> Option<&'a str>,
) -> Vec<Option<&'a str>> {
    let lines = headers.get_all(name).iter();
    let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().split(','));
    hops.map(|hop| read(hop.trim())).collect()
}

/// The `for` of an element of `Forwarded` (RFC 7239 §4).
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let is_for = name.trim().eq_ignore_ascii_case("for");
        is_for.then(|| value.trim().trim_matches('"'))
    })
}

/// An address, with or without a port, and in brackets where it is one of IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = plain.unwrap_or(text).parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|with| with.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(connected: &str, header: &'static str, said: &str) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in said.split('|').filter(|line| !line.is_empty()) {
            headers.append(header, line.parse().unwrap());
        }
        let peer = Peer::of(connected.parse().unwrap(), &headers, &trusted);
        peer.0.to_string()
    }

    #[test]
    fn an_untrusted_peer_may_say_what_it_wants() {
        for header in ["x-forwarded-for", "forwarded"] {
            assert_eq!(peer("192.0.2.1", header, "198.51.100.7"), "192.0.2.1");
            assert_eq!(peer("192.0.2.1", header, "for=198.51.100.7"), "192.0.2.1");
        }
    }

    #[test]
    fn trusted_proxies_are_walked_from_the_right() {
        let of = |said| peer("10.0.0.1", "x-forwarded-for", said);
        assert_eq!(of("198.51.100.7"), "198.51.100.7");
        assert_eq!(of("203.0.113.9, 198.51.100.7, 10.1.1.1"), "198.51.100.7");
        assert_eq!(of("203.0.113.9|198.51.100.7|10.1.1.1"), "198.51.100.7");
        assert_eq!(of("10.2.2.2, 10.1.1.1"), "10.2.2.2");
        assert_eq!(of("198.51.100.7:4711"), "198.51.100.7");
        assert_eq!(of("[2001:db8::1]:443"), "2001:db8::1");
        assert_eq!(of("::ffff:198.51.100.7"), "198.51.100.7");
        assert_eq!(of(""), "10.0.0.1");
    }

    #[test]
    fn what_cannot_be_read_ends_the_walk() {
        let of = |said| peer("10.0.0.1", "x-forwarded-for", said);
        assert_eq!(of("198.51.100.7, unknown, 10.1.1.1"), "10.1.1.1");
        assert_eq!(of("unknown"), "10.0.0.1");
    }

    #[test]
    fn the_standard_header_is_read_as_well() {
        let of = |said| peer("fd00::1", "forwarded", said);
        assert_eq!(of("for=198.51.100.7;proto=https"), "198.51.100.7");
        assert_eq!(of("For=\"[2001:db8::1]:443\""), "2001:db8::1");
        assert_eq!(
            of("for=203.0.113.9, for=198.51.100.7, for=10.1.1.1"),
            "198.51.100.7"
        );
        assert_eq!(of("for=_hidden"), "fd00::1");
    }
}
