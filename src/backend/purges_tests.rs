//! Purges are in force as soon as they are known, and outlive what the backend loses.

use std::time::Duration;

use super::purging::content;
use super::*;
use crate::backend::contract::entry_of;
use crate::backend::documents::{Change, Documents, Seen};
use crate::backend::in_process::InProcess;
use crate::backend::{BackendChoice, BackendOptions, Replica, Store};
use crate::clock::SystemClock;
use crate::purge::{Cause, Progress, Selector, State};

const HOUR: Duration = Duration::from_hours(1);

fn tagged(tag: &str) -> Target {
    Target::Selected(Selector {
        tags: vec![tag.to_owned()],
        ..Selector::default()
    })
}

fn purge(target: Target) -> Purge {
    Purge {
        number: None,
        above: 0,
        target,
        cause: Cause::Selector,
        actor: "owner".to_owned(),
        created_at: 1,
        state: State::Running,
        progress: Progress::default(),
        finished_at: None,
        until: None,
        lease: None,
    }
}

fn changes(revision: Revision, whole: bool, purges: &[(&str, Revision, &Purge)]) -> Changes {
    let documents = purges.iter().map(|(id, revision, purge)| Document {
        id: (*id).to_owned(),
        revision: *revision,
        content: Some(content(purge).unwrap()),
    });
    Changes {
        revision,
        whole,
        documents: documents.collect(),
    }
}

fn is_gone(purges: &Purges, generation: Number, tag: &str) -> bool {
    let mut entry = entry_of(1, b"{}");
    entry.meta.generation = generation;
    entry.meta.tags = vec![tag.to_owned()];
    purges.mean(&Key::for_tests(1), &Cached::new(entry))
}

fn purges() -> Purges {
    Purges::new(Arc::new(SystemClock))
}

#[test]
fn an_answer_that_was_under_way_is_gone_and_one_that_began_later_is_not() {
    let purges = purges();
    assert_eq!(purges.generation(), 0);
    purges.follow(&changes(7, true, &[("a", 7, &purge(tagged("t")))]));
    assert_eq!(purges.generation(), 7);
    assert!(is_gone(&purges, 0, "t") && is_gone(&purges, 6, "t"));
    assert!(!is_gone(&purges, 7, "t") && !is_gone(&purges, 0, "other"));
}

#[test]
fn the_number_of_a_purge_does_not_change_with_its_document() {
    let purges = purges();
    purges.follow(&changes(7, true, &[("a", 7, &purge(tagged("t")))]));
    let told = Purge::clone(&purges.get("a").unwrap().1);
    assert_eq!(told.number, Some(7));
    purges.follow(&changes(9, false, &[("a", 9, &told)]));
    assert_eq!((purges.generation(), purges.get("a").unwrap().0), (7, 9));
    assert!(!is_gone(&purges, 7, "t"));
}

#[test]
fn an_answer_is_judged_again_when_there_is_a_later_purge() {
    let purges = purges();
    purges.follow(&changes(1, true, &[("a", 1, &purge(tagged("t")))]));
    let mut entry = entry_of(1, b"{}");
    entry.meta.tags = vec!["u".to_owned()];
    let (key, cached) = (Key::for_tests(1), Cached::new(entry));
    assert!(!purges.mean(&key, &cached));
    purges.follow(&changes(2, false, &[("b", 2, &purge(tagged("u")))]));
    assert!(purges.mean(&key, &cached));
}

#[test]
fn what_the_backend_loses_stays_in_force_and_numbers_go_on() {
    let purges = purges();
    purges.follow(&changes(40, true, &[("a", 40, &purge(tagged("t")))]));
    purges.follow(&changes(0, true, &[]));
    assert!(is_gone(&purges, 39, "t"));
    assert_eq!(purges.lost().len(), 1);
    assert_eq!(purges.above_unkept(), Some(40));
    let next = Purge {
        above: purges.above(),
        ..purge(tagged("u"))
    };
    purges.follow(&changes(1, false, &[("b", 1, &next)]));
    assert!(is_gone(&purges, 40, "u") && !is_gone(&purges, 41, "u"));
    // Over once its day is, as every other.
    let mut over = Purge::clone(&purges.lost().first().unwrap().1);
    over.until = Some(1);
    purges.follow(&changes(2, false, &[("a", 2, &over)]));
    assert!(purges.lost().is_empty());
    purges.follow(&changes(3, true, &[]));
    assert!(purges.lost().iter().all(|(id, _)| id != "a"));
}

