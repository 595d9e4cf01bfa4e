//! What every backend promises, as one suite that runs against each of them.
//!
//! A machine without `redis-server` fails these tests: a backend that was not
//! tried is not known to work.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::sleep;

use super::embedded::Embedded;
use super::redis::test_server::{Server, connected};
use super::{Entries, Record, Records};
use crate::clock::SystemClock;
use crate::entry::{Entry, Meta};
use crate::key::Key;
use crate::wire::Operation;

const HOUR: Duration = Duration::from_hours(1);

/// An entry for tests that care about its body and age alone.
pub(super) fn entry_of(stored_at: u64, body: &[u8]) -> Entry {
    Entry {
        operation: Operation::Chat,
        stored_at,
        fresh_for: HOUR,
        meta: Meta {
            model: "some-model".to_owned(),
            ..Meta::default()
        },
        body: Bytes::copy_from_slice(body),
    }
}

/// A record of any bytes: backends do not look inside.
pub(super) fn record_of(sealed: &[u8], keep_for: Duration) -> Record {
    Record {
        sealed: Bytes::copy_from_slice(sealed),
        keep_for,
        operation: Operation::Chat,
        model: "some-model".to_owned(),
        stored_at: 1,
    }
}

/// A folder of a test's own, removed at its end.
#[derive(Debug)]
pub(super) struct TemporaryFolder(pub(super) std::path::PathBuf);

