//! What is to be removed: which entries a purge means, and which are gone by those in
//! force.
//!
//! A purge has a number that is greater than that of every purge before it, and every
//! entry tells the number of the last purge that was known when the call that got it
//! began. So an entry is gone if a purge with a greater number means it, whatever any
//! clock says, and an answer that was under way when the purge came is not kept.
//!
//! Pure: what is stored and told of purges is in [`crate::backend::purges`].

mod in_force;
mod record;
mod selector;

pub use in_force::InForce;
pub use record::{Cause, Lease, Progress, Purge, State, Target};
pub use selector::{Facts, KeyPrefix, NotAKey, Selector};

/// The number of a purge: greater than that of every purge made before.
pub type Number = u64;
