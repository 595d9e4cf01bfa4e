//! Step three: what is stored, and whether this caller may have it.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};

use super::{Proxy, Question, Request};
use crate::access::{Standing, Verdict};
use crate::backend::Cached;
use crate::key::headers::{self, Role};
use crate::policy::cache_status::{Staleness, Tier};
use crate::policy::{CacheStatus, Freshness, Lookup, freshness};
use crate::upstream::{Call, CallBody, Upstream};

/// How long the provider may take to say whether it accepts a credential.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// What Anthropic's API wants to be told with every credential, and with some of them.
const ANTHROPICS: [&str; 2] = ["anthropic-version", "anthropic-beta"];

/// What a look-up found.
#[derive(Debug)]
pub(super) enum Found {
    /// An answer to give.
    Answer(Arc<Cached>, CacheStatus),
    /// An answer to give, and to renew behind the caller's back.
    Outdated(Arc<Cached>, CacheStatus),
    /// Nothing to give now.
    Nothing {
        /// A stale answer, should the provider fail.
        fallback: Option<Arc<Cached>>,
        /// Why a call has to be made.
        why: Why,
    },
}

/// Why a call has to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Nothing was stored.
    Absent,
    /// What is stored is too old, for the operator or for this caller.
    TooOld,
    /// What is stored was not given out: the provider has not accepted this
    /// credential lately.
    Unverified,
    /// The caller wants a new answer.
    Refresh,
    /// Another request's call was waited for in vain.
    Waited,
}

impl Why {
    /// The word for what the cache did, for a call that has no answer yet.
    pub(super) const fn as_str(self) -> &'static str {
        self.outcome(StatusCode::OK).as_str()
    }

    /// What the cache did, once the provider has answered with `status`.
    pub(super) const fn outcome(self, status: StatusCode) -> CacheStatus {
        let stored = false;
        match self {
            Self::Absent => CacheStatus::Miss { status, stored },
            Self::TooOld => CacheStatus::Expired { status, stored },
            Self::Unverified => CacheStatus::Unverified { status },
            Self::Refresh => CacheStatus::Refresh { status },
            Self::Waited => CacheStatus::CollapseFailed { status },
        }
    }
}

impl Found {
    const fn nothing(why: Why) -> Self {
        Self::Nothing {
            fallback: None,
            why,
        }
    }
}

impl Proxy {
    /// Looks in memory, then in the backend. Never fails: a store that cannot be
    /// asked has nothing.
    pub(super) async fn look_up(&self, question: &Question) -> Found {
        if question.request.directives.lookup != Lookup::Allowed {
            return Found::nothing(Why::Refresh);
        }
        let (Some(cached), tier) = self.store.lookup(&question.identified.key).await else {
            return Found::nothing(Why::Absent);
        };
        if question.identified.facts.wants_stream && self.stream_form(question, &cached).is_none() {
            return Found::nothing(Why::Absent);
        }
        match self.freshness(&question.request, &cached) {
            Freshness::Fresh { ttl } => {
                let outcome = CacheStatus::Hit { tier, ttl };
                self.give(question, cached, outcome).await
            }
            Freshness::Stale { ttl } => {
                let why = Staleness::Accepted;
                self.give(question, cached, CacheStatus::Stale { why, ttl })
                    .await
            }
            Freshness::StaleWhileRevalidate { ttl } => {
                let why = Staleness::Revalidating;
                let outcome = CacheStatus::Stale { why, ttl };
                match self.give(question, cached, outcome).await {
                    Found::Answer(cached, outcome) => Found::Outdated(cached, outcome),
                    found @ (Found::Outdated(..) | Found::Nothing { .. }) => found,
                }
            }
            Freshness::StaleIfErrorOnly { .. } => Found::Nothing {
                fallback: Some(cached),
                why: Why::TooOld,
            },
            Freshness::Unusable => Found::nothing(Why::TooOld),
        }
    }

    /// What memory has for the key and this caller may have right now; for a
    /// request that has just missed a fill that was ending.
    pub(super) fn look_again(&self, question: &Question) -> Option<(Arc<Cached>, CacheStatus)> {
        let cached = self.store.lookup_memory(&question.identified.key)?;
        let accepted = self.standing(&question.request) == Standing::Accepted;
        match self.freshness(&question.request, &cached) {
            Freshness::Fresh { ttl } if accepted => {
                let tier = Tier::Memory;
                Some((cached, CacheStatus::Hit { tier, ttl }))
            }
            Freshness::Fresh { .. }
            | Freshness::Stale { .. }
            | Freshness::StaleWhileRevalidate { .. }
            | Freshness::StaleIfErrorOnly { .. }
            | Freshness::Unusable => None,
        }
    }

    /// What a stored answer is good for, for this caller at this moment.
    pub(super) fn freshness(&self, request: &Request, cached: &Cached) -> Freshness {
        let entry = &cached.entry;
        let age = freshness::age(entry.stored_at, self.clock.unix_millis());
        freshness::judge(age, entry.fresh_for, &request.directives, &self.policy)
    }

    /// Gives a stored answer out, if this caller may have it.
    async fn give(&self, question: &Question, cached: Arc<Cached>, outcome: CacheStatus) -> Found {
        if self.may_have_stored(&question.request).await {
            Found::Answer(cached, outcome)
        } else {
            Found::nothing(Why::Unverified)
        }
    }

    /// What is known of the caller's credential. Our own keys have been judged already.
    pub(super) fn standing(&self, request: &Request) -> Standing {
        if request.principal.is_ours {
            Standing::Accepted
        } else {
            self.standings.of(&request.standee())
        }
    }

    /// Whether stored answers may be given to this caller: the provider is known to
    /// accept its credential. It is asked if that is not known.
    pub(super) async fn may_have_stored(&self, request: &Request) -> bool {
        if request.principal.is_ours {
            return true;
        }
        let standee = request.standee();
        let standing = self.standings.of(&standee);
        if standing == Standing::Accepted {
            return true;
        }
        let headers = &request.asked.headers;
        match self
            .standings
            .ask_once(&standee, || self.ask_about(&request.upstream, headers))
            .await
        {
            Verdict::Accepted => true,
            Verdict::Unreachable => standing == Standing::Lapsed,
            Verdict::Refused | Verdict::Unclear => false,
        }
    }

    /// Asks the provider for its list of models, which costs nothing, to learn
    /// whether it accepts the credential in `headers`.
    async fn ask_about(&self, upstream: &Upstream, request: &HeaderMap) -> Verdict {
        let credentials: HeaderMap = request
            .iter()
            .filter(|(name, _)| {
                headers::role(name) == Role::Credential || ANTHROPICS.contains(&name.as_str())
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let call = Call {
            method: Method::GET,
            path_and_query: "/models".to_owned(),
            headers: credentials,
            body: CallBody::Empty,
        };
        match tokio::time::timeout(PROBE_TIMEOUT, upstream.send(call)).await {
            Err(_elapsed) => Verdict::Unreachable,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the upstream could not be asked about a credential");
                Verdict::Unreachable
            }
            Ok(Ok(answer)) if answer.status.is_success() => Verdict::Accepted,
            // A 403 may only mean that this key must not list models.
            Ok(Ok(answer)) if answer.status == StatusCode::UNAUTHORIZED => Verdict::Refused,
            Ok(Ok(answer)) if answer.status.is_server_error() => Verdict::Unreachable,
            Ok(Ok(_)) => Verdict::Unclear,
        }
    }
}
