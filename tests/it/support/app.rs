//! The real binary, started as an operator would start it, and a house around it:
//! a scripted upstream before it and a store behind it.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::http::{Client, Live, Request, Response};
use super::redis::Redis;
use super::scratch::Scratch;
use super::upstream::Upstream;
use super::wait::eventually;

/// The credential used where a test does not care who asks.
pub(crate) const ALICE: &str = "sk-test-alice";

/// The admin key of every house.
pub(crate) const ADMIN: &str = "rk-admin-of-the-tests";

const CHAT: &str = "/v1/chat/completions";
const EMBEDDINGS: &str = "/v1/embeddings";
const MODERATIONS: &str = "/v1/moderations";

/// Where entries are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Embedded,
    Redis,
}

/// A running `reprise`.
#[derive(Debug)]
pub(crate) struct App {
    child: Child,
    address: SocketAddr,
    output: Arc<Mutex<String>>,
}

/// How a house is to be built.
#[derive(Debug)]
pub(crate) struct Setup {
    store: Store,
    environment: Vec<(String, String)>,
    backend: Option<String>,
    upstream: Option<String>,
}

/// A proxy with everything around it.
#[derive(Debug)]
pub(crate) struct House {
    // Fields are dropped in this order: the proxy goes before what it stands on.
    pub(crate) app: App,
    pub(crate) upstream: Upstream,
    pub(crate) redis: Option<Redis>,
    folder: Scratch,
    environment: Vec<(String, String)>,
}

impl App {
    /// Starts the binary with these variables and no others, in `folder`, and
    /// waits until it is ready.
    pub(crate) async fn start(environment: &[(String, String)], folder: &Scratch) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_reprise"))
            .arg("serve")
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        gather(child.stdout.take().unwrap(), Arc::clone(&output));
        gather(child.stderr.take().unwrap(), Arc::clone(&output));
        let child = Mutex::new(child);
        let address = eventually("the proxy says where it listens", || async {
            let exited = child.lock().unwrap().try_wait().unwrap();
            let said = output.lock().unwrap().clone();
            assert!(
                exited.is_none(),
                "the proxy did not start ({exited:?}):\n{said}"
            );
            listening(&said)
        })
        .await;
        eventually("the proxy is ready", || async {
            let ready = Request::new("GET", "/health/ready");
            let answer = Client(address).try_send(&ready).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
        Self {
            child: child.into_inner().unwrap(),
            address,
            output,
        }
    }

    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        Client(self.address)
    }

    /// Everything it wrote to its outputs.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Kills it without notice.
    pub(crate) fn kill(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }

    /// Waits until it has exited; whether it says all went well.
    pub(crate) async fn exited(&mut self) -> bool {
        let child = Mutex::new(&mut self.child);
        eventually("the proxy exits", || async {
            child.lock().unwrap().try_wait().unwrap()
        })
        .await
        .success()
    }

    /// Its resident memory, in bytes.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.memory("VmRSS:")
    }

    /// The most resident memory it ever had, in bytes.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let kibibytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kibibytes * 1024
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, signal).unwrap();
    }
}

impl Drop for App {
    #[expect(
        clippy::print_stderr,
        reason = "a failed test is understood by what the proxy wrote"
    )]
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let output = self.output();
            let from = output.len().saturating_sub(4_000);
            let tail = output.get(from..).unwrap_or(&output);
            eprintln!("--- what the proxy wrote last ---\n{tail}\n---");
        }
    }
}

impl Setup {
    /// Sets an environment variable of the proxy.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts something else in the backend's place: a wire in front of it, or
    /// nothing at all.
    pub(crate) fn backend(mut self, url: String) -> Self {
        self.backend = Some(url);
        self
    }

    /// Puts a wire in front of the upstream.
    pub(crate) fn upstream(mut self, url: String) -> Self {
        self.upstream = Some(url);
        self
    }

    /// Starts everything.
    pub(crate) async fn start(self) -> House {
        let upstream = Upstream::start().await;
        self.start_before(upstream).await
    }

