//! What the cache did with a request, as `Cache-Status` (RFC 9211) and `x-cache`.
//!
//! For people and log pipelines. It is not sent with errors made here (RFC 9211
//! §2), and it names no key, which would show the inside of the cache (§6).

use std::fmt::{self, Write as _};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// This cache's name in a `Cache-Status` list.
const NAME: &str = "reprise";

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Where an entry was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// In this process.
    Memory,
    /// In the backend.
    Backend,
}

impl Tier {
    /// The name used in logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Backend => "backend",
        }
    }
}

/// Why a stale entry answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// The client accepts it (`max-stale`).
    Accepted,
    /// A refresh is under way (`stale-while-revalidate`).
    Revalidating,
    /// The upstream failed (`stale-if-error`); with its status if it gave one.
    Error(Option<StatusCode>),
}

/// What the cache did with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// A fresh entry answered.
    Hit {
        /// Where it was found.
        tier: Tier,
        /// Seconds of freshness left.
        ttl: i64,
    },
    /// A stale entry answered.
    Stale {
        /// Why it could.
        why: Staleness,
        /// Seconds of freshness left; negative.
        ttl: i64,
    },
    /// The upstream answered, because there was no entry.
    Miss {
        /// The upstream's status.
        status: StatusCode,
        /// Whether the answer is known to be stored by the time this is sent.
        stored: bool,
    },
    /// The upstream answered, because the entry was not fresh any more.
    Expired {
        /// The upstream's status.
        status: StatusCode,
        /// Whether the answer is known to be stored by the time this is sent.
        stored: bool,
    },
    /// Another request's fill answered.
    Collapsed,
    /// Another request's fill was waited for in vain; the upstream answered.
    CollapseFailed {
        /// The upstream's status.
        status: StatusCode,
    },
    /// The upstream answered, because it had not accepted this credential lately
    /// and could not be asked whether it does.
    Unverified {
        /// The upstream's status.
        status: StatusCode,
    },
    /// The upstream answered, because the client demanded a newer answer.
    Refresh {
        /// The upstream's status.
        status: StatusCode,
    },
    /// The cache was not asked.
    Bypass {
        /// Why, by the name its closed list of reasons gives it.
        reason: &'static str,
    },
    /// Some items came from entries, the others from the upstream.
    Partial {
        /// How many items came from entries.
        hits: u64,
        /// How many items were asked for.
        items: u64,
    },
}

impl CacheStatus {
    /// Every word that [`CacheStatus::as_str`] gives, for registering metrics.
    pub const LABELS: [&'static str; 7] = [
        "hit",
        "stale",
        "miss",
        "coalesced",
        "refresh",
        "bypass",
        "partial",
    ];

    /// What lies behind the word, where there is more to say.
    pub const fn detail(self) -> Option<&'static str> {
        match self {
            Self::Hit { tier, .. } => Some(tier.as_str()),
            Self::Stale { why, .. } => Some(match why {
                Staleness::Accepted => "max-stale",
                Staleness::Revalidating => "stale-while-revalidate",
                Staleness::Error(_) => "stale-if-error",
            }),
            Self::Expired { .. } => Some("expired"),
            Self::CollapseFailed { .. } => Some("collapse-failed"),
            Self::Unverified { .. } => Some("credential-unverified"),
            Self::Bypass { reason } => Some(reason),
            Self::Miss { .. } | Self::Collapsed | Self::Refresh { .. } | Self::Partial { .. } => {
                None
            }
        }
    }

    /// The word for it in logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        self.words().0
    }

    /// The word for it in the header `x-cache`.
    pub const fn x_cache(self) -> &'static str {
        self.words().1
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Hit { .. } => ("hit", "HIT"),
            Self::Stale { .. } => ("stale", "STALE"),
            Self::Miss { .. }
            | Self::Expired { .. }
            | Self::CollapseFailed { .. }
            | Self::Unverified { .. } => ("miss", "MISS"),
            Self::Collapsed => ("coalesced", "COALESCED"),
            Self::Refresh { .. } => ("refresh", "REFRESH"),
            Self::Bypass { .. } => ("bypass", "BYPASS"),
            Self::Partial { .. } => ("partial", "PARTIAL"),
        }
    }

    /// Writes both headers. Caches behind this one have written theirs already;
    /// the list goes from the origin to the client, so this one comes last.
    pub fn write(self, headers: &mut HeaderMap) {
        // All that is formatted is ASCII, so this cannot fail; if it did, an
        // answer without the header would be better than none.
        let mut list = String::new();
        for before in headers.get_all(CACHE_STATUS) {
            if let Ok(before) = before.to_str() {
                list.push_str(before);
                list.push_str(", ");
            }
        }
        list.push_str(&self.to_string());
        if let Ok(value) = HeaderValue::try_from(list) {
            headers.insert(CACHE_STATUS, value);
        }
        headers.insert(X_CACHE, HeaderValue::from_static(self.x_cache()));
    }
}

