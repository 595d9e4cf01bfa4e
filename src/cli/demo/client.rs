//! The demo's own client.

use std::time::Duration;

use anyhow::Context as _;
use bytes::BytesMut;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::upstream::{Call, CallBody, Upstream};

/// Where the demo's requests go.
pub(super) struct Client {
    pub(super) proxy: Upstream,
    pub(super) mock: Upstream,
}

/// What the upstream has been asked for.
#[derive(Clone, Copy)]
pub(super) struct Counts {
    /// Answers. To ask for the list of models costs nothing and does not count.
    pub(super) calls: u64,
    /// Texts to embed.
    pub(super) texts: u64,
}

impl Counts {
    /// What has come to it since.
    pub(super) const fn since(self, before: Self) -> Self {
        Self {
            calls: self.calls - before.calls,
            texts: self.texts - before.texts,
        }
    }
}

impl Client {
    /// Asks and reads the answer to its end; gives the time it took.
    pub(super) async fn ask(&self, question: &str, stream: bool) -> anyhow::Result<Duration> {
        let body = json!({
            "model": super::MODEL,
            "messages": [{"role": "user", "content": question}],
            "stream": stream,
        });
        let (text, time) = self.post("/chat/completions", &body).await?;
        let is_whole = if stream {
            text.ends_with(b"data: [DONE]\n\n")
        } else {
            serde_json::from_slice::<Value>(&text).is_ok()
        };
        anyhow::ensure!(is_whole, "an answer is not whole");
        Ok(time)
    }

    /// Asks for the vectors of `texts` as the official SDKs do, in base64; gives the
    /// time it took.
    pub(super) async fn embed(&self, texts: &[String]) -> anyhow::Result<Duration> {
        let body = json!({
            "model": "text-embedding-3-small",
            "input": texts,
            "encoding_format": "base64",
        });
        let (text, time) = self.post("/embeddings", &body).await?;
        let answer: Value = serde_json::from_slice(&text)?;
        let vectors = answer.pointer("/data").and_then(Value::as_array);
        anyhow::ensure!(
            vectors.is_some_and(|vectors| vectors.len() == texts.len()),
            "not every text has a vector"
        );
        Ok(time)
    }

    /// What the upstream has been asked for so far.
    pub(super) async fn upstream(&self) -> anyhow::Result<Counts> {
        let text = call(&self.mock, Method::GET, "/__calls", CallBody::Empty).await?;
        let told: Value = serde_json::from_slice(&text)?;
        let count = |path| {
            told.pointer(path).map_or(Ok(0), |count| {
                count.as_u64().context("a count is no number")
            })
        };
        Ok(Counts {
            calls: count("/by_path/~1v1~1chat~1completions")? + count("/by_path/~1v1~1embeddings")?,
            texts: count("/embedding_items")?,
        })
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<(BytesMut, Duration)> {
        let body = CallBody::Full(body.to_string().into());
        let started = Instant::now();
        let text = call(&self.proxy, Method::POST, path, body).await?;
        Ok((text, started.elapsed()))
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
