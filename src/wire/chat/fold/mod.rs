//! SSE to JSON: the chunks of a chat stream, folded into the answer they spell.

mod calls;
mod choice;

use crate::wire::choices::Fold;

pub use choice::Choice;

/// A chat stream being read.
pub type ChatFold = Fold<Choice>;

#[cfg(test)]
mod tests;
