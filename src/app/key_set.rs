//! Where the public keys of tokens come from, and how they are kept up to date, off the
//! path of any request.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use crate::access::{KeySetSource, Tokens};
use crate::upstream::{Fetcher, Url};

/// How often a file is looked at.
const FILE_INTERVAL: Duration = Duration::from_secs(5);

/// How often an address is asked.
const URL_INTERVAL: Duration = Duration::from_mins(5);

/// How soon an address is asked again that has not answered yet, or because of a token
/// signed with a key that is not known.
const URL_AGAIN: Duration = Duration::from_secs(15);

/// How long the start waits for an address.
const URL_PATIENCE: Duration = Duration::from_secs(2);

/// Gives the keys to `tokens`, now and whenever they change.
///
/// # Errors
/// If a file cannot be read or has no keys. An address may be away.
pub(super) async fn follow(
    source: &KeySetSource,
    tokens: &Arc<Tokens>,
) -> anyhow::Result<AbortOnDropHandle<()>> {
    let tokens = Arc::clone(tokens);
    let task = match source {
        KeySetSource::File(path) => {
            let seen = modified(path).await;
            read(path, &tokens).await?;
            tokio::spawn(follow_file(path.clone(), seen, tokens))
        }
        KeySetSource::Url(url) => {
            let url: Url = url.parse().context("the address of the token keys")?;
            let fetcher = Fetcher::new()?;
            let known = tokio::time::timeout(URL_PATIENCE, fetch(&fetcher, &url, &tokens)).await;
            let is_known = known.is_ok_and(|known| known);
            tokio::spawn(follow_url(fetcher, url, is_known, tokens))
        }
    };
    Ok(AbortOnDropHandle::new(task))
}

async fn follow_file(path: std::path::PathBuf, seen: Option<SystemTime>, tokens: Arc<Tokens>) {
    let mut seen = seen;
    loop {
        sleep(FILE_INTERVAL).await;
        let now = modified(&path).await;
        if now == seen || now.is_none() {
            continue;
        }
        seen = now;
        match read(&path, &tokens).await {
            Ok(()) => tracing::info!(path = %path.display(), "the keys of tokens were read again"),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "the keys of tokens stay as they were");
            }
        }
    }
}

async fn follow_url(fetcher: Fetcher, url: Url, is_known: bool, tokens: Arc<Tokens>) {
    let mut is_known = is_known;
    loop {
        let asked = Instant::now();
        let pause = if is_known { URL_INTERVAL } else { URL_AGAIN };
        tokio::select! {
            () = sleep_until(asked + pause) => {}
            () = tokens.unknown_key() => sleep_until(asked + URL_AGAIN).await,
        }
        is_known = fetch(&fetcher, &url, &tokens).await;
    }
}

/// Asks an address for the keys; whether it gave them.
async fn fetch(fetcher: &Fetcher, url: &Url, tokens: &Tokens) -> bool {
    let host = url.host_str().unwrap_or_default();
    let text = match fetcher.fetch(url).await {
        Ok(text) => text,
        Err(error) => {
            tracing::warn!(host, %error, "the keys of tokens cannot be fetched");
            return false;
        }
    };
    match tokens.set_keys(&text) {
        Ok(count) => {
            tracing::debug!(host, count, "the keys of tokens were fetched");
            true
        }
        Err(error) => {
            tracing::warn!(host, %error, "the keys of tokens cannot be used");
            false
        }
    }
}

async fn read(path: &Path, tokens: &Tokens) -> anyhow::Result<()> {
    let shown = path.display();
    let text = tokio::fs::read(path)
        .await
        .with_context(|| format!("cannot read the keys of tokens in {shown}"))?;
    tokens
        .set_keys(&text)
        .with_context(|| format!("cannot use the keys of tokens in {shown}"))?;
    Ok(())
}

async fn modified(path: &Path) -> Option<SystemTime> {
    tokio::fs::metadata(path).await.ok()?.modified().ok()
}
