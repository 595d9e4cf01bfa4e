//! What a request asks of the cache: `Cache-Control`, `Pragma`, `x-cache-ttl`.
//!
//! Read as RFC 9111 §5.2 and RFC 5861 §4 say, then held to what the operator
//! allows. A directive that cannot be read is taken in the sense that serves less
//! from the cache: an unreadable demand is the strictest, an unreadable
//! permission is none. What is asked in the words of another gateway is added
//! ([`super::dialect`]).

pub(super) mod read;

use std::time::Duration;

use http::{HeaderMap, header};

use crate::wire::Operation;

use super::PolicyOptions;
use super::dialect::{Spoken, Wishes};
use read::{Argument, Directive};

/// The header with which a client chooses how many seconds its answer is fresh.
pub const TTL_HEADER: &str = "x-cache-ttl";

/// Whether an entry or a running fill may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Yes.
    Allowed,
    /// No: a new answer is wanted (`no-cache`, `max-age=0`). It replaces the
    /// entry, and it comes from a fill that began after the request.
    Refresh,
    /// No: the request shall leave no trace (`no-store`), so it is not joined
    /// with others either.
    Bypass,
}

/// What a request asks of the cache, as far as the operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directives {
    /// Whether an entry or a running fill may answer.
    pub lookup: Lookup,
    /// Whether the answer may be stored. A client's `no-store` is always heard.
    pub store: bool,
    /// Whether the upstream must not be asked (`only-if-cached`).
    pub only_if_cached: bool,
    /// The greatest age that is accepted.
    pub max_age: Option<Duration>,
    /// How long an entry must still be fresh.
    pub min_fresh: Option<Duration>,
    /// How long past its freshness an entry is accepted.
    pub max_stale: Option<Duration>,
    /// How long past its freshness an entry is accepted when the upstream fails.
    pub stale_if_error: Option<Duration>,
    /// How long the answer shall be fresh, instead of what is configured.
    pub ttl: Option<Duration>,
}

impl Default for Directives {
    fn default() -> Self {
        Self::NONE
    }
}

impl Directives {
    /// Those of a request that asks nothing of the cache.
    pub const NONE: Self = Self {
        lookup: Lookup::Allowed,
        store: true,
        only_if_cached: false,
        max_age: None,
        min_fresh: None,
        max_stale: None,
        stale_if_error: None,
        ttl: None,
    };

    /// Reads the headers of a request, adds what it says in other words, and holds all of
    /// it to the operator's limits.
    pub fn of(
        headers: &HeaderMap,
        spoken: &Spoken,
        operation: Operation,
        options: &PolicyOptions,
    ) -> Self {
        let mut asked = Self::NONE;
        let mut lines = headers.get_all(header::CACHE_CONTROL).iter().peekable();
        if lines.peek().is_none() {
            // RFC 9111 §5.4: `Pragma` counts only where there is no `Cache-Control`.
            for line in headers.get_all(header::PRAGMA) {
                for directive in read::directives(line.as_bytes()) {
                    if directive.name == "no-cache" {
                        asked.lookup = Lookup::Refresh;
                    }
                }
            }
        }
        for line in lines {
            for directive in read::directives(line.as_bytes()) {
                asked.hear(&directive);
            }
        }
        let own = headers
            .get_all(TTL_HEADER)
            .iter()
            .filter_map(|value| read::delta_seconds(value.as_bytes()))
            .min();
        let (by_headers, by_body) = (spoken.by_headers(), spoken.by_body());
        asked.ttl = by_body.ttl.or(own).or(by_headers.ttl);
        asked.grant(by_headers);
        asked.grant(by_body);
        asked.held_to(operation, options)
    }

    /// Takes one directive in; of those that come twice the stricter counts.
    fn hear(&mut self, directive: &Directive) {
        let argument = &directive.argument;
        match directive.name.as_str() {
            "no-store" => {
                self.lookup = Lookup::Bypass;
                self.store = false;
            }
            "no-cache" => self.refresh(),
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => {
                let limit = argument.seconds().unwrap_or(Duration::ZERO);
                self.max_age = Some(self.max_age.map_or(limit, |known| known.min(limit)));
                if limit.is_zero() {
                    self.refresh();
                }
            }
            "min-fresh" => {
                let wanted = argument.seconds().unwrap_or(read::SECONDS_MAX);
                self.min_fresh = Some(self.min_fresh.map_or(wanted, |known| known.max(wanted)));
            }
            "max-stale" => {
                let accepted = match argument {
                    Argument::None => Some(read::SECONDS_MAX),
                    Argument::Unreadable | Argument::Seconds(_) => argument.seconds(),
                };
                self.max_stale = stricter(self.max_stale, accepted);
            }
            "stale-if-error" => {
                self.stale_if_error = stricter(self.stale_if_error, argument.seconds());
            }
            _ => {}
        }
    }

    fn refresh(&mut self) {
        if self.lookup == Lookup::Allowed {
            self.lookup = Lookup::Refresh;
        }
    }

    /// Adds what is wished in other words. They know reading without writing, which
    /// `no-store` is not; with neither the cache is left out.
    fn grant(&mut self, wishes: &Wishes) {
        if !wishes.read {
            self.refresh();
        }
        self.store &= wishes.store;
        self.max_age = stricter(self.max_age, wishes.max_age);
        if self.lookup == Lookup::Refresh && !self.store {
            self.lookup = Lookup::Bypass;
        }
    }

    /// Takes away every demand for an answer other than the one that is stored.
    pub const fn accept_stored(&mut self) {
        self.lookup = Lookup::Allowed;
        self.max_age = None;
        self.min_fresh = None;
    }

    fn held_to(mut self, operation: Operation, options: &PolicyOptions) -> Self {
        if !options.clients_may_bypass {
            self.accept_stored();
        }
        let ttl_max = if options.clients_may_extend {
            options.ttl_max
        } else {
            self.max_stale = None;
            self.stale_if_error = self
                .stale_if_error
                .map(|asked| asked.min(options.stale_if_error));
            options.ttl(operation).min(options.ttl_max)
        };
        self.ttl = self.ttl.map(|asked| asked.min(ttl_max));
        self
    }
}

/// The lesser of a permission known and one more; one that cannot be read gives none.
fn stricter(known: Option<Duration>, more: Option<Duration>) -> Option<Duration> {
    match (known, more) {
        (Some(known), Some(more)) => Some(known.min(more)),
        (known, more) => known.or(more),
    }
}

#[cfg(test)]
mod tests;
