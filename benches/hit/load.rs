//! The load: so many connections, each asking again as soon as it is answered.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// A server under load, and what was measured of it.
pub(crate) struct Target {
    name: &'static str,
    address: String,
    request: Vec<u8>,
    rounds: Vec<Round>,
}

struct Round {
    per_second: f64,
    median: Duration,
    p99: Duration,
}

impl Target {
    pub(crate) fn new(name: &'static str, address: &str, question: &Question) -> Self {
        Self {
            name,
            address: address.to_owned(),
            request: http(question, ""),
            rounds: Vec::new(),
        }
    }
}

/// A request: where it goes, and its body.
pub(crate) struct Question {
    path: &'static str,
    body: Vec<u8>,
}

/// A request for the vectors of so many chunks of text.
pub(crate) fn embeddings(count: usize, encoding: &str) -> Question {
    let chunk = "Some words of a chunk of text, about as long as chunks are. ".repeat(4);
    let input: Vec<String> = (0..count).map(|at| format!("{at} {chunk}")).collect();
    let body = serde_json::json!({
        "model": "text-embedding-3-small",
        "input": input,
        "encoding_format": encoding,
    });
    Question {
        path: "/v1/embeddings",
        body: serde_json::to_vec(&body).expect("it is JSON"),
    }
}

/// A chat completion request of an ordinary size.
pub(crate) fn chat(stream: bool) -> Question {
    let system = "You answer briefly and to the point. ".repeat(10);
    let body = serde_json::to_vec(&serde_json::json!({
        "model": "bench-model",
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": "What does a cache do when it is asked twice?"},
        ],
        "temperature": 0.2,
        "max_tokens": 300,
        "stream": stream,
    }))
    .expect("it is JSON");
    Question {
        path: "/v1/chat/completions",
        body,
    }
}

/// Asks for the first time, and reads the answer to the end of the connection.
pub(crate) async fn fill(address: &str, question: &Question) -> anyhow::Result<()> {
    let mut connection = TcpStream::connect(address).await?;
    let request = http(question, "connection: close\r\n");
    connection.write_all(&request).await?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    anyhow::ensure!(
        answer.starts_with(b"HTTP/1.1 200"),
        "the first answer is no success"
    );
    Ok(())
}

/// Asks once and gives the body of the answer, which must be a hit.
pub(crate) async fn ask(address: &str, question: &Question) -> anyhow::Result<Vec<u8>> {
    let mut connection = TcpStream::connect(address).await?;
    let mut buffer = Vec::new();
    let body = exchange(&mut connection, &http(question, ""), &mut buffer).await?;
    let head = std::str::from_utf8(&buffer[..body.start])?;
    anyhow::ensure!(head.contains("x-cache: HIT"), "no hit: {head}");
    if !body.in_chunks {
        return Ok(buffer[body.start..].to_vec());
    }
    let mut whole = Vec::new();
    let mut rest = &buffer[body.start..];
    loop {
        let line = find(rest, b"\r\n").ok_or_else(|| anyhow::anyhow!("a cut chunk"))?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line])?, 16)?;
        if length == 0 {
            return Ok(whole);
        }
        let start = line + 2;
        whole.extend_from_slice(&rest[start..start + length]);
        rest = &rest[start + length + 2..];
    }
}

/// Puts the load on each target in turn, and prints what came of it.
pub(crate) async fn compare(
    targets: &mut [Target],
    connections: usize,
    rounds: usize,
    round: Duration,
) -> anyhow::Result<()> {
    for target in targets.iter() {
        measure(target, connections, Duration::from_secs(1)).await?;
    }
    for _ in 0..rounds {
        for target in targets.iter_mut() {
            let measured = measure(target, connections, round).await?;
            target.rounds.push(measured);
        }
    }
    println!("{connections} connections, {rounds} rounds of {round:?}, medians");
    println!(
        "{:<26} {:>10} {:>10} {:>10} {:>8}",
        "", "per second", "p50 µs", "p99 µs", "ratio"
    );
    for (at, target) in targets.iter().enumerate() {
        // Each is compared with the bare handler listed last before it.
        let bare = targets[..=at]
            .iter()
            .rfind(|other| other.name.starts_with("bare"));
        let ratio = bare.map_or(1.0, |bare| {
            let ratios = target.rounds.iter().zip(&bare.rounds);
            middle(ratios.map(|(own, bare)| own.per_second / bare.per_second))
        });
        println!(
            "{:<26} {:>10.0} {:>10.0} {:>10.0} {:>8.2}",
            target.name,
            middle(target.rounds.iter().map(|round| round.per_second)),
            middle(
                target
                    .rounds
                    .iter()
                    .map(|round| round.median.as_secs_f64() * 1e6)
            ),
            middle(
                target
                    .rounds
                    .iter()
                    .map(|round| round.p99.as_secs_f64() * 1e6)
            ),
            ratio,
        );
    }
    Ok(())
}

async fn measure(target: &Target, connections: usize, round: Duration) -> anyhow::Result<Round> {
    let until = Instant::now() + round;
    let clients = (0..connections).map(|_| async {
        let mut connection = TcpStream::connect(&target.address).await?;
        connection.set_nodelay(true)?;
        let mut times = Vec::new();
        let mut buffer = Vec::new();
        while Instant::now() < until {
            let started = Instant::now();
            exchange(&mut connection, &target.request, &mut buffer).await?;
            times.push(started.elapsed());
        }
        anyhow::Ok(times)
    });
    let times = futures_util::future::try_join_all(clients).await?;
    let mut times: Vec<Duration> = times.into_iter().flatten().collect();
    times.sort_unstable();
    anyhow::ensure!(!times.is_empty(), "nothing was answered");
    Ok(Round {
        per_second: times.len() as f64 / round.as_secs_f64(),
        median: times[times.len() / 2],
        p99: times[times.len() * 99 / 100],
    })
}

/// Where the body of an answer is.
struct Body {
    start: usize,
    in_chunks: bool,
}

/// One request and its whole answer.
async fn exchange(
    connection: &mut TcpStream,
    request: &[u8],
    buffer: &mut Vec<u8>,
) -> anyhow::Result<Body> {
    connection.write_all(request).await?;
    buffer.clear();
    loop {
        more(connection, buffer).await?;
        let Some(start) = find(buffer, b"\r\n\r\n").map(|at| at + 4) else {
            continue;
        };
        let text = std::str::from_utf8(&buffer[..start])?.to_ascii_lowercase();
        anyhow::ensure!(text.starts_with("http/1.1 200"), "{text}");
        let length = text
            .split("\r\n")
            .find_map(|line| line.strip_prefix("content-length: "));
        let in_chunks = length.is_none();
        if let Some(length) = length {
            let length: usize = length.parse()?;
            while buffer.len() < start + length {
                more(connection, buffer).await?;
            }
        } else {
            while !buffer.ends_with(b"\r\n0\r\n\r\n") {
                more(connection, buffer).await?;
            }
        }
        return Ok(Body { start, in_chunks });
    }
}

async fn more(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    buffer.reserve(64 * 1024);
    let read = connection.read_buf(buffer).await?;
    anyhow::ensure!(read > 0, "the connection ended");
    Ok(())
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn http(Question { path, body }: &Question, header: &str) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer sk-bench\r\n\
         content-type: application/json\r\nuser-agent: bench\r\n{header}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
