//! Step one: who asks, what it may, and what it asks of the cache.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};

use super::account::Account;
use super::error::Failed;
use super::keys::Keys;
use super::{Admitted, Asked, Proxy, Request, limits};
use crate::access::{Denied, Principal, Standee, foreign};
use crate::key::headers;
use crate::ledger::Tags;
use crate::upstream::{CredentialOf, Upstream};
use crate::wire::Operation;

/// What the client calls requests like this one; it goes no further than here.
const X_CACHE_TAGS: HeaderName = HeaderName::from_static("x-cache-tags");

impl Proxy {
    /// Step one: who asks, and what of the cache. From here on the request has an
    /// account.
    ///
    /// # Errors
    /// If the caller is turned away; that is accounted for.
    pub(super) async fn admit(
        self: &Arc<Self>,
        operation: Operation,
        asked: Asked,
        keys: &Keys,
    ) -> Result<Admitted, Failed> {
        let judge = |principal: &Principal, asked: &Asked| {
            self.may_ask(principal, operation, &asked.path_and_query)
        };
        self.admit_if(operation, asked, keys, judge).await
    }

    /// The same, where `judge` says what the caller may.
    ///
    /// # Errors
    /// If the caller is turned away; that is accounted for.
    pub(super) async fn admit_if(
        self: &Arc<Self>,
        operation: Operation,
        mut asked: Asked,
        keys: &Keys,
        judge: impl FnOnce(&Principal, &Asked) -> Result<(), Denied>,
    ) -> Result<Admitted, Failed> {
        if let Some(otlp) = &self.otlp {
            asked.span = Some(otlp.admit(&mut asked.headers));
        }
        let mut account = Account::open(self, operation, &asked);
        let upstream = Arc::clone(self.upstreams.default());
        let own = upstream.own_credential();
        let is_lent = own.is_some() && headers::credentials(&asked.headers).is_empty();
        let principal = match self.door.admit(&mut asked.headers, &keys.secret, own) {
            Ok(principal) => principal,
            // Who guesses keys is held to the limit of an address as well.
            Err(denied) => {
                return Err(match self.limiter.knock(asked.peer).await {
                    Ok(()) => account.denied(denied),
                    Err(limited) => account.limited(limited),
                }
                .into());
            }
        };
        let tags = tags(&asked.headers, &principal);
        account.asked_by(&principal.caller, &tags);
        let meter = self.limiter.meter(&principal, asked.peer);
        if let Some(meter) = &meter {
            account.held_to(meter);
            if let Err(limited) = meter.admit().await {
                return Err(limits::failed(Some(meter), account.limited(limited)));
            }
        }
        if let Err(denied) = judge(&principal, &asked) {
            return Err(limits::failed(meter.as_ref(), account.denied(denied)));
        }
        let spoken = self.hear_headers(&mut asked, &principal, &upstream);
        let rights = &principal.rights;
        let directives = self.directives(&asked.headers, &spoken, operation, rights);
        Ok(Admitted {
            asked,
            principal,
            is_lent,
            upstream,
            tags,
            spoken,
            directives,
            meter,
            account,
        })
    }

    /// Whether a caller may use an endpoint, and does not choose a provider in its address.
    pub(super) fn may_ask(
        &self,
        principal: &Principal,
        operation: Operation,
        path_and_query: &str,
    ) -> Result<(), Denied> {
        let rights = &principal.rights;
        let is_allowed = if self.policy.stores(operation) {
            rights.allow_operation(operation)
        } else {
            rights.allow_unread(operation)
        };
        if !is_allowed {
            return Err(Denied::Operation);
        }
        let foreign = principal
            .is_ours
            .then(|| foreign::parameter(path_and_query))
            .flatten();
        foreign.map_or(Ok(()), |name| Err(Denied::Foreign(name)))
    }
}

impl Admitted {
    /// Sends the request to another provider than the default one.
    pub(super) fn go_to(&mut self, upstream: Arc<Upstream>) {
        self.account.upstream(&upstream);
        self.upstream = upstream;
        self.leave_behind();
    }

    /// Whose credential the request is sent with.
    pub(super) const fn credential(&self) -> CredentialOf {
        if self.principal.is_ours {
            CredentialOf::Provider
        } else if self.is_lent {
            CredentialOf::Default
        } else {
            CredentialOf::Caller
        }
    }

    /// Gives the request the operator's credential, where the caller has shown one that
    /// means nothing to the provider.
    pub(super) fn bring_credential(&mut self) {
        if self.principal.is_ours
            && let Some((name, value)) = self.upstream.own_credential()
        {
            self.asked.headers.insert(name, value);
        }
    }
}

impl Request {
    /// The credential it is asked with.
    pub(super) fn standee(&self) -> Standee {
        standee(&self.principal, &self.upstream)
    }
}

/// A caller's credential at a provider.
pub(super) fn standee(principal: &Principal, upstream: &Upstream) -> Standee {
    Standee {
        scope: principal.scope,
        provider: Arc::clone(upstream.identity()),
    }
}

/// What requests like this one are called in reports: by the client, as
/// `x-cache-tags: a, b`, and by whoever made its key.
fn tags(headers: &HeaderMap, principal: &Principal) -> Tags {
    let own = &principal.rights.tags;
    let lists = headers.get_all(X_CACHE_TAGS);
    let words = lists.iter().filter_map(|list| list.to_str().ok());
    let words = words.flat_map(|list| list.split(','));
    Tags::of(own.iter().chain(words))
}
