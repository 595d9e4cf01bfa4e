//! What happened: one [`Event`] for every request and one [`Call`] for every call to
//! the upstream, on every path, counted in the ledger; and what that came to, to be
//! asked in [`books`] and taken away in [`export`].

pub mod books;
mod call;
mod counting;
mod event;
pub mod export;
mod journal;
mod measures;
mod names;
mod subject;

pub use books::Books;
pub use call::{Call, Ended};
pub use event::{Event, Items, Saved, Served};
pub use journal::{Journal, Pending, Watcher};
pub use subject::Subject;
