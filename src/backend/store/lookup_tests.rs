//! Many are looked up as one is. Time is the test's own, but over a real file.

use super::*;
use crate::backend::contract::{TemporaryFolder, entry_of};
use crate::backend::guard::Guard;
use crate::backend::in_process::InProcess;
use crate::backend::memory::Memory;
use crate::backend::memory_catalogue::MemoryCatalogue;
use crate::backend::scripted::{Behaviour, Scripted};
use crate::backend::secret::Secrets;
use crate::backend::store::{Counts, Parts};
use crate::backend::write_queue::{Bounds, WriteQueue};
use crate::backend::{BackendChoice, BackendOptions, Purges};
use crate::clock::SystemClock;

const HOUR: Duration = Duration::from_hours(1);
const READ: Duration = Duration::from_millis(50);

fn store() -> (Arc<Scripted>, Store) {
    let scripted = Arc::new(Scripted::default());
    let guard = Guard::new(Arc::clone(&scripted) as _, READ, READ);
    let guard = Arc::new(guard);
    let purges = Arc::new(Purges::new(Arc::new(SystemClock)));
    let queue = WriteQueue::new(
        Arc::clone(&guard),
        Arc::new(TenantKeys::none()),
        Arc::clone(&purges),
        Bounds::default(),
    );
    let in_process = Arc::new(InProcess::new(Arc::new(SystemClock)));
    let memory = Arc::new(Memory::new(16 << 20));
    let store = Store(Arc::new(Parts {
        name: "scripted",
        memory: Arc::clone(&memory),
        purges,
        counts: Counts::default(),
        backed: Some(Backed { queue, guard }),
        secrets: Secrets::new(None, None).unwrap(),
        tenant_keys: Arc::new(TenantKeys::none()),
        rest: crate::backend::store::Rest::of(
            in_process,
            Arc::new(MemoryCatalogue(memory)),
            Arc::new(crate::backend::OwnGauges::passing(Arc::new(SystemClock))),
        ),
        clock: Arc::new(SystemClock),
    }));
    (scripted, store)
}

fn sealed(key: &Key, body: &[u8]) -> Vec<u8> {
    entry::seal(&entry_of(1, body), key).unwrap()
}

/// Has the backend keep an entry for each of so many keys.
fn kept(scripted: &Scripted, many: u32) -> Vec<Key> {
    let keys: Vec<Key> = (0..many).map(Key::numbered_for_tests).collect();
    for key in &keys {
        scripted.store(*key, sealed(key, key.id()).into());
    }
    keys
}

