//! The bodies of answers about the cache.

use serde::Serialize;
use utoipa::ToSchema;

use crate::backend::{Counted, Listed};
use crate::clock::UnixMillis;
use crate::entry::Peeked;
use crate::purge::{Purge, Selector, Target};

/// A purge.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api::routes::admin) struct PurgeTold {
    /// Its name.
    #[schema(example = "purge_0f6a3c1d2b4e5f60")]
    id: String,
    /// Always `purge`.
    #[schema(example = "purge")]
    object: &'static str,
    /// Its number: an answer is gone if the call that got it began before this one was
    /// known.
    #[schema(example = 41)]
    number: u64,
    /// `running` while what it means is being removed from the store, then `complete`.
    /// None of it is served from the beginning.
    #[schema(example = "complete")]
    state: &'static str,
    /// What led to it: `selector`, `entry`, `everything` or `tenant`.
    #[schema(example = "selector")]
    cause: &'static str,
    /// What it means; null for everything.
    selector: Option<SelectorTold>,
    /// Who made it.
    #[schema(example = "owner")]
    actor: String,
    /// When it was made, in seconds since the Unix epoch.
    #[schema(example = 1_795_219_205)]
    created_at: u64,
    /// When everything was removed, in seconds since the Unix epoch.
    #[schema(example = 1_795_219_208)]
    finished_at: Option<u64>,
    /// Until when it stays in force, for processes that were cut off, in seconds since
    /// the Unix epoch.
    #[schema(example = 1_795_305_608)]
    in_force_until: Option<u64>,
    /// How far it is.
    progress: ProgressTold,
}

/// How far the removal is.
#[derive(Debug, Serialize, ToSchema)]
struct ProgressTold {
    /// Entries looked at.
    #[schema(example = 1_200)]
    seen: u64,
    /// Entries removed from the store.
    #[schema(example = 17)]
    removed: u64,
    /// Their bytes.
    #[schema(example = 20_480)]
    bytes: u64,
}

/// Which entries are meant: those every member given holds for.
#[derive(Debug, Serialize, ToSchema)]
struct SelectorTold {
    /// Endpoint families.
    #[schema(example = json!(["chat"]))]
    operation: Vec<String>,
    /// Models asked for or answered by; `*` stands for any text.
    #[schema(example = json!(["gpt-4o*"]))]
    model: Vec<String>,
    /// Tenants.
    #[schema(example = json!([]))]
    tenant: Vec<String>,
    /// Tags.
    #[schema(example = json!(["team=search"]))]
    tag: Vec<String>,
    /// Keys, or the digits they begin with.
    #[schema(example = json!([]))]
    key: Vec<String>,
    /// Stored before, in milliseconds since the Unix epoch.
    #[schema(example = json!(null))]
    created_before_ms: Option<u64>,
}

/// The purges in force, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PurgeList {
    /// Always `list`.
    #[schema(example = "list")]
    object: &'static str,
    /// The purges.
    data: Vec<PurgeTold>,
}

/// What would be removed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DryRun {
    /// Always `dry_run`.
    #[schema(example = "dry_run")]
    object: &'static str,
    /// Entries meant.
    #[schema(example = 17)]
    entries: u64,
    /// Their bytes in the store.
    #[schema(example = 20_480)]
    bytes: u64,
    /// Entries looked at.
    #[schema(example = 1_200)]
    scanned: u64,
    /// Whether all entries were looked at; with many it is given up after some seconds.
    #[schema(example = true)]
    complete: bool,
}

/// An entry, without the answer in it.
///
/// What is told is read from the store and not checked: who can write there could make
/// it say anything.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryTold {
    /// Its key.
    #[schema(example = "9b1c…")]
    key: String,
    /// Always `entry`.
    #[schema(example = "entry")]
    object: &'static str,
    /// Its endpoint family.
    #[schema(example = "chat")]
    operation: &'static str,
    /// The model asked for.
    #[schema(example = "gpt-4o-mini")]
    model: String,
    /// The model that answered, where that is another name.
    resolved_model: Option<String>,
    /// Who answered.
    upstream: String,
    /// Whose it is.
    #[schema(example = "acme")]
    tenant: Option<String>,
    /// What its caller called it.
    tags: Vec<String>,
    /// The status it is answered with.
    #[schema(example = 200)]
    status: u16,
    /// When the call that got it began, in milliseconds since the Unix epoch.
    created_at_ms: u64,
    /// Its age, in seconds.
    #[schema(example = 12)]
    age: u64,
    /// For how many seconds it is fresh from now on; below 0 if it no longer is.
    #[schema(example = 3_588)]
    ttl: i64,
    /// The bytes of the answer.
    #[schema(example = 812)]
    body_bytes: u64,
    /// The bytes it takes in the store.
    #[schema(example = 260)]
    stored_bytes: u64,
    /// The last purge that was known when its call began.
    #[schema(example = 0)]
    generation: u64,
}

