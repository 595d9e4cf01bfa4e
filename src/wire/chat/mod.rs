//! Chat completions: the answer in its two forms, and what is read off both.
//!
//! The stored form is the JSON one. [`fold`] makes it from a stream, [`replay()`]
//! makes a stream from it, and the two undo each other.

pub mod answer;
pub mod fold;
pub mod replay;
pub mod request;

pub use answer::Answer;
pub use fold::ChatFold;
pub use replay::replay;
pub use request::Request;