async fn found(store: &Store, keys: &[Key]) -> Vec<(Option<Bytes>, Tier)> {
    let found = store.lookup_many(keys).await;
    let body = |cached: Arc<Cached>| cached.entry.body.clone();
    found
        .into_iter()
        .map(|(cached, tier)| (cached.map(body), tier))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_is_found_where_it_would_be_found_alone() {
    let (scripted, store) = store();
    let away = BackendError::Unavailable(String::new());
    scripted.behave(Behaviour::RefuseWrites(away));
    let keys = [0, 1, 2, 3, 4, 5, 6, 7].map(Key::for_tests);
    let [
        held,
        waiting,
        removed,
        stored,
        damaged,
        swapped,
        later,
        missing,
    ] = keys;
    store.insert(held, entry_of(1, b"held"), HOUR);
    store.insert(waiting, entry_of(1, b"waiting"), HOUR);
    store.0.memory.remove(&waiting);
    scripted.store(removed, sealed(&removed, b"removed").into());
    store.remove(&removed);
    scripted.store(stored, sealed(&stored, b"stored").into());
    scripted.store(damaged, "hello".into());
    scripted.store(swapped, sealed(&stored, b"stored").into());
    let mut of_a_later_version = sealed(&later, b"later");
    of_a_later_version[2] = 2;
    scripted.store(later, of_a_later_version.into());

    let backwards = [
        missing, later, swapped, stored, damaged, stored, removed, waiting, held,
    ];
    let none = (None, Tier::Backend);
    let expected = vec![
        none.clone(),
        none.clone(),
        none.clone(),
        (Some("stored".into()), Tier::Backend),
        none,
        (Some("stored".into()), Tier::Backend),
        (None, Tier::Memory),
        (Some("waiting".into()), Tier::Memory),
        (Some("held".into()), Tier::Memory),
    ];
    assert_eq!(found(&store, &backwards).await, expected);
    assert_eq!(scripted.questions(), [6]);
    let again = found(&store, &[stored]).await;
    assert_eq!(again, [(Some("stored".into()), Tier::Memory)]);

    scripted.behave(Behaviour::Serve);
    store.clone().close(HOUR).await;
    assert!(
        [damaged, swapped]
            .iter()
            .all(|key| scripted.stored(key).is_none())
    );
    assert!(scripted.stored(&later).is_some(), "others can read it");
}

#[tokio::test(start_paused = true)]
async fn what_is_known_here_is_not_asked_for() {
    let (scripted, store) = store();
    assert_eq!(found(&store, &[]).await, []);
    let key = Key::for_tests(1);
    store.insert(key, entry_of(1, b"x"), HOUR);
    assert_eq!(
        found(&store, &[key, key]).await,
        vec![(Some("x".into()), Tier::Memory); 2]
    );
    assert!(scripted.questions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn many_are_asked_for_in_chunks_and_held() {
    let (scripted, store) = store();
    let keys = kept(&scripted, 300);
    for tier in [Tier::Backend, Tier::Memory] {
        let expected: Vec<_> = keys
            .iter()
            .map(|key| (Some(Bytes::copy_from_slice(key.id())), tier))
            .collect();
        assert_eq!(found(&store, &keys).await, expected);
    }
    assert_eq!(scripted.questions(), [128, 128, 44]);
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_before_its_turn_does_not_come_back() {
    let (scripted, store) = store();
    for (place, key) in kept(&scripted, 2).into_iter().enumerate() {
        let Near::Ask(backed, since) = store.look_near(&key) else {
            panic!("nothing is known of it here");
        };
        store.remove(&key);
        // The removal is not written yet: this look-up still finds the entry.
        let read = if place == 0 {
            store.read(backed, &key, since).await.is_some()
        } else {
            let sought = Sought { place, key, since };
            let read = store.read_many(backed, &[sought]).await;
            read.is_some_and(|read| read.len() == 1)
        };
        assert!(read);
        assert!(store.lookup_memory(&key).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_chunk_that_fails_ends_the_looking_and_spoils_no_other() {
    let (scripted, store) = store();
    let keys = kept(&scripted, 2048);
    scripted.behave(Behaviour::TireOfQuestions(1));
    let found = found(&store, &keys).await;
    let (told, untold) = found.split_at(CHUNK_KEYS_MAX);
    assert!(told.iter().all(|(body, _tier)| body.is_some()));
    assert!(untold.iter().all(|one| *one == (None, Tier::Backend)));
    assert_eq!(found.len(), 2048);
    assert_eq!(scripted.questions().len(), 2, "and is not asked on");
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_hangs_costs_one_deadline_a_batch_and_then_nothing() {
    let (scripted, store) = store();
    let keys = kept(&scripted, 2048);
    tokio::time::sleep(Duration::from_millis(1)).await;
    scripted.behave(Behaviour::Hang);
    for batch in 0..20 {
        let started = Instant::now();
        let found = found(&store, &keys).await;
        assert!(found.iter().all(|one| *one == (None, Tier::Backend)));
        let cost = if batch < 10 { READ * 5 } else { Duration::ZERO };
        assert_eq!(started.elapsed(), cost, "{batch}");
    }
    scripted.behave(Behaviour::Serve);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(
        found(&store, &keys)
            .await
            .iter()
            .all(|(body, _)| body.is_some())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_vectors_outlives_the_process() {
    let folder = TemporaryFolder::new();
    let open = || {
        let options = BackendOptions {
            choice: BackendChoice::Embedded,
            data_dir: folder.0.clone(),
            cache_bytes_max: 64 << 20,
            memory_bytes_max: 16 << 20,
            // The disk may be slow, and is not what is tried here.
            read_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            redis_prefix: "reprise".to_owned(),
            cache_secret: None,
        };
        Store::open(&options, Arc::new(SystemClock)).unwrap()
    };
    let keys: Vec<Key> = (0..300).map(Key::numbered_for_tests).collect();
    // Bytes that do not shrink, so that a chunk is too long to be opened inline.
    let body = |key: &Key| {
        let digests = (0..200_u8).map(|round| {
            use sha2::Digest as _;
            sha2::Sha256::digest([&[round], &key.id()[..]].concat())
        });
        digests.flatten().collect::<Vec<u8>>()
    };
    let before = open();
    for key in &keys {
        before.insert(*key, entry_of(1, &body(key)), HOUR);
    }
    before.close(HOUR).await;
    let after = open();
    let expected: Vec<_> = keys
        .iter()
        .map(|key| (Some(Bytes::from(body(key))), Tier::Backend))
        .collect();
    assert!(found(&after, &keys).await == expected);
}
