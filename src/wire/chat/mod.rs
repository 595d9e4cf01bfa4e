//! Chat completions: the answer in its two forms, and what is read off both.
//!
//! The stored form is the JSON one. [`fold`] makes it from a stream, [`replay()`]
//! makes a stream from it, and the two undo each other.

pub mod answer;
pub mod fold;
pub mod replay;
pub mod request;
pub mod stream_options;

pub use answer::Answer;
pub use fold::{ChatFold, Ending, FoldError, Incomplete, Seen};
pub use replay::{Unreplayable, replay};
pub use request::Request;
pub use stream_options::{View, ask_for_usage, hide_usage};
