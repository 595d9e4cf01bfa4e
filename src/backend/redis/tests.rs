//! What is particular to Redis.

use redis::{AsyncCommands as _, cmd};

use super::test_server::{Server, connected};
use super::*;
use crate::backend::contract::record_of;
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_has_a_time_to_live_and_a_name_of_ours() {
    let server = Server::start(&[]);
    let redis = connected(&server.url()).await;
    redis
        .put(Key::for_tests(7), record_of(b"x", HOUR))
        .await
        .unwrap();
    let mut beside = server.connection().await;
    let names: Vec<Vec<u8>> = beside.keys("*").await.unwrap();
    assert_eq!(names, [[&b"reprise:e1:"[..], &[7; 32]].concat()]);
    let left: i64 = beside.pttl(&names[0]).await.unwrap();
    assert!((3_590_000..=3_600_000).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_told_apart() {
    let server = Server::start(&[]);
    let redis = connected(&server.url()).await;
    let key = Key::for_tests(1);
    let mut beside = server.connection().await;
    let () = beside.lpush(redis.entry_key(&key), "x").await.unwrap();
    assert!(matches!(
        redis.get(&key).await,
        Err(BackendError::Corrupt(_))
    ));

    server.configure("maxmemory", "1").await;
    let full = redis.put(key, record_of(b"x", HOUR)).await;
    assert!(matches!(full, Err(BackendError::OutOfSpace(_))), "{full:?}");
    server.configure("maxmemory", "0").await;
    redis.put(key, record_of(b"x", HOUR)).await.unwrap();

    let mut demote = cmd("REPLICAOF");
    demote.arg("127.0.0.1").arg(1);
    let () = demote.query_async(&mut beside).await.unwrap();
    let demoted = redis.put(key, record_of(b"x", HOUR)).await;
    assert!(
        matches!(demoted, Err(BackendError::ReadOnly(_))),
        "{demoted:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_another_type_is_none_among_many() {
    let server = Server::start(&[]);
    let redis = connected(&server.url()).await;
    let keys = [1, 2, 3].map(Key::for_tests);
    for key in keys {
        redis.put(key, record_of(b"x", HOUR)).await.unwrap();
    }
    let mut beside = server.connection().await;
    let name = redis.entry_key(&keys[1]);
    let () = beside.del(&name).await.unwrap();
    let () = beside.lpush(&name, "x").await.unwrap();
    let whole = Some(Bytes::from("x"));
    assert_eq!(
        redis.get_many(&keys).await,
        Ok(vec![whole.clone(), None, whole])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_an_error_and_no_wait() {
    let server = Server::start(&["--requirepass", "right"]);
    let url = server.url().replace("//", "//:wrong@");
    let redis = Redis::new(&SecretString::from(url), None, "reprise").unwrap();
    let started = tokio::time::Instant::now();
    assert!(redis.get(&Key::for_tests(1)).await.is_err());
    assert!(started.elapsed() < Duration::from_millis(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_prefixes_share_a_server_without_meeting() {
    let server = Server::start(&[]);
    let one = connected(&server.url()).await;
    let url = SecretString::from(server.url());
    let other = Redis::new(&url, None, "other").unwrap();
    while other.ping().await.is_err() {
        tokio::task::yield_now().await;
    }
    let key = Key::for_tests(1);
    one.put(key, record_of(b"x", HOUR)).await.unwrap();
    assert_eq!(other.get(&key).await, Ok(None));
}

#[tokio::test]
async fn a_prefix_that_could_be_taken_for_something_else_is_refused() {
    let url = SecretString::from("redis://127.0.0.1:1");
    for prefix in ["", "a b", "{a}", "a*", "a\r\n", "ä"] {
        let refused = Redis::new(&url, None, prefix);
        assert!(matches!(refused, Err(BackendError::Invalid(_))), "{prefix}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bound_of_the_server_is_told() {
    let server = Server::start(&[]);
    let redis = connected(&server.url()).await;
    let unbounded = redis.size().await.unwrap();
    assert_eq!(unbounded.max, None);
    assert!(unbounded.used > unbounded.bytes);
    server.configure("maxmemory", "104857600").await;
    assert_eq!(redis.size().await.unwrap().max, Some(100 * 1024 * 1024));
}
