//! Anthropic's Messages: the answer in its two forms, what is read off both, and the
//! envelope of its errors.
//!
//! The stored form is the JSON one. [`fold`] makes it from a stream, [`replay()`]
//! makes a stream from it, and the two undo each other.

pub mod answer;
mod block;
pub mod error;
pub mod fold;
pub mod replay;
pub mod request;

pub use answer::Answer;
pub use error::Problem;
pub use fold::{Incomplete, MessageFold, Seen};
pub use replay::replay;
pub use request::Request;
