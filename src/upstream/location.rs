//! Where a provider may be: the rules for base URLs that are written at run time.
//!
//! Only an owner writes them, and still a slip or a stolen session must not make this
//! server talk to the machine's own metadata service, which hands out credentials to
//! whoever asks. Names are checked once more when they are resolved, so that a name does
//! not lead where its address would be refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::wire::UpstreamKind;

/// Metadata services that are not at a link-local address: AWS over IPv6, Alibaba Cloud.
const METADATA: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
];

/// The port of a name that is resolved is set by the connection.
const ANY_PORT: u16 = 0;

/// What is wrong with a base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// It is no URL, or has no host.
    #[error("this is no base URL such as https://api.openai.com/v1")]
    NoUrl,
    /// It is neither HTTPS nor, where that is allowed, HTTP.
    #[error(
        "a base URL begins with https://; http:// is taken for this machine, or with `allow_http`"
    )]
    Scheme,
    /// It has a user or a password.
    #[error("a base URL has no user and no password; the credential has a member of its own")]
    User,
    /// It has a query or a fragment.
    #[error("a base URL has no query and no fragment")]
    Query,
    /// The path of the provider's API is missing.
    #[error("the base URL of this provider ends in /v1")]
    Path,
    /// It leads to an address that is never a provider's.
    #[error("link-local, metadata, multicast and unspecified addresses are not taken")]
    Address,
}

/// Reads a base URL, and refuses what is none or leads where no provider is.
///
/// # Errors
/// If it is not taken.
pub(super) fn base_url(text: &str, allow_http: bool) -> Result<Url, LocationError> {
    let url: Url = text.parse().map_err(|_no_url| LocationError::NoUrl)?;
    let host = url.host_str().ok_or(LocationError::NoUrl)?;
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    let address: Option<IpAddr> = address.ok();
    let is_here =
        host == "localhost" || address.is_some_and(|address| address.to_canonical().is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if is_here || allow_http => {}
        _ => return Err(LocationError::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(LocationError::User);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(LocationError::Query);
    }
    if UpstreamKind::infer(host) == UpstreamKind::OpenAi && url.path() == "/" {
        return Err(LocationError::Path);
    }
    if address.is_some_and(is_refused) {
        return Err(LocationError::Address);
    }
    Ok(url)
}

/// Whether no provider is ever at this address.
fn is_refused(address: IpAddr) -> bool {
    if METADATA.contains(&address) {
        return true;
    }
    match address {
        IpAddr::V4(v4) => {
            METADATA.contains(&IpAddr::V4(v4))
                || v4.is_link_local()
                || v4.octets().starts_with(&[0])
                || v4.is_multicast()
                || v4.is_broadcast()
        }
        IpAddr::V6(v6) => {
            v6.is_unspecified()
                || v6.is_unicast_link_local()
                || v6.is_multicast()
                || embedded(v6).is_some_and(|v4| is_refused(IpAddr::V4(v4)))
        }
    }
}

/// The IPv4 address within an IPv6 address: mapped (RFC 4291 §2.5.5.2), compatible
/// (§2.5.5.1), translated by NAT64 (RFC 6052) or 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        // The loopback address is not an IPv4 address in disguise.
        [0, 0, 0, 0, 0, 0, 0, 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

/// Resolves names as the system does, and leaves out what no provider is at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), ANY_PORT)).await?;
            let taken: Vec<_> = found.filter(|one| !is_refused(one.ip())).collect();
            if taken.is_empty() {
                return Err(LocationError::Address.into());
            }
            Ok(Box::new(taken.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_reached_by_https_and_nearby_ones_by_http() {
        for good in [
            "https://api.openai.com/v1",
            "https://api.anthropic.com/v1",
            "https://gateway.example:8443/some/path/",
            "https://10.0.0.7/v1",
            "http://localhost:11434/v1",
            "http://127.0.0.1:8000/v1",
            "http://[::1]:8000/v1",
            "http://[::ffff:127.0.0.1]:8000/v1",
        ] {
            assert!(base_url(good, false).is_ok(), "{good}");
        }
        assert!(base_url("http://10.0.0.7:8000/v1", true).is_ok());
    }

    #[test]
    fn what_is_no_base_url_is_refused_and_says_why() {
        use LocationError::{NoUrl, Path, Query, Scheme, User};
        for (bad, why) in [
            ("", NoUrl),
            ("api.openai.com/v1", NoUrl),
            ("https://", NoUrl),
            ("http://10.0.0.7/v1", Scheme),
            ("http://api.openai.com/v1", Scheme),
            ("ftp://example.com/v1", Scheme),
            ("file:///etc/passwd", NoUrl),
            ("gopher://example.com/", Scheme),
            ("https://user@example.com/v1", User),
            ("https://:secret@example.com/v1", User),
            ("https://example.com/v1?key=1", Query),
            ("https://example.com/v1#x", Query),
            ("https://api.openai.com", Path),
        ] {
            assert_eq!(base_url(bad, false), Err(why), "{bad}");
        }
    }

    #[test]
    fn metadata_services_are_refused_in_every_spelling() {
        for bad in [
            "169.254.169.254",
            "169.254.0.1",
            "169.254.170.2",
            "2852039166",
            "0xa9fea9fe",
            "0xA9.0xFE.0xA9.0xFE",
            "0251.0376.0251.0376",
            "169.254.43518",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[::169.254.169.254]",
            "[64:ff9b::169.254.169.254]",
            "[2002:a9fe:a9fe::1]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "100.100.100.200",
            "[::ffff:100.100.100.200]",
            "0.0.0.0",
            "0",
            "0.1.2.3",
            "[::]",
            "[::ffff:0.0.0.0]",
            "224.0.0.1",
            "255.255.255.255",
            "[ff02::1]",
        ] {
            let url = format!("http://{bad}/v1");
            let refused = Err(LocationError::Address);
            assert_eq!(base_url(&url, true), refused, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_name_is_not_followed_where_its_address_is_refused() {
        let resolve = |name: &str| Guarded.resolve(name.parse().unwrap());
        assert!(resolve("169.254.169.254").await.is_err());
        assert!(resolve("localhost").await.unwrap().count() > 0);
    }
}
