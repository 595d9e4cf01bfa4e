//! What the scripted upstream was asked, for tests to compare with.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

/// How many paths are counted by name. The rest count as [`OTHER`].
const PATHS_MAX: usize = 256;

const OTHER: &str = "other";

/// The calls so far.
#[derive(Debug)]
pub(super) struct Books {
    /// Tells the ids of this server from those of one that ran before it.
    run: u32,
    calls: AtomicU64,
    in_flight: AtomicU64,
    /// How many texts were embedded.
    embedding_items: AtomicU64,
    by_path: Mutex<BTreeMap<String, u64>>,
}

/// A call that is being answered; it has been when the last of this is dropped.
#[derive(Debug)]
pub(super) struct Call {
    books: Arc<Books>,
    number: u64,
}

impl Books {
    pub(super) fn new() -> Self {
        Self {
            run: getrandom::u32().unwrap_or_else(|_no_source| std::process::id()),
            calls: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            embedding_items: AtomicU64::new(0),
            by_path: Mutex::default(),
        }
    }

    /// Writes a call down.
    pub(super) fn enter(self: &Arc<Self>, path: &str) -> Call {
        self.count(path);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Call {
            books: Arc::clone(self),
            number: self.calls.fetch_add(1, Ordering::Relaxed) + 1,
        }
    }

    fn count(&self, path: &str) {
        let mut by_path = self.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_path.get_mut(path) {
            *count += 1;
            return;
        }
        let name = if by_path.len() < PATHS_MAX {
            path
        } else {
            OTHER
        };
        *by_path.entry(name.to_owned()).or_default() += 1;
    }

    /// The calls since the last reset, and those that are being answered.
    pub(super) fn told(&self) -> Value {
        let by_path = self.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        json!({
            "total": by_path.values().sum::<u64>(),
            "by_path": &*by_path,
            "in_flight": self.in_flight.load(Ordering::Relaxed),
            "embedding_items": self.embedding_items.load(Ordering::Relaxed),
        })
    }

    /// Forgets the calls. The numbers of later ones go on where they are, because
    /// ids come from them.
    pub(super) fn reset(&self) {
        self.by_path
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.embedding_items.store(0, Ordering::Relaxed);
    }
}

impl Call {
    /// Its number, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Writes down that it embeds so many items.
    pub(super) fn count_embedding_items(&self, items: usize) {
        let items = u64::try_from(items).unwrap_or(u64::MAX);
        let counter = &self.books.embedding_items;
        counter.fetch_add(items, Ordering::Relaxed);
    }

    /// A name that no other call has, of this server or of one before it.
    pub(super) fn name(&self) -> String {
        format!("mock{:08x}{:08}", self.books.run, self.number)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.books.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
