//! Removing what purges mean, behind everybody's back.
//!
//! Any process does it for any purge; a lease keeps two from doing the same at once,
//! which would only be work done twice. A process that dies leaves a lease that ends.
//! Nothing waits for any of this: what is still there is not served.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::counter;
use tokio::time::{Instant, sleep, timeout};

use super::purging::{PAGE, Shared, content};
use crate::backend::documents::{Revision, Seen};
use crate::backend::{BackendError, Catalogue, Listed, metrics};
use crate::purge::{Facts, Lease, Purge, State};

/// How often there is looked for something to do without being told.
const TICK: Duration = Duration::from_secs(1);
/// How long a process has the say about a purge; renewed while it removes.
const LEASE_MILLIS: u64 = 10_000;
/// How often it is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// What was written by processes that did not know of a purge yet is there so long
/// after it, and looked for again.
const SETTLED_MILLIS: u64 = 2_000;
/// How long a purge stays in force when all is removed, for writers that come late. What
/// they have written is removed at its end.
const KEPT_MILLIS: u64 = 24 * 60 * 60 * 1_000;
/// How often it is tried to leave nothing behind, each time so much later.
const WIPES_MAX: u32 = 50;
const WIPE_AGAIN: Duration = Duration::from_millis(100);

/// A purge this process has the say about.
struct Claim {
    id: String,
    revision: Revision,
    purge: Purge,
    /// Whether its time is over, so that it goes when this is done.
    is_last: bool,
    /// Whether another process has it now.
    is_lost: bool,
}

/// Removes as long as the process runs.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        drop(timeout(TICK, shared.wake.notified()).await);
        if let Err(error) = shared.remove_due().await {
            tracing::debug!(%error, "what was purged cannot be removed yet");
            sleep(TICK).await;
        }
    }
}

/// Has memory let go of what is purged.
pub(super) async fn tend_memory(shared: Arc<Shared>) {
    loop {
        shared.purges.is_new.notified().await;
        let store = shared.store.clone();
        let all = shared.purges.take_forget();
        let work = move || store.drop_from_memory(all);
        drop(tokio::task::spawn_blocking(work).await);
    }
}

impl Shared {
    async fn remove_due(&self) -> Result<(), BackendError> {
        self.put_back().await?;
        let Some(catalogue) = self.store.catalogue() else {
            return Ok(());
        };
        let mut claims = self.claim().await?;
        let began = Instant::now();
        // Should it fail, those whose lease is ours are due again at once.
        self.remove(&*catalogue, &mut claims).await?;
        for claim in &mut claims {
            self.finish(claim).await?;
        }
        if !claims.is_empty() {
            let removed: u64 = claims.iter().map(|one| one.purge.progress.removed).sum();
            let took = began.elapsed();
            tracing::info!(
                purges = claims.len(),
                removed,
                ?took,
                "what was purged is removed"
            );
        }
        Ok(())
    }

    /// Takes what is due, unless others are faster.
    async fn claim(&self) -> Result<Vec<Claim>, BackendError> {
        let now = self.clock.unix_millis();
        let mut claims = Vec::new();
        for (id, revision, purge) in self.purges.due(&self.holder) {
            let mut claim = Claim {
                id,
                revision,
                is_last: purge.is_over(now),
                purge: Purge::clone(&purge),
                is_lost: false,
            };
            self.tell(&mut claim).await?;
            if !claim.is_lost {
                claims.push(claim);
            }
        }
        // The latest first: its number is the one that most entries are below.
        claims.sort_by_key(|claim| std::cmp::Reverse(claim.purge.number));
        Ok(claims)
    }

    async fn remove(
        &self,
        catalogue: &dyn Catalogue,
        claims: &mut [Claim],
    ) -> Result<(), BackendError> {
        if claims.is_empty() {
            return Ok(());
        }
        let newest = claims.iter().map(|claim| claim.purge.created_at).max();
        let settled = newest.unwrap_or_default().saturating_add(SETTLED_MILLIS);
        loop {
            let early = settled.saturating_sub(self.clock.unix_millis());
            self.pass(catalogue, claims).await?;
            if early == 0 {
                break;
            }
            let left = settled.saturating_sub(self.clock.unix_millis());
            // A clock that is far behind another's must not hold this up.
            sleep(Duration::from_millis(left.min(SETTLED_MILLIS))).await;
            if early > SETTLED_MILLIS {
                self.pass(catalogue, claims).await?;
                break;
            }
        }
        self.wipe(catalogue).await
    }

