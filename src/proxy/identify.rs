//! Step two: what is being asked, as a key.

use std::sync::Arc;

use http::Method;

use super::{Admitted, Asked, Proxy};
use crate::key::{Address, Bypass, Fingerprinter, Key};
use crate::operation::{Adapter, QuestionFacts};
use crate::wire::{Json, Operation, json};

/// A question with its name.
#[derive(Clone, Debug)]
pub(super) struct Identified {
    /// The name of its answer.
    pub(super) key: Key,
    /// What the request says besides its meaning.
    pub(super) facts: QuestionFacts,
}

/// A remembered identification, by a digest of the bytes that were identified.
pub(super) type Memo = quick_cache::sync::Cache<[u8; 32], Arc<Identified>>;

impl Proxy {
    /// Reads the request and names it. A body seen a moment ago, by the same
    /// caller with the same headers, is recognized by its digest and not parsed.
    ///
    /// # Errors
    /// If the request must not be answered from the store, with the reason.
    pub(super) fn identify(
        &self,
        adapter: &'static dyn Adapter,
        admitted: &Admitted,
        body: &[u8],
        fingerprinter: &Fingerprinter,
    ) -> Result<Arc<Identified>, Bypass> {
        let scope = &admitted.principal.scope;
        let address = self.address(adapter.operation(), &admitted.asked);
        let digest = fingerprinter.raw_digest(scope, &address, body);
        if let Some(identified) = self.memo.get(&digest) {
            return Ok(identified);
        }
        let request = if body.is_empty() && admitted.asked.method == Method::GET {
            Json::Null
        } else {
            json::parse(body)?
        };
        let question = adapter.read(&request, self.upstream.kind(), &self.policy)?;
        let identified = Arc::new(Identified {
            key: fingerprinter.key(scope, &address, &question.canonical),
            facts: question.facts,
        });
        self.memo.insert(digest, Arc::clone(&identified));
        Ok(identified)
    }

    /// Where a request is going.
    pub(super) fn address<'a>(&'a self, operation: Operation, asked: &'a Asked) -> Address<'a> {
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
        }
    }
}
