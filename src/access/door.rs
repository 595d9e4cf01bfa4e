//! Step one: who asks.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use quick_cache::sync::Cache;

use super::foreign;
use super::keyring::{self, Keyring};
use super::token::Tokens;
use super::{AccessMode, Denied, Isolation, Principal, Rights, StandIn};
use crate::clock::Clock;
use crate::key::{CacheSecret, Scope, headers};
use crate::ledger::Caller;

/// How many callers' names are remembered.
const CALLERS_MAX: usize = 10_000;

/// The client's word for a group of its requests that is to be kept apart.
const X_CACHE_NAMESPACE: HeaderName = HeaderName::from_static("x-cache-namespace");

/// Who may come in.
#[derive(Debug)]
pub struct Door {
    mode: AccessMode,
    keyring: Arc<Keyring>,
    tokens: Arc<Tokens>,
    clock: Arc<dyn Clock>,
    all: Arc<Rights>,
    /// The callers seen lately, so that a request need not make up their names again.
    callers: Cache<Scope, Caller>,
}

impl Door {
    /// A door in one of its modes.
    pub fn new(
        mode: AccessMode,
        keyring: Arc<Keyring>,
        tokens: Arc<Tokens>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            mode,
            keyring,
            tokens,
            clock,
            all: Arc::default(),
            callers: Cache::new(CALLERS_MAX),
        }
    }

    /// Says who asks, and takes from the request what only said so to us. In
    /// pass-through mode a caller who brings no credential is lent the operator's, `own`.
    ///
    /// # Errors
    /// If the caller may not come in.
    pub fn admit(
        &self,
        request: &mut HeaderMap,
        secret: &CacheSecret,
        own: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Principal, Denied> {
        match self.mode {
            AccessMode::PassThrough => self.pass_through(request, secret, own),
            AccessMode::Keys => self.vouched(request, secret),
        }
    }

    fn pass_through(
        &self,
        request: &mut HeaderMap,
        secret: &CacheSecret,
        own: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Principal, Denied> {
        if presented(request).is_some_and(|key| key.starts_with(keyring::PREFIX)) {
            return Err(Denied::WrongMode);
        }
        if let Some((name, value)) = own
            && headers::credentials(request).is_empty()
        {
            request.insert(name, value);
        }
        let scope = Scope::derive(secret, &headers::credentials(request));
        Ok(Principal {
            caller: self.named_by(&scope),
            scope,
            rights: Arc::clone(&self.all),
            is_ours: false,
        })
    }

    /// A caller this server vouches for. What it has shown of itself goes no further.
    fn vouched(&self, request: &mut HeaderMap, secret: &CacheSecret) -> Result<Principal, Denied> {
        let shown = presented(request).ok_or(Denied::NoKey)?;
        let (caller, rights) = if self.tokens.is_configured() && is_token(shown) {
            let token = self.tokens.check(shown)?;
            (token.caller.clone(), Arc::clone(&token.rights))
        } else {
            self.by_key(shown)?
        };
        if let Some(name) = foreign::header(request) {
            return Err(Denied::Foreign(name));
        }
        let namespace = request.get(X_CACHE_NAMESPACE);
        let namespace = namespace.filter(|_| rights.namespaces);
        let scope = scope_of(secret, &caller, &rights.isolation, namespace);
        foreign::strip(request);
        Ok(Principal {
            caller,
            scope,
            rights,
            is_ours: true,
        })
    }

    /// The caller somebody is taken for, who is not asked for a credential.
    ///
    /// # Errors
    /// If there is no such caller, or none is known.
    pub fn stand_in(&self, who: &StandIn, secret: &CacheSecret) -> Result<Principal, Denied> {
        let (caller, rights) = match (who, self.mode) {
            (StandIn::Key(id), AccessMode::Keys) => {
                let (_, record) = self.keyring.by_id(id).ok_or(Denied::UnknownKey)?;
                let caller = Caller {
                    key: record.id.as_str().into(),
                    tenant: record.tenant.as_str().into(),
                };
                (caller, Arc::clone(&record.rights))
            }
            (StandIn::Tenant(tenant), AccessMode::Keys) => {
                let caller = Caller {
                    key: "".into(),
                    tenant: tenant.as_str().into(),
                };
                (caller, Arc::clone(&self.all))
            }
            (StandIn::Key(name) | StandIn::Tenant(name), AccessMode::PassThrough) => {
                let mut callers = self.callers.iter();
                let (scope, caller) = callers
                    .find(|(_, caller)| *caller.tenant == **name)
                    .ok_or(Denied::UnknownKey)?;
                return Ok(Principal {
                    caller,
                    scope,
                    rights: Arc::clone(&self.all),
                    is_ours: false,
                });
            }
        };
        Ok(Principal {
            scope: scope_of(secret, &caller, &rights.isolation, None),
            caller,
            rights,
            is_ours: true,
        })
    }

    fn by_key(&self, shown: &str) -> Result<(Caller, Arc<Rights>), Denied> {
        let Some(known) = self.keyring.known(shown) else {
            let may_be_good = shown.starts_with(keyring::PREFIX) && !self.keyring.is_read();
            return Err(if may_be_good {
                Denied::NotReady
            } else {
                Denied::UnknownKey
            });
        };
        if known.key.disabled {
            return Err(Denied::Disabled);
        }
        if !known.key.is_good(self.clock.unix_millis()) {
            return Err(Denied::Expired);
        }
        Ok((known.caller, Arc::clone(&known.key.rights)))
    }

    /// The names of a caller of whom only the credential is known: it is its own tenant.
    /// They are the same at every start, and tell nothing of the credential.
    fn named_by(&self, scope: &Scope) -> Caller {
        if let Some(caller) = self.callers.get(scope) {
            return caller;
        }
        let name: Arc<str> = format!("cred_{}", scope.name()).into();
        let caller = Caller {
            key: Arc::clone(&name),
            tenant: name,
        };
        self.callers.insert(*scope, caller.clone());
        caller
    }
}

/// The isolation boundary of a caller this server vouches for.
fn scope_of(
    secret: &CacheSecret,
    caller: &Caller,
    isolation: &Isolation,
    namespace: Option<&HeaderValue>,
) -> Scope {
    let (tenant, key) = (caller.tenant.as_bytes(), caller.key.as_bytes());
    let mut parts: Vec<(&str, &[u8])> = match isolation {
        Isolation::Tenant => vec![("tenant", tenant)],
        Isolation::Key => vec![("tenant", tenant), ("key", key)],
        Isolation::Shared(name) => vec![("shared", name.as_bytes())],
    };
    if let Some(namespace) = namespace {
        parts.push(("namespace", namespace.as_bytes()));
    }
    Scope::derive(secret, &parts)
}

/// Whether a text is meant as a token: keys have no dots.
fn is_token(shown: &str) -> bool {
    !shown.starts_with(keyring::PREFIX) && Tokens::may_be(shown)
}

/// The key a caller brings, in whichever header its SDK puts it.
pub fn presented(request: &HeaderMap) -> Option<&str> {
    let bearer = request
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim_matches(' '));
    let plain = || {
        let mut names = ["api-key", "x-api-key"].into_iter();
        names.find_map(|name| request.get(name)?.to_str().ok())
    };
    bearer.or_else(plain).filter(|key| !key.is_empty())
}

#[cfg(test)]
#[path = "door_tests.rs"]
mod tests;
