//! What a key or a session may do in the administration.

use serde::{Deserialize, Serialize};

/// A right in the administration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// See usage, health, prices and what is cached.
    ReadUsage,
    /// Remove answers of the own tenant.
    PurgeOwn,
    /// Remove answers of all tenants.
    PurgeAll,
    /// Make, change and revoke keys that have no roles of their own.
    ManageKeys,
    /// Everything, the making of other administrators included.
    Owner,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [
        Self::ReadUsage,
        Self::PurgeOwn,
        Self::PurgeAll,
        Self::ManageKeys,
        Self::Owner,
    ];

    /// The name used in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadUsage => "read_usage",
            Self::PurgeOwn => "purge_own",
            Self::PurgeAll => "purge_all",
            Self::ManageKeys => "manage_keys",
            Self::Owner => "owner",
        }
    }

    /// Whether who has this role may do what the other is for.
    pub const fn includes(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Owner, _)
                | (Self::ReadUsage, Self::ReadUsage)
                | (Self::PurgeOwn, Self::PurgeOwn)
                | (Self::PurgeAll, Self::PurgeAll | Self::PurgeOwn)
                | (Self::ManageKeys, Self::ManageKeys)
        )
    }
}
