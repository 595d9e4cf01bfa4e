//! One connection, made and renewed in the background.
//!
//! The client's own connection manager makes commands wait while it reconnects,
//! for seconds with its defaults. Here a command finds a connection or fails at
//! once; a task of the link's own makes a new one whenever there is none.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterConfig};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, RedisResult, Value, cmd};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::address::Address;
use super::error::is_lost;
use super::script::Call;
use crate::backend::BackendError;

/// How long connecting may take, TLS, authentication and finding a master included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait before connecting again: at first, and at most.
const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(50);
const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(500);
/// A connection that does not answer a ping for so long is given up. Shorter than
/// what a guard waits for a probe.
const PING_TIMEOUT: Duration = Duration::from_millis(450);
/// How long work that nobody's answer waits for waits for a connection that is being
/// made.
const CONNECTED_SOON: Duration = Duration::from_millis(500);
/// The last resort: callers have shorter deadlines of their own.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Commands the client takes before it makes callers wait.
const PIPELINE_COMMANDS: usize = 1024;

/// A connection, or the attempt to have one.
#[derive(Debug)]
pub(super) struct Link {
    shared: Arc<Shared>,
    _connector: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    connection: ArcSwapOption<Connection>,
    made: Notify,
    lost: Notify,
}

#[derive(Clone)]
enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

