//! What every backend promises of going through its entries.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::contract::{TemporaryFolder, entry_of, record_of};
use super::embedded::Embedded;
use super::redis::test_server::{Server, books, connected};
use super::{BackendChoice, BackendOptions, Catalogue, Entries, Listed, Store};
use crate::clock::SystemClock;
use crate::entry::{self, Entry};
use crate::key::Key;

const HOUR: Duration = Duration::from_hours(1);
const MANY: u32 = 10_000;

fn tagged(number: u32, tag: &str) -> Entry {
    let mut entry = entry_of(u64::from(number), &number.to_be_bytes());
    entry.meta.tags = vec![tag.to_owned()];
    entry
}

async fn put(backend: &dyn Entries, number: u32, tag: &str) -> usize {
    let key = Key::numbered_for_tests(number);
    let sealed = entry::seal(&tagged(number, tag), &key).unwrap();
    backend.put(key, record_of(&sealed, HOUR)).await.unwrap();
    sealed.len()
}

/// Puts many at once, as the write queue does.
async fn put_all(backend: &dyn Entries, numbers: std::ops::Range<u32>) {
    for chunk in numbers.collect::<Vec<_>>().chunks(100) {
        join_all(chunk.iter().map(|number| put(backend, *number, "t"))).await;
    }
}

async fn walk(catalogue: &dyn Catalogue, most: usize) -> Vec<Listed> {
    let (mut met, mut place) = (Vec::new(), None);
    loop {
        let walked = catalogue.walk(place, most).await.unwrap();
        met.extend(walked.entries);
        place = walked.next;
        if place.is_none() {
            return met;
        }
    }
}

async fn keeps_the_contract(entries: &dyn Entries, catalogue: &dyn Catalogue) {
    assert!(walk(catalogue, 10).await.is_empty());
    put_all(entries, 0..MANY).await;
    // Others come and go meanwhile.
    let coming = put_all(entries, MANY..MANY + 1_000);
    let going = async {
        for number in MANY..MANY + 500 {
            let key = Key::numbered_for_tests(number);
            entries.remove(&key).await.unwrap();
        }
    };
    let (met, (), ()) = tokio::join!(walk(catalogue, 300), coming, going);
    let ids: HashSet<[u8; 32]> = met.iter().map(|listed| listed.id).collect();
    for number in 0..MANY {
        let id = *Key::numbered_for_tests(number).id();
        assert!(ids.contains(&id), "{number} was not met");
    }
    let told = met.first().unwrap().inspect().unwrap();
    assert_eq!(
        (&*told.meta.model, &*told.meta.tags),
        ("some-model", &["t".to_owned()][..])
    );
    metadata_of_any_length_are_told(entries, catalogue).await;
    many_are_removed_at_once(catalogue).await;
}

async fn metadata_of_any_length_are_told(entries: &dyn Entries, catalogue: &dyn Catalogue) {
    for (number, tag) in [
        (MANY + 2_000, "short".to_owned()),
        (MANY + 2_001, "x".repeat(5_000)),
    ] {
        let bytes = put(entries, number, &tag).await;
        let id = *Key::numbered_for_tests(number).id();
        let (listed, left) = catalogue.find(id).await.unwrap().unwrap();
        assert_eq!(listed.bytes, u64::try_from(bytes).unwrap());
        assert_eq!(listed.inspect().unwrap().meta.tags, [tag]);
        let left = left.unwrap();
        assert!(HOUR / 2 < left && left <= HOUR, "{left:?}");
        let walked = walk(catalogue, 500).await;
        let met = walked.iter().find(|met| met.id == id).unwrap();
        assert_eq!(met.inspect(), listed.inspect());
    }
    assert!(catalogue.find([9; 32]).await.unwrap().is_none());
}

async fn many_are_removed_at_once(catalogue: &dyn Catalogue) {
    let all: HashSet<_> = walk(catalogue, 500)
        .await
        .iter()
        .map(|met| met.id)
        .collect();
    let mut ids: Vec<_> = all.iter().copied().collect();
    ids.push([9; 32]);
    let removed = catalogue.remove_all(ids).await.unwrap();
    assert_eq!(removed, u64::try_from(all.len()).unwrap());
    assert!(walk(catalogue, 500).await.is_empty());
    assert_eq!(catalogue.remove_all(Vec::new()).await, Ok(0));
    assert!(catalogue.wipe().await.unwrap());
    catalogue.report().await.unwrap();
    assert!(catalogue.walk(Some("odd".to_owned()), 10).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_is_gone_through() {
    let folder = TemporaryFolder::new();
    let embedded = Embedded::open(&folder.0, 64 << 20, Arc::new(SystemClock)).unwrap();
    keeps_the_contract(&embedded, &embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_gone_through() {
    let server = Server::start(&[]);
    let redis = connected(&server.url()).await;
    let mut beside = server.connection().await;
    let foreign = [&b"reprise2:e1:"[..], &[7; 32]].concat();
    let () = redis::AsyncCommands::set(&mut beside, &foreign, "theirs")
        .await
        .unwrap();
    keeps_the_contract(&redis, &books(&server.url())).await;
    let theirs: String = redis::AsyncCommands::get(&mut beside, &foreign)
        .await
        .unwrap();
    assert_eq!(theirs, "theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_cluster_is_gone_through() {
    let server = Server::start_cluster().await;
    let url = server.url().replace("redis://", "redis-cluster://");
    keeps_the_contract(&connected(&url).await, &books(&url)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_gone_through() {
    let options = BackendOptions {
        choice: BackendChoice::Memory,
        data_dir: Path::new("/nonexistent").to_owned(),
        cache_bytes_max: 64 << 20,
        memory_bytes_max: 64 << 20,
        read_timeout: HOUR,
        write_timeout: HOUR,
        redis_prefix: "reprise".to_owned(),
        cache_secret: None,
    };
    let store = Store::open(&options, Arc::new(SystemClock)).unwrap();
    for number in 0..MANY {
        store.insert(Key::numbered_for_tests(number), tagged(number, "t"), HOUR);
    }
    let catalogue = store.catalogue().unwrap();
    let met = walk(&*catalogue, 300).await;
    assert_eq!(met.len(), usize::try_from(MANY).unwrap());
    let first = met.first().unwrap();
    assert_eq!(first.inspect().unwrap().meta.tags, ["t"]);
    assert_eq!(first.body_bytes, Some(4));
    let (found, left) = catalogue.find(first.id).await.unwrap().unwrap();
    assert_eq!(found.id, first.id);
    assert!(left.unwrap() <= HOUR);
    many_are_removed_at_once(&*catalogue).await;
}
