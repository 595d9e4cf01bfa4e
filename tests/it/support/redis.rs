//! A `redis-server` of the test's own, which it may stop, freeze and break.
//!
//! A missing `redis-server` fails the test: half of the promises would otherwise
//! pass untested.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::scratch::Scratch;
use super::wait::eventually;

/// A running, or stopped, `redis-server`.
#[derive(Debug)]
pub(crate) struct Redis {
    port: u16,
    folder: Scratch,
    /// Whether it writes down everything before it answers.
    durable: bool,
    child: Option<Child>,
}

impl Redis {
    /// Starts one on a free port, and waits until it answers.
    pub(crate) async fn start() -> Self {
        let mut redis = Self::absent();
        redis.run().await;
        redis
    }

    /// Starts one that a kill takes nothing from.
    pub(crate) async fn start_durable() -> Self {
        let mut redis = Self::absent();
        redis.durable = true;
        redis.run().await;
        redis
    }

    /// A place for one: the port is chosen, nothing listens there yet.
    pub(crate) fn absent() -> Self {
        Self {
            port: free_port(),
            folder: Scratch::new(),
            durable: false,
            child: None,
        }
    }

    /// Starts it, again on the same port, with what it had saved.
    pub(crate) async fn run(&mut self) {
        assert!(self.child.is_none(), "redis-server runs already");
        let child = Command::new("redis-server")
            .args(["--port", &self.port.to_string()])
            .args(["--bind", "127.0.0.1", "--daemonize", "no"])
            .args(["--appendonly", if self.durable { "yes" } else { "no" }])
            .args([
                "--save",
                "",
                "--appendfsync",
                "always",
                "--loglevel",
                "warning",
            ])
            .arg("--dir")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is needed to run the tests: install it, or run ./test");
        // Another test's server might have got the port in between.
        let own = format!("process_id:{}", child.id());
        self.child = Some(child);
        eventually("redis-server answers", || async {
            let mut connection = self.try_connect()?;
            let about: String = ::redis::cmd("INFO")
                .arg("server")
                .query(&mut connection)
                .ok()?;
            about.lines().any(|line| line == own).then_some(())
        })
        .await;
    }

    /// Kills it without notice.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            _ = child.kill();
            _ = child.wait();
        }
    }

    /// Freezes it: connections stay open, nothing is answered.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets a frozen one go on.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection for the test itself.
    pub(crate) fn connect(&self) -> ::redis::Connection {
        self.try_connect().expect("redis-server is not running")
    }

    /// Every key there is.
    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        ::redis::cmd("KEYS")
            .arg("*")
            .query(&mut self.connect())
            .unwrap()
    }

    /// Sets an option of the running server.
    pub(crate) fn configure(&self, name: &str, value: &str) {
        ::redis::cmd("CONFIG")
            .arg(&["SET", name, value])
            .exec(&mut self.connect())
            .unwrap();
    }

    fn try_connect(&self) -> Option<::redis::Connection> {
        let client = ::redis::Client::open(self.url()).ok()?;
        client
            .get_connection_with_timeout(std::time::Duration::from_secs(2))
            .ok()
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
            kill(pid, signal).unwrap();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.thaw();
        self.kill();
    }
}

/// A port nobody listens on now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
