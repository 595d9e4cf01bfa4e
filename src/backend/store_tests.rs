//! The promises of the store, over real backends that are killed, stopped, filled
//! and tampered with.

use std::ops::ControlFlow;

use redis::{AsyncCommands as _, cmd};
use secrecy::SecretString;
use tokio::time::{sleep, timeout};

use bytes::Bytes;

use super::*;
use crate::backend::contract::{TemporaryFolder, entry_of};
use crate::backend::contract_usage::{batch_of, line_of, requests, this_minute};
use crate::backend::redis::test_server::Server;
use crate::backend::{ObjectName, Posted};
use crate::clock::SystemClock;
use crate::ledger::Granularity;
use crate::policy::cache_status::Tier;

const HOUR: Duration = Duration::from_hours(1);
const PATIENCE: Duration = Duration::from_secs(10);
/// A look-up may take the read deadline of 50 ms, and more on a busy machine.
const LOOKUP_MAX: Duration = Duration::from_millis(250);

fn options(choice: BackendChoice, data_dir: &Path) -> BackendOptions {
    BackendOptions {
        choice,
        data_dir: data_dir.to_owned(),
        cache_bytes_max: 64 << 20,
        memory_bytes_max: 16 << 20,
        read_timeout: Duration::from_millis(50),
        write_timeout: Duration::from_millis(250),
        redis_prefix: "reprise".to_owned(),
        cache_secret: None,
    }
}

fn open(choice: BackendChoice, data_dir: &Path) -> Store {
    Store::open(&options(choice, data_dir), Arc::new(SystemClock)).unwrap()
}

fn over(server: &Server) -> Store {
    let choice = BackendChoice::Redis {
        url: SecretString::from(server.url()),
        database: None,
    };
    open(choice, Path::new("/nonexistent"))
}

async fn over_connected(server: &Server) -> Store {
    let store = over(server);
    until(|| store.health().reachable).await;
    store
}

/// Waits for something that must come true soon.
async fn until(mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("it never came true");
}

async fn found(store: &Store, key: &Key) -> Option<(Bytes, Tier)> {
    let (cached, tier) = store.lookup(key).await;
    cached.map(|cached| (cached.entry.body.clone(), tier))
}

/// What another process finds, one without memory of its own.
async fn found_elsewhere(server: &Server, key: &Key) -> Option<Bytes> {
    let other = over_connected(server).await;
    found(&other, key).await.map(|(body, _tier)| body)
}

