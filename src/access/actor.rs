//! Who administers.

use super::{KeyRecord, Role};

/// Who administers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// What it is known by: `owner`, or the id of a key. A session is known by what
    /// opened it.
    pub id: String,
    /// The tenant whose answers it may remove, where it may not remove all.
    pub tenant: Option<String>,
    /// What it may do.
    pub roles: Vec<Role>,
    /// How it came here.
    pub origin: Origin,
}

/// How somebody who administers came here, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The id of the session that was used.
    pub session: Option<String>,
    /// The id of the request.
    pub request: Option<String>,
    /// The address the request came from.
    pub peer: Option<String>,
}

impl Actor {
    /// The id of whoever brings the admin key itself.
    pub const OWNER: &'static str = "owner";

    /// Whoever brings the admin key itself.
    pub fn owner() -> Self {
        Self {
            id: Self::OWNER.to_owned(),
            tenant: None,
            roles: vec![Role::Owner],
            origin: Origin::default(),
        }
    }

    /// Whoever brings one of the keys that were given out. Whether the key is good now
    /// is not judged here.
    pub fn of_key(key: &KeyRecord) -> Self {
        Self {
            id: key.id.clone(),
            tenant: Some(key.tenant.clone()),
            roles: key.roles.iter().copied().collect(),
            origin: Origin::default(),
        }
    }

    /// Whether it may do what a role is for.
    pub fn may(&self, role: Role) -> bool {
        self.roles.iter().any(|own| own.includes(role))
    }
}
