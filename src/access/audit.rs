//! Who changed what: every act of the administration that cannot be undone by asking.
//!
//! An act is logged at once, and kept in the backend for 400 days: behind the answer,
//! tried again until it is there. Of more than ten thousand acts the oldest go. While the
//! backend is away a thousand wait; what is dropped then still stands in the log.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::Actor;
use crate::backend::{BackendError, ObjectName, Objects};
use crate::clock::{Clock, UnixMillis};

/// The kind of objects acts are kept as.
const KIND: &str = "audit";

/// How long an act is kept.
const KEPT_FOR: Duration = Duration::from_hours(400 * 24);

/// How many acts are kept.
const KEPT_MAX: usize = 10_000;

/// After how many acts it is looked whether there are too many.
const LOOK_AFTER: usize = 500;

/// How many acts may wait to be written.
const WAITING_MAX: usize = 1_000;

/// How long the backend may take for one, and to tell all.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before trying again: at first, and at most.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// How long a reader waits for what was noted last.
const FLUSH_PATIENCE: Duration = Duration::from_millis(500);

/// How often it is noted that somebody reads, in milliseconds: who looks again and again
/// must not push out what others did.
const READING_NOTED_EVERY: UnixMillis = 60 * 60 * 1000;

/// The longest name of a subject, in letters.
const SUBJECT_MAX: usize = 500;

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Its id; ids are in the order of time.
    pub id: String,
    /// When, in milliseconds since 1970.
    pub at: UnixMillis,
    /// Who: [`Actor::id`].
    pub actor: String,
    /// The session that was used.
    #[serde(default)]
    pub session: Option<String>,
    /// The id of the request.
    #[serde(default)]
    pub request: Option<String>,
    /// The address the request came from.
    #[serde(default)]
    pub peer: Option<String>,
    /// What was done, as `key.create`.
    pub act: String,
    /// To what.
    pub subject: String,
}

/// Which acts are asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Those of this actor.
    pub actor: Option<String>,
    /// Those of this name; a name that ends with a dot stands for all that begin so.
    pub act: Option<String>,
    /// Those that were done before the one of this id.
    pub before: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Some acts, the newest first.
#[derive(Clone, Debug, Default)]
pub struct Acts {
    /// The acts.
    pub acts: Vec<Act>,
    /// Whether there are older ones.
    pub has_more: bool,
}

/// Where acts are written down. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Audit(Option<Kept>);

/// What is kept besides the log.
#[derive(Clone, Debug)]
struct Kept {
    shared: Arc<Shared>,
    /// Ends with the last audit; what then still waits is in the log alone.
    _writer: Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    objects: Arc<dyn Objects>,
    clock: Arc<dyn Clock>,
    /// Tells the acts of this process from those of others.
    process: u64,
    count: AtomicU64,
    waiting: Mutex<VecDeque<Act>>,
    /// How many wait.
    left: watch::Sender<usize>,
    /// Told when something waits, or somebody waits for it.
    hurry: Notify,
    /// When it was last noted that an actor reads.
    readers: Mutex<HashMap<String, UnixMillis>>,
}

impl Audit {
    /// Keeps acts from now on. Needs a runtime to run in.
    pub fn start(objects: Arc<dyn Objects>, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared {
            objects,
            clock,
            // Without randomness two processes may take each other's ids, within one
            // millisecond.
            process: getrandom::u64().unwrap_or_default(),
            count: AtomicU64::new(0),
            waiting: Mutex::default(),
            left: watch::Sender::new(0),
            hurry: Notify::new(),
            readers: Mutex::default(),
        });
        let writer = tokio::spawn(write(Arc::clone(&shared)));
        Self(Some(Kept {
            shared,
            _writer: Arc::new(AbortOnDropHandle::new(writer)),
        }))
    }

    /// Writes an act down: what was done, as `key.create`, and to what. Waits for nothing.
    pub fn note(&self, actor: &Actor, act: &'static str, subject: &dyn fmt::Display) {
        let origin = &actor.origin;
        tracing::info!(
            target: "reprise::audit",
            actor = actor.id,
            session = origin.session,
            request_id = origin.request,
            peer = origin.peer,
            act,
            %subject,
            "administration"
        );
        if let Some(kept) = &self.0 {
            kept.shared.take(actor, act, subject);
        }
    }

    /// Tells acts; that they were told is noted as well, once an hour for each actor.
    ///
    /// All that are kept are read for it: ten thousand at most.
    ///
    /// # Errors
    /// If the backend does not tell.
    pub async fn read(&self, actor: &Actor, wanted: &Wanted) -> Result<Acts, BackendError> {
        let Some(Kept { shared, .. }) = &self.0 else {
            return Ok(Acts::default());
        };
        if shared.is_new_reader(actor) {
            self.note(actor, "audit.read", &"acts");
        }
        self.flush(FLUSH_PATIENCE).await;
        let listed = timeout(READ_TIMEOUT, shared.objects.list(KIND))
            .await
            .unwrap_or(Err(BackendError::Timeout))?;
        let is_before = |id: &str| wanted.before.as_deref().is_none_or(|before| id < before);
        let acts = listed.iter().rev().filter(|(id, _)| is_before(id));
        let mut acts: Vec<Act> = acts
            .filter_map(|(_, content)| serde_json::from_slice(content).ok())
            .filter(|act| wanted.includes(act))
            .take(wanted.limit.saturating_add(1))
            .collect();
        let has_more = acts.len() > wanted.limit;
        acts.truncate(wanted.limit);
        Ok(Acts { acts, has_more })
    }

    /// How many acts wait to be written.
    pub fn waiting(&self) -> usize {
        self.0.as_ref().map_or(0, |kept| *kept.shared.left.borrow())
    }

    /// Writes what waits, for at most `patience`; whether nothing is left.
    pub async fn flush(&self, patience: Duration) -> bool {
        let Some(Kept { shared, .. }) = &self.0 else {
            return true;
        };
        shared.hurry.notify_one();
        let mut left = shared.left.subscribe();
        let written = timeout(patience, left.wait_for(|left| *left == 0)).await;
        matches!(written, Ok(Ok(_)))
    }
}

