//! What every backend promises of documents, as one suite that runs against each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use tokio::time::sleep;

use super::contract::TemporaryFolder;
use super::documents::{Change, Changes, Documents, Revision, Seen};
use super::embedded::Embedded;
use super::in_process::InProcess;
use super::redis::test_server::{Server, books};
use crate::clock::SystemClock;

const LETTERS: &str = "letters";
const NUMBERS: &str = "numbers";

/// More changes than are told one by one.
const MANY: usize = 1_200;

/// How many of them are made at once.
const AT_ONCE: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn the_process_keeps_the_contract_of_documents() {
    keeps_the_contract(&InProcess::new(Arc::new(SystemClock))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_keeps_the_contract_of_documents() {
    let folder = TemporaryFolder::new();
    let embedded = Embedded::open(&folder.0, 64 << 20, Arc::new(SystemClock)).unwrap();
    keeps_the_contract(&embedded).await;
    drop(embedded);
    let again = Embedded::open(&folder.0, 64 << 20, Arc::new(SystemClock)).unwrap();
    assert_eq!(told(&again, LETTERS, 0).await.documents.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract_of_documents() {
    let server = Server::start(&[]);
    keeps_the_contract(&books(&server.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_cluster_keeps_the_contract_of_documents() {
    let server = Server::start_cluster().await;
    let url = server.url().replace("redis://", "redis-cluster://");
    keeps_the_contract(&books(&url)).await;
}

async fn keeps_the_contract(backend: &dyn Documents) {
    what_is_written_is_told(backend).await;
    of_two_who_change_the_same_one_does(backend).await;
    a_document_ends_with_its_time(backend).await;
    who_has_missed_much_gets_all(backend).await;
    kinds_are_apart(backend).await;
}

fn letter(id: &str, seen: Seen, content: Option<&str>) -> Change {
    Change {
        kind: LETTERS,
        id: id.to_owned(),
        seen,
        content: content.map(|content| Bytes::copy_from_slice(content.as_bytes())),
        keep_for: None,
    }
}

async fn told(backend: &dyn Documents, kind: &'static str, since: Revision) -> Changes {
    backend.changes(&[(kind, since)]).await.unwrap().remove(0)
}

/// What a follower holds who was told these changes.
fn held(changes: &Changes) -> BTreeMap<String, Option<Bytes>> {
    let documents = changes.documents.iter();
    documents
        .map(|document| (document.id.clone(), document.content.clone()))
        .collect()
}

async fn what_is_written_is_told(backend: &dyn Documents) {
    let nothing = told(backend, LETTERS, 0).await;
    assert!(nothing.whole && nothing.documents.is_empty());
    let odd = "with : and \0 and \r\n and ü";
    let a = backend.change(letter("a", Seen::Absent, Some("1"))).await;
    let a = a.unwrap().unwrap();
    let b = backend.change(letter("b", Seen::Anything, Some(odd))).await;
    let b = b.unwrap().unwrap();
    assert!(a < b);
    let all = told(backend, LETTERS, 0).await;
    assert_eq!((all.revision, all.whole), (b, true));
    assert_eq!(held(&all)["b"], Some(Bytes::from(odd)));
    let later = told(backend, LETTERS, a).await;
    assert!(!later.whole);
    assert_eq!(held(&later).into_keys().collect::<Vec<_>>(), ["b"]);
    assert!(told(backend, LETTERS, b).await.documents.is_empty());
    what_is_removed_is_told(backend, a, b).await;
}

async fn what_is_removed_is_told(backend: &dyn Documents, a: Revision, b: Revision) {
    let gone = backend.change(letter("a", Seen::At(a), None)).await;
    let gone = gone.unwrap().unwrap();
    assert_eq!(held(&told(backend, LETTERS, b).await)["a"], None);
    let all = told(backend, LETTERS, 0).await;
    assert_eq!(held(&all).into_keys().collect::<Vec<_>>(), ["b"]);
    // What begins anew, as after a loss, is told as a whole.
    assert!(told(backend, LETTERS, gone + 1_000_000).await.whole);
}

async fn of_two_who_change_the_same_one_does(backend: &dyn Documents) {
    let first = backend.change(letter("c", Seen::Absent, Some("0"))).await;
    let first = first.unwrap().unwrap();
    let again = backend.change(letter("c", Seen::Absent, Some("x"))).await;
    assert_eq!(again.unwrap(), None);
    let tries = (0..16).map(|number| {
        let content = number.to_string();
        backend.change(letter("c", Seen::At(first), Some(&content)))
    });
    let made = join_all(tries).await;
    let made: Vec<_> = made.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(made.len(), 1);
    let stale = backend.change(letter("c", Seen::At(first), None)).await;
    assert_eq!(stale.unwrap(), None);
    let never = backend
        .change(letter("never", Seen::At(1), Some("x")))
        .await;
    assert_eq!(never.unwrap(), None);
    let removed = backend.change(letter("c", Seen::At(made[0]), None)).await;
    assert!(removed.unwrap().is_some());
}

async fn a_document_ends_with_its_time(backend: &dyn Documents) {
    let short = Change {
        keep_for: Some(Duration::from_millis(50)),
        ..letter("short", Seen::Absent, Some("1"))
    };
    let made = backend.change(short).await.unwrap().unwrap();
    sleep(Duration::from_millis(80)).await;
    let all = told(backend, LETTERS, 0).await;
    assert!(!held(&all).contains_key("short"));
    let late = backend
        .change(letter("short", Seen::At(made), Some("2")))
        .await;
    assert_eq!(late.unwrap(), None);
    let anew = backend
        .change(letter("short", Seen::Absent, Some("3")))
        .await;
    assert!(anew.unwrap().is_some());
    let all = told(backend, LETTERS, 0).await;
    assert_eq!(held(&all)["short"], Some(Bytes::from("3")));
    let removed = backend.change(letter("short", Seen::Anything, None)).await;
    assert!(removed.unwrap().is_some());
}

async fn who_has_missed_much_gets_all(backend: &dyn Documents) {
    let seen = told(backend, LETTERS, 0).await.revision;
    let each = (0..MANY).map(|number| async move {
        let id = format!("n{number}");
        let made = backend.change(letter(&id, Seen::Anything, Some("1"))).await;
        let made = made.unwrap().unwrap();
        backend.change(letter(&id, Seen::At(made), None)).await
    });
    let mut removed = stream::iter(each).buffer_unordered(AT_ONCE);
    while let Some(removed) = removed.next().await {
        assert!(removed.unwrap().is_some());
    }
    // Told one by one or as a whole, the outcome is the same.
    let mut follower = held(&told(backend, LETTERS, 0).await);
    let later = told(backend, LETTERS, seen).await;
    if later.whole {
        follower.clear();
    }
    follower.extend(held(&later));
    follower.retain(|_, content| content.is_some());
    assert_eq!(follower.into_keys().collect::<Vec<_>>(), ["b"]);
}

async fn kinds_are_apart(backend: &dyn Documents) {
    let number = Change {
        kind: NUMBERS,
        ..letter("b", Seen::Absent, Some("7"))
    };
    let made = backend.change(number).await.unwrap().unwrap();
    let both = backend.changes(&[(LETTERS, 0), (NUMBERS, 0), ("none", 0)]);
    let both = both.await.unwrap();
    assert_eq!(both.len(), 3);
    assert_eq!(held(&both[1])["b"], Some(Bytes::from("7")));
    assert_eq!(both[1].revision, made);
    assert!(both[2].documents.is_empty());
    assert!(backend.changes(&[]).await.unwrap().is_empty());
}
