//! Completions, of the time before chat: the answer in its two forms.
//!
//! Unlike in chat both have the same shape: a chunk of a stream is a small answer, whose
//! text goes on where the last one ended. The stored form is the whole one; [`fold`]
//! makes it from a stream, [`replay()`] makes a stream from it, and the two undo each
//! other.

pub mod fold;
pub mod replay;

pub use fold::CompletionFold;
pub use replay::replay;
