//! The providers there are, and which of them answers for a model.

use std::sync::Arc;

use super::Upstream;

/// The providers there are.
#[derive(Debug)]
pub struct Upstreams {
    default: Arc<Upstream>,
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub struct Route {
    /// The provider.
    pub upstream: Arc<Upstream>,
    /// The provider's own name for the model, where it is not the one that was asked for.
    pub model: Option<String>,
}

impl Upstreams {
    /// One provider for everything.
    pub fn only(default: Arc<Upstream>) -> Self {
        Self { default }
    }

    /// The provider for what names no model, or one nobody else answers for.
    pub const fn default(&self) -> &Arc<Upstream> {
        &self.default
    }

    /// Whether every request goes to the same provider, whatever its model.
    pub const fn is_single(&self) -> bool {
        true
    }

    /// Where requests for a model go.
    pub fn route(&self, _model: &str) -> Route {
        Route {
            upstream: Arc::clone(&self.default),
            model: None,
        }
    }
}
