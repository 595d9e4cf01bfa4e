//! `reprise demo`: the product shown to somebody who has just built it.
//!
//! Everything runs in this process: the scripted upstream, the proxy with its
//! embedded backend in a temporary folder, and a client that asks a few things
//! over real sockets. Needs no network, no key and no configuration.

mod client;

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use secrecy::ExposeSecret as _;

use self::client::{Client, Counts};
use crate::app::{App, start_mock};
use crate::config::Config;
use crate::ledger::{Counter, Granularity, Tally};
use crate::mock::MockOptions;
use crate::price::Usd;
use crate::secret_file::Kept;
use crate::telemetry::Exporter;
use crate::upstream::{Upstream, UpstreamBase};
use crate::usage::books::{Query, Shape};

/// The model that is asked. The answers are not its, but the prices are.
const MODEL: &str = "gpt-5-mini";

/// What the scripted upstream takes before its first byte, about as a small
/// model does.
const THINKING: Duration = Duration::from_millis(400);

/// How long the ledger may take to take down what the tour used.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

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

/// How many texts are embedded at once.
const TEXTS: u32 = 256;

/// How many are new when they are embedded for the third time.
const NEW_TEXTS: u32 = 16;

/// One line of the table.
struct Row {
    what: &'static str,
    requests: usize,
    median: Duration,
    upstream: Counts,
    /// Whether the requests were about texts to embed.
    embeds: bool,
}

/// What is shown, in turn.
struct Tour {
    client: Client,
    done: usize,
    rows: Vec<Row>,
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
    config.prices.provider = Some("openai".to_owned());
    let mut app = App::build(&config, exporter).await?;
    let address = app.address()?;
    let store = app.store();
    let (journal, books) = (app.journal(), app.books());
    let admin_key = app.take_made_key();
    let (ended, running) = {
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        (end, tokio::spawn(app.run(async { drop(ended.await) })))
    };

    let tour = Tour {
        client: Client {
            proxy: Upstream::new(format!("http://{address}/v1").parse()?, &config.upstream)?,
            mock: Upstream::new(mock_url.join("/")?, &config.upstream)?,
        },
        done: 0,
        rows: Vec::new(),
    };
    let rows = tour.take().await?;
    while store.health().queue_depth > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let size = store.size().await.unwrap_or_default();
    journal.flush(FLUSH_PATIENCE).await;
    let used = books.sum(&of_today(books.now())).await?.total;
    show(&rows);
    show_books((size.entries, size.bytes), &used);
    show_invitation(&address.to_string(), admin_key.as_ref());

    stop.await;
    drop(ended);
    running.await?;
    Ok(())
}

impl Tour {
    /// All requests there are.
    const LENGTH: usize = QUESTIONS.len() * 3 + CROWD + 3;

    async fn take(mut self) -> anyhow::Result<Vec<Row>> {
        self.questions("miss: asked for the first time", false)
            .await?;
        self.questions("hit: asked again", false).await?;
        self.questions("streamed hit: asked again as a stream", true)
            .await?;
        self.crowd("crowd: one new question, 50 askers at once")
            .await?;
        let old: Vec<String> = (0..TEXTS).map(text).collect();
        self.texts("miss: 256 texts embedded in one request", &old)
            .await?;
        self.texts("hit: the same 256 again", &old).await?;
        self.texts("partial: the same with 16 new ones in between", &mixed())
            .await?;
        progress(self.done, "done");
        Ok(self.rows)
    }

    /// One question after the other.
    async fn questions(&mut self, what: &'static str, stream: bool) -> anyhow::Result<()> {
        let before = self.client.upstream().await?;
        let mut times = Vec::new();
        for question in QUESTIONS {
            progress(self.done, what);
            times.push(self.client.ask(question, stream).await?);
            self.done += 1;
        }
        self.write_down(what, times, before, false).await
    }

    /// One question by many at once.
    async fn crowd(&mut self, what: &'static str) -> anyhow::Result<()> {
        progress(self.done, what);
        let before = self.client.upstream().await?;
        let askers = (0..CROWD).map(|_| self.client.ask("Who goes first?", false));
        let times = try_join_all(askers).await?;
        self.done += CROWD;
        self.write_down(what, times, before, false).await
    }

