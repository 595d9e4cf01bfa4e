//! One connection and the clock that runs against it.
//!
//! A connection is waiting for a request (it may be silent for long: clients
//! keep connections for later), in the middle of a request's head (it may not),
//! or being served (then bodies and handlers have their own limits, but a client
//! that does not read what is written for it is cut off).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::options::ServerOptions;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No request begun.
    Idle,
    /// A part of a request's head is here.
    Head,
    /// A request is being answered.
    Serving,
}

/// Tells a connection what it is doing, from where that is known.
#[derive(Clone, Debug)]
pub(super) struct PhaseSetter(Arc<Told>);

#[derive(Debug)]
struct Told {
    phase: AtomicU8,
    /// The connection's task, which has to hear that it is idle to time that.
    connection: AtomicWaker,
}

/// A TCP stream that gives up on a silent peer.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    phase: PhaseSetter,
    /// The phase the read timer runs for.
    timed: Option<Phase>,
    silent_until: Instant,
    /// Fires at `silent_until` or before.
    read_timer: Pin<Box<Sleep>>,
    write_timer: Option<Pin<Box<Sleep>>>,
    head_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
}

impl PhaseSetter {
    pub(super) fn set(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Ordering::Release);
        if phase == Phase::Idle {
            self.0.connection.wake();
        }
    }

    fn get(&self) -> Phase {
        match self.0.phase.load(Ordering::Acquire) {
            0 => Phase::Idle,
            1 => Phase::Head,
            _ => Phase::Serving,
        }
    }

    /// The body, which sets the connection idle once it is sent or given up.
    pub(super) fn idle_after(self, body: Body) -> Body {
        Body::new(IdleAfter { body, phase: self })
    }
}

impl Watched {
    pub(super) fn new(stream: TcpStream, options: &ServerOptions) -> Self {
        Self {
            stream,
            // A client that connects means to send a request now.
            phase: PhaseSetter(Arc::new(Told {
                phase: AtomicU8::new(Phase::Head as u8),
                connection: AtomicWaker::new(),
            })),
            timed: None,
            silent_until: Instant::now() + options.header_timeout,
            read_timer: Box::pin(tokio::time::sleep(options.header_timeout)),
            write_timer: None,
            head_timeout: options.header_timeout,
            idle_timeout: options.idle_timeout,
            write_timeout: options.write_timeout,
        }
    }

    pub(super) fn phase(&self) -> PhaseSetter {
        self.phase.clone()
    }

    /// Whether the peer has been silent for too long. Called when there is
    /// nothing to read.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.phase.0.connection.register(cx.waker());
        let phase = self.phase.get();
        let timeout = match phase {
            Phase::Idle => self.idle_timeout,
            Phase::Head => self.head_timeout,
            Phase::Serving => {
                self.timed = Some(phase);
                return Poll::Pending;
            }
        };
        if self.timed != Some(phase) {
            self.timed = Some(phase);
            self.silent_until = Instant::now() + timeout;
            if self.silent_until < self.read_timer.deadline() {
                self.read_timer.as_mut().reset(self.silent_until);
            }
        }
        // A deadline that only moves on is left to fire early and set again then: a
        // busy connection would otherwise reset the timer with every request.
        while self.read_timer.as_mut().poll(cx).is_ready() {
            if self.silent_until <= Instant::now() {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.read_timer.as_mut().reset(self.silent_until);
        }
        Poll::Pending
    }

    /// Runs the write timer while the peer takes nothing.
    fn poll_slow_reader<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_timer = None;
            return written;
        }
        let write_timeout = self.write_timeout;
        let timer = self
            .write_timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(write_timeout)));
        timer
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        match read {
            Poll::Ready(result) => {
                if buf.filled().len() > before && this.phase.get() == Phase::Idle {
                    this.phase.set(Phase::Head);
                }
                Poll::Ready(result)
            }
            Poll::Pending => this.poll_silence(cx).map(Err),
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.poll_slow_reader(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.poll_slow_reader(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// A response body that says when it is over.
struct IdleAfter {
    body: Body,
    phase: PhaseSetter,
}

impl http_body::Body for IdleAfter {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for IdleAfter {
    fn drop(&mut self) {
        self.phase.set(Phase::Idle);
    }
}
