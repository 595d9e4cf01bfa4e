//! Trying the store out under a key that is nobody's.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use super::Proxy;
use crate::backend::Trial;
use crate::entry::{Entry, Meta};
use crate::key::canonical::Form;
use crate::key::{Address, Canonical, Scope};
use crate::wire::Operation;

/// What the scope of trials is made of; no credential makes the same.
const PART: (&str, &[u8]) = ("trial", b"cache");

impl Proxy {
    /// Writes, reads and removes an entry.
    pub async fn try_store(&self) -> Trial {
        let keys = self.keys();
        let now = self.clock.unix_millis();
        let address = Address {
            upstream: "",
            operation: Operation::Passthrough,
            path: "",
            query: None,
            headers: &HeaderMap::new(),
            partition: &[],
        };
        let scope = Scope::derive(&keys.secret, &[PART]);
        // Two trials at a time are not in each other's way.
        let question = Canonical::of(&Form::Text(&format!("{now} {}", std::process::id())));
        let key = keys.fingerprinter.key(&scope, &address, &question);
        let entry = Entry {
            operation: Operation::Passthrough,
            stored_at: now,
            fresh_for: Duration::ZERO,
            meta: Meta {
                model: "cache-test".to_owned(),
                content_type: "application/json".to_owned(),
                generation: self.store.generation(),
                ..Meta::default()
            },
            body: Bytes::from_static(b"{}"),
        };
        self.store.try_out(key, entry).await
    }
}
