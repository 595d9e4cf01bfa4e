//! `reprise demo`: the product shown to somebody who has just built it.
//!
//! Everything runs in this process: the scripted upstream, the proxy with its
//! embedded backend in a temporary folder, and a client that asks a few things
//! over real sockets. Needs no network, no key and no configuration.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use http::{HeaderMap, HeaderValue, Method};
use tokio::time::Instant;

use crate::app::{App, start_mock};
use crate::config::Config;
use crate::mock::MockOptions;
use crate::telemetry::Exporter;
use crate::upstream::{Call, CallBody, Upstream, UpstreamBase};

/// What the scripted upstream takes before its first byte, about as a small
/// model does.
const THINKING: Duration = Duration::from_millis(400);

const TOKENS_PER_SECOND: u32 = 120;

const QUESTIONS: [&str; 6] = [
    "Why is the sky blue?",
    "Write a haiku about caches.",
    "Name three uses of zstd.",
    "What is a bloom filter?",
    "Summarize the plot of Hamlet in one sentence.",
    "Translate 'good morning' into Finnish.",
];

const CROWD: usize = 50;

/// One line of the table.
struct Row {
    what: &'static str,
    requests: usize,
    median: Duration,
    upstream_calls: u64,
}

/// The demo's own client, and where its requests go.
struct Client {
    proxy: Upstream,
    mock: Upstream,
}

/// Runs the demo, then goes on serving until `stop` completes.
///
/// # Errors
/// If the parts cannot be started or an answer is not what it should be.
pub(super) async fn run(
    mut config: Config,
    exporter: Exporter,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mock = MockOptions {
        ttfb: THINKING,
        tokens_per_second: Some(TOKENS_PER_SECOND),
        ..MockOptions::default()
    };
    let (mock_url, _mock) = start_mock(mock).await?;
    config.backend.data_dir = folder.path().to_owned();
    config.upstream.base = UpstreamBase::Url(mock_url.clone());
    let app = App::build(&config, exporter).await?;
    let address = app.address()?;
    let store = app.store();
    let (ended, running) = {
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        (end, tokio::spawn(app.run(async { drop(ended.await) })))
    };

    let client = Client {
        proxy: Upstream::new(format!("http://{address}/v1").parse()?, &config.upstream)?,
        mock: Upstream::new(mock_url.join("/")?, &config.upstream)?,
    };
    let rows = client.tour().await?;
    while store.health().queue_depth > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let size = store.size().await.unwrap_or_default();
    show(&rows, (size.entries, size.bytes), &address.to_string());

    stop.await;
    drop(ended);
    running.await?;
    Ok(())
}

impl Client {
    async fn tour(&self) -> anyhow::Result<Vec<Row>> {
        let total = QUESTIONS.len() * 3 + CROWD;
        let mut done = 0;
        let mut rows = Vec::new();
        for (what, stream) in [
            ("miss: asked for the first time", false),
            ("hit: asked again", false),
            ("streamed hit: asked again as a stream", true),
        ] {
            let before = self.upstream_calls().await?;
            let mut times = Vec::new();
            for question in QUESTIONS {
                progress(done, total, what);
                times.push(self.ask(question, stream).await?);
                done += 1;
            }
            rows.push(Row {
                what,
                requests: times.len(),
                median: median(times),
                upstream_calls: self.upstream_calls().await? - before,
            });
        }
        let what = "crowd: one new question, 50 askers at once";
        progress(done, total, what);
        let before = self.upstream_calls().await?;
        let times = try_join_all((0..CROWD).map(|_| self.ask("Who goes first?", false))).await?;
        rows.push(Row {
            what,
            requests: CROWD,
            median: median(times),
            upstream_calls: self.upstream_calls().await? - before,
        });
        progress(total, total, "done");
        Ok(rows)
    }

    /// Asks and reads the answer to its end; gives the time it took.
    async fn ask(&self, question: &str, stream: bool) -> anyhow::Result<Duration> {
        let body = serde_json::json!({
            "model": "demo-model",
            "messages": [{"role": "user", "content": question}],
            "stream": stream,
        });
        let started = Instant::now();
        let body = CallBody::Full(body.to_string().into());
        let text = call(&self.proxy, Method::POST, "/chat/completions", body).await?;
        let whole = if stream {
            text.ends_with(b"data: [DONE]\n\n")
        } else {
            serde_json::from_slice::<serde_json::Value>(&text).is_ok()
        };
        anyhow::ensure!(whole, "an answer is not whole");
        Ok(started.elapsed())
    }

    /// How many chat completions the upstream has been asked for.
    async fn upstream_calls(&self) -> anyhow::Result<u64> {
        let text = call(&self.mock, Method::GET, "/__calls", CallBody::Empty).await?;
        let calls: serde_json::Value = serde_json::from_slice(&text)?;
        calls
            .pointer("/by_path/~1v1~1chat~1completions")
            .map_or(Ok(0), |count| {
                count.as_u64().context("a count is no number")
            })
    }
}

async fn call(
    server: &Upstream,
    method: Method,
    path: &str,
    body: CallBody,
) -> anyhow::Result<BytesMut> {
    let headers = HeaderMap::from_iter([
        (
            http::header::AUTHORIZATION,
            HeaderValue::from_static("Bearer sk-demo"),
        ),
        (
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
    ]);
    let mut answer = server
        .send(Call {
            method,
            path_and_query: path.to_owned(),
            headers,
            body,
        })
        .await?;
    anyhow::ensure!(answer.status.is_success(), "status {}", answer.status);
    let mut text = BytesMut::new();
    while let Some(piece) = answer.body.next().await {
        text.extend_from_slice(&piece?);
    }
    Ok(text)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[expect(
    clippy::print_stdout,
    reason = "the demo is for the person at the terminal"
)]
fn progress(done: usize, total: usize, what: &str) {
    print!("\r\x1b[2K  {done:>3}/{total} {what}");
    drop(std::io::stdout().flush());
}

#[expect(
    clippy::print_stdout,
    reason = "the demo is for the person at the terminal"
)]
fn show(rows: &[Row], (entries, bytes): (u64, u64), address: &str) {
    println!(
        "\n\n  {:<44} {:>9} {:>12} {:>15}",
        "", "requests", "median", "upstream calls"
    );
    for row in rows {
        let millis = row.median.as_secs_f64() * 1000.0;
        println!(
            "  {:<44} {:>9} {:>9.2} ms {:>15}",
            row.what, row.requests, millis, row.upstream_calls
        );
    }
    println!("\n  stored: {entries} answers in {bytes} bytes\n");
    println!("  Now try it yourself; it goes on serving until you press Ctrl-C.\n");
    println!("  base_url = \"http://{address}/v1\"");
    println!(
        "  curl -i http://{address}/v1/chat/completions -H 'authorization: Bearer sk-demo' \
         -H 'content-type: application/json' \
         -d '{{\"model\":\"demo-model\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}]}}'\n"
    );
}
