//! Who calls, and whether the cache may answer them.
//!
//! In pass-through mode the caller's own upstream credential is the identity:
//! the [`Scope`] made of it is the first component of every key, so two
//! credentials never share an entry. A stored answer is given only while the
//! provider is known to accept the credential: what it would refuse, the cache
//! must not serve.

mod admin;
mod options;
mod standing;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use quick_cache::sync::Cache;

use crate::key::{CacheSecret, Scope, headers};
use crate::ledger::Caller;

pub use admin::{AdminKey, Made};
pub use options::AccessOptions;
pub use standing::{Standing, Standings, Verdict};

/// How many callers' names are remembered.
const CALLERS_MAX: usize = 10_000;

/// A caller.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The names it is counted under.
    pub caller: Caller,
    /// The isolation boundary: nothing stored in one scope is seen in another.
    pub scope: Scope,
}

/// Makes sure the request carries a credential, lending the operator's to a
/// caller who brings none, and derives who the caller is.
pub fn admit(
    request: &mut HeaderMap,
    secret: &CacheSecret,
    own: Option<(HeaderName, HeaderValue)>,
    callers: &Callers,
) -> Principal {
    if let Some((name, value)) = own
        && headers::credentials(request).is_empty()
    {
        request.insert(name, value);
    }
    let scope = Scope::derive(secret, &headers::credentials(request));
    Principal {
        caller: callers.of(&scope),
        scope,
    }
}

/// The callers seen lately, so that a request need not make up their names again.
#[derive(Debug)]
pub struct Callers(Cache<Scope, Caller>);

impl Callers {
    /// Nobody seen yet.
    pub fn new() -> Self {
        Self(Cache::new(CALLERS_MAX))
    }

    /// The names of a caller of whom only the credential is known: it is its own tenant.
    /// They are the same at every start, and tell nothing of the credential.
    fn of(&self, scope: &Scope) -> Caller {
        if let Some(caller) = self.0.get(scope) {
            return caller;
        }
        let name: Arc<str> = format!("cred_{}", scope.name()).into();
        let caller = Caller {
            key: Arc::clone(&name),
            tenant: name,
        };
        self.0.insert(*scope, caller.clone());
        caller
    }
}

impl Default for Callers {
    fn default() -> Self {
        Self::new()
    }
}
