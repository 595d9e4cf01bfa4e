//! Real servers for tests, each on a port of its own, ended with the test.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::cmd;
use secrecy::SecretString;
use tokio::time::sleep;

use super::Redis;
use super::books::Books;
use crate::backend::Entries as _;
use crate::backend::contract::TemporaryFolder;
use crate::clock::SystemClock;

const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A `redis-server` process.
#[derive(Debug)]
pub(in crate::backend) struct Server {
    port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
    folder: TemporaryFolder,
}

impl Server {
    /// A server that is not started yet.
    pub(in crate::backend) fn prepared(arguments: &[&str]) -> Self {
        Self {
            port: free_port(),
            arguments: arguments
                .iter()
                .map(|argument| (*argument).to_owned())
                .collect(),
            child: None,
            folder: TemporaryFolder::new(),
        }
    }

    /// A server that answers.
    pub(in crate::backend) fn start(arguments: &[&str]) -> Self {
        let mut server = Self::prepared(arguments);
        server.run();
        server
    }

    /// A Cluster of one node that holds all slots.
    pub(in crate::backend) async fn start_cluster() -> Self {
        let server = Self::start(&["--cluster-enabled", "yes"]);
        let mut connection = server.connection().await;
        let mut own = cmd("CLUSTER");
        own.arg("ADDSLOTSRANGE").arg(0).arg(16383);
        let () = own.query_async(&mut connection).await.unwrap();
        let started = Instant::now();
        loop {
            let info: String = cmd("CLUSTER")
                .arg("INFO")
                .query_async(&mut connection)
                .await
                .unwrap();
            if info.contains("cluster_state:ok") {
                return server;
            }
            assert!(started.elapsed() < START_TIMEOUT, "{info}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// A sentinel that watches a server under the name `main`.
    pub(in crate::backend) fn start_sentinel(master: &Self) -> Self {
        let mut server = Self::prepared(&["--sentinel"]);
        let config = server.folder.0.join("sentinel.conf");
        let watched = format!(
            "port {}\nsentinel monitor main 127.0.0.1 {} 1\n",
            server.port, master.port
        );
        std::fs::write(&config, watched).unwrap();
        server.arguments.insert(0, config.display().to_string());
        server.run();
        server
    }

    /// Starts the process, on the same port as before.
    pub(in crate::backend) fn run(&mut self) {
        let is_sentinel = self
            .arguments
            .iter()
            .any(|argument| argument == "--sentinel");
        let mut command = Command::new("redis-server");
        command.args(&self.arguments);
        if !is_sentinel {
            command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]);
            command.args(["--save", "", "--dir"]).arg(&self.folder.0);
        }
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need redis-server");
        self.child = Some(child);
        let started = Instant::now();
        while !self.answers() {
            assert!(
                started.elapsed() < START_TIMEOUT,
                "redis-server does not answer"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the process at once.
    pub(in crate::backend) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends the process a signal, by its name.
    pub(in crate::backend) fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    pub(in crate::backend) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection beside the one that is tested.
    pub(in crate::backend) async fn connection(&self) -> redis::aio::MultiplexedConnection {
        redis::Client::open(self.url())
            .unwrap()
            .get_multiplexed_async_connection()
            .await
            .unwrap()
    }

    /// Makes the server forget its scripts.
    pub(in crate::backend) async fn flush_scripts(&self) {
        let mut flush = cmd("SCRIPT");
        flush.arg("FLUSH");
        let () = flush
            .query_async(&mut self.connection().await)
            .await
            .unwrap();
    }

    /// Every key, and after how many milliseconds it ends: -1 for never.
    pub(in crate::backend) async fn keys_with_ttl(&self) -> Vec<(String, i64)> {
        let mut connection = self.connection().await;
        let mut keys = cmd("KEYS");
        keys.arg("*");
        let keys: Vec<String> = keys.query_async(&mut connection).await.unwrap();
        let mut found = Vec::new();
        for key in keys {
            let mut ttl = cmd("PTTL");
            ttl.arg(&key);
            found.push((key, ttl.query_async(&mut connection).await.unwrap()));
        }
        found
    }

    /// Sets an option of the running server.
    pub(in crate::backend) async fn configure(&self, name: &str, value: &str) {
        let mut connection = self.connection().await;
        let mut set = cmd("CONFIG");
        set.arg("SET").arg(name).arg(value);
        let () = set.query_async(&mut connection).await.unwrap();
    }

    fn answers(&self) -> bool {
        let ping = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.write_all(b"PING\r\n")?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            let mut answer = [0; 1];
            stream.read_exact(&mut answer)?;
            // Not what was sent: a port nobody listens on may connect to itself.
            Ok(matches!(answer, [b'+' | b'-']))
        };
        ping().unwrap_or(false)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that is free now, and that the system gives to nobody unasked: one of
/// those it gives out may be the near end of a connection, or another test's, by
/// the time the server binds it.
fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    // The nodes of a Cluster take a second one each, 10,000 above.
    const PORTS: u16 = 10_000;
    loop {
        let mut random = [0; 2];
        getrandom::fill(&mut random).unwrap();
        let port = FIRST + u16::from_be_bytes(random) % PORTS;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The backend of a URL, once it is connected.
pub(in crate::backend) async fn connected(url: &str) -> Redis {
    let redis = Redis::new(&SecretString::from(url), None, "reprise").unwrap();
    let started = Instant::now();
    while let Err(error) = redis.ping().await {
        assert!(started.elapsed() < START_TIMEOUT, "{error}");
        sleep(Duration::from_millis(10)).await;
    }
    redis
}

/// The ledger and the objects of a URL. They connect when they are first asked.
pub(in crate::backend) fn books(url: &str) -> Books {
    let url = SecretString::from(url);
    Books::new(&url, None, "reprise", Arc::new(SystemClock)).unwrap()
}