/// The member of the `Cache-Status` list.
impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        match self {
            Self::Hit { tier, ttl } => {
                let detail = match tier {
                    Tier::Memory => "L1",
                    Tier::Backend => "L2",
                };
                write!(f, "; hit; ttl={ttl}; detail={detail}")
            }
            Self::Stale { why, ttl } => match why {
                Staleness::Accepted => write!(f, "; hit; ttl={ttl}; detail=max-stale"),
                Staleness::Revalidating => write!(f, "; hit; ttl={ttl}; detail=SWR"),
                Staleness::Error(status) => {
                    f.write_str("; fwd=stale")?;
                    if let Some(status) = status {
                        write!(f, "; fwd-status={}", status.as_u16())?;
                    }
                    f.write_str("; detail=stale-if-error")
                }
            },
            Self::Miss { status, stored } => forwarded(f, "uri-miss", *status, *stored),
            Self::Expired { status, stored } => forwarded(f, "stale", *status, *stored),
            Self::Collapsed => f.write_str("; fwd=uri-miss; collapsed"),
            Self::CollapseFailed { status } => {
                write!(
                    f,
                    "; fwd=uri-miss; fwd-status={}; collapsed=?0",
                    status.as_u16()
                )
            }
            Self::Unverified { status } => {
                forwarded(f, "miss", *status, false)?;
                f.write_str("; detail=credential-unverified")
            }
            Self::Refresh { status } => forwarded(f, "request", *status, false),
            Self::Bypass { reason } => {
                f.write_str("; fwd=bypass; detail=")?;
                write_detail(f, reason)
            }
            Self::Partial { hits, items } => {
                write!(f, "; fwd=partial; detail=\"{hits}/{items}\"")
            }
        }
    }
}

fn forwarded(
    f: &mut fmt::Formatter<'_>,
    why: &str,
    status: StatusCode,
    stored: bool,
) -> fmt::Result {
    write!(f, "; fwd={why}; fwd-status={}", status.as_u16())?;
    if stored {
        f.write_str("; stored")?;
    }
    Ok(())
}

