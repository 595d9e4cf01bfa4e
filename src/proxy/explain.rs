//! What would become of a request: asked without asking the provider, storing anything
//! or being counted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::account::Account;
use super::identify::Named;
use super::nearest::Search;
use super::{Admitted, Asked, Proxy, Question, Request};
use crate::access::{Denied, StandIn, Standing};
use crate::backend::Cached;
use crate::key::{self, Explanation, Key, headers};
use crate::ledger::Tags;
use crate::policy::cache_status::Tier;
use crate::policy::{Freshness, Lookup, freshness};
use crate::wire::{Operation, json};

/// A request that is to be explained.
#[derive(Debug)]
pub struct Inquiry {
    /// Its endpoint family.
    pub operation: Operation,
    /// Method, path and headers.
    pub asked: Asked,
    /// Who is to be taken for the caller; whoever the headers say where it is `None`.
    pub stand_in: Option<StandIn>,
    /// Its body.
    pub body: Bytes,
}

/// What would become of it.
#[derive(Debug)]
pub struct Explained {
    /// Whose answers it would meet.
    pub tenant: Arc<str>,
    /// What of it is in its key; `None` where its body is not read.
    pub explanation: Option<Explanation>,
    /// What the cache would do; for each item, where a list is asked for.
    pub fate: Fate,
}

/// What the cache would do with a request.
#[derive(Debug)]
pub enum Fate {
    /// Nothing, for this reason.
    Bypass(&'static str),
    /// Look for one answer.
    One(Looked),
    /// Look for an answer to each item.
    Many(Vec<Looked>),
}

/// What was found for a question.
#[derive(Debug)]
pub struct Looked {
    /// The name of its answer.
    pub key: Key,
    /// Whether what is stored would answer it.
    pub is_hit: bool,
    /// Why so.
    pub reason: &'static str,
    /// What is stored.
    pub stored: Option<StoredAnswer>,
    /// What is stored that is most like it: looked for where one answer is asked for and
    /// there is none.
    pub like: Option<Search>,
}

/// What is known of a stored answer.
#[derive(Debug)]
pub struct StoredAnswer {
    /// The answer.
    pub cached: Arc<Cached>,
    /// Where it was found.
    pub tier: Tier,
    /// How old it is.
    pub age: Duration,
    /// How many seconds it is still fresh; negative once it is stale.
    pub ttl: i64,
}

impl Proxy {
    /// Says what would become of a request.
    ///
    /// # Errors
    /// If its caller would be turned away.
    pub async fn explain(self: &Arc<Self>, inquiry: Inquiry) -> Result<Explained, Denied> {
        let Inquiry {
            operation,
            mut asked,
            stand_in,
            body,
        } = inquiry;
        let keys = self.keys();
        let upstream = Arc::clone(self.upstreams.default());
        let account = Account::untold(self, operation, &asked);
        let mut is_lent = false;
        let principal = if let Some(stand_in) = stand_in {
            self.door.stand_in(&stand_in, &keys.secret)?
        } else {
            let own = upstream.own_credential();
            is_lent = own.is_some() && headers::credentials(&asked.headers).is_empty();
            self.door.admit(&mut asked.headers, &keys.secret, own)?
        };
        self.may_ask(&principal, operation, &asked.path_and_query)?;
        let spoken = self.hear_headers(&mut asked, &principal, &upstream);
        let rights = &principal.rights;
        let directives = self.directives(&asked.headers, &spoken, operation, rights);
        let mut admitted = Admitted {
            asked,
            principal,
            is_lent,
            upstream,
            tags: Tags::default(),
            spoken,
            directives,
            meter: None,
            account,
        };
        let body = self.prepare(&mut admitted, body)?;
        let rules = self.asking(&admitted, &body).rules();
        let parsed = json::parse(&body).ok();
        let explanation = parsed.and_then(|body| key::explain(operation, &body, rules));
        let tenant = Arc::clone(&admitted.principal.caller.tenant);
        let fate = match self.identify(operation, &admitted, &body, &keys.fingerprinter) {
            Ok(named) => self.fate(admitted, body, named).await,
            Err(reason) => Fate::Bypass(reason),
        };
        Ok(Explained {
            tenant,
            explanation,
            fate,
        })
    }

    async fn fate(&self, admitted: Admitted, body: Bytes, named: Named) -> Fate {
        let request = Request {
            asked: admitted.asked,
            body,
            principal: admitted.principal,
            upstream: admitted.upstream,
            tags: admitted.tags,
            directives: admitted.directives,
            began: self.clock.unix_millis(),
            generation: self.store.generation(),
            meter: None,
        };
        match named {
            Named::One(adapter, identified) => {
                let question = Question {
                    request,
                    adapter,
                    identified,
                };
                let key = question.identified.key;
                let operation = question.adapter.operation();
                let found = self.store.lookup(&key).await;
                let wants_stream = question.identified.facts.wants_stream;
                let found = found
                    .0
                    .map(|cached| (cached, found.1))
                    .filter(|(cached, _)| {
                        !wants_stream || self.stream_form(&question, cached).is_some()
                    });
                let mut looked = self.judge(&question.request, key, found);
                if looked.stored.is_none() && operation == Operation::Chat {
                    looked.like = self.nearest(&question.request, &key).await;
                }
                Fate::One(looked)
            }
            Named::Many(_, identified) => {
                let keys: Vec<Key> = identified.by_position().collect();
                let found = self.store.lookup_many(&keys).await;
                let items = keys.into_iter().zip(found);
                let judge = |(key, (cached, tier)): (Key, (Option<_>, _))| {
                    self.judge(&request, key, cached.map(|cached| (cached, tier)))
                };
                Fate::Many(items.map(judge).collect())
            }
        }
    }

    fn judge(&self, request: &Request, key: Key, found: Option<(Arc<Cached>, Tier)>) -> Looked {
        let Some((cached, tier)) = found else {
            return Looked {
                key,
                is_hit: false,
                reason: "absent",
                stored: None,
                like: None,
            };
        };
        let (is_hit, reason) = match self.freshness(request, &cached) {
            _ if request.directives.lookup != Lookup::Allowed => (false, "refresh"),
            Freshness::StaleIfErrorOnly { .. } | Freshness::Unusable => (false, "too-old"),
            // The provider would be asked first whether it accepts the credential.
            _ if self.standing(request) != Standing::Accepted => (true, "unverified"),
            Freshness::Fresh { .. } => (true, "fresh"),
            Freshness::Stale { .. } => (true, "stale"),
            Freshness::StaleWhileRevalidate { .. } => (true, "stale-while-revalidate"),
        };
        let age = freshness::age(cached.entry.stored_at, self.clock.unix_millis());
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let ttl = seconds(cached.entry.fresh_for).saturating_sub(seconds(age));
        let stored = Some(StoredAnswer {
            cached,
            tier,
            age,
            ttl,
        });
        Looked {
            key,
            is_hit,
            reason,
            stored,
            like: None,
        }
    }
}