    /// One request for the vectors of many texts.
    async fn texts(&mut self, what: &'static str, texts: &[String]) -> anyhow::Result<()> {
        progress(self.done, what);
        let before = self.client.upstream().await?;
        let time = self.client.embed(texts).await?;
        self.done += 1;
        self.write_down(what, vec![time], before, true).await
    }

    async fn write_down(
        &mut self,
        what: &'static str,
        times: Vec<Duration>,
        before: Counts,
        embeds: bool,
    ) -> anyhow::Result<()> {
        self.rows.push(Row {
            what,
            requests: times.len(),
            median: median(times),
            upstream: self.client.upstream().await?.since(before),
            embeds,
        });
        Ok(())
    }
}

/// Everything that was used on this day.
fn of_today(now: u64) -> Query {
    let day = Granularity::Day;
    let hour = Granularity::Hour.seconds();
    // The demo may have begun before midnight.
    Query::spanning(day, now.saturating_sub(hour)..now + 1, Shape::default())
}

/// A text to embed.
fn text(number: u32) -> String {
    format!("Passage {number} of a document that is embedded again and again.")
}

/// The texts once more, with a new one after every sixteenth.
fn mixed() -> Vec<String> {
    let every = TEXTS / NEW_TEXTS;
    (0..TEXTS)
        .flat_map(|number| {
            let is_followed = (number + 1).is_multiple_of(every);
            let new = is_followed.then(|| text(TEXTS + number));
            std::iter::once(text(number)).chain(new)
        })
        .collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[expect(
    clippy::print_stdout,
    reason = "the demo is for the person at the terminal"
)]
fn progress(done: usize, what: &str) {
    print!("\r\x1b[2K  {done:>3}/{} {what}", Tour::LENGTH);
    drop(std::io::stdout().flush());
}

#[expect(
    clippy::print_stdout,
    reason = "the demo is for the person at the terminal"
)]
fn show(rows: &[Row]) {
    println!(
        "\n\n  {:<46} {:>8} {:>12} {:>14} {:>14}",
        "", "requests", "median", "upstream calls", "texts upstream"
    );
    for row in rows {
        let millis = row.median.as_secs_f64() * 1000.0;
        let texts = if row.embeds {
            row.upstream.texts.to_string()
        } else {
            String::new()
        };
        let line = format!(
            "  {:<46} {:>8} {millis:>9.2} ms {:>14} {texts:>14}",
            row.what, row.requests, row.upstream.calls
        );
        println!("{}", line.trim_end());
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the demo is for the person at the terminal"
)]
fn show_books((entries, bytes): (u64, u64), used: &Tally) {
    let tokens = |input, output| used.get(input) + used.get(output);
    println!(
        "\n  paid:   {:>7} tokens, {} US dollars at list prices",
        tokens(Counter::SpentInput, Counter::SpentOutput),
        Usd::from_nanos(used.get(Counter::SpentNanos)),
    );
    println!(
        "  saved:  {:>7} tokens, {} US dollars",
        tokens(Counter::SavedInput, Counter::SavedOutput),
        Usd::from_nanos(used.get(Counter::SavedNanos)),
    );
    println!("  stored: {entries:>7} answers, {bytes} bytes\n");
}

#[expect(
    clippy::print_stdout,
    reason = "the demo is for the person at the terminal"
)]
fn show_invitation(address: &str, admin_key: Option<&Kept>) {
    println!("  Now try it yourself; it goes on serving until you press Ctrl-C.\n");
    println!("  base_url = \"http://{address}/v1\"");
    println!(
        "  curl -i http://{address}/v1/chat/completions -H 'authorization: Bearer sk-demo' \
         -H 'content-type: application/json' \
         -d '{{\"model\":\"{MODEL}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}]}}'"
    );
    let key = admin_key.map_or("$REPRISE_ADMIN_KEY", |made| made.secret.expose_secret());
    println!(
        "  curl 'http://{address}/admin/v1/usage?granularity=total&group_by=model,outcome' \
         -H 'authorization: Bearer {key}'\n"
    );
}