/// What is asked over a link by those who have time. May come to be asked twice.
#[derive(Clone, Copy, Debug)]
pub(super) enum Request<'a> {
    /// One command.
    One(&'a Cmd),
    /// Commands whose keys are all in one slot, and none of whose answers may be an
    /// error.
    Many(&'a Pipeline),
    /// A script.
    Script(&'a Call),
    /// One command for one node of a Cluster, by its host and port.
    At(&'a Cmd, &'a str, u16),
}

impl Link {
    /// Begins to connect, for a purpose that is told in the log.
    pub(super) fn new(address: Address, purpose: &'static str) -> Self {
        let shared = Arc::new(Shared {
            connection: ArcSwapOption::empty(),
            made: Notify::new(),
            lost: Notify::new(),
        });
        let connector = tokio::spawn(keep_connected(Arc::clone(&shared), address, purpose));
        Self {
            shared,
            _connector: AbortOnDropHandle::new(connector),
        }
    }

    /// Sends a command. Fails at once if there is no connection.
    pub(super) async fn query(&self, command: Cmd) -> Result<Value, BackendError> {
        let Some(connection) = self.shared.connection.load_full() else {
            return Err(not_connected());
        };
        let result = connection.send(&command).await;
        if let Err(error) = &result
            && is_lost(error)
        {
            self.shared.give_up(&connection);
        }
        Ok(result?)
    }

    /// Runs a script. Fails at once if there is no connection.
    pub(super) async fn run(&self, call: &Call) -> Result<Value, BackendError> {
        let Some(connection) = self.shared.connection.load_full() else {
            return Err(not_connected());
        };
        let result = connection.ask(Request::Script(call)).await;
        if let Err(error) = &result
            && is_lost(error)
        {
            self.shared.give_up(&connection);
        }
        Ok(result?.into_iter().next().unwrap_or(Value::Nil))
    }

    /// Asks something nobody's answer waits for, and gives up after `patience`. A
    /// connection that turns out to be lost is replaced first, and one on which there
    /// was no answer afterwards: nobody pings it.
    pub(super) async fn ask(
        &self,
        request: Request<'_>,
        patience: Duration,
    ) -> Result<Vec<Value>, BackendError> {
        let deadline = Instant::now() + patience;
        let mut tried = false;
        loop {
            let Ok(connection) = timeout(CONNECTED_SOON, self.connected()).await else {
                return Err(not_connected());
            };
            let Ok(result) = timeout_at(deadline, connection.ask(request)).await else {
                self.shared.give_up(&connection);
                return Err(BackendError::Timeout);
            };
            match result {
                Err(error) if is_lost(&error) => {
                    self.shared.give_up(&connection);
                    if tried {
                        return Err(error.into());
                    }
                    tried = true;
                }
                result => return Ok(result?),
            }
        }
    }

    /// Whether the server answers; waits a little for a connection that is being
    /// made, so that one made just now is used just now. A connection on which it does not is replaced:
    /// it may lead to a machine that is gone.
    pub(super) async fn ping(&self) -> Result<(), BackendError> {
        let Ok(connection) = timeout(PING_TIMEOUT, self.connected()).await else {
            return Err(not_connected());
        };
        match timeout(PING_TIMEOUT, self.query(cmd("PING"))).await {
            Ok(result) => result.map(drop),
            Err(_elapsed) => {
                self.shared.give_up(&connection);
                Err(BackendError::Timeout)
            }
        }
    }

    async fn connected(&self) -> Arc<Connection> {
        loop {
            let made = self.shared.made.notified();
            if let Some(connection) = self.shared.connection.load_full() {
                return connection;
            }
            made.await;
        }
    }
}

impl Shared {
    fn connect(&self, connection: Connection) {
        self.connection.store(Some(Arc::new(connection)));
        self.made.notify_waiters();
    }

    /// Lets go of a connection, unless it has been replaced already.
    fn give_up(&self, connection: &Arc<Connection>) {
        let before = self.connection.compare_and_swap(connection, None);
        if before
            .as_ref()
            .is_some_and(|held| Arc::ptr_eq(held, connection))
        {
            self.lost.notify_one();
        }
    }
}

impl Connection {
    async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        match self.clone() {
            Self::Single(mut connection) => connection.req_packed_command(command).await,
            Self::Cluster(mut connection) => connection.req_packed_command(command).await,
        }
        .and_then(Value::extract_error)
    }

    async fn send_all(&self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        let count = commands.len();
        let answers = match self.clone() {
            Self::Single(mut connection) => {
                connection.req_packed_commands(commands, 0, count).await
            }
            Self::Cluster(mut connection) => {
                connection.req_packed_commands(commands, 0, count).await
            }
        }?;
        answers.into_iter().map(Value::extract_error).collect()
    }

    async fn ask(&self, request: Request<'_>) -> RedisResult<Vec<Value>> {
        match request {
            Request::One(command) => self.send(command).await.map(|answer| vec![answer]),
            Request::Many(commands) => self.send_all(commands).await,
            Request::Script(call) => match self.send(&call.by_digest()).await {
                Err(error) if error.code() == Some("NOSCRIPT") => {
                    self.send(&call.by_source()).await
                }
                result => result,
            }
            .map(|answer| vec![answer]),
            Request::At(command, host, port) => self
                .send_to(command, host, port)
                .await
                .map(|answer| vec![answer]),
        }
    }

    async fn send_to(&self, command: &Cmd, host: &str, port: u16) -> RedisResult<Value> {
        let node = SingleNodeRoutingInfo::ByAddress {
            host: host.to_owned(),
            port,
        };
        match self.clone() {
            Self::Single(mut connection) => connection.req_packed_command(command).await,
            Self::Cluster(mut connection) => {
                let to = RoutingInfo::SingleNode(node);
                connection.route_command(command.clone(), to).await
            }
        }
        .and_then(Value::extract_error)
    }
}

async fn keep_connected(shared: Arc<Shared>, address: Address, purpose: &'static str) {
    let mut delay = RECONNECT_DELAY_MIN;
    let mut told = false;
    loop {
        let attempt = timeout(CONNECT_TIMEOUT, connect(&address)).await;
        let error = match attempt {
            Ok(Ok(connection)) => {
                tracing::info!(purpose, "connected to Redis");
                shared.connect(connection);
                shared.lost.notified().await;
                tracing::warn!(purpose, "the connection to Redis is lost");
                (delay, told) = (RECONNECT_DELAY_MIN, false);
                continue;
            }
            Ok(Err(error)) => BackendError::from(error),
            Err(_elapsed) => BackendError::Timeout,
        };
        if !told {
            tracing::warn!(%error, purpose, "Redis cannot be reached: trying on");
            told = true;
        }
        sleep(delay).await;
        delay = (delay * 2).min(RECONNECT_DELAY_MAX);
    }
}

async fn connect(address: &Address) -> RedisResult<Connection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_pipeline_buffer_size(PIPELINE_COMMANDS);
    match address {
        Address::Server(server) => Client::open(server.clone())?
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map(Connection::Single),
        Address::Sentinel {
            sentinels,
            master,
            node,
        } => Address::sentinel_client(sentinels, master, node)?
            .get_async_connection_with_config(&config)
            .await
            .map(Connection::Single),
        Address::Cluster(nodes) => {
            let client = ClusterClient::builder(nodes.clone())
                .retries(1)
                .max_retry_wait(100)
                .connection_timeout(CONNECT_TIMEOUT)
                .response_timeout(RESPONSE_TIMEOUT)
                .build()?;
            client
                .get_async_connection_with_config(ClusterConfig::new())
                .await
                .map(Connection::Cluster)
        }
    }
}

fn not_connected() -> BackendError {
    BackendError::Unavailable("there is no connection".to_owned())
}
