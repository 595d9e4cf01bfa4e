//! Making purges, and having removed what they mean.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{ABOVE, KIND, PREFIX, Purges, removal};
use crate::backend::documents::{Change, Revision, Seen};
use crate::backend::{BackendError, Catalogue, Replica, Store};
use crate::clock::Clock;
use crate::purge::{Cause, Facts, Progress, Purge, State, Target};

/// Purges by selector that may be in force at once, and as many of everything.
const SELECTORS_MAX: usize = 1_000;
/// Keys named one by one that may be.
const KEYS_MAX: usize = 10_000;
/// How often making one is tried, should the backend have lost what it had.
const TRIES: usize = 3;
/// How long what a selector means is counted for.
const COUNT_PATIENCE: Duration = Duration::from_secs(5);
/// Entries looked at in one go.
pub(super) const PAGE: usize = 250;

/// Why a purge is not made.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// There are too many.
    #[error(
        "too many purges are in force: each is for a day; remove more at once, with a wider selector or several keys in one, or everything"
    )]
    TooMany,
    /// The backend did not take it, or did not tell.
    #[error("the store cannot be reached; nothing is promised to be removed")]
    Store(#[from] BackendError),
    /// The operating system gives no randomness for its id.
    #[error("the operating system gives no randomness")]
    Random(#[from] getrandom::Error),
}

/// What a selector means at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// What was looked at, and what would be removed of it.
    pub progress: Progress,
    /// Whether everything was looked at.
    pub is_all: bool,
}

/// Makes purges and removes what they mean. Ends with its last clone.
#[derive(Clone, Debug)]
pub struct Purging {
    pub(super) shared: Arc<Shared>,
    _tasks: Arc<[AbortOnDropHandle<()>; 2]>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) replica: Replica,
    pub(super) purges: Arc<Purges>,
    pub(super) clock: Arc<dyn Clock>,
    /// What this process calls itself.
    pub(super) holder: String,
    pub(super) wake: Notify,
}

