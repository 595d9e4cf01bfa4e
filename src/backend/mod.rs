//! Where answers are kept, and the only place that knows how.
//!
//! [`Store`] is the front the rest of the program uses: a memory tier before one
//! backend, which is embedded or Redis. No failure of a backend is ever the
//! reason for a failed request: a look-up that cannot be done is a miss, and what
//! cannot be written now is written later or counted as dropped.
//!
//! A third backend is a folder beside [`embedded`] and [`redis`] that implements
//! [`Entries`], [`Records`], [`Ledger`], [`Objects`], [`Documents`], [`Catalogue`] and,
//! where several processes share it, [`Gauges`], and passes `contract`.

pub mod breaker;
pub mod cached;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod contract_catalogue;
#[cfg(test)]
mod contract_documents;
#[cfg(test)]
mod contract_usage;
pub mod documents;
pub mod embedded;
pub mod error;
pub mod gauges;
mod guard;
mod in_process;
mod memory;
mod memory_catalogue;
mod metrics;
pub mod options;
pub mod purges;
pub mod redis;
mod replica;
#[cfg(test)]
mod scripted;
mod secret;
pub mod store;
mod tenant_keys;
mod write_queue;

use std::fmt::Debug;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::clock::UnixMillis;
use crate::entry::{self, OpenError, Peeked};
use crate::key::Key;
use crate::ledger::{Batch, Granularity, Labels, Start, Tally};
use crate::wire::Operation;

pub use breaker::Standing;
pub use cached::{Cached, Rendition, Worth};
pub use documents::{Change, Changes, Document, Documents, Seen};
pub use error::BackendError;
pub use gauges::{Gauges, OwnGauges};
#[cfg(test)]
pub(crate) use in_process::InProcess;
pub use options::{BackendChoice, BackendOptions};
pub use purges::{Counted, PurgeError, Purges, Purging};
pub use replica::{Follower, Replica};
pub use store::{Checkup, Health, Store, Trial};
pub use tenant_keys::TenantKeys;

/// A backend that keeps entries. It knows sealed bytes only.
///
/// Implementations bound no time themselves, and are cancelled by dropping the
/// future: a value is then written whole or not at all.
pub trait Entries: Send + Sync + Debug {
    /// The name used in health reports and metric labels.
    fn name(&self) -> &'static str;

    /// The entry of a key, unless there is none or its time is over.
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Bytes>, BackendError>>;

    /// The entries of several keys at once, each as [`Entries::get`] gives it, in the
    /// order of the keys.
    fn get_many(&self, keys: &[Key]) -> BoxFuture<'_, Result<Vec<Option<Bytes>>, BackendError>>;

    /// Keeps an entry for the time it says, in the place of any other of the key.
    fn put(&self, key: Key, record: Record) -> BoxFuture<'_, Result<(), BackendError>>;

    /// Forgets an entry. There need not be one.
    fn remove(&self, key: &Key) -> BoxFuture<'_, Result<(), BackendError>>;

    /// How much is kept.
    fn size(&self) -> BoxFuture<'_, Result<Size, BackendError>>;

    /// Whether the backend answers at all.
    fn ping(&self) -> BoxFuture<'_, Result<(), BackendError>>;

    /// What can be said of the backend beyond how much it keeps.
    fn vitals(&self) -> BoxFuture<'_, Result<Vitals, BackendError>> {
        Box::pin(std::future::ready(Ok(Vitals::default())))
    }

    /// Notes that an entry was served from elsewhere, so that it does not look
    /// unused. Never waits, and may be ignored.
    fn touch(&self, _key: &Key) {}
}

/// A backend that keeps small values which do not expire.
pub trait Records: Send + Sync + Debug {
    /// The value kept under `name`; `fresh` becomes it if there is none. All who
    /// ask get the same value, whichever of them was first.
    fn get_or_create(
        &self,
        name: &'static str,
        fresh: Bytes,
    ) -> BoxFuture<'_, Result<Bytes, BackendError>>;
}

/// A backend that keeps the usage ledger.
///
/// A bucket is forgotten when it has been kept for [`Granularity::kept_for`].
pub trait Ledger: Send + Sync + Debug {
    /// Adds every line of a batch to its minute, hour and day: all of them and once,
    /// also if the batch is given again. Nothing is added if this fails, or all of it
    /// if only the answer was lost; giving the batch again is right in both cases.
    ///
    /// A backend that others share does nothing else meanwhile: some hundred lines are
    /// enough for one batch.
    fn post<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Posted, BackendError>>;

    /// The buckets that hold anything and begin in `starts`, in their order, each with
    /// a number that changes with its content.
    fn revisions(
        &self,
        granularity: Granularity,
        starts: Range<Start>,
    ) -> BoxFuture<'_, Result<Vec<(Start, Revision)>, BackendError>>;

    /// What some buckets hold, in the order asked; nothing for those not kept. A
    /// bucket may be newer than the revision it was asked for by.
    fn buckets<'a>(
        &'a self,
        granularity: Granularity,
        starts: &'a [Start],
    ) -> BoxFuture<'a, Result<Vec<Lines>, BackendError>>;
}

