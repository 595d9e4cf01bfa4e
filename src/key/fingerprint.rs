//! The digests: from a scope, an address and a canonical request to a [`Key`].
//!
//! Two digests are made of the same bytes under two secrets, so that a collision
//! of one, or an entry stored under a forged name, still is not taken for the
//! answer. The layout is versioned by its label; a test with golden values holds
//! it still, because a change unnoticed is a cache emptied unnoticed.

use std::fmt;

use http::HeaderMap;

use crate::wire::Operation;

use super::frame::{put_length, put_named_parts, put_optional_part, put_part};
use super::mac::KeyedDigest;
use super::{CacheSecret, Canonical, Key, Scope, headers};

const KEY_LABEL: &[u8] = b"reprise/key/v1\0";
const ITEM_LABEL: &[u8] = b"reprise/item/v1\0";
const RAW_LABEL: &[u8] = b"reprise/raw/v1\0";
const PARTITION_LABEL: &[u8] = b"reprise/partition/v1\0";

/// Where a request is going: all of the question that is not in its body.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// The configured upstream's identity; never a host the client named.
    pub upstream: &'a str,
    /// The endpoint family.
    pub operation: Operation,
    /// The path as it is sent upstream, which on Azure names the deployment.
    pub path: &'a str,
    /// The query, which on Azure names the version of the API.
    pub query: Option<&'a str>,
    /// The client's headers; those that are in the question are picked here.
    pub headers: &'a HeaderMap,
    /// What keeps this request apart from others that ask the same, each part under the
    /// name of what it was said with.
    pub partition: &'a [(&'static str, Box<[u8]>)],
}

/// Makes keys. Built once from the secret, shared by all requests.
#[derive(Clone)]
pub struct Fingerprinter {
    id: KeyedDigest,
    proof: KeyedDigest,
    raw: KeyedDigest,
}

impl Fingerprinter {
    /// Derives the independent secrets of the digests.
    pub fn new(secret: &CacheSecret) -> Self {
        Self {
            id: secret.keyed_digest("id"),
            proof: secret.keyed_digest("proof"),
            raw: secret.keyed_digest("raw"),
        }
    }

    /// The key of a request. This and [`Fingerprinter::item_keys`] are the only
    /// ways to one.
    pub fn key(&self, scope: &Scope, address: &Address<'_>, question: &Canonical) -> Key {
        let body = question.as_bytes();
        let front = front(KEY_LABEL, scope, address, body.len());
        let partition = partition(address);
        let proof = self.proof.digest(&[&front, body, &partition]);
        Key {
            id: self.id.digest(&[&front, body, &partition]),
            proof: proof.first_chunk().copied().unwrap_or_default(),
        }
    }

    /// The keys of a request's items, each of which is a question of its own:
    /// `shared` is what the request says of all of them.
    pub fn item_keys(
        &self,
        scope: &Scope,
        address: &Address<'_>,
        shared: &Canonical,
        items: &[Canonical],
    ) -> Vec<Key> {
        let mut start = front(ITEM_LABEL, scope, address, shared.as_bytes().len());
        start.extend_from_slice(shared.as_bytes());
        // What all keys begin with is digested once, not once an item.
        let (id, proof) = (self.id.begun(&start), self.proof.begun(&start));
        let partition = partition(address);
        let key = |item: &Canonical| Key {
            id: id.digest(&[item.as_bytes(), &partition]),
            proof: proof
                .digest(&[item.as_bytes(), &partition])
                .first_chunk()
                .copied()
                .unwrap_or_default(),
        };
        items.iter().map(key).collect()
    }

    /// A digest of a request as it came, for remembering the outcome of
    /// identifying the very same bytes a moment ago.
    ///
    /// It covers all that a key covers, but not the rules of identification: a
    /// memory of it must not outlive them.
    pub fn raw_digest(&self, scope: &Scope, address: &Address<'_>, body: &[u8]) -> [u8; 32] {
        let front = front(RAW_LABEL, scope, address, body.len());
        self.raw.digest(&[&front, body, &partition(address)])
    }
}

impl fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprinter(…)")
    }
}

/// Everything before the body, up to and including the body's length.
fn front(label: &[u8], scope: &Scope, address: &Address<'_>, body_bytes: usize) -> Vec<u8> {
    let Address {
        upstream,
        operation,
        path,
        query,
        headers,
        partition: _,
    } = address;
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(label);
    put_part(&mut out, scope.as_bytes());
    put_part(&mut out, upstream.as_bytes());
    put_part(&mut out, operation.as_str().as_bytes());
    put_part(&mut out, path.as_bytes());
    put_optional_part(&mut out, query.map(str::as_bytes));
    put_named_parts(&mut out, &headers::semantic(headers));
    if is_bound(*operation) {
        put_named_parts(&mut out, &headers::credentials(headers));
    }
    put_length(&mut out, body_bytes);
    out
}

/// What stands behind the body: nothing, where nothing keeps the request apart, so that
/// keys without a partition are what they were before there were any. What stands before
/// it tells where it begins: a body has its length in front, an item ends by itself.
fn partition(address: &Address<'_>) -> Vec<u8> {
    if address.partition.is_empty() {
        return Vec::new();
    }
    let parts: Vec<(&str, &[u8])> = address
        .partition
        .iter()
        .map(|(name, value)| (*name, value.as_ref()))
        .collect();
    let mut out = PARTITION_LABEL.to_vec();
    put_named_parts(&mut out, &parts);
    out
}

/// Whether an answer is worth something only to the credential it was given to: the
/// encrypted reasoning in a response is read by its own organization alone, and its id
/// names something that is kept for that. Where this server brings the credential, it is
/// not part of the scope.
fn is_bound(operation: Operation) -> bool {
    operation == Operation::Response
}

#[cfg(test)]
#[path = "fingerprint_tests.rs"]
mod tests;
