//! Who calls, what they may do, and whether the cache may answer them.
//!
//! In pass-through mode the caller's own upstream credential is the identity: the
//! [`Scope`] made of it is the first component of every key, so two credentials never
//! share an entry. A stored answer is given only while the provider is known to accept
//! the credential: what it would refuse, the cache must not serve.
//!
//! In key mode the identity is a key this server has given out, or a token it accepts.
//! The provider sees the operator's credential, and what the caller may do is decided
//! here, before anything is looked up.

mod actor;
mod admin;
mod allowance;
pub mod audit;
mod denied;
mod door;
pub mod foreign;
pub mod keyring;
pub mod limiter;
mod options;
mod rights;
mod role;
pub mod session;
mod stand_in;
mod standing;
pub mod token;

use std::sync::Arc;

use crate::key::Scope;
use crate::ledger::Caller;

pub use crate::policy::Pattern;
pub use actor::{Actor, Origin};
pub use admin::AdminKey;
pub use allowance::{Allowance, AllowanceError, Budget, PerPeriod};
pub use audit::Audit;
pub use denied::{Denied, TokenFault};
pub use door::{Door, presented};
pub use keyring::{KeyRecord, Keyring, NewKey};
pub use limiter::{LimitOptions, Limited, Limiter, Meter, OnOutage};
pub use options::{AccessMode, AccessOptions};
pub use rights::{DirectiveRights, Isolation, Rights};
pub use role::Role;
pub use session::SessionDesk;
pub use stand_in::StandIn;
pub use standing::{Standee, Standing, Standings, Verdict};
pub use token::{KeySetSource, TokenOptions, Tokens};

/// The longest name of a key, a tenant or a shared scope, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// Whether a text can be a name: there is some of it, but not too much, and nothing in
/// it that would break a line or hide itself.
pub fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

/// A caller.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The names it is counted under.
    pub caller: Caller,
    /// The isolation boundary: nothing stored in one scope is seen in another.
    pub scope: Scope,
    /// What it may do.
    pub rights: Arc<Rights>,
    /// Whether this server itself vouches for it: then the provider need not be asked.
    pub is_ours: bool,
}
