//! A backend for tests that fails as it is told.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::{BackendError, Entries, Record, Size};
use crate::key::Key;

/// How a [`Scripted`] backend behaves.
#[derive(Clone, Debug, Default)]
pub(super) enum Behaviour {
    /// As it should.
    #[default]
    Serve,
    /// Every operation fails.
    Fail(BackendError),
    /// Writes fail, all else is served.
    RefuseWrites(BackendError),
    /// So many questions for many entries are answered, later ones fail.
    TireOfQuestions(usize),
    /// Nothing is ever answered.
    Hang,
}

/// A backend that fails as it is told, and remembers what it was asked.
#[derive(Debug, Default)]
pub(super) struct Scripted(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    behaviour: Behaviour,
    entries: HashMap<Key, Bytes>,
    writes: Vec<(Key, bool)>,
    questions: Vec<usize>,
}

impl Scripted {
    pub(super) fn behave(&self, behaviour: Behaviour) {
        self.lock().behaviour = behaviour;
    }

    /// How many writes were tried.
    pub(super) fn writes(&self) -> usize {
        self.lock().writes.len()
    }

    /// The writes that were tried, in order; `true` for an entry.
    pub(super) fn written(&self) -> Vec<(Key, bool)> {
        self.lock().writes.clone()
    }

    /// How many keys each question for many entries had, in order.
    pub(super) fn questions(&self) -> Vec<usize> {
        self.lock().questions.clone()
    }

    /// Has bytes stored under a key.
    pub(super) fn store(&self, key: Key, sealed: Bytes) {
        self.lock().entries.insert(key, sealed);
    }

    /// The stored bytes of a key.
    pub(super) fn stored(&self, key: &Key) -> Option<Bytes> {
        self.lock().entries.get(key).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<T: Send + 'static>(
        &self,
        is_write: bool,
        work: impl FnOnce(&mut State) -> T,
    ) -> BoxFuture<'_, Result<T, BackendError>> {
        let mut state = self.lock();
        match state.behaviour.clone() {
            Behaviour::Hang => futures_util::future::pending().boxed(),
            Behaviour::Fail(error) => futures_util::future::err(error).boxed(),
            Behaviour::RefuseWrites(error) if is_write => futures_util::future::err(error).boxed(),
            Behaviour::Serve | Behaviour::RefuseWrites(_) | Behaviour::TireOfQuestions(_) => {
                futures_util::future::ok(work(&mut state)).boxed()
            }
        }
    }
}

impl Entries for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Bytes>, BackendError>> {
        self.answer(false, |state| state.entries.get(key).cloned())
    }

    fn get_many(&self, keys: &[Key]) -> BoxFuture<'_, Result<Vec<Option<Bytes>>, BackendError>> {
        let keys = keys.to_vec();
        async move {
            {
                let mut state = self.lock();
                state.questions.push(keys.len());
                if let Behaviour::TireOfQuestions(most) = state.behaviour
                    && state.questions.len() > most
                {
                    return Err(BackendError::Unavailable(String::new()));
                }
            }
            let get = self.answer(false, move |state| {
                keys.iter()
                    .map(|key| state.entries.get(key).cloned())
                    .collect()
            });
            get.await
        }
        .boxed()
    }

    // What is not polled is not done: a real backend is asked when its future is.
    fn put(&self, key: Key, record: Record) -> BoxFuture<'_, Result<(), BackendError>> {
        async move {
            self.lock().writes.push((key, true));
            let put = self.answer(true, |state| {
                state.entries.insert(key, record.sealed);
            });
            put.await
        }
        .boxed()
    }

    fn remove(&self, key: &Key) -> BoxFuture<'_, Result<(), BackendError>> {
        let key = *key;
        async move {
            self.lock().writes.push((key, false));
            let remove = self.answer(true, |state| {
                state.entries.remove(&key);
            });
            remove.await
        }
        .boxed()
    }

    fn size(&self) -> BoxFuture<'_, Result<Size, BackendError>> {
        self.answer(false, |_state| Size::default())
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), BackendError>> {
        self.answer(false, |_state| ())
    }
}