    /// Looks at everything once that the purges may mean.
    async fn pass(
        &self,
        catalogue: &dyn Catalogue,
        claims: &mut [Claim],
    ) -> Result<(), BackendError> {
        for claim in claims.iter_mut() {
            claim.purge.progress.seen = 0;
        }
        let mut told = Instant::now();
        let (mut named, mut others): (Vec<_>, Vec<_>) = claims
            .iter_mut()
            .partition(|claim| claim.purge.target.ids().is_some());
        for claim in &mut named {
            for id in claim.purge.target.ids().unwrap_or_default() {
                if let Some((listed, _)) = catalogue.find(id).await? {
                    let one = std::slice::from_mut(claim);
                    remove_page(catalogue, one, &[listed]).await?;
                }
            }
        }
        let mut place = None;
        while others.iter().any(|claim| !claim.is_lost) {
            let walked = catalogue.walk(place, PAGE).await?;
            remove_page(catalogue, &mut others, &walked.entries).await?;
            if told.elapsed() >= TELL_EVERY {
                for claim in &mut others {
                    self.tell(claim).await?;
                }
                told = Instant::now();
            }
            place = walked.next;
            if place.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Leaves nothing behind of what was removed.
    async fn wipe(&self, catalogue: &dyn Catalogue) -> Result<(), BackendError> {
        for _try in 0..WIPES_MAX {
            if catalogue.wipe().await? {
                return Ok(());
            }
            sleep(WIPE_AGAIN).await;
        }
        Err(BackendError::Overloaded)
    }

    /// Tells how far a purge is, and keeps the say about it.
    async fn tell(&self, claim: &mut Claim) -> Result<(), BackendError> {
        claim.purge.lease = Some(Lease {
            holder: self.holder.clone(),
            until: self.clock.unix_millis().saturating_add(LEASE_MILLIS),
        });
        self.save(claim).await
    }

    async fn save(&self, claim: &mut Claim) -> Result<(), BackendError> {
        let content = Some(content(&claim.purge)?);
        match self
            .put(&claim.id, Seen::At(claim.revision), content)
            .await?
        {
            Some(revision) => claim.revision = revision,
            None => claim.is_lost = true,
        }
        Ok(())
    }

    async fn finish(&self, claim: &mut Claim) -> Result<(), BackendError> {
        if claim.is_lost {
            return Ok(());
        }
        if claim.is_last {
            return self.forget(&claim.id, claim.revision).await;
        }
        let now = self.clock.unix_millis();
        claim.purge.state = State::Complete;
        claim.purge.finished_at = Some(now);
        claim.purge.until = Some(now.saturating_add(KEPT_MILLIS));
        claim.purge.lease = None;
        self.save(claim).await
    }
}

/// Removes those of some entries that one of the purges means.
async fn remove_page<C: AsMut<Claim>>(
    catalogue: &dyn Catalogue,
    claims: &mut [C],
    entries: &[Listed],
) -> Result<(), BackendError> {
    let mut ids = Vec::new();
    for listed in entries {
        for claim in claims.iter_mut() {
            claim.as_mut().purge.progress.seen += 1;
        }
        let Ok(peeked) = listed.inspect() else {
            // Of another version: whoever reads it knows of the purge as well.
            continue;
        };
        let facts = Facts {
            id: &listed.id,
            operation: peeked.operation,
            stored_at: peeked.stored_at,
            meta: &peeked.meta,
        };
        let mut claims = claims.iter_mut().map(AsMut::as_mut);
        if let Some(claim) = claims.find(|claim| claim.means(&facts)) {
            claim.purge.progress.removed += 1;
            claim.purge.progress.bytes += listed.bytes;
            counter!(metrics::PURGED, "reason" => claim.purge.cause.as_str()).increment(1);
            ids.push(listed.id);
        }
    }
    if !ids.is_empty() {
        catalogue.remove_all(ids).await?;
    }
    Ok(())
}

impl Claim {
    fn means(&self, facts: &Facts<'_>) -> bool {
        let number = self.purge.number.unwrap_or_default();
        facts.meta.generation < number && self.purge.target.matches(facts)
    }
}

impl AsMut<Self> for Claim {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}