/// Writes a detail as a token if it is one, else as a string (RFC 9651 §3.3);
/// what neither can hold is left out.
fn write_detail(f: &mut fmt::Formatter<'_>, detail: &str) -> fmt::Result {
    let is_token = detail.starts_with(|first: char| first.is_ascii_alphabetic())
        && detail
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if is_token {
        return f.write_str(detail);
    }
    f.write_char('"')?;
    for c in detail.chars().filter(|c| matches!(c, ' '..='~')) {
        if matches!(c, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: StatusCode = StatusCode::OK;

    const ROWS: [(CacheStatus, &str, &str); 14] = [
        (
            CacheStatus::Hit {
                tier: Tier::Memory,
                ttl: 3563,
            },
            "HIT",
            "reprise; hit; ttl=3563; detail=L1",
        ),
        (
            CacheStatus::Hit {
                tier: Tier::Backend,
                ttl: 0,
            },
            "HIT",
            "reprise; hit; ttl=0; detail=L2",
        ),
        (
            CacheStatus::Stale {
                why: Staleness::Revalidating,
                ttl: -12,
            },
            "STALE",
            "reprise; hit; ttl=-12; detail=SWR",
        ),
        (
            CacheStatus::Stale {
                why: Staleness::Accepted,
                ttl: -12,
            },
            "STALE",
            "reprise; hit; ttl=-12; detail=max-stale",
        ),
        (
            CacheStatus::Stale {
                why: Staleness::Error(Some(StatusCode::SERVICE_UNAVAILABLE)),
                ttl: -12,
            },
            "STALE",
            "reprise; fwd=stale; fwd-status=503; detail=stale-if-error",
        ),
        (
            CacheStatus::Stale {
                why: Staleness::Error(None),
                ttl: -12,
            },
            "STALE",
            "reprise; fwd=stale; detail=stale-if-error",
        ),
        (
            CacheStatus::Miss {
                status: OK,
                stored: false,
            },
            "MISS",
            "reprise; fwd=uri-miss; fwd-status=200",
        ),
        (
            CacheStatus::Miss {
                status: OK,
                stored: true,
            },
            "MISS",
            "reprise; fwd=uri-miss; fwd-status=200; stored",
        ),
        (
            CacheStatus::Expired {
                status: OK,
                stored: false,
            },
            "MISS",
            "reprise; fwd=stale; fwd-status=200",
        ),
        (
            CacheStatus::Collapsed,
            "COALESCED",
            "reprise; fwd=uri-miss; collapsed",
        ),
        (
            CacheStatus::CollapseFailed { status: OK },
            "MISS",
            "reprise; fwd=uri-miss; fwd-status=200; collapsed=?0",
        ),
        (
            CacheStatus::Refresh { status: OK },
            "REFRESH",
            "reprise; fwd=request; fwd-status=200",
        ),
        (
            CacheStatus::Bypass { reason: "no-store" },
            "BYPASS",
            "reprise; fwd=bypass; detail=no-store",
        ),
        (
            CacheStatus::Partial { hits: 3, items: 5 },
            "PARTIAL",
            "reprise; fwd=partial; detail=\"3/5\"",
        ),
    ];

    #[test]
    fn each_outcome_has_its_words() {
        for (status, word, line) in ROWS {
            assert_eq!(
                (status.x_cache(), status.to_string().as_str()),
                (word, line)
            );
            assert_eq!(status.as_str(), word.to_ascii_lowercase());
        }
    }

    #[test]
    fn a_detail_that_is_no_token_is_quoted() {
        let line = |reason| CacheStatus::Bypass { reason }.to_string();
        assert_eq!(
            line("a \"b\"\\\n"),
            "reprise; fwd=bypass; detail=\"a \\\"b\\\"\\\\\""
        );
        assert_eq!(line(""), "reprise; fwd=bypass; detail=\"\"");
        assert_eq!(line("1st"), "reprise; fwd=bypass; detail=\"1st\"");
    }

    #[test]
    fn this_cache_comes_behind_those_before_it() {
        let mut headers = HeaderMap::new();
        headers.append(
            CACHE_STATUS,
            HeaderValue::from_static("cdn; fwd=miss, edge; hit"),
        );
        headers.insert(X_CACHE, HeaderValue::from_static("Miss from cdn"));
        CacheStatus::Collapsed.write(&mut headers);
        let lines: Vec<_> = headers.get_all(CACHE_STATUS).iter().collect();
        assert_eq!(
            lines,
            ["cdn; fwd=miss, edge; hit, reprise; fwd=uri-miss; collapsed"]
        );
        let words: Vec<_> = headers.get_all(X_CACHE).iter().collect();
        assert_eq!(words, ["COALESCED"]);
    }
}
