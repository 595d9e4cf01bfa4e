//! The stored request that is most like one that is not stored, and what differs.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Proxy, Request};
use crate::backend::Listed;
use crate::clock::UnixMillis;
use crate::entry::Peeked;
use crate::key::{Difference, DifferenceKind, Key, Rules, Sketch, Sketchable};
use crate::policy::freshness;
use crate::purge::Facts;
use crate::wire::{Operation, deployment, json};

/// The most entries that are looked at.
const SCANNED_MAX: u64 = 5_000;

/// How many are asked for at once.
const AT_ONCE: usize = 250;

/// How long may be looked for.
const TIME_MAX: Duration = Duration::from_secs(2);

/// What came of looking for a stored request like this one.
#[derive(Debug, Default)]
pub struct Search {
    /// The most like it, of the same tenant and the same endpoint family.
    pub nearest: Option<Nearest>,
    /// How many entries were looked at.
    pub scanned: u64,
    /// Whether those were all.
    pub is_complete: bool,
}

/// A stored request that is like another.
#[derive(Debug)]
pub struct Nearest {
    /// The id of its answer's key.
    pub id: [u8; 32],
    /// How old the answer is.
    pub age: Duration,
    /// The model that answered.
    pub model: String,
    /// What differs, seen from the request that is not stored.
    pub differences: Vec<Difference>,
}

/// The nearest so far.
struct Candidate {
    distance: usize,
    id: [u8; 32],
    sketch: Sketch,
    peeked: Peeked,
}

impl Candidate {
    /// What is near comes first, then what is new.
    fn is_before(&self, other: &Self) -> bool {
        let rank = |one: &Self| (one.distance, std::cmp::Reverse(one.peeked.stored_at));
        rank(self) < rank(other)
    }
}

impl Proxy {
    /// A sketch of a request, to be kept with its answer; `None` where none is made.
    pub(super) fn sketch(&self, request: &Request, operation: Operation) -> Option<Vec<u8>> {
        if operation != Operation::Chat {
            return None;
        }
        let body = json::parse(&request.body).ok()?;
        let tenant = &request.principal.caller.tenant;
        let sketcher = &self.keys().sketcher;
        sketcher.read(tenant, &body, self.rules(request))?.sketch()
    }

    /// Looks for the stored request that is most like this one, for a time.
    pub(super) async fn nearest(&self, request: &Request, key: &Key) -> Option<Search> {
        let body = json::parse(&request.body).ok()?;
        let tenant = &request.principal.caller.tenant;
        let keys = self.keys();
        let own = keys.sketcher.read(tenant, &body, self.rules(request))?;
        let catalogue = self.store.catalogue()?;
        let until = Instant::now() + TIME_MAX;
        let (mut search, mut best, mut place) = (Search::default(), None, None);
        while let Ok(Ok(walked)) = timeout_at(until, catalogue.walk(place, AT_ONCE)).await {
            for listed in &walked.entries {
                search.scanned += 1;
                let Some(met) = self.candidate(listed, tenant, &own) else {
                    continue;
                };
                let is_better = best.as_ref().is_none_or(|best| met.is_before(best));
                if is_better && met.id != *key.id() {
                    best = Some(met);
                }
            }
            place = walked.next;
            search.is_complete = place.is_none();
            if search.is_complete || SCANNED_MAX <= search.scanned {
                break;
            }
        }
        let now = self.clock.unix_millis();
        search.nearest = best.map(|best| told(&best, &own, request, now));
        Some(search)
    }

    fn candidate(&self, listed: &Listed, tenant: &str, own: &Sketchable<'_>) -> Option<Candidate> {
        let peeked = listed.inspect().ok()?;
        if peeked.operation != Operation::Chat || peeked.meta.tenant.as_deref() != Some(tenant) {
            return None;
        }
        let sketch = Sketch::unpack(peeked.meta.sketch.as_deref()?)?;
        let is_gone = self.store.purges().mean_listed(&Facts {
            id: &listed.id,
            operation: peeked.operation,
            stored_at: peeked.stored_at,
            meta: &peeked.meta,
        });
        (!is_gone).then(|| Candidate {
            distance: own.distance(&sketch),
            id: listed.id,
            sketch,
            peeked,
        })
    }

    fn rules(&self, request: &Request) -> Rules {
        Rules {
            kind: request.upstream.kind(),
            remote_references: self.policy.allow_remote_refs,
            model_in_address: deployment(request.asked.path()).is_some(),
        }
    }
}

fn told(best: &Candidate, own: &Sketchable<'_>, request: &Request, now: UnixMillis) -> Nearest {
    let meta = &best.peeked.meta;
    let mut differences = own.differences(&best.sketch);
    if meta.upstream != request.upstream.identity().as_ref() {
        let message = "it was answered by another provider";
        differences.push(outside_the_body("provider", message));
    }
    if differences.is_empty() {
        let message = "the bodies are the same: path, query, headers or credential differ";
        differences.push(outside_the_body("request", message));
    }
    Nearest {
        id: best.id,
        age: freshness::age(best.peeked.stored_at, now),
        model: meta.answered_by().to_owned(),
        differences,
    }
}

fn outside_the_body(path: &str, message: &str) -> Difference {
    Difference {
        path: path.to_owned(),
        kind: DifferenceKind::Changed,
        yours: None,
        looks_like: None,
        message: message.to_owned(),
    }
}
