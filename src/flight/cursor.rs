//! A reader's place in a log.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::log::{End, Failure, Head, Log, Piece};

/// Reads one fill from its first byte. Dropping it leaves the fill to the others.
#[derive(Debug)]
pub struct Cursor {
    log: Arc<Log>,
    changed: watch::Receiver<()>,
    position: usize,
}

/// What a log has for a position.
enum Look {
    Piece(Piece),
    Broken(Failure),
    Over,
    NotYet,
}

impl Cursor {
    /// The cursor of the one who makes the call.
    pub(super) fn first(log: &Arc<Log>) -> Self {
        log.state().readers += 1;
        Self {
            log: Arc::clone(log),
            changed: log.subscribe(),
            position: 0,
        }
    }

    /// A cursor at the start of a running fill, if its start is still there.
    pub(super) fn attach(log: &Arc<Log>) -> Option<Self> {
        let attachable = {
            let state = log.state();
            !state.windowed && state.end.is_none()
        };
        attachable.then(|| {
            log.change(|state| state.readers += 1);
            Self {
                log: Arc::clone(log),
                changed: log.subscribe(),
                position: 0,
            }
        })
    }

    /// Waits for the head of the answer.
    ///
    /// # Errors
    /// If the fill failed before there was one.
    pub async fn head(&mut self) -> Result<Arc<Head>, Failure> {
        loop {
            self.changed.mark_unchanged();
            {
                let state = self.log.state();
                if let Some(head) = &state.head {
                    return Ok(Arc::clone(head));
                }
                if let Some(end) = &state.end {
                    return Err(match end {
                        End::Failed(failure) => *failure,
                        End::Complete(_) | End::Items(_) => Failure::Abandoned,
                    });
                }
            }
            self.wait().await;
        }
    }

    /// Waits for the next part of the body; `None` behind the last.
    pub async fn next(&mut self) -> Option<Result<Piece, Failure>> {
        loop {
            self.changed.mark_unchanged();
            match self.look() {
                Look::Piece(piece) => return Some(Ok(piece)),
                Look::Broken(failure) => return Some(Err(failure)),
                Look::Over => return None,
                Look::NotYet => self.wait().await,
            }
        }
    }

    /// Waits for the end of the fill without reading it.
    pub async fn end(&mut self) -> End {
        loop {
            self.changed.mark_unchanged();
            {
                let mut state = self.log.state();
                // One who only waits must not hold a windowed log back.
                state.furthest = state.furthest.max(state.written());
                if let Some(end) = &state.end {
                    return end.clone();
                }
            }
            self.wait().await;
        }
    }

    /// How long the provider asked to be left alone, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        self.log.state().retry_after
    }

    /// What the log has for this position.
    fn look(&mut self) -> Look {
        let mut state = self.log.state();
        if self.position < state.dropped {
            return Look::Broken(Failure::Lagged);
        }
        let piece = state.pieces.get(self.position - state.dropped).cloned();
        let Some(piece) = piece else {
            return match &state.end {
                Some(End::Failed(failure)) => Look::Broken(*failure),
                Some(End::Complete(_) | End::Items(_)) => Look::Over,
                None => Look::NotYet,
            };
        };
        self.position += 1;
        let windowed = state.windowed;
        if self.position > state.furthest {
            state.furthest = self.position;
            if windowed {
                state.drop_prefix();
            }
        }
        drop(state);
        if windowed {
            // The producer waits for readers to move on.
            self.log.change(|_state| ());
        }
        Look::Piece(piece)
    }

    /// Returns when the log has changed since it was last looked at.
    async fn wait(&mut self) {
        // The sender lives in the log, which this cursor holds: it cannot be gone.
        drop(self.changed.changed().await);
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.log.change(|state| state.readers -= 1);
    }
}
