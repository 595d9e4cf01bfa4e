//! Taking somebody for the caller who is not there, to look at what it would see.

/// Who is to be taken for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StandIn {
    /// Whoever brings the key of this id.
    Key(String),
    /// Whoever shares answers with all of a tenant. Where callers bring credentials of
    /// the provider, each is a tenant, known here from its first request on.
    Tenant(String),
}
