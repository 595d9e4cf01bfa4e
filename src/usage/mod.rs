//! What happened: one [`Event`] for every request, on every path.

mod event;

pub use event::{Event, Items, Served};
