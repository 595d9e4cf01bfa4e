//! Who changed what: every act of the administration that cannot be undone by asking.

use std::fmt;

use super::Role;

/// Who administers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// What it is known by: `owner`, the id of a key or of a session.
    pub id: String,
    /// The tenant whose answers it may remove, where it may not remove all.
    pub tenant: Option<String>,
    /// What it may do.
    pub roles: Vec<Role>,
}

impl Actor {
    /// Whoever brings the admin key itself.
    pub fn owner() -> Self {
        Self {
            id: "owner".to_owned(),
            tenant: None,
            roles: vec![Role::Owner],
        }
    }

    /// Whether it may do what a role is for.
    pub fn may(&self, role: Role) -> bool {
        self.roles.iter().any(|own| own.includes(role))
    }
}

/// Where acts are written down. Cheap to clone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Audit;

impl Audit {
    /// Writes an act down: what was done, as `key.create`, and to what.
    pub fn note(&self, actor: &Actor, act: &'static str, subject: &dyn fmt::Display) {
        tracing::info!(target: "reprise::audit", actor = actor.id, act, %subject, "administration");
    }
}
