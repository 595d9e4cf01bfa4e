//! The providers there are, and which of them answers for a model.
//!
//! One is configured and is the default. The others are documents that are followed:
//! each process has all of them in memory, ready to be called, and makes anew only what
//! has changed. One that is gone finishes the calls that are under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use secrecy::SecretString;

use super::provider::{self, Provider, SealError};
use super::record::ProviderRecord;
use super::table::Table;
use super::{Dialer, Upstream, UpstreamError, UpstreamOptions};
use crate::backend::{Changes, Document, Follower};
use crate::vault::Vault;

/// The kind of documents providers are kept as.
pub const KIND: &str = "providers";

/// The providers there are.
#[derive(Debug)]
pub struct Upstreams {
    default: Arc<Upstream>,
    vault: Arc<Vault>,
    dialer: Dialer,
    held: ArcSwap<Held>,
}

#[derive(Clone, Debug, Default)]
struct Held {
    providers: BTreeMap<String, Arc<Provider>>,
    table: Table,
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub struct Route {
    /// The provider.
    pub upstream: Arc<Upstream>,
    /// The provider's own name for the model, where it is not the one that was asked for.
    pub model: Option<String>,
}

/// Whose credential a request is sent with. It decides who may get the request: nobody's
/// credential goes where its owner does not expect it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialOf {
    /// The provider's own, which the operator has given us for it.
    Provider,
    /// The caller's, for those who are said to be meant by it.
    Caller,
    /// The default provider's, lent to a caller who brings none.
    Default,
}

impl Upstreams {
    /// The default provider, and no others yet: a [`crate::backend::Replica`] brings them.
    ///
    /// # Errors
    /// If a client for the others cannot be set up.
    pub fn new(
        default: Arc<Upstream>,
        vault: Arc<Vault>,
        options: &UpstreamOptions,
    ) -> Result<Self, UpstreamError> {
        Ok(Self {
            default,
            vault,
            dialer: Dialer::guarded(options)?,
            held: ArcSwap::default(),
        })
    }

    /// The provider for what names no model, or one nobody else answers for.
    pub const fn default(&self) -> &Arc<Upstream> {
        &self.default
    }

    /// Whether every request goes to the same provider, whatever its model.
    pub fn is_single(&self) -> bool {
        self.held.load().table.is_empty()
    }

    /// Where requests for a model go: `provider/model` to that provider, what is an alias
    /// to who has it, otherwise to whose pattern says the most of the name.
    pub fn route(&self, model: &str, credential: CredentialOf) -> Route {
        let held = self.held.load();
        let may_take = |name: &str| {
            let record = held.providers.get(name).map(|provider| &provider.record);
            match credential {
                CredentialOf::Provider => record.is_some(),
                CredentialOf::Caller => record.is_some_and(|record| record.pass_through),
                CredentialOf::Default => false,
            }
        };
        let named = held.table.way(model, may_take).and_then(|way| {
            let provider = held.providers.get(&way.provider)?;
            Some(Route {
                upstream: Arc::clone(provider.upstream.as_ref().ok()?),
                model: way.model,
            })
        });
        named.unwrap_or_else(|| Route {
            upstream: Arc::clone(&self.default),
            model: None,
        })
    }

    /// The provider of a name.
    pub fn find(&self, name: &str) -> Option<Arc<Provider>> {
        self.held.load().providers.get(name).map(Arc::clone)
    }

    /// Every provider but the default one, by name.
    pub fn all(&self) -> Vec<Arc<Provider>> {
        self.held
            .load()
            .providers
            .values()
            .map(Arc::clone)
            .collect()
    }

    /// The document that a provider is to be kept as, its credential sealed.
    ///
    /// # Errors
    /// If it cannot be sealed.
    pub fn document(
        &self,
        record: &ProviderRecord,
        credential: Option<&SecretString>,
    ) -> Result<Bytes, SealError> {
        provider::document(&self.vault, record, credential)
    }

    /// Takes in one document; what is held stays what it is if that has not changed.
    fn take(&self, document: &Document, before: &Held, held: &mut Held) {
        let known = before.providers.get(&document.id);
        held.providers.remove(&document.id);
        let Some(content) = &document.content else {
            return;
        };
        if let Some(known) = known
            && known.revision == document.revision
        {
            held.providers
                .insert(document.id.clone(), Arc::clone(known));
            return;
        }
        let sealed = (document.revision, content.as_ref());
        match Provider::read(&document.id, sealed, &self.vault, &self.dialer) {
            Ok(provider) => {
                if let Err(error) = &provider.upstream {
                    tracing::warn!(provider = document.id, %error, "a provider cannot be used");
                }
                let provider = Arc::new(provider);
                held.providers.insert(document.id.clone(), provider);
            }
            Err(error) => {
                tracing::warn!(provider = document.id, %error, "what is kept of a provider is left alone");
            }
        }
    }
}

impl Follower for Upstreams {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn follow(&self, changes: &Changes) {
        let before = self.held.load();
        let mut held = if changes.whole {
            Held::default()
        } else {
            Held::clone(&before)
        };
        for document in &changes.documents {
            self.take(document, &before, &mut held);
        }
        let open = held.providers.values().filter(|one| one.is_open());
        held.table = Table::of(open.map(|provider| &provider.record));
        self.held.store(Arc::new(held));
    }
}

#[cfg(test)]
#[path = "upstreams_tests.rs"]
mod tests;