/// Some entries, in no order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryList {
    /// Always `list`.
    #[schema(example = "list")]
    pub(super) object: &'static str,
    /// The entries.
    pub(super) data: Vec<EntryTold>,
    /// Entries looked at for this page.
    #[schema(example = 250)]
    pub(super) scanned: u64,
    /// Whether there may be more: also if this page is empty.
    #[schema(example = false)]
    pub(super) has_more: bool,
    /// Where the next page begins: to be given as `after`.
    pub(super) next: Option<String>,
}

/// One entry, without the answer in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryDetail {
    /// What is known of it.
    #[serde(flatten)]
    pub(super) entry: EntryTold,
    /// Whether it is in the memory of this process as well.
    #[schema(example = true)]
    pub(super) in_memory: bool,
    /// For how many seconds the store keeps it, fresh or not.
    #[schema(example = 90_000)]
    pub(super) kept_for: Option<u64>,
}

impl PurgeTold {
    pub(in crate::api::routes::admin) fn of(id: String, purge: &Purge) -> Self {
        let progress = purge.progress;
        Self {
            id,
            object: "purge",
            number: purge.number.unwrap_or_default(),
            state: purge.state.as_str(),
            cause: purge.cause.as_str(),
            selector: match &purge.target {
                Target::Everything => None,
                Target::Selected(selector) => Some(SelectorTold::of(selector)),
            },
            actor: purge.actor.clone(),
            created_at: purge.created_at / 1000,
            finished_at: purge.finished_at.map(|millis| millis / 1000),
            in_force_until: purge.until.map(|millis| millis / 1000),
            progress: ProgressTold {
                seen: progress.seen,
                removed: progress.removed,
                bytes: progress.bytes,
            },
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl PurgeList {
    pub(super) const fn of(data: Vec<PurgeTold>) -> Self {
        Self {
            object: "list",
            data,
        }
    }
}

impl SelectorTold {
    fn of(selector: &Selector) -> Self {
        Self {
            operation: selector.operations.clone(),
            model: selector
                .models
                .iter()
                .map(|model| model.as_str().to_owned())
                .collect(),
            tenant: selector.tenants.clone(),
            tag: selector.tags.clone(),
            key: selector.keys.iter().map(ToString::to_string).collect(),
            created_before_ms: selector.created_before,
        }
    }
}

impl DryRun {
    pub(super) const fn of(counted: Counted) -> Self {
        Self {
            object: "dry_run",
            entries: counted.progress.removed,
            bytes: counted.progress.bytes,
            scanned: counted.progress.seen,
            complete: counted.is_all,
        }
    }
}

impl EntryTold {
    /// What is told of an entry at this time.
    pub(super) fn of(listed: &Listed, peeked: Peeked, now: UnixMillis) -> Self {
        let age = now.saturating_sub(peeked.stored_at) / 1000;
        let fresh = i64::try_from(peeked.fresh_for.as_secs()).unwrap_or(i64::MAX);
        let meta = peeked.meta;
        Self {
            key: hex::encode(listed.id),
            object: "entry",
            operation: peeked.operation.as_str(),
            model: meta.model,
            resolved_model: meta.resolved_model,
            upstream: meta.upstream,
            tenant: meta.tenant,
            tags: meta.tags,
            status: meta.status,
            created_at_ms: peeked.stored_at,
            age,
            ttl: fresh.saturating_sub(i64::try_from(age).unwrap_or(i64::MAX)),
            body_bytes: listed.body_bytes.unwrap_or(u64::from(peeked.body_bytes)),
            stored_bytes: listed.bytes,
            generation: meta.generation,
        }
    }
}
