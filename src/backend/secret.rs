//! The secret the names of entries are made with, and how it comes to be the
//! same in every process that shares a backend.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{BackendError, Records};
use crate::key::CacheSecret;

const NAME: &str = "cache-secret";
const SECRET_BYTES: usize = 32;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_mins(1);
const RETRY_DELAY_MIN: Duration = Duration::from_millis(20);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(1);

/// The secret in force.
///
/// A configured one never changes. One kept in the backend is replaced at most
/// once: until the backend answers, one of this process's own stands in, and
/// what is stored under it is lost to those who start later.
#[derive(Debug)]
pub(super) struct Secrets {
    current: watch::Receiver<Arc<CacheSecret>>,
    lasting: watch::Receiver<bool>,
    _fetcher: Option<AbortOnDropHandle<()>>,
}

impl Secrets {
    /// Takes the configured secret, or else begins to ask `records` for one.
    /// Needs a runtime to run in if it asks.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub(super) fn new(
        configured: Option<&SecretString>,
        records: Option<Arc<dyn Records>>,
    ) -> Result<Self, BackendError> {
        let mut random = [0; SECRET_BYTES];
        getrandom::fill(&mut random).map_err(|error| BackendError::Other(error.to_string()))?;
        let first = configured.map_or(CacheSecret::new(random), |passphrase| {
            CacheSecret::from_passphrase(passphrase.expose_secret())
        });
        let records = records.filter(|_records| configured.is_none());
        let (secrets, current) = watch::channel(Arc::new(first));
        let (settled, lasting) = watch::channel(records.is_none());
        let fetcher = records.map(|records| {
            AbortOnDropHandle::new(tokio::spawn(async move {
                let kept = fetch(&*records, random).await;
                if kept != random {
                    secrets.send_replace(Arc::new(CacheSecret::new(kept)));
                }
                settled.send_replace(true);
                keep_alive(&*records, kept).await;
            }))
        });
        Ok(Self {
            current,
            lasting,
            _fetcher: fetcher,
        })
    }

    /// The secret in force, now and after each change.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<CacheSecret>> {
        self.current.clone()
    }

    /// The secret that lasts, or the one that stands in if that takes longer than
    /// `patience`.
    pub(super) async fn lasting(&self, patience: Duration) -> Arc<CacheSecret> {
        let mut lasting = self.lasting.clone();
        if timeout(patience, lasting.wait_for(|lasting| *lasting))
            .await
            .is_err()
        {
            tracing::warn!("the cache secret is not known yet: a passing one stands in");
        }
        Arc::clone(&self.current.borrow())
    }
}

/// Uses the kept secret now and then, and puts it back if it is gone: a Redis
/// short of memory drops what nobody asks for, and it is asked for only at a start.
async fn keep_alive(records: &dyn Records, kept: [u8; SECRET_BYTES]) {
    loop {
        sleep(KEEP_ALIVE_INTERVAL).await;
        let asked = records.get_or_create(NAME, Bytes::copy_from_slice(&kept));
        match timeout(ATTEMPT_TIMEOUT, asked).await {
            Ok(Ok(stored)) if *stored != kept => {
                tracing::warn!("the backend holds another cache secret than this process uses");
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the cache secret was not refreshed"),
            Err(_elapsed) => tracing::debug!("the cache secret was not refreshed in time"),
        }
    }
}

/// Asks until there is an answer; what stands in is offered as the lasting one.
async fn fetch(records: &dyn Records, offered: [u8; SECRET_BYTES]) -> [u8; SECRET_BYTES] {
    let mut told = false;
    let mut delay = RETRY_DELAY_MIN;
    loop {
        let asked = records.get_or_create(NAME, Bytes::copy_from_slice(&offered));
        let cause = match timeout(ATTEMPT_TIMEOUT, asked).await {
            Ok(Ok(kept)) => match <[u8; SECRET_BYTES]>::try_from(&*kept) {
                Ok(kept) => return kept,
                Err(_length) => "the stored one has another length".to_owned(),
            },
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => BackendError::Timeout.to_string(),
        };
        // A connection that is still being made is no news.
        if !told && delay >= RETRY_DELAY_MAX {
            tracing::warn!(cause, "the cache secret cannot be read: trying on");
            told = true;
        }
        sleep(delay).await;
        delay = (delay * 2).min(RETRY_DELAY_MAX);
    }
}