    /// Starts everything but the upstream, which is there already.
    pub(crate) async fn start_before(self, upstream: Upstream) -> House {
        let redis = match (self.store, &self.backend) {
            (Store::Redis, None) => Some(Redis::start().await),
            (Store::Redis, Some(_)) | (Store::Embedded, _) => None,
        };
        let folder = Scratch::new();
        let own = redis.as_ref().map(Redis::url);
        let backend = self
            .backend
            .or(own)
            .unwrap_or_else(|| "embedded".to_owned());
        let base = self.upstream.unwrap_or_else(|| upstream.url());
        let data = folder.path().join("data").display().to_string();
        let mut environment: Vec<(String, String)> = [
            ("HOME", folder.path().display().to_string()),
            ("REPRISE_LISTEN", "127.0.0.1:0".to_owned()),
            ("REPRISE_UPSTREAM", base),
            ("REPRISE_UPSTREAM_KIND", "openai".to_owned()),
            ("REPRISE_BACKEND", backend),
            ("REPRISE_DATA_DIR", data),
            // On a busy machine the default would now and then turn a hit into a
            // miss; the tests of outages set it again.
            ("REPRISE_BACKEND_READ_TIMEOUT", "2s".to_owned()),
            ("REPRISE_ADMIN_KEY", ADMIN.to_owned()),
            ("REPRISE_LOG", "info".to_owned()),
            ("REPRISE_LOG_FORMAT", "json".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        environment.extend(self.environment);
        let app = App::start(&environment, &folder).await;
        House {
            app,
            upstream,
            redis,
            folder,
            environment,
        }
    }
}

impl House {
    /// A house with this store, to be changed before it is started.
    pub(crate) fn with(store: Store) -> Setup {
        Setup {
            store,
            environment: Vec::new(),
            backend: None,
            upstream: None,
        }
    }

    /// A house with this store and nothing unusual.
    pub(crate) async fn start(store: Store) -> Self {
        Self::with(store).start().await
    }

    /// A client of the proxy.
    pub(crate) fn client(&self) -> Client {
        self.app.client()
    }

    /// Asks for a chat completion.
    pub(crate) async fn ask(&self, question: &Value) -> Response {
        self.send(&chat(question)).await
    }

    /// Asks for a chat completion as a stream.
    pub(crate) async fn ask_stream(&self, question: &Value) -> Response {
        self.send(&chat(&streaming(question))).await
    }

    /// Asks for a chat completion as a stream, and reads only its head.
    pub(crate) async fn open_stream(&self, question: &Value) -> Live {
        self.client().open(&chat(&streaming(question))).await
    }

    /// Asks for embeddings.
    pub(crate) async fn embed(&self, question: &Value) -> Response {
        self.send(&embed(question)).await
    }

    /// Asks for moderations.
    pub(crate) async fn moderate(&self, question: &Value) -> Response {
        self.send(&moderate(question)).await
    }

    /// Sends any request.
    pub(crate) async fn send(&self, request: &Request) -> Response {
        self.client().send(request).await
    }

    /// Starts the proxy again, after it was stopped or killed.
    pub(crate) async fn start_again(&mut self) {
        self.app = App::start(&self.environment, &self.folder).await;
    }

    /// Sets an environment variable of the proxy for when it is started again.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Where the embedded store keeps its file.
    pub(crate) fn data_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Its Redis.
    pub(crate) fn redis(&self) -> &Redis {
        self.redis.as_ref().unwrap()
    }

    /// A page of the administration.
    pub(crate) async fn admin(&self, path: &str) -> Response {
        self.send(&Request::new("GET", path).bearer(ADMIN)).await
    }

    /// Its metrics, as text.
    pub(crate) async fn metrics(&self) -> String {
        self.client().get("/metrics").await.text()
    }
}

/// A chat request by Alice.
pub(crate) fn chat(question: &Value) -> Request {
    Request::post(CHAT, question.to_string()).bearer(ALICE)
}

/// A request for embeddings by Alice.
pub(crate) fn embed(question: &Value) -> Request {
    Request::post(EMBEDDINGS, question.to_string()).bearer(ALICE)
}

/// A request for moderations by Alice.
pub(crate) fn moderate(question: &Value) -> Request {
    Request::post(MODERATIONS, question.to_string()).bearer(ALICE)
}

/// The same question, to be answered as a stream.
pub(crate) fn streaming(question: &Value) -> Value {
    let mut question = question.clone();
    question["stream"] = Value::Bool(true);
    question
}

/// The address in the line that says where the proxy listens.
fn listening(output: &str) -> Option<SocketAddr> {
    let line = output.lines().find(|line| line.contains("listening"))?;
    let at = line.find("127.0.0.1:")?;
    let address: String = line
        .get(at..)?
        .chars()
        .take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':'))
        .collect();
    address.parse().ok()
}

/// Collects what a program writes, line by line.
fn gather(from: impl Read + Send + 'static, into: Arc<Mutex<String>>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            _ = writeln!(into.lock().unwrap(), "{line}");
        }
    });
}
