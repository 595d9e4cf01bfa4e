//! The log of one fill: what came, and how it ended.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::sync::watch;

use crate::backend::Cached;
use crate::key::Key;

/// How far a reader may lag behind in a fill too large to keep whole. In bytes.
pub(super) const WINDOW_BYTES: usize = 1024 * 1024;

/// The head of the provider's answer.
#[derive(Clone, Debug)]
pub struct Head {
    /// The status.
    pub status: StatusCode,
    /// The headers that may go back to a client.
    pub headers: HeaderMap,
    /// What the body is.
    pub form: Form,
}

/// What a body is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One document: JSON, text or sound.
    Json,
    /// Server-sent events.
    Stream,
}

/// A part of the body, whole events where the body is a stream.
#[derive(Clone, Debug)]
pub struct Piece {
    /// As it came.
    pub raw: Bytes,
    /// As a client sees it that did not ask for usage: `None` if it does not.
    pub without_usage: Option<Bytes>,
}

impl Piece {
    /// A part that everybody sees as it came.
    pub fn plain(raw: Bytes) -> Self {
        Self {
            without_usage: Some(raw.clone()),
            raw,
        }
    }
}

/// How a fill ended.
#[derive(Clone, Debug)]
pub enum End {
    /// The body is whole. With the answer in its form-free shape, if it has one:
    /// it is there for readers of another form even when it may not be stored.
    Complete(Option<Arc<Cached>>),
    /// The items of a batch are answered.
    Items(Arc<ItemAnswers>),
    /// The fill broke off.
    Failed(Failure),
}

/// What the items of a batch came to.
#[derive(Debug)]
pub struct ItemAnswers {
    /// The answers. An item that has none cannot be told apart in what came.
    pub by_key: HashMap<Key, Arc<Cached>>,
    /// What stood around them in the provider's answer.
    pub frame: Bytes,
}

/// Why a fill gave no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The provider could not be reached.
    Unreachable,
    /// The provider stayed silent too long.
    Silent,
    /// The answer broke off after it had begun.
    Cut,
    /// The reader fell too far behind in an answer too large to keep.
    Lagged,
    /// The answer came whole, but it cannot be told what in it answers what.
    Unreadable,
    /// The fill was given up: nobody was left to read it, or the server stops.
    Abandoned,
}

impl Failure {
    /// The name used in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "upstream-unreachable",
            Self::Silent => "upstream-timeout",
            Self::Cut => "upstream-cut",
            Self::Lagged => "reader-lagged",
            Self::Unreadable => "unreadable",
            Self::Abandoned => "abandoned",
        }
    }
}

/// What the producer writes and the cursors read.
#[derive(Debug)]
pub(super) struct Log {
    state: Mutex<State>,
    /// Changes with every write, and when a reader comes, goes or moves on in a
    /// windowed log. It carries no data: readers look at the state.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) head: Option<Arc<Head>>,
    pub(super) pieces: VecDeque<Piece>,
    /// The position of `pieces[0]` in the body.
    pub(super) dropped: usize,
    pub(super) bytes: usize,
    pub(super) end: Option<End>,
    pub(super) readers: usize,
    /// Set once the body outgrew what is kept: the start is gone, nobody can join.
    pub(super) windowed: bool,
    /// The furthest position any reader has reached.
    pub(super) furthest: usize,
    /// A hint from the provider how long to wait before another call.
    pub(super) retry_after: Option<Duration>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// The lock is held for moments and never over an await.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.send_replace(());
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

impl State {
    /// The position behind the last piece.
    pub(super) fn written(&self) -> usize {
        self.dropped + self.pieces.len()
    }

    /// Forgets what lies more than the window behind the fastest reader.
    pub(super) fn drop_prefix(&mut self) {
        let mut behind: usize = self
            .pieces
            .iter()
            .take(self.furthest.saturating_sub(self.dropped))
            .map(|piece| piece.raw.len())
            .sum();
        while behind > WINDOW_BYTES {
            let Some(piece) = self.pieces.pop_front() else {
                break;
            };
            behind -= piece.raw.len();
            self.bytes -= piece.raw.len();
            self.dropped += 1;
        }
    }

    /// The bytes the fastest reader has still before it.
    pub(super) fn ahead(&self) -> usize {
        self.pieces
            .iter()
            .skip(self.furthest.saturating_sub(self.dropped))
            .map(|piece| piece.raw.len())
            .sum()
    }
}