impl TemporaryFolder {
    pub(super) fn new() -> Self {
        let mut random = [0; 8];
        getrandom::fill(&mut random).unwrap();
        let name = format!("reprise-test-{}", hex::encode(random));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_keeps_the_contract() {
    let folder = TemporaryFolder::new();
    let embedded = Embedded::open(&folder.0, 64 << 20, Arc::new(SystemClock)).unwrap();
    keeps_the_contract(&embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract() {
    let server = Server::start(&[]);
    keeps_the_contract(&connected(&server.url()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_with_a_password_keeps_the_contract() {
    let server = Server::start(&["--requirepass", "p@ss"]);
    let url = server.url().replace("//", "//:p%40ss@");
    keeps_the_contract(&connected(&url).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_cluster_keeps_the_contract() {
    let server = Server::start_cluster().await;
    let url = server.url().replace("redis://", "redis-cluster://");
    keeps_the_contract(&connected(&url).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_sentinel_group_keeps_the_contract() {
    let server = Server::start(&[]);
    let sentinel = Server::start_sentinel(&server);
    let url = sentinel.url().replace("redis://", "redis+sentinel://");
    keeps_the_contract(&connected(&format!("{url}/main")).await).await;
}

async fn keeps_the_contract<B: Entries + Records>(backend: &B) {
    backend.ping().await.unwrap();
    entries_are_kept_replaced_and_removed(backend).await;
    any_bytes_come_back(backend).await;
    many_at_once_are_all_kept(backend).await;
    many_are_read_at_once_in_their_order(backend).await;
    entries_end_when_their_time_is_over(backend).await;
    records_are_made_once(backend).await;
    sizes_are_told(backend).await;
}

async fn entries_are_kept_replaced_and_removed(backend: &impl Entries) {
    let (key, other) = (Key::for_tests(1), Key::for_tests(2));
    assert_eq!(backend.get(&key).await, Ok(None));
    backend.put(key, record_of(b"one", HOUR)).await.unwrap();
    assert_eq!(backend.get(&key).await, Ok(Some("one".into())));
    assert_eq!(backend.get(&other).await, Ok(None));
    backend.put(key, record_of(b"two", HOUR)).await.unwrap();
    assert_eq!(backend.get(&key).await, Ok(Some("two".into())));
    backend.remove(&key).await.unwrap();
    backend.remove(&other).await.unwrap();
    assert_eq!(backend.get(&key).await, Ok(None));
}

async fn any_bytes_come_back(backend: &impl Entries) {
    let key = Key::for_tests(3);
    let every_byte: Vec<u8> = (0..=255).collect();
    for sealed in [
        Vec::new(),
        b"\r\n$-1\r\n".to_vec(),
        every_byte.repeat(1 << 14),
    ] {
        backend.put(key, record_of(&sealed, HOUR)).await.unwrap();
        assert_eq!(backend.get(&key).await, Ok(Some(sealed.into())));
    }
}

async fn many_at_once_are_all_kept(backend: &impl Entries) {
    let seeds = 10..250;
    let puts = seeds
        .clone()
        .map(|seed| backend.put(Key::for_tests(seed), record_of(&[seed; 500], HOUR)));
    assert!(join_all(puts).await.iter().all(Result::is_ok));
    let gets = seeds.clone().map(|seed| async move {
        let found = backend.get(&Key::for_tests(seed)).await;
        found == Ok(Some(Bytes::copy_from_slice(&[seed; 500])))
    });
    assert!(join_all(gets).await.iter().all(|found| *found));
}

async fn many_are_read_at_once_in_their_order(backend: &impl Entries) {
    assert_eq!(backend.get_many(&[]).await, Ok(Vec::new()));
    // Over as many slots of a Cluster; every third is missing.
    let keys: Vec<Key> = (0..300).map(Key::numbered_for_tests).collect();
    let bytes_of = |place: usize| Bytes::from(place.to_string());
    let is_kept = |place: &usize| !place.is_multiple_of(3);
    let puts = (0..300)
        .filter(is_kept)
        .map(|place| backend.put(keys[place], record_of(&bytes_of(place), HOUR)));
    assert!(join_all(puts).await.iter().all(Result::is_ok));
    let expected: Vec<_> = (0..300)
        .map(|place| is_kept(&place).then(|| bytes_of(place)))
        .collect();
    assert_eq!(backend.get_many(&keys).await.as_ref(), Ok(&expected));
    let reversed: Vec<Key> = keys.iter().rev().copied().collect();
    let backwards = expected.iter().rev().cloned().collect();
    assert_eq!(backend.get_many(&reversed).await, Ok(backwards));
    let (one, none) = (Some(bytes_of(1)), None);
    let twice = [keys[1], keys[0], keys[1], keys[0], keys[1]];
    let found = vec![one.clone(), none.clone(), one.clone(), none, one];
    assert_eq!(backend.get_many(&twice).await, Ok(found));
    assert_eq!(
        backend.get_many(&keys[1..2]).await,
        Ok(vec![Some(bytes_of(1))])
    );
    // Others count what is kept.
    for key in keys {
        backend.remove(&key).await.unwrap();
    }
}

async fn entries_end_when_their_time_is_over(backend: &impl Entries) {
    let (short, none) = (Key::for_tests(4), Key::for_tests(5));
    let moment = Duration::from_millis(40);
    backend.put(short, record_of(b"s", moment)).await.unwrap();
    backend
        .put(none, record_of(b"n", Duration::ZERO))
        .await
        .unwrap();
    sleep(moment + Duration::from_millis(20)).await;
    assert_eq!(backend.get(&short).await, Ok(None));
    assert_eq!(backend.get(&none).await, Ok(None));
    assert_eq!(backend.get_many(&[short, none]).await, Ok(vec![None, None]));
    backend
        .put(short, record_of(b"s", Duration::MAX))
        .await
        .unwrap();
    assert_eq!(backend.get(&short).await, Ok(Some("s".into())));
}

async fn records_are_made_once(backend: &impl Records) {
    let offers = (0..20_u8).map(|seed| backend.get_or_create("name", Bytes::from(vec![seed; 32])));
    let kept: Vec<Bytes> = join_all(offers)
        .await
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(kept.iter().all(|value| *value == kept[0]));
    let later = backend.get_or_create("name", "later".into()).await;
    assert_eq!(later.as_ref(), Ok(&kept[0]));
    let other = backend.get_or_create("other", "later".into()).await;
    assert_eq!(other, Ok("later".into()));
}

async fn sizes_are_told(backend: &impl Entries) {
    let size = backend.size().await.unwrap();
    assert!((240..260).contains(&size.entries), "{size:?}");
    assert!(size.bytes > 100_000, "{size:?}");
}
