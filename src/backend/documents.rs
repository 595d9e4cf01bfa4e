//! Documents: what people administer, such as keys and providers.
//!
//! There are few of them and they are small. Every process holds all of a kind in
//! memory, so that no request waits for the backend, and follows what others change
//! ([`super::Replica`]). Whoever changes one says which state of it was seen, so that
//! two who change the same at once do not undo each other's work.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::BackendError;

/// Numbers the changes of a kind: each change gets one that is greater than all before.
pub type Revision = u64;

/// A backend that keeps documents.
///
/// A document whose time is over is gone, but may be told as removed only later, when
/// something else changes: who holds it judges its time as well.
pub trait Documents: Send + Sync + std::fmt::Debug {
    /// What has changed in each kind after the revision that was seen of it, in the order
    /// asked. 0 stands for nothing seen yet.
    fn changes<'a>(
        &'a self,
        since: &'a [(&'static str, Revision)],
    ) -> BoxFuture<'a, Result<Vec<Changes>, BackendError>>;

    /// Makes a change, if the document is still as it was seen. `Ok(None)`: it is not.
    fn change(&self, change: Change) -> BoxFuture<'_, Result<Option<Revision>, BackendError>>;
}

/// A change of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The kind: a word that stands in the program.
    pub kind: &'static str,
    /// The id within the kind: letters, digits, `-`, `_`, `.`.
    pub id: String,
    /// The state the change is made to.
    pub seen: Seen,
    /// The new content; `None` to remove the document.
    pub content: Option<Bytes>,
    /// How long it is kept from now on; `None` for ever.
    pub keep_for: Option<Duration>,
}

/// The state of a document a change is made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is none.
    Absent,
    /// It has not been changed since this revision.
    At(Revision),
    /// Whatever it is.
    Anything,
}

/// What has changed in a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The revision of the last change told. What is asked for next.
    pub revision: Revision,
    /// Whether this is all there is of the kind: what is not in it is gone. So it is the
    /// first time, and where too much has changed to be told one by one.
    pub whole: bool,
    /// The documents, in the order of their changes.
    pub documents: Vec<Document>,
}

/// A document as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its id within the kind.
    pub id: String,
    /// The revision of its last change.
    pub revision: Revision,
    /// Its content; `None` if it was removed.
    pub content: Option<Bytes>,
}
