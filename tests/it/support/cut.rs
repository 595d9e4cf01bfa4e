//! A wire between two programs that the test can cut or let fall silent.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the wire does with what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Whole,
    /// Connections stay, nothing passes.
    Silent,
    /// What is asked arrives, the answers are lost.
    Mute,
    /// Connections are reset, new ones too.
    Cut,
}

/// A TCP proxy in front of `target`.
#[derive(Debug)]
pub(crate) struct Wire {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    task: JoinHandle<()>,
}

impl Wire {
    /// Puts a whole wire in front of `target`.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(watch::channel(State::Whole).0);
        let watched = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(carry(stream, target, watched.subscribe()));
            }
        });
        Self {
            address,
            state,
            task,
        }
    }

    /// Where to connect instead.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets every connection, and every new one.
    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Lets nothing pass any more, and says nothing about it.
    pub(crate) fn silence(&self) {
        self.state.send_replace(State::Silent);
    }

    /// Loses every answer: what is asked arrives and is done, but nobody hears of it.
    pub(crate) fn mute(&self) {
        self.state.send_replace(State::Mute);
    }

    /// Makes it whole again.
    pub(crate) fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, target: SocketAddr, mut state: watch::Receiver<State>) {
    if *state.borrow() == State::Cut {
        _ = client.set_zero_linger();
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else {
        _ = client.set_zero_linger();
        return;
    };
    _ = client.set_nodelay(true);
    _ = server.set_nodelay(true);
    let (mut client_read, mut client_write) = client.into_split();
    let (mut server_read, mut server_write) = server.into_split();
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    loop {
        let now = *state.borrow_and_update();
        if now == State::Cut {
            _ = client_write.as_ref().set_zero_linger();
            _ = server_write.as_ref().set_zero_linger();
            return;
        }
        let passes = now != State::Silent;
        let goes_on = tokio::select! {
            changed = state.changed() => changed.is_ok(),
            read = client_read.read(&mut up), if passes => {
                hand_on(read, &up, Some(&mut server_write)).await
            }
            read = server_read.read(&mut down), if passes => {
                let hears = (now == State::Whole).then_some(&mut client_write);
                hand_on(read, &down, hears).await
            }
        };
        if !goes_on {
            return;
        }
    }
}

/// Hands on what was read, if anybody is to have it; whether there may be more.
async fn hand_on(
    read: std::io::Result<usize>,
    bytes: &[u8],
    to: Option<&mut OwnedWriteHalf>,
) -> bool {
    let Some(bytes) = read.ok().and_then(|count| bytes.get(..count)) else {
        return false;
    };
    match to {
        _ if bytes.is_empty() => false,
        Some(to) => to.write_all(bytes).await.is_ok(),
        None => true,
    }
}
