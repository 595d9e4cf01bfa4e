//! Step two: what is being asked, as a key.

use std::sync::Arc;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::batch::IdentifiedItems;
use super::keys::Keys;
use super::{Admitted, Proxy};
use crate::key::{Address, Bypass, Fingerprinter, Key};
use crate::operation::{Adapter, Asking, BatchAdapter, Family, QuestionFacts, family};
use crate::policy::Lookup;
use crate::wire::Operation;

/// The reason given for what has no adapter.
pub(super) const PASSTHROUGH: &str = "passthrough";

/// The reason given for a request that is to leave no trace.
const NO_STORE: &str = "no-store";

/// A question with its name.
#[derive(Clone, Debug)]
pub(super) struct Identified {
    /// The name of its answer.
    pub(super) key: Key,
    /// What the request says besides its meaning.
    pub(super) facts: QuestionFacts,
}

/// A request that has been identified.
pub(super) enum Named {
    One(&'static dyn Adapter, Arc<Identified>),
    Many(&'static dyn BatchAdapter, IdentifiedItems),
}

impl Named {
    /// The model asked for.
    pub(super) fn model(&self) -> &str {
        match self {
            Self::One(_, identified) => &identified.facts.model,
            Self::Many(_, identified) => &identified.facts.model,
        }
    }
}

/// A remembered identification, by a digest of the bytes that were identified.
pub(super) type Memo = quick_cache::sync::Cache<[u8; 32], Arc<Identified>>;

impl Proxy {
    /// Reads the request and names what it asks.
    ///
    /// # Errors
    /// If it must not be answered from the store, with the reason.
    pub(super) fn identify(
        &self,
        operation: Operation,
        admitted: &Admitted,
        body: &[u8],
        fingerprinter: &Fingerprinter,
    ) -> Result<Named, &'static str> {
        let family = family(operation).ok_or(PASSTHROUGH)?;
        if admitted.directives.lookup == Lookup::Bypass {
            return Err(NO_STORE);
        }
        let named = match family {
            Family::One(adapter) => self
                .identify_one(adapter, admitted, body, fingerprinter)
                .map(|identified| Named::One(adapter, identified)),
            Family::Many(adapter) => self
                .identify_items(adapter, admitted, body, fingerprinter)
                .map(|identified| Named::Many(adapter, identified)),
        };
        named.map_err(Bypass::as_str)
    }

    /// Reads the request and names it. A body seen a moment ago, by the same
    /// caller with the same headers, is recognized by its digest and not parsed.
    ///
    /// # Errors
    /// If the request must not be answered from the store, with the reason.
    fn identify_one(
        &self,
        adapter: &'static dyn Adapter,
        admitted: &Admitted,
        body: &[u8],
        fingerprinter: &Fingerprinter,
    ) -> Result<Arc<Identified>, Bypass> {
        let scope = &admitted.principal.scope;
        let address = admitted.address(adapter.operation());
        let digest = adapter
            .reads_body_alone()
            .then(|| fingerprinter.raw_digest(scope, &address, body));
        if let Some(identified) = digest.and_then(|digest| self.memo.get(&digest)) {
            return Ok(identified);
        }
        let question = adapter.read(&self.asking(admitted, body))?;
        let identified = Arc::new(Identified {
            key: fingerprinter.key(scope, &address, &question.canonical),
            facts: question.facts,
        });
        if let Some(digest) = digest {
            self.memo.insert(digest, Arc::clone(&identified));
        }
        Ok(identified)
    }

    /// A request as its adapter gets it.
    pub(super) fn asking<'a>(&'a self, admitted: &'a Admitted, body: &'a [u8]) -> Asking<'a> {
        let asked = &admitted.asked;
        Asking {
            body,
            content_type: content_type(&asked.headers),
            path: asked.path(),
            kind: admitted.upstream.kind(),
            policy: &self.policy,
        }
    }

    /// The key of what is at an address, where all of the question is in that.
    pub(super) fn key_of_address(
        &self,
        operation: Operation,
        path: &str,
        admitted: &Admitted,
        keys: &Keys,
    ) -> Option<Key> {
        let Family::One(adapter) = family(operation)? else {
            return None;
        };
        let question = adapter.read(&self.asking(admitted, b"")).ok()?;
        let address = Address {
            path,
            query: None,
            ..admitted.address(operation)
        };
        let scope = &admitted.principal.scope;
        Some(keys.fingerprinter.key(scope, &address, &question.canonical))
    }
}

/// What a body says it is; `None` if it says nothing, or several things.
pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    let mut said = headers.get_all(CONTENT_TYPE).iter();
    match (said.next(), said.next()) {
        (Some(only), None) => only.to_str().ok(),
        (_, _) => None,
    }
}

impl Admitted {
    /// Where the request is going.
    pub(super) fn address(&self, operation: Operation) -> Address<'_> {
        let asked = &self.asked;
        let (path, query) = match asked.path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (asked.path_and_query.as_str(), None),
        };
        Address {
            upstream: self.upstream.identity(),
            operation,
            path,
            query,
            headers: &asked.headers,
            // What a provider offers is the same for all, and what changes it has to find it.
            partition: if operation == Operation::Models {
                &[]
            } else {
                self.spoken.parts()
            },
        }
    }
}
