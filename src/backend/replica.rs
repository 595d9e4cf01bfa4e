//! What this process holds of the documents of a backend, and how it follows them.
//!
//! A task asks for changes twice a second, so that what one process changes is seen by
//! all within one second. What is held stays while the backend is away: a key that was
//! good is good, and one that was made meanwhile is not known yet.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::BackendError;
use super::documents::{Change, Changes, Documents, Revision};

/// How often changes are asked for.
const INTERVAL: Duration = Duration::from_millis(400);

/// How long the backend may take to tell them.
const PATIENCE: Duration = Duration::from_secs(2);

/// After how long without being followed changes count as missed.
pub(super) const GAP: Duration = Duration::from_secs(5);

/// Who holds the documents of a kind.
pub trait Follower: Send + Sync + std::fmt::Debug {
    /// The kind.
    fn kind(&self) -> &'static str;

    /// Takes in what has changed. Must not wait.
    fn follow(&self, changes: &Changes);

    /// Is told, before [`Follower::follow`], that there were changes while they could not
    /// be followed for longer than five seconds. Must not wait.
    fn missed(&self) {}
}

/// Keeps followers up to date. Cheap to clone; ends with its last clone.
#[derive(Clone, Debug)]
pub struct Replica {
    shared: Arc<Shared>,
    _task: Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    documents: Arc<dyn Documents>,
    followers: Vec<Arc<dyn Follower>>,
    /// What has been seen of each follower's kind. Held while changes are asked for.
    seen: Mutex<Vec<(&'static str, Revision)>>,
    /// When all that had changed was last seen; `None` if never.
    current: watch::Sender<Option<Instant>>,
}

impl Replica {
    /// Starts to follow. Needs a runtime to run in.
    pub fn start(documents: Arc<dyn Documents>, followers: Vec<Arc<dyn Follower>>) -> Self {
        let seen = followers.iter().map(|one| (one.kind(), 0)).collect();
        let shared = Arc::new(Shared {
            documents,
            followers,
            seen: Mutex::new(seen),
            current: watch::Sender::new(None),
        });
        let task = tokio::spawn(Arc::clone(&shared).run());
        Self {
            shared,
            _task: Arc::new(AbortOnDropHandle::new(task)),
        }
    }

    /// Makes a change, and sees to it that this process has seen it when it returns. The
    /// revision it got; `None` if the document was not as it had been seen.
    ///
    /// # Errors
    /// If the backend does not take it. Whether it did is then not known.
    pub async fn change(&self, change: Change) -> Result<Option<Revision>, BackendError> {
        let made = timeout(PATIENCE, self.shared.documents.change(change))
            .await
            .unwrap_or(Err(BackendError::Timeout))?;
        if let Err(error) = self.refresh().await {
            // The task will.
            tracing::debug!(%error, "a change that was made is not seen here yet");
        }
        Ok(made)
    }

    /// Asks for changes now.
    ///
    /// # Errors
    /// If the backend does not tell.
    pub async fn refresh(&self) -> Result<(), BackendError> {
        self.shared.refresh().await
    }

    /// Waits until everything has been seen once, for at most `patience`; whether it was.
    pub async fn first(&self, patience: Duration) -> bool {
        let mut current = self.shared.current.subscribe();
        let seen = timeout(patience, current.wait_for(Option::is_some)).await;
        matches!(seen, Ok(Ok(_)))
    }

    /// How long ago everything that had changed was seen; `None` if never.
    pub fn age(&self) -> Option<Duration> {
        self.shared.current.borrow().map(|at| at.elapsed())
    }
}

impl Shared {
    async fn run(self: Arc<Self>) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = false;
        loop {
            ticks.tick().await;
            match self.refresh().await {
                Ok(()) => {
                    if told {
                        tracing::info!("what is administered is followed again");
                    }
                    told = false;
                }
                Err(error) => {
                    // At the start a connection may still be on its way.
                    if !told && self.current.borrow().is_some() {
                        tracing::warn!(%error, "changes of keys, providers and purges cannot be followed: what is known stays in force");
                        told = true;
                    }
                }
            }
        }
    }

    async fn refresh(&self) -> Result<(), BackendError> {
        let mut seen = self.seen.lock().await;
        let began = Instant::now();
        let told = timeout(PATIENCE, self.documents.changes(&seen))
            .await
            .unwrap_or(Err(BackendError::Timeout))?;
        let last = *self.current.borrow();
        let missed = last.is_some_and(|last| began.duration_since(last) > GAP);
        for ((follower, (_kind, revision)), changes) in
            self.followers.iter().zip(seen.iter_mut()).zip(&told)
        {
            if missed && changes.revision != *revision {
                follower.missed();
            }
            if changes.whole || !changes.documents.is_empty() {
                follower.follow(changes);
            }
            *revision = changes.revision;
        }
        self.current.send_replace(Some(began));
        Ok(())
    }
}

#[cfg(test)]
#[path = "replica_tests.rs"]
mod tests;
