//! An open tunnel: bytes both ways, until one side has enough of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::super::account::Account;
use super::super::bill::Bill;
use super::super::{Asked, Proxy, ProxyError};
use super::may_tunnel;
use crate::access::{Denied, TokenFault};
use crate::upstream::Wire;
use crate::wire::Usage;
use crate::wire::websocket::{MessageReader, tokens_of};

/// How long the client may take to hear that the tunnel is open.
const HANDOVER_TIME: Duration = Duration::from_secs(10);

/// How often it is looked whether the caller is still welcome, and anything still said.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long one side may be silent once the other has ended.
const LINGER_TIME: Duration = Duration::from_secs(10);

/// How much is passed on at once, in bytes.
const PIECE_BYTES: usize = 16 * 1024;

/// An open tunnel.
pub(super) struct Tunnel {
    heard: Heard,
    watch: Watch,
}

/// What has been said so far.
struct Heard {
    account: Account,
    bill: Bill,
    reader: MessageReader,
    total: Option<Usage>,
}

/// What may end a tunnel besides its two sides.
struct Watch {
    proxy: Arc<Proxy>,
    asked: Asked,
    /// The credential the caller showed.
    shown: HeaderMap,
    stop: CancellationToken,
    opened: Instant,
    /// When something was last said, in milliseconds since it was opened.
    last: AtomicU64,
    /// One side has ended.
    is_half: AtomicBool,
}

impl Tunnel {
    pub(super) fn new(
        proxy: &Arc<Proxy>,
        account: Account,
        bill: Bill,
        (asked, shown): (Asked, HeaderMap),
    ) -> Self {
        Self {
            heard: Heard {
                account,
                bill,
                reader: MessageReader::new(),
                total: None,
            },
            watch: Watch {
                proxy: Arc::clone(proxy),
                asked,
                shown,
                stop: proxy.tunnels.clone(),
                opened: Instant::now(),
                last: AtomicU64::new(0),
                is_half: AtomicBool::new(false),
            },
        }
    }

    /// Passes on what both sides say, until both have ended, one has failed, nothing was
    /// said for `idle`, the caller is not welcome any more or the server stops.
    pub(super) async fn run(
        self,
        client: BoxFuture<'static, io::Result<Wire>>,
        provider: Wire,
        idle: Duration,
    ) {
        let Self { mut heard, watch } = self;
        let Ok(Ok(client)) = timeout(HANDOVER_TIME, client).await else {
            // The account says by itself that the client has left.
            heard.bill.whole();
            return;
        };
        let (from_client, to_client) = tokio::io::split(client);
        let (from_provider, to_provider) = tokio::io::split(provider);
        let asked = pass(from_client, to_provider, |_piece| watch.note());
        let told = pass(from_provider, to_client, |piece| {
            watch.note();
            heard.take(piece);
        });
        let cut = tokio::select! {
            // How a tunnel ends is the business of its two sides: resets too.
            _ended = watch.both(asked, told) => None,
            error = watch.over(idle) => error,
            () = watch.stop.cancelled() => Some(ProxyError::Stopping),
        };
        heard.bill.whole();
        match cut {
            None => heard.account.complete(),
            Some(error) => heard.account.cut(error),
        }
    }
}

impl Heard {
    /// Reads along what the provider says.
    fn take(&mut self, piece: &[u8]) {
        let Self {
            account,
            bill,
            reader,
            total,
        } = self;
        account.sent(piece.len());
        reader.take(piece, |message| {
            let Some(found) = tokens_of(message) else {
                return;
            };
            let spent = found.usage.unwrap_or_default();
            *total = Some(total.map_or(spent, |total| total.plus(spent)));
            account.usage(*total);
            account.answered_by(found.model.as_deref());
            // Each response is a call of its own: it is counted when it has come, not
            // when the tunnel is closed, perhaps hours later.
            bill.told(found.usage, found.model);
            bill.again(StatusCode::SWITCHING_PROTOCOLS);
            bill.status(StatusCode::SWITCHING_PROTOCOLS);
        });
    }
}

impl Watch {
    fn note(&self) {
        let now = self.opened.elapsed().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Waits until both sides have ended, or one has failed.
    async fn both(
        &self,
        one: impl Future<Output = io::Result<()>>,
        other: impl Future<Output = io::Result<()>>,
    ) -> io::Result<()> {
        let ended = |result: io::Result<()>| {
            self.note();
            self.is_half.store(true, Ordering::Relaxed);
            result
        };
        let (one, other) = (one.map(ended), other.map(ended));
        tokio::try_join!(one, other).map(|_both| ())
    }

    /// Waits until the tunnel has to be cut; `None` if one side has ended and the other
    /// has nothing more to say.
    async fn over(&self, idle: Duration) -> Option<ProxyError> {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
            let silent = self.opened.elapsed().saturating_sub(last);
            if self.is_half.load(Ordering::Relaxed) && silent > LINGER_TIME {
                return None;
            }
            if silent > idle {
                return Some(ProxyError::UpstreamTimeout);
            }
            if let Err(denied) = self.is_welcome() {
                return Some(denied.into());
            }
        }
    }

    /// Whether the caller could open the tunnel now.
    fn is_welcome(&self) -> Result<(), Denied> {
        let keys = self.proxy.keys();
        let mut shown = self.shown.clone();
        match self.proxy.door.admit(&mut shown, &keys.secret, None) {
            Ok(principal) => may_tunnel(&principal, &self.asked),
            // What is not known for the moment changes nothing.
            Err(Denied::NotReady | Denied::Token(TokenFault::NoKeys)) => Ok(()),
            Err(denied) => Err(denied),
        }
    }
}

/// Passes on what one side says, and that it has ended.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut note: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = from.read(&mut piece).await?;
        let said = piece.get(..count).unwrap_or_default();
        if said.is_empty() {
            return to.shutdown().await;
        }
        note(said);
        to.write_all(said).await?;
        to.flush().await?;
    }
}
