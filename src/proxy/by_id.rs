//! Answers that are known by an id of the provider's, and can be taken back by it.
//!
//! The id is in the answer, not in the question, so a small entry of its own leads from
//! the one to the other: under a key made of the address the answer has at its provider,
//! for the same caller, kept as long, under the same model, tenant and tags, so that a
//! purge of the one means the other. It is the only kind of entry that is no answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use super::keys::Keys;
use super::{Asked, Failed, Proxy, Question, Reply, identify, limits};
use crate::entry::{Entry, Meta};
use crate::key::canonical::Form;
use crate::key::headers::{self, Role};
use crate::key::{Address, Canonical, Fingerprinter, Key, Scope};
use crate::upstream::{CallBody, ClientStream};
use crate::wire::json::members::MembersReader;
use crate::wire::{Operation, json};

/// The member of an answer that is its id.
const ID: &str = "id";

/// Whose answers they are, and where.
struct Owner<'a> {
    scope: &'a Scope,
    upstream: &'a str,
    operation: Operation,
    headers: &'a HeaderMap,
}

impl Owner<'_> {
    /// The key of what leads to the answer of an id.
    fn key(&self, fingerprinter: &Fingerprinter, id: &str) -> Key {
        // An answer is asked for with other headers than it is taken back with; who asks
        // is the same.
        let credentials: HeaderMap = self
            .headers
            .iter()
            .filter(|(name, _)| headers::role(name) == Role::Credential)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let address = Address {
            upstream: self.upstream,
            operation: self.operation,
            path: "",
            query: None,
            headers: &credentials,
            partition: &[],
        };
        let question = Canonical::of(&Form::Text(id));
        fingerprinter.key(self.scope, &address, &question)
    }
}

impl Proxy {
    /// Takes note of an answer's id, where its provider keeps it under that.
    pub(super) fn note_id(&self, question: &Question, entry: &Entry, keep_for: Duration) {
        if question.adapter.kept_for(&entry.body).is_none() {
            return;
        }
        let Some(id) = id_of(&entry.body) else {
            return;
        };
        let request = &question.request;
        let owner = Owner {
            scope: &request.principal.scope,
            upstream: request.upstream.identity(),
            operation: entry.operation,
            headers: &request.asked.headers,
        };
        let meta = Meta {
            model: entry.meta.model.clone(),
            resolved_model: entry.meta.resolved_model.clone(),
            tenant: entry.meta.tenant.clone(),
            tags: entry.meta.tags.clone(),
            content_type: "application/octet-stream".to_owned(),
            generation: entry.meta.generation,
            ..Meta::default()
        };
        let pointer = Entry {
            operation: Operation::Passthrough,
            stored_at: entry.stored_at,
            fresh_for: entry.fresh_for,
            meta,
            body: question.identified.key.to_bytes().into(),
        };
        let key = owner.key(&self.keys().fingerprinter, &id);
        drop(self.store.insert(key, pointer, keep_for));
    }

    /// Forwards a request that takes the answer of an id back, and forgets that answer if
    /// the provider has done it. Its key, if it was stored: other processes may still
    /// have it in memory.
    ///
    /// # Errors
    /// If the provider gives no answer.
    pub async fn take_back(
        self: &Arc<Self>,
        asked: Asked,
        body: Option<ClientStream>,
        operation: Operation,
        id: &str,
    ) -> Result<(Reply, Option<Key>), Failed> {
        let keys: Arc<Keys> = self.keys();
        let mut admitted = self.admit(Operation::Passthrough, asked, &keys).await?;
        admitted.bring_credential();
        let meter = admitted.meter.clone();
        let owner = Owner {
            scope: &admitted.principal.scope,
            upstream: admitted.upstream.identity(),
            operation,
            headers: &admitted.asked.headers,
        };
        let pointer = owner.key(&keys.fingerprinter, id);
        let body = body.map_or(CallBody::Empty, CallBody::Stream);
        let result = self.forward(identify::PASSTHROUGH, admitted, body).await;
        let reply = limits::told(meter.as_ref(), result)?;
        if !reply.status.is_success() {
            return Ok((reply, None));
        }
        let (found, _tier) = self.store.find(&pointer).await;
        let key = found.and_then(|cached| Key::from_bytes(&cached.entry.body));
        if let Some(key) = &key {
            self.store.remove(key);
            self.store.remove(&pointer);
        }
        Ok((reply, key))
    }
}

/// The id an answer says that it has.
fn id_of(answer: &Bytes) -> Option<String> {
    let mut reader = MembersReader::new(&[ID]);
    reader.take(answer);
    let id = json::parse(reader.get(ID)?).ok()?;
    id.as_str().filter(|id| !id.is_empty()).map(str::to_owned)
}