impl Purging {
    /// Starts to remove. `replica` has to follow for the purges of the store. Needs a
    /// runtime to run in.
    ///
    /// # Errors
    /// If the operating system gives no randomness.
    pub fn start(
        store: Store,
        replica: Replica,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, getrandom::Error> {
        let shared = Arc::new(Shared {
            purges: store.purges(),
            store,
            replica,
            clock,
            holder: random("")?,
            wake: Notify::new(),
        });
        let tasks = [
            tokio::spawn(removal::run(Arc::clone(&shared))),
            tokio::spawn(removal::tend_memory(Arc::clone(&shared))),
        ];
        Ok(Self {
            shared,
            _tasks: Arc::new(tasks.map(AbortOnDropHandle::new)),
        })
    }

    /// Makes a purge: when this returns, no entry it means is served by this process any
    /// more, and within a second by no other. Its id, and itself.
    ///
    /// # Errors
    /// If there are too many, or the backend does not take it.
    pub async fn begin(
        &self,
        target: Target,
        cause: Cause,
        actor: &str,
    ) -> Result<(String, Arc<Purge>), PurgeError> {
        let Shared {
            purges, replica, ..
        } = &*self.shared;
        if !self.has_room_for(&target) {
            return Err(PurgeError::TooMany);
        }
        for _try in 0..TRIES {
            let before = purges.generation();
            let purge = Purge {
                number: None,
                above: purges.above(),
                target: target.clone(),
                cause,
                actor: actor.to_owned(),
                created_at: self.shared.clock.unix_millis(),
                state: State::Running,
                progress: Progress::default(),
                finished_at: None,
                until: None,
                lease: None,
            };
            let id = random(PREFIX)?;
            let made = replica
                .change(Change {
                    kind: KIND,
                    id: id.clone(),
                    seen: Seen::Absent,
                    content: Some(content(&purge)?),
                    keep_for: None,
                })
                .await?;
            let Some(revision) = made else {
                continue;
            };
            let number = purge.number_at(revision);
            if number <= before {
                // The backend has lost what it had, which was not seen before this was made.
                self.shared.forget(&id, revision).await?;
                replica.refresh().await?;
                continue;
            }
            if purges.get(&id).is_none() {
                replica.refresh().await?;
            }
            self.shared.wake.notify_one();
            let purge = Purge {
                number: Some(number),
                ..purge
            };
            return Ok((id, Arc::new(purge)));
        }
        let reason = "it loses what it was given".to_owned();
        Err(BackendError::Other(reason).into())
    }

    /// The purges in force, the latest first.
    pub fn all(&self) -> Vec<(String, Arc<Purge>)> {
        self.shared.purges.all()
    }

    /// The purge of an id, if it is in force.
    pub fn get(&self, id: &str) -> Option<Arc<Purge>> {
        self.shared.purges.get(id).map(|(_, purge)| purge)
    }

    /// Counts what a purge would remove now. Gives up after a while, and says so.
    ///
    /// # Errors
    /// If the backend does not tell.
    pub async fn count(&self, target: &Target) -> Result<Counted, BackendError> {
        let Some(catalogue) = self.shared.store.catalogue() else {
            return Ok(Counted::default());
        };
        let mut counted = Counted::default();
        let began = Instant::now();
        let mut place = None;
        while began.elapsed() < COUNT_PATIENCE {
            let walked = catalogue.walk(place, PAGE).await?;
            for listed in &walked.entries {
                counted.progress.seen += 1;
                let Ok(peeked) = listed.inspect() else {
                    continue;
                };
                let facts = Facts {
                    id: &listed.id,
                    operation: peeked.operation,
                    stored_at: peeked.stored_at,
                    meta: &peeked.meta,
                };
                if target.matches(&facts) && !self.shared.purges.mean_listed(&facts) {
                    counted.progress.removed += 1;
                    counted.progress.bytes += listed.bytes;
                }
            }
            place = walked.next;
            if place.is_none() {
                counted.is_all = true;
                break;
            }
        }
        Ok(counted)
    }

    /// Where entries are gone through.
    pub fn catalogue(&self) -> Option<Arc<dyn Catalogue>> {
        self.shared.store.catalogue()
    }

    fn has_room_for(&self, target: &Target) -> bool {
        let all = self.all();
        let ids = |target: &Target| target.ids().map_or(0, |ids| ids.len());
        let alike = all.iter().filter(|(_, purge)| match target {
            Target::Everything => purge.target == Target::Everything,
            Target::Selected(_) => purge.target != Target::Everything,
        });
        match target.ids() {
            Some(new) => {
                let named: usize = alike.map(|(_, purge)| ids(&purge.target)).sum();
                named + new.len() <= KEYS_MAX
            }
            None => alike.filter(|(_, purge)| ids(&purge.target) == 0).count() < SELECTORS_MAX,
        }
    }
}

impl Shared {
    /// Puts back what the backend has lost.
    pub(super) async fn put_back(&self) -> Result<(), BackendError> {
        if let Some(above) = self.purges.above_unkept() {
            let content = Some(Bytes::from(above.to_string()));
            self.put(ABOVE, Seen::Anything, content).await?;
        }
        for (id, purge) in self.purges.lost() {
            tracing::warn!(id, "the backend has lost a purge: it is put back");
            let content = Some(content(&purge)?);
            self.put(&id, Seen::Absent, content).await?;
        }
        Ok(())
    }

    /// Forgets a purge.
    pub(super) async fn forget(&self, id: &str, seen: Revision) -> Result<(), BackendError> {
        self.put(id, Seen::At(seen), None).await.map(drop)
    }

    /// Changes a document of the kind, if it is as it was seen.
    pub(super) async fn put(
        &self,
        id: &str,
        seen: Seen,
        content: Option<Bytes>,
    ) -> Result<Option<Revision>, BackendError> {
        let change = Change {
            kind: KIND,
            id: id.to_owned(),
            seen,
            content,
            keep_for: None,
        };
        self.replica.change(change).await
    }
}

/// A purge as a document.
pub(super) fn content(purge: &Purge) -> Result<Bytes, BackendError> {
    serde_json::to_vec(purge)
        .map(Bytes::from)
        .map_err(|error| BackendError::Other(error.to_string()))
}

fn random(prefix: &str) -> Result<String, getrandom::Error> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)?;
    Ok(format!("{prefix}{}", hex::encode(random)))
}
