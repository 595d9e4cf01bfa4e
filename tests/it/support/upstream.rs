//! A provider that does what the test tells it: answers, errors, streams that
//! wait at gates, silence, nonsense, and cuts at any byte.
//!
//! It speaks HTTP by hand on a bare socket, because most of what it has to do a
//! library would prevent. It counts what it is asked: that number is the point
//! of most tests.

mod control;
mod ledger;
mod reply;
mod serve;
mod usual;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use super::embeddings::EmbeddingStyle;
use super::wait::eventually;

pub(crate) use reply::{Gate, Reply};

/// The scripted provider.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    task: Option<JoinHandle<()>>,
}

/// A request the provider got.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    script: Mutex<Script>,
    /// Whole requests but for credential probes.
    calls: AtomicUsize,
    /// Requests for the list of models, or for one.
    probes: AtomicUsize,
    /// Bytes of request bodies, also of bodies still under way.
    body_bytes: AtomicUsize,
    /// Calls left by the proxy while they were kept waiting.
    left: AtomicUsize,
}

/// The provider's own books: the tokens it told, in answers it sent to their end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Billed {
    pub(crate) input: u64,
    pub(crate) cached_input: u64,
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
}

#[derive(Debug, Default)]
struct Script {
    next: VecDeque<Reply>,
    otherwise: Option<Reply>,
    /// What questions for the list of models or for one are answered with.
    models: Option<Reply>,
    style: EmbeddingStyle,
    refused: HashSet<String>,
    requests: Vec<Recorded>,
    /// What was told in answers that were sent to their end.
    billed: Billed,
    /// How often each item of a batch was sent.
    sent: BTreeMap<String, usize>,
}

impl Recorded {
    /// The value of a header; `None` if it was not there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name)?;
        Some(value)
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl Upstream {
    /// Starts one that answers everything well.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let task = Some(tokio::spawn(accept(listener, Arc::clone(&state))));
        Self {
            address,
            state,
            task,
        }
    }

    /// Its base URL, as an SDK wants it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers the next call with this; later scripts queue up behind.
    pub(crate) fn next(&self, reply: Reply) {
        self.script().next.push_back(reply);
    }

    /// Answers every call with this that no script is queued for.
    pub(crate) fn always(&self, reply: Reply) {
        self.script().otherwise = Some(reply);
    }

    /// Answers well again.
    pub(crate) fn recover(&self) {
        let mut script = self.script();
        script.otherwise = None;
        script.next.clear();
    }

    /// Answers every question for models with this; `None` lets it answer well.
    pub(crate) fn models(&self, reply: Option<Reply>) {
        self.script().models = reply;
    }

    /// Becomes a provider of embeddings of another kind.
    pub(crate) fn embeds(&self, style: EmbeddingStyle) {
        self.script().style = style;
    }

    /// Refuses this credential from now on.
    pub(crate) fn refuse(&self, credential: &str) {
        self.script().refused.insert(credential.to_owned());
    }

    /// How often it was asked, not counting questions for the list of models.
    pub(crate) fn calls(&self) -> usize {
        self.state.calls.load(Ordering::SeqCst)
    }

    /// How often it was asked for the list of models, or for one.
    pub(crate) fn probes(&self) -> usize {
        self.state.probes.load(Ordering::SeqCst)
    }

    /// How often an item was sent, in whatever batch.
    pub(crate) fn sent(&self, item: impl Into<Value>) -> usize {
        let item: Value = item.into();
        let sent = &self.script().sent;
        sent.get(&item.to_string()).copied().unwrap_or_default()
    }

    /// How often each item was sent that was sent at all.
    pub(crate) fn all_sent(&self) -> BTreeMap<String, usize> {
        self.script().sent.clone()
    }

    /// How many bytes of request bodies have come.
    pub(crate) fn body_bytes(&self) -> usize {
        self.state.body_bytes.load(Ordering::SeqCst)
    }

    /// How often the proxy left while it was kept waiting.
    pub(crate) fn left(&self) -> usize {
        self.state.left.load(Ordering::SeqCst)
    }

    /// The tokens it has told.
    pub(crate) fn billed(&self) -> Billed {
        self.script().billed
    }

    /// What it was asked, in order, without the probes.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.script().requests.clone()
    }

    /// The items of each request, in order.
    pub(crate) fn batches(&self) -> Vec<Vec<Value>> {
        let requests = self.requests();
        requests.iter().map(usual::items_of).collect()
    }

    /// What it was asked last.
    pub(crate) fn last(&self) -> Recorded {
        self.requests().pop().expect("the upstream was never asked")
    }

    /// Waits until it has been asked this often.
    pub(crate) async fn asked(&self, times: usize) {
        eventually("the upstream is asked", || async {
            (times <= self.calls()).then_some(())
        })
        .await;
    }

    /// Goes away: its connections are closed, its port refuses.
    pub(crate) async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            _ = task.await;
        }
    }

    /// Comes back at the same address.
    pub(crate) async fn resume(&mut self) {
        let listener = eventually("the port is free again", || async {
            TcpListener::bind(self.address).await.ok()
        })
        .await;
        self.task = Some(tokio::spawn(accept(listener, Arc::clone(&self.state))));
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.state.script.lock().unwrap()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        _ = stream.set_nodelay(true);
        while connections.try_join_next().is_some() {}
        connections.spawn(serve::connection(stream, Arc::clone(&state)));
    }
}
