//! Answers that are a list of choices: what chat completions and those of the time
//! before chat have in common.
//!
//! Both come as a document or as a stream of chunks, end alike, count alike and say in
//! the same way whether a stream tells its usage. What a choice is made of is theirs.

pub mod chunks;
pub mod fold;
mod listed;
pub(in crate::wire) mod members;
pub mod stream_options;
mod usage_told;

pub use fold::{Choice, Ending, Fold, FoldError, Incomplete, Seen};
pub use listed::{Unreplayable, listed};
pub use stream_options::{View, ask_for_usage, hide_usage};
pub use usage_told::UsageTold;
