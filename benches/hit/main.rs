//! How fast a hit is, as a ratio to a bare handler measured in the same run.
//!
//! `cargo bench --bench hit` starts the real binary on the built-in upstream, and
//! beside it a bare axum handler that parses the same body, hashes it and answers
//! the same bytes from a map. The same load is put on each in turn, in rounds, so
//! that whatever else the machine does falls on all of them; what counts is the
//! ratio inside a round. With a Redis server on the PATH, hits from Redis are
//! compared with a bare handler that does one GET and decompresses.

#![expect(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and a broken one should stop at the spot"
)]

mod bare;
mod load;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use load::Target;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
const CONNECTIONS: usize = 16;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let argument = |name: &str| arguments.iter().find_map(|arg| arg.strip_prefix(name));
    if let (Some(mode), Some(answer)) = (argument("bare="), argument("answer=")) {
        return bare::serve(mode, answer);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(compare())
}

async fn compare() -> anyhow::Result<()> {
    let redis = start_redis();
    let mock = Server::product(&["mock", "--listen", "127.0.0.1:0"], &[])?;
    let upstream = format!("http://{}/v1", mock.address);
    let product = |backend: &str, memory: &str| Server::proxy(&upstream, backend, memory);
    let memory = product("memory", "64MiB")?;
    let question = load::chat(false);
    load::fill(&memory.address, &question).await?;
    let answer = load::ask(&memory.address, &question).await?;
    let bare = Server::bare("memory", &answer)?;
    let mut targets = vec![
        Target::new("bare handler", &bare.address, &question),
        Target::new("hit, JSON", &memory.address, &question),
        Target::new("hit, stream", &memory.address, &load::chat(true)),
    ];
    let mut servers = vec![mock, memory, bare];
    if let Some((_, url)) = &redis {
        let product = product(url, "0")?;
        load::fill(&product.address, &question).await?;
        let bare = Server::bare(&format!("redis,{url}"), &answer)?;
        targets.push(Target::new(
            "bare handler with Redis",
            &bare.address,
            &question,
        ));
        targets.push(Target::new(
            "hit from Redis, JSON",
            &product.address,
            &question,
        ));
        servers.extend([product, bare]);
    }
    load::compare(&mut targets, CONNECTIONS, ROUNDS, ROUND).await?;
    drop(servers);
    for (count, connections) in [(32, CONNECTIONS), (2048, 2)] {
        compare_embeddings(count, connections, redis.as_ref().map(|(_, url)| &**url)).await?;
    }
    if let Some((mut process, _)) = redis {
        process.kill()?;
    }
    Ok(())
}

/// Hits of lists of so many vectors of 1,536 values, in both encodings, against a
/// bare handler that writes the same bytes from where they lie ready.
async fn compare_embeddings(
    count: usize,
    connections: usize,
    redis: Option<&str>,
) -> anyhow::Result<()> {
    let mock = Server::product(&["mock", "--listen", "127.0.0.1:0"], &[])?;
    let upstream = format!("http://{}/v1", mock.address);
    let product = |backend: &str, memory: &str| Server::proxy(&upstream, backend, memory);
    let memory = product("memory", "512MiB")?;
    let backed = redis.map(|url| product(url, "0")).transpose()?;
    let mut targets = Vec::new();
    let mut bare = Vec::new();
    for (encoding, name, from_memory, from_redis) in [
        (
            "base64",
            "bare handler, base64",
            "hit, base64",
            "hit from Redis, base64",
        ),
        (
            "float",
            "bare handler, numbers",
            "hit, numbers",
            "hit from Redis, numbers",
        ),
    ] {
        let question = load::embeddings(count, encoding);
        load::fill(&memory.address, &question).await?;
        let answer = load::ask(&memory.address, &question).await?;
        let server = Server::bare("memory", &answer)?;
        targets.push(Target::new(name, &server.address, &question));
        targets.push(Target::new(from_memory, &memory.address, &question));
        bare.push(server);
        if let Some(backed) = &backed {
            load::fill(&backed.address, &question).await?;
            targets.push(Target::new(from_redis, &backed.address, &question));
        }
    }
    println!("\n{count} vectors of 1,536 values:");
    load::compare(&mut targets, connections, ROUNDS, ROUND).await
}

/// A server in a process of its own, ended with it.
struct Server {
    process: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Server {
    fn product(arguments: &[&str], settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_reprise"));
        command
            .args(arguments)
            .current_dir(folder.path())
            .env("REPRISE_DATA_DIR", folder.path())
            .env("REPRISE_LOG", "reprise=warn,reprise::start=info")
            .env("REPRISE_LOG_FORMAT", "json")
            .envs(settings.iter().copied());
        Self::start(command, folder)
    }

    fn proxy(upstream: &str, backend: &str, memory: &str) -> anyhow::Result<Self> {
        Self::product(
            &["serve", "--listen", "127.0.0.1:0"],
            &[
                ("REPRISE_UPSTREAM", upstream),
                ("REPRISE_BACKEND", backend),
                ("REPRISE_MEMORY_MAX_BYTES", memory),
            ],
        )
    }

    fn bare(mode: &str, answer: &[u8]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("answer");
        std::fs::write(&file, answer)?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg(format!("bare={mode}"))
            .arg(format!("answer={}", file.display()));
        Self::start(command, folder)
    }

    /// Starts the process and reads from its first lines where it listens.
    fn start(mut command: Command, folder: tempfile::TempDir) -> anyhow::Result<Self> {
        use std::io::BufRead;
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().expect("it is piped");
        let mut lines = std::io::BufReader::new(output).lines();
        let address = loop {
            let line = lines
                .next()
                .ok_or_else(|| anyhow::anyhow!("no address"))??;
            let Ok(line) = serde_json::from_str::<serde_json::Value>(&line) else {
                continue;
            };
            if let Some(address) = line["address"].as_str() {
                break address.to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self {
            process,
            address,
            _folder: folder,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn start_redis() -> Option<(Child, String)> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .ok()?
        .local_addr()
        .ok()?
        .port()
        .to_string();
    let process = Command::new("redis-server")
        .args(["--port", &port, "--save", "", "--appendonly", "no"])
        .stdout(Stdio::null())
        .spawn()
        .ok()?;
    std::thread::sleep(Duration::from_millis(300));
    Some((process, format!("redis://127.0.0.1:{port}")))
}