/// What a bucket holds: a tally for each labels.
pub type Lines = Vec<(Labels, Tally)>;

/// Changes whenever a bucket does.
pub type Revision = u64;

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It was applied now.
    Now,
    /// It had been applied before; nothing was changed.
    Before,
}

/// A backend that keeps objects for a time: the files of exports, and what is known
/// of them. For objects that few ask for, not for entries.
pub trait Objects: Send + Sync + Debug {
    /// Keeps an object under its kind and name, in the place of any other.
    fn put(
        &self,
        name: ObjectName,
        content: Bytes,
        keep_for: Duration,
    ) -> BoxFuture<'_, Result<(), BackendError>>;

    /// The object of a name, unless there is none or its time is over.
    fn get(&self, name: &ObjectName) -> BoxFuture<'_, Result<Option<Bytes>, BackendError>>;

    /// Every object of a kind, in the order of their ids. For kinds of small objects.
    fn list(&self, kind: &'static str)
    -> BoxFuture<'_, Result<Vec<(String, Bytes)>, BackendError>>;

    /// Forgets an object; whether there was one.
    fn remove(&self, name: &ObjectName) -> BoxFuture<'_, Result<bool, BackendError>>;
}

/// A backend whose entries can be gone through, told of and removed by their ids alone.
pub trait Catalogue: Send + Sync + Debug {
    /// The next entries behind a place, in no order of any meaning; about `most` of them,
    /// and some twice if entries come and go meanwhile. An entry that is there all the
    /// time is met at least once.
    fn walk(
        &self,
        behind: Option<Place>,
        most: usize,
    ) -> BoxFuture<'_, Result<Walked, BackendError>>;

    /// The entry of an id, with how long it is kept from now on.
    fn find(&self, id: [u8; 32]) -> BoxFuture<'_, Result<Found, BackendError>>;

    /// Forgets entries; how many of them there were.
    fn remove_all(&self, ids: Vec<[u8; 32]>) -> BoxFuture<'_, Result<u64, BackendError>>;

    /// Sees to it that nothing is left of what was removed before; whether it is done, or
    /// has to be tried again.
    fn wipe(&self) -> BoxFuture<'_, Result<bool, BackendError>>;

    /// What else is known of the backend.
    fn report(&self) -> BoxFuture<'_, Result<Report, BackendError>>;
}

/// An entry, with how long it is kept from now on where that is known.
pub type Found = Option<(Listed, Option<Duration>)>;

/// A place in a walk through the entries: to be handed back as it is.
pub type Place = String;

/// Some entries, and where the walk goes on.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// The entries.
    pub entries: Vec<Listed>,
    /// Where to go on; `None` at the end.
    pub next: Option<Place>,
}

/// An entry met in a walk.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The id of its key.
    pub id: [u8; 32],
    /// The sealed value, or as much of its beginning as head and metadata take.
    pub head: Bytes,
    /// The bytes it takes: the length of the sealed value, or what it takes in memory.
    pub bytes: u64,
    /// The length of its body, where the head does not tell it.
    pub body_bytes: Option<u64>,
}

impl Listed {
    /// What the entry says of itself, unchecked.
    ///
    /// # Errors
    /// If it is none of this version.
    pub fn inspect(&self) -> Result<Peeked, OpenError> {
        entry::inspect(&self.head)
    }
}

/// What is known of a backend beside its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Its version.
    pub version: Option<String>,
    /// Entries it has removed to make room since it started: those of all who share it.
    pub evicted: u64,
    /// Whether its size counts entries of this cache alone.
    pub is_own: bool,
}

/// What an object is kept under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// Its kind: a word that stands in the program.
    pub kind: &'static str,
    /// Its id within the kind: letters, digits, `-`, `_`, `/`.
    pub id: String,
}

/// An entry as it is handed to a backend.
#[derive(Clone, Debug)]
pub struct Record {
    /// The sealed entry.
    pub sealed: Bytes,
    /// How long to keep it, from now.
    pub keep_for: Duration,
    /// Its endpoint family, for backends that can be read by people.
    pub operation: Operation,
    /// The model asked for, for the same.
    pub model: String,
    /// When the call that got the answer began, for the same.
    pub stored_at: UnixMillis,
}

/// What can be said of a backend by those who run it; what does not apply is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// The version of its software.
    pub version: Option<String>,
    /// Bytes in use of those that may be used: of memory for a server, of the file for
    /// the embedded backend.
    pub used: Option<u64>,
    /// How many may be used, where there is a bound.
    pub max: Option<u64>,
    /// The bytes of its file, those that are free for what comes next included.
    pub file: Option<u64>,
    /// How many connections it has, those of others included.
    pub clients: Option<u64>,
}

/// How much a backend keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Entries, those whose time is over but that are not yet swept included.
    pub entries: u64,
    /// Bytes of storage.
    pub bytes: u64,
    /// Bytes in use of those that may be used. A server counts in what is not
    /// entries.
    pub used: u64,
    /// How many may be used, where there is a bound.
    pub max: Option<u64>,
}