#[tokio::test]
async fn without_a_backend_answers_live_in_memory() {
    let store = open(BackendChoice::Memory, Path::new("/nonexistent"));
    let key = Key::for_tests(1);
    assert_eq!(found(&store, &key).await, None);
    store.insert(key, entry_of(1, b"x"), HOUR);
    assert_eq!(found(&store, &key).await, Some(("x".into(), Tier::Memory)));
    store.remove(&key);
    assert_eq!(found(&store, &key).await, None);
    assert!(store.health().reachable);
    store.close(HOUR).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_the_secret_outlive_the_process() {
    let folder = TemporaryFolder::new();
    let key = Key::for_tests(1);
    let before = open(BackendChoice::Embedded, &folder.0);
    let secret = before.secret(PATIENCE).await;
    before.insert(key, entry_of(1, b"x"), HOUR);
    before.close(PATIENCE).await;
    let after = open(BackendChoice::Embedded, &folder.0);
    assert_eq!(after.secret(PATIENCE).await, secret);
    assert_eq!(found(&after, &key).await, Some(("x".into(), Tier::Backend)));
    assert_eq!(found(&after, &key).await, Some(("x".into(), Tier::Memory)));
    after.remove(&key);
    assert_eq!(found(&after, &key).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_used_leaves_the_memory() {
    let store = open(BackendChoice::Embedded, Path::new("/proc/none"));
    let key = Key::for_tests(1);
    store.insert(key, entry_of(1, b"x"), HOUR);
    assert_eq!(found(&store, &key).await, Some(("x".into(), Tier::Memory)));
    let health = store.health();
    assert_eq!((health.backend, health.reachable), ("embedded", false));
}

/// What one process posts and the next one reads.
async fn usage_after_a_restart(open: impl Fn() -> Store) -> u64 {
    let batch = batch_of("writer", 1, vec![line_of(this_minute(), "model", 3)]);
    let name = ObjectName {
        kind: "file",
        id: "a".to_owned(),
    };
    let before = open();
    before.ledger().post(&batch).await.unwrap();
    let objects = before.objects();
    objects.put(name.clone(), "x".into(), HOUR).await.unwrap();
    drop(objects);
    before.close(PATIENCE).await;
    let after = open();
    let usage = requests(&*after.ledger(), Granularity::Day, batch.lines[0].minute).await;
    let object = after.objects().get(&name).await.unwrap();
    assert_eq!(object.is_some(), usage > 0, "the same is true of objects");
    usage
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_and_objects_outlive_the_process_where_there_is_a_backend() {
    let (server, folder) = (Server::start(&[]), TemporaryFolder::new());
    assert_eq!(usage_after_a_restart(|| over(&server)).await, 3);
    let embedded = || open(BackendChoice::Embedded, &folder.0);
    assert_eq!(usage_after_a_restart(embedded).await, 3);
    let memory = || open(BackendChoice::Memory, &folder.0);
    assert_eq!(usage_after_a_restart(memory).await, 0);
    let unusable = || open(BackendChoice::Embedded, Path::new("/proc/none"));
    assert_eq!(usage_after_a_restart(unusable).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_waits_for_no_server_that_hangs_for_long() {
    let server = Server::start(&[]);
    let store = over(&server);
    let ledger = store.ledger();
    let batch = batch_of("writer", 1, vec![line_of(this_minute(), "model", 3)]);
    assert_eq!(ledger.post(&batch).await, Ok(Posted::Now));
    server.signal("STOP");
    let started = Instant::now();
    let posted = ledger.post(&batch).await;
    assert_eq!(posted, Err(BackendError::Timeout));
    // There is no connection to ask on any more.
    let read = ledger.buckets(Granularity::Day, &[0]).await;
    assert!(read.is_err());
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    server.signal("CONT");
    let counted = async {
        while ledger.post(&batch).await != Ok(Posted::Before) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, counted).await.unwrap();
    assert_eq!(
        requests(&*ledger, Granularity::Day, batch.lines[0].minute).await,
        3
    );
}

#[tokio::test]
async fn options_without_sense_are_errors() {
    let choice = BackendChoice::Redis {
        url: SecretString::from("http://127.0.0.1"),
        database: None,
    };
    let clock = Arc::new(SystemClock);
    let folder = TemporaryFolder::new();
    assert!(Store::open(&options(choice, &folder.0), Arc::clone(&clock) as _).is_err());
    let tiny = BackendOptions {
        cache_bytes_max: 10,
        ..options(BackendChoice::Embedded, &folder.0)
    };
    assert!(Store::open(&tiny, clock).is_err());
}

#[tokio::test]
async fn a_configured_secret_needs_no_backend() {
    let server = Server::prepared(&[]);
    let choice = BackendChoice::Redis {
        url: SecretString::from(server.url()),
        database: None,
    };
    let options = BackendOptions {
        cache_secret: Some(SecretString::from("pass")),
        ..options(choice, Path::new("/nonexistent"))
    };
    let store = Store::open(&options, Arc::new(SystemClock)).unwrap();
    let secret = store.secret(Duration::ZERO).await;
    assert_eq!(*secret, CacheSecret::from_passphrase("pass"));
}

/// What is found of several keys at once, and where.
async fn found_of(store: &Store, keys: &[Key]) -> Vec<Option<(Bytes, Tier)>> {
    let found = store.lookup_many(keys).await.into_iter();
    found
        .map(|(cached, tier)| Some((cached?.entry.body.clone(), tier)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_found_wherever_each_of_them_is() {
    let folder = TemporaryFolder::new();
    let keys: Vec<Key> = (0..=255).map(Key::for_tests).collect();
    let body = |seed: u8| vec![seed; 2000];
    let before = open(BackendChoice::Embedded, &folder.0);
    for seed in 0..200 {
        before.insert(keys[usize::from(seed)], entry_of(1, &body(seed)), HOUR);
    }
    before.close(PATIENCE).await;
    let store = open(BackendChoice::Embedded, &folder.0);
    for seed in 150..220 {
        store.insert(keys[usize::from(seed)], entry_of(2, &body(seed)), HOUR);
    }
    store.remove(&keys[3]);
    let expected = |tier: Tier| -> Vec<_> {
        (0..=255_u8)
            .map(|seed| match seed {
                3 | 220.. => None,
                150.. => Some((body(seed).into(), Tier::Memory)),
                _ => Some((body(seed).into(), tier)),
            })
            .collect()
    };
    assert_eq!(found_of(&store, &keys).await, expected(Tier::Backend));
    assert_eq!(found_of(&store, &keys).await, expected(Tier::Memory));
    assert!(found_of(&store, &[]).await.is_empty());
    assert_eq!(
        found_of(&store, &keys[9..10]).await,
        [Some((body(9).into(), Tier::Memory))]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_gone_hides_nothing_that_is_in_memory() {
    let mut server = Server::start(&[]);
    let store = over_connected(&server).await;
    let keys: Vec<Key> = (0..=255).map(Key::for_tests).collect();
    store.insert(keys[7], entry_of(1, b"seven"), HOUR);
    server.kill();
    let found = found_of(&store, &keys).await;
    assert_eq!(found[7], Some(("seven".into(), Tier::Memory)));
    assert_eq!(found.iter().flatten().count(), 1);
}

#[tokio::test]
async fn an_older_answer_does_not_replace_a_newer_one() {
    let store = open(BackendChoice::Memory, Path::new("/nonexistent"));
    let key = Key::for_tests(1);
    store.insert(key, entry_of(2, b"newer"), HOUR);
    let older = store.insert(key, entry_of(1, b"older"), HOUR);
    assert_eq!(&older.entry.body[..], b"older", "its own callers get it");
    assert_eq!(
        found(&store, &key).await,
        Some(("newer".into(), Tier::Memory))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_come_after_the_start() {
    let mut server = Server::prepared(&[]);
    let started = Instant::now();
    let (one, two) = (over(&server), over(&server));
    let key = Key::for_tests(1);
    assert_eq!(found(&one, &key).await, None);
    one.insert(key, entry_of(1, b"x"), HOUR);
    assert!(started.elapsed() < Duration::from_millis(500));
    assert!(!one.health().reachable);
    let passing = one.secret(Duration::ZERO).await;

    server.run();
    let (mut left, mut right) = (one.secrets(), two.secrets());
    let secret = one.secret(PATIENCE).await;
    assert_eq!(two.secret(PATIENCE).await, secret);
    assert!(*left.borrow_and_update() == *right.borrow_and_update());
    let other = over(&server).secret(PATIENCE).await;
    assert!(secret == passing || other == secret);
    let came = Instant::now();
    until(|| one.health().queue_depth == 0).await;
    assert!(came.elapsed() < Duration::from_secs(3));
    assert_eq!(found_elsewhere(&server, &key).await, Some("x".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_redis_costs_misses_and_no_time() {
    let mut server = Server::start(&[]);
    let store = over_connected(&server).await;
    for round in 0..3 {
        server.kill();
        store.insert(Key::for_tests(round), entry_of(1, b"x"), HOUR);
        for _look_up in 0..50 {
            let started = Instant::now();
            assert_eq!(found(&store, &Key::for_tests(200)).await, None);
            assert!(started.elapsed() < LOOKUP_MAX, "{:?}", started.elapsed());
        }
        server.run();
        let back = Instant::now();
        until(|| store.health().reachable && store.health().queue_depth == 0).await;
        assert!(
            back.elapsed() < Duration::from_secs(3),
            "{:?}",
            back.elapsed()
        );
        let found = found_elsewhere(&server, &Key::for_tests(round)).await;
        assert_eq!(found, Some("x".into()), "what was paid for is not lost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_redis_costs_the_deadline_and_then_nothing() {
    let server = Server::start(&[]);
    let store = over_connected(&server).await;
    server.signal("STOP");
    let key = Key::for_tests(1);
    let look_ups = async {
        while store.health().read_breaker == Standing::Closed {
            let started = Instant::now();
            assert_eq!(found(&store, &key).await, None);
            assert!(started.elapsed() < LOOKUP_MAX, "{:?}", started.elapsed());
        }
    };
    timeout(PATIENCE, look_ups).await.unwrap();
    let started = Instant::now();
    for _look_up in 0..1000 {
        assert_eq!(found(&store, &key).await, None);
    }
    assert!(started.elapsed() < Duration::from_millis(100));
    server.signal("CONT");
    until(|| store.health().reachable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_is_read_on_and_written_again_later() {
    let server = Server::start(&[]);
    let writer = over_connected(&server).await;
    let (old, new) = (Key::for_tests(1), Key::for_tests(2));
    writer.insert(old, entry_of(1, b"old"), HOUR);
    until(|| writer.health().queue_depth == 0).await;
    server.configure("maxmemory", "1").await;
    writer.insert(new, entry_of(1, b"new"), HOUR);
    until(|| writer.health().write_breaker == Standing::Open).await;
    assert_eq!(writer.health().read_breaker, Standing::Closed);
    assert_eq!(found_elsewhere(&server, &old).await, Some("old".into()));
    server.configure("maxmemory", "0").await;
    until(|| writer.health().queue_depth == 0).await;
    assert_eq!(found_elsewhere(&server, &new).await, Some("new".into()));
}

/// Has one entry in Redis, changes what is stored, and looks it up elsewhere.
async fn tampered<F>(change: impl FnOnce(Vec<u8>) -> F) -> (Option<Bytes>, bool)
where
    F: Into<ControlFlow<(), Vec<u8>>>,
{
    let server = Server::start(&[]);
    let writer = over_connected(&server).await;
    let key = Key::for_tests(1);
    writer.insert(key, entry_of(1, b"the right answer"), HOUR);
    until(|| writer.health().queue_depth == 0).await;
    let name = [&b"reprise:e1:"[..], key.id()].concat();
    let mut beside = server.connection().await;
    let sealed: Vec<u8> = beside.get(&name).await.unwrap();
    match change(sealed).into() {
        ControlFlow::Continue(changed) => {
            let () = beside.set(&name, changed).await.unwrap();
        }
        ControlFlow::Break(()) => {
            let () = beside.del(&name).await.unwrap();
            let () = beside.lpush(&name, "x").await.unwrap();
        }
    }
    let reader = over_connected(&server).await;
    let found = found(&reader, &key).await.map(|(body, _tier)| body);
    until(|| reader.health().queue_depth == 0).await;
    let is_left: bool = beside.exists(&name).await.unwrap();
    (found, is_left)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_planted_is_a_miss_and_removed() {
    let flipped = |mut sealed: Vec<u8>| {
        let place = sealed.len() - 5;
        sealed[place] ^= 1;
        ControlFlow::Continue(sealed)
    };
    assert_eq!(tampered(flipped).await, (None, false));
    let cut = |sealed: Vec<u8>| ControlFlow::Continue(sealed[..40].to_vec());
    assert_eq!(tampered(cut).await, (None, false));
    let foreign = |_sealed| ControlFlow::Continue(b"hello".to_vec());
    assert_eq!(tampered(foreign).await, (None, false));
    let list = |_sealed| ControlFlow::Break(());
    assert_eq!(tampered(list).await, (None, false));
    let as_it_was = |sealed| ControlFlow::Continue(sealed);
    let whole = tampered(as_it_was).await;
    assert_eq!(whole, (Some("the right answer".into()), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_later_version_wrote_is_a_miss_and_left_alone() {
    let later = |mut sealed: Vec<u8>| {
        sealed[2] = 2;
        ControlFlow::Continue(sealed)
    };
    assert_eq!(tampered(later).await, (None, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_entries_are_misses() {
    let server = Server::start(&[]);
    let writer = over_connected(&server).await;
    let keys = [Key::for_tests(1), Key::for_tests(2)];
    for key in keys {
        writer.insert(key, entry_of(1, key.id()), HOUR);
    }
    until(|| writer.health().queue_depth == 0).await;
    let mut beside = server.connection().await;
    let [one, two] = keys.map(|key| [&b"reprise:e1:"[..], key.id()].concat());
    for (from, to) in [(&one, &b"x"[..]), (&two, &one), (&b"x".to_vec(), &two)] {
        let mut rename = cmd("RENAME");
        rename.arg(from).arg(to);
        let () = rename.query_async(&mut beside).await.unwrap();
    }
    let reader = over_connected(&server).await;
    for key in keys {
        assert_eq!(found(&reader, &key).await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_credentials_is_shown() {
    let mut server = Server::prepared(&[]);
    server.kill();
    let url = server.url().replace("//", "//user:canary@");
    let choice = BackendChoice::Redis {
        url: SecretString::from(url),
        database: None,
    };
    let store = open(choice, Path::new("/nonexistent"));
    let shown = format!("{store:?} {:?}", store.health());
    assert!(!shown.contains("canary"), "{shown}");
}