/// A process without a backend of its own, on the documents it is given.
async fn process(documents: &Arc<dyn Documents>) -> (Store, Purging, Replica) {
    let options = BackendOptions {
        choice: BackendChoice::Memory,
        data_dir: "/nonexistent".into(),
        cache_bytes_max: 64 << 20,
        memory_bytes_max: 16 << 20,
        read_timeout: HOUR,
        write_timeout: HOUR,
        redis_prefix: "reprise".to_owned(),
        cache_secret: None,
    };
    let store = Store::open(&options, Arc::new(SystemClock)).unwrap();
    let replica = Replica::start(Arc::clone(documents), vec![store.purges()]);
    assert!(replica.first(Duration::from_secs(5)).await);
    let purging = Purging::start(store.clone(), replica.clone(), Arc::new(SystemClock));
    (store, purging.unwrap(), replica)
}

fn insert(store: &Store, seed: u8, tag: &str) {
    let mut entry = entry_of(1, b"{}");
    entry.meta.tags = vec![tag.to_owned()];
    entry.meta.generation = store.generation();
    store.insert(Key::for_tests(seed), entry, HOUR);
}

async fn has(store: &Store, seed: u8) -> bool {
    store.lookup(&Key::for_tests(seed)).await.0.is_some()
}

#[tokio::test]
async fn what_is_purged_is_gone_at_once_and_then_removed() {
    let documents: Arc<dyn Documents> = Arc::new(InProcess::new(Arc::new(SystemClock)));
    let (store, purging, _replica) = process(&documents).await;
    insert(&store, 1, "t");
    insert(&store, 2, "u");
    let counted = purging.count(&tagged("t")).await.unwrap();
    assert_eq!((counted.progress.seen, counted.progress.removed), (2, 1));
    let begun = store.generation();
    let (id, made) = purging
        .begin(tagged("t"), Cause::Selector, "owner")
        .await
        .unwrap();
    assert!(!has(&store, 1).await && has(&store, 2).await);
    // What began before is not kept, what began later is.
    let mut late = entry_of(1, b"{}");
    late.meta.tags = vec!["t".to_owned()];
    late.meta.generation = begun;
    store.insert(Key::for_tests(3), late, HOUR);
    assert!(!has(&store, 3).await);
    insert(&store, 1, "t");
    assert!(has(&store, 1).await);
    while purging.get(&id).unwrap().state != State::Complete {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let done = purging.get(&id).unwrap();
    assert_eq!((done.number, done.lease.as_ref()), (made.number, None));
    assert!(has(&store, 1).await && has(&store, 2).await);
}

#[tokio::test]
async fn there_may_be_only_so_many() {
    let documents: Arc<dyn Documents> = Arc::new(InProcess::new(Arc::new(SystemClock)));
    for number in 0..1_000 {
        let change = Change {
            kind: KIND,
            id: format!("purge_{number}"),
            seen: Seen::Absent,
            content: Some(content(&purge(tagged("t"))).unwrap()),
            keep_for: None,
        };
        documents.change(change).await.unwrap().unwrap();
    }
    let (_store, purging, _replica) = process(&documents).await;
    let refused = purging.begin(tagged("u"), Cause::Selector, "owner").await;
    assert!(matches!(refused, Err(PurgeError::TooMany)), "{refused:?}");
    let key = Target::Selected(Selector::key(&[1; 32]));
    purging.begin(key, Cause::Entry, "owner").await.unwrap();
    let all = purging.begin(Target::Everything, Cause::Everything, "owner");
    all.await.unwrap();
}
