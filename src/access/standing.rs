//! How the provider last judged a credential.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::AccessOptions;
use crate::key::Scope;

/// How many credentials are remembered. One forgotten is only asked for again.
const CREDENTIALS_MAX: usize = 100_000;

/// For how long an answer about a credential serves all who wonder.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Whether a credential may be answered from the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The provider accepted it a moment ago.
    Accepted,
    /// The provider accepted it some time ago: good enough only while the
    /// provider cannot be asked.
    Lapsed,
    /// The provider refused it last, or has never been seen to accept it.
    Unknown,
}

/// A credential at a provider: what one accepts says nothing about another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Standee {
    /// Made of the credential, which itself is not kept.
    pub scope: Scope,
    /// What names the provider in a key.
    pub provider: Arc<str>,
}

/// The credentials seen.
#[derive(Debug)]
pub struct Standings {
    known: Cache<Standee, Arc<Record>>,
    started: Instant,
    options: AccessOptions,
}

/// What the provider said when asked about a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It accepts the credential.
    Accepted,
    /// It refuses the credential.
    Refused,
    /// It cannot be reached.
    Unreachable,
    /// It answered something that says neither.
    Unclear,
}

#[derive(Debug, Default)]
struct Record {
    /// When the provider last accepted it: milliseconds since `started`, plus
    /// one; 0 stands for never, or refused since.
    accepted: AtomicU64,
    /// Held while the provider is being asked, so that it is asked once; what it
    /// said last, for those who waited.
    asking: Mutex<Option<(Instant, Verdict)>>,
}

impl Standings {
    /// Nobody known yet.
    pub fn new(options: AccessOptions) -> Self {
        Self {
            known: Cache::new(CREDENTIALS_MAX),
            started: Instant::now(),
            options,
        }
    }

    /// What is known of a credential.
    pub fn of(&self, standee: &Standee) -> Standing {
        self.known
            .get(standee)
            .map_or(Standing::Unknown, |record| self.judge(&record))
    }

    /// The provider has accepted the credential just now.
    pub fn accept(&self, standee: &Standee) {
        self.record(standee)
            .accepted
            .store(self.now(), Ordering::Relaxed);
    }

    /// The provider has refused the credential.
    pub fn refuse(&self, standee: &Standee) {
        if let Some(record) = self.known.get(standee) {
            record.accepted.store(0, Ordering::Relaxed);
        }
    }

    /// Runs `ask`, or waits for what another learns who asks about the same
    /// credential. What was learnt a second ago is not asked again.
    pub async fn ask_once<F>(&self, standee: &Standee, ask: impl FnOnce() -> F) -> Verdict
    where
        F: Future<Output = Verdict>,
    {
        let record = self.record(standee);
        let mut last = record.asking.lock().await;
        if let Some((at, verdict)) = *last
            && at.elapsed() < ASKED_AGAIN_AFTER
        {
            return verdict;
        }
        let verdict = ask().await;
        match verdict {
            Verdict::Accepted => self.accept(standee),
            Verdict::Refused => self.refuse(standee),
            Verdict::Unreachable | Verdict::Unclear => {}
        }
        *last = Some((Instant::now(), verdict));
        verdict
    }

    fn judge(&self, record: &Record) -> Standing {
        let accepted = record.accepted.load(Ordering::Relaxed);
        if accepted == 0 {
            return Standing::Unknown;
        }
        let ago = u128::from(self.now().saturating_sub(accepted));
        if ago <= self.options.credential_ttl.as_millis() {
            Standing::Accepted
        } else if ago <= self.options.credential_grace.as_millis() {
            Standing::Lapsed
        } else {
            Standing::Unknown
        }
    }

    fn record(&self, standee: &Standee) -> Arc<Record> {
        if let Some(record) = self.known.get(standee) {
            return record;
        }
        let record = Arc::new(Record::default());
        self.known.insert(standee.clone(), Arc::clone(&record));
        record
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).map_or(u64::MAX, |millis| millis + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::CacheSecret;

    fn scope(name: &str) -> Standee {
        at(name, "https://llm.example/v1")
    }

    fn at(name: &str, provider: &str) -> Standee {
        let scope = Scope::derive(
            &CacheSecret::from_passphrase("test"),
            &[("authorization", name.as_bytes())],
        );
        Standee {
            scope,
            provider: provider.into(),
        }
    }

    fn standings() -> Standings {
        Standings::new(AccessOptions {
            credential_ttl: Duration::from_mins(5),
            credential_grace: Duration::from_hours(24),
            mode: crate::access::AccessMode::PassThrough,
            tokens: crate::access::TokenOptions::default(),
            admin_key: None,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn acceptance_lapses_and_is_forgotten() {
        let standings = standings();
        let caller = scope("a");
        assert_eq!(standings.of(&caller), Standing::Unknown);
        standings.accept(&caller);
        assert_eq!(standings.of(&caller), Standing::Accepted);
        assert_eq!(standings.of(&scope("b")), Standing::Unknown);
        tokio::time::advance(Duration::from_secs(301)).await;
        assert_eq!(standings.of(&caller), Standing::Lapsed);
        tokio::time::advance(Duration::from_hours(24)).await;
        assert_eq!(standings.of(&caller), Standing::Unknown);
    }

    #[tokio::test]
    async fn what_one_provider_accepts_says_nothing_about_another() {
        let standings = standings();
        let (here, there) = (at("a", "https://one"), at("a", "https://other"));
        standings.accept(&here);
        assert_eq!(standings.of(&there), Standing::Unknown);
        standings.accept(&there);
        standings.refuse(&there);
        assert_eq!(standings.of(&here), Standing::Accepted);
    }

    #[tokio::test(start_paused = true)]
    async fn refusal_holds_at_once() {
        let standings = standings();
        let caller = scope("a");
        standings.accept(&caller);
        standings.refuse(&caller);
        assert_eq!(standings.of(&caller), Standing::Unknown);
    }

    #[tokio::test]
    async fn many_who_wonder_ask_once() {
        let standings = Arc::new(standings());
        let asked = Arc::new(AtomicU64::new(0));
        let wonder = (0..50).map(|_| {
            let (standings, asked) = (Arc::clone(&standings), Arc::clone(&asked));
            async move {
                let caller = scope("a");
                standings
                    .ask_once(&caller, || async {
                        asked.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                        Verdict::Accepted
                    })
                    .await
            }
        });
        let learnt = futures_util::future::join_all(wonder).await;
        assert!(learnt.iter().all(|one| *one == Verdict::Accepted));
        assert_eq!(standings.of(&scope("a")), Standing::Accepted);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
