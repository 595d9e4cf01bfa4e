//! Responses: the answer in its two forms, and what is read off both.
//!
//! The stored form is the JSON one. A stream ends with it: [`ResponseFold`] waits for
//! that, [`replay()`] tells it again event by event. What an answer repeats of who asked
//! is [`echo`]'s.

pub mod answer;
pub mod echo;
pub mod error;
pub mod fold;
pub mod item;
pub mod replay;
pub mod request;

pub use answer::Answer;
pub use error::error_event;
pub use fold::{Incomplete, ResponseFold, Seen};
pub use item::Item;
pub use replay::replay;
pub use request::Request;
