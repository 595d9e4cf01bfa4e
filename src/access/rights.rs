//! What a caller may do, and what is done for it.
//!
//! Written by an administrator, kept with the key, the same on every request. What is
//! not said is not restricted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::allowance::Allowance;
use crate::ledger::Tags;
use crate::policy::{Directives, Pattern};
use crate::wire::Operation;

/// What a caller may do, and what is done for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rights {
    /// The models it may ask for, as `gpt-4o*`; any where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<Pattern>>,
    /// The operations it may use, by [`Operation::as_str`]; any where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<BTreeSet<String>>,
    /// Under which tags its requests are counted, besides those they bring.
    #[serde(skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// With whom it shares answers.
    pub isolation: Isolation,
    /// Whether it may keep groups of its requests apart (`x-cache-namespace`).
    pub namespaces: bool,
    /// What it may ask of the cache.
    pub directives: DirectiveRights,
    /// Members that are filled in where a request does not have them, as JSON.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub preferences: BTreeMap<String, serde_json::Value>,
    /// How much it may use.
    pub allowance: Allowance,
}

/// With whom answers are shared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// With all keys of the tenant.
    #[default]
    Tenant,
    /// With nobody.
    Key,
    /// With all keys of any tenant that an administrator has granted the same scope.
    Shared(String),
}

/// What a caller may ask of the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DirectiveRights {
    /// A new answer although one is stored (`no-cache`, `max-age`, `min-fresh`).
    pub refresh: bool,
    /// Freshness of its own choice (`x-cache-ttl`), and stale answers (`max-stale`).
    pub extend: bool,
    /// How long its answers are fresh, instead of what is configured, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
    /// The longest freshness it may ask for, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_max_seconds: Option<u64>,
}

impl Default for DirectiveRights {
    fn default() -> Self {
        Self {
            refresh: true,
            extend: true,
            ttl_seconds: None,
            ttl_max_seconds: None,
        }
    }
}

impl Rights {
    /// Whether an operation may be used. A caller that is held to some models may not
    /// use what is passed on unread, unless that is said.
    pub fn allow_operation(&self, operation: Operation) -> bool {
        match &self.operations {
            Some(operations) => operations.contains(operation.as_str()),
            None => operation != Operation::Passthrough || self.models.is_none(),
        }
    }

    /// Whether an operation may be used whose requests are passed on unread: as what is
    /// always passed on so, or by its name, unless the model would have to be known.
    pub fn allow_unread(&self, operation: Operation) -> bool {
        self.allow_operation(Operation::Passthrough)
            || self.models.is_none() && self.allow_operation(operation)
    }

    /// Whether a model may be asked for.
    pub fn allow_model(&self, model: &str) -> bool {
        let models = self.models.as_deref();
        models.is_none_or(|models| models.iter().any(|pattern| pattern.matches(model)))
    }

    /// Holds what a request asks of the cache to what its caller may ask.
    pub fn clamp(&self, directives: &mut Directives) {
        let own = &self.directives;
        if !own.refresh {
            directives.accept_stored();
        }
        if !own.extend {
            directives.ttl = None;
            directives.max_stale = None;
        }
        let seconds = Duration::from_secs;
        let ttl = directives.ttl.or(own.ttl_seconds.map(seconds));
        let most = own.ttl_max_seconds.map(seconds);
        directives.ttl = match (ttl, most) {
            (Some(ttl), Some(most)) => Some(ttl.min(most)),
            (ttl, _) => ttl,
        };
    }
}