impl Wanted {
    fn includes(&self, act: &Act) -> bool {
        let is_actor = self.actor.as_ref().is_none_or(|actor| *actor == act.actor);
        let is_act = self.act.as_ref().is_none_or(|name| {
            *name == act.act || (name.ends_with('.') && act.act.starts_with(name))
        });
        is_actor && is_act
    }
}

impl Shared {
    fn take(&self, actor: &Actor, act: &'static str, subject: &dyn fmt::Display) {
        let at = self.clock.unix_millis();
        let count = self.count.fetch_add(1, Ordering::Relaxed) % 1_000_000;
        let process = self.process & 0xffff_ffff;
        let act = Act {
            id: format!("{at:013}-{count:06}-{process:08x}"),
            at,
            actor: actor.id.clone(),
            session: actor.origin.session.clone(),
            request: actor.origin.request.clone(),
            peer: actor.origin.peer.clone(),
            act: act.to_owned(),
            subject: subject.to_string().chars().take(SUBJECT_MAX).collect(),
        };
        let mut waiting = self.waiting();
        waiting.push_back(act);
        let dropped = waiting.len().saturating_sub(WAITING_MAX);
        waiting.drain(..dropped);
        self.left.send_replace(waiting.len());
        drop(waiting);
        if dropped > 0 {
            tracing::error!(dropped, "acts of the administration stand in the log alone");
        }
        self.hurry.notify_one();
    }

    /// Whether it is to be noted that somebody reads.
    fn is_new_reader(&self, actor: &Actor) -> bool {
        let now = self.clock.unix_millis();
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|_, noted| now.saturating_sub(*noted) < READING_NOTED_EVERY);
        let is_new = !readers.contains_key(&actor.id);
        if is_new {
            readers.insert(actor.id.clone(), now);
        }
        is_new
    }

    fn next(&self) -> Option<Act> {
        self.waiting().front().cloned()
    }

    /// Takes an act that was written from those that wait.
    fn settle(&self, id: &str) {
        let mut waiting = self.waiting();
        waiting.retain(|act| act.id != id);
        self.left.send_replace(waiting.len());
    }

    async fn put(&self, act: &Act) -> Result<(), BackendError> {
        // Text and numbers have no form that cannot be written.
        let content = Bytes::from(serde_json::to_vec(act).unwrap_or_default());
        timeout(
            WRITE_TIMEOUT,
            self.objects.put(named(&act.id), content, KEPT_FOR),
        )
        .await
        .unwrap_or(Err(BackendError::Timeout))
    }

    /// Forgets the oldest acts where there are too many.
    async fn forget(&self) -> Result<(), BackendError> {
        let listed = timeout(READ_TIMEOUT, self.objects.list(KIND))
            .await
            .unwrap_or(Err(BackendError::Timeout))?;
        let too_many = listed.len().saturating_sub(KEPT_MAX);
        for (id, _) in listed.iter().take(too_many) {
            timeout(WRITE_TIMEOUT, self.objects.remove(&named(id)))
                .await
                .unwrap_or(Err(BackendError::Timeout))?;
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Act>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn named(id: &str) -> ObjectName {
    ObjectName {
        kind: KIND,
        id: id.to_owned(),
    }
}

/// Writes acts as they come, each until it is there.
async fn write(shared: Arc<Shared>) {
    let mut delay = RETRY_MIN;
    let mut since_look = LOOK_AFTER;
    loop {
        let Some(act) = shared.next() else {
            if since_look >= LOOK_AFTER && shared.forget().await.is_ok() {
                since_look = 0;
            }
            shared.hurry.notified().await;
            continue;
        };
        match shared.put(&act).await {
            Ok(()) => {
                shared.settle(&act.id);
                since_look += 1;
                if delay > RETRY_MIN {
                    tracing::info!("acts of the administration are kept again");
                }
                delay = RETRY_MIN;
            }
            Err(error) => {
                if delay == RETRY_MIN {
                    tracing::warn!(%error, "acts of the administration cannot be kept; they wait");
                }
                delay = (delay * 2).min(RETRY_MAX);
                // Whoever waits for it has it tried at once.
                _ = timeout(delay, shared.hurry.notified()).await;
            }
        }
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
