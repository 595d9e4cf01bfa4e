//! What is particular to the ledger and the objects in Redis.

use std::time::Duration;

use redis::{AsyncCommands as _, cmd};
use tokio::time::{Instant, sleep};

use super::test_server::{Server, books};
use crate::backend::contract_usage::{batch_of, line_of, requests, this_minute};
use crate::backend::{BackendError, Ledger, ObjectName, Objects, Posted};
use crate::ledger::{Batch, Granularity};

const HOUR: Duration = Duration::from_hours(1);

/// The first batch of a writer: one request in this minute.
fn one_request(writer: &str) -> Batch {
    batch_of(writer, 1, vec![line_of(this_minute(), "model", 1)])
}

/// How many requests are counted in the day of a batch.
async fn counted(ledger: &dyn Ledger, batch: &Batch) -> u64 {
    requests(ledger, Granularity::Day, batch.lines[0].minute).await
}

/// Posts until it is known that it was, for at most ten seconds.
async fn post_persistently(ledger: &dyn Ledger, batch: &Batch) -> Posted {
    let started = Instant::now();
    loop {
        match ledger.post(batch).await {
            Ok(posted) => return posted,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(10), "{error}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_has_a_time_to_live_and_a_name_of_ours() {
    let server = Server::start(&[]);
    let books = books(&server.url());
    let batch = one_request("writer");
    books.post(&batch).await.unwrap();
    let id = "a/b".to_owned();
    let name = ObjectName { kind: "file", id };
    books.put(name, "x".into(), HOUR).await.unwrap();

    let minute = batch.lines[0].minute;
    let [hour, day] = [Granularity::Hour, Granularity::Day].map(|wide| wide.start_of(minute));
    let mut beside = server.connection().await;
    let mut found = Vec::new();
    let mut names: Vec<String> = beside.keys("*").await.unwrap();
    names.sort();
    for name in names {
        let ends: u64 = beside.expire_time(&name).await.unwrap();
        found.push((name, ends));
    }
    let now = minute..minute + 180;
    let moved = |seconds: u64| now.start + seconds..now.end + seconds;
    let expected = [
        ("reprise:{objects:file}".to_owned(), moved(3_600)),
        ("reprise:{objects:file}:a/b".to_owned(), moved(3_600)),
        (format!("reprise:{{usage}}:day:{day}"), {
            let end = day + 401 * 86_400;
            end..end + 1
        }),
        (format!("reprise:{{usage}}:hour:{hour}"), {
            let end = hour + 35 * 86_400 + 3_600;
            end..end + 1
        }),
        (format!("reprise:{{usage}}:minute:{minute}"), {
            let end = minute + 2 * 86_400 + 60;
            end..end + 1
        }),
        (
            "reprise:{usage}:writer:writer".to_owned(),
            moved(35 * 86_400),
        ),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((name, ends), (expected, range)) in found.into_iter().zip(expected) {
        assert_eq!(name, expected);
        assert!(range.contains(&ends), "{name}: {ends} {range:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_refused_leaves_nothing_behind() {
    let server = Server::start(&["--maxmemory-policy", "noeviction"]);
    let books = books(&server.url());
    let batch = one_request("refused");
    let mut beside = server.connection().await;
    let keys = async |server: &Server| -> i64 {
        let mut connection = server.connection().await;
        cmd("DBSIZE").query_async(&mut connection).await.unwrap()
    };

    server.configure("maxmemory", "1").await;
    let full = books.post(&batch).await;
    assert!(matches!(full, Err(BackendError::OutOfSpace(_))), "{full:?}");
    server.configure("maxmemory", "0").await;
    assert_eq!(keys(&server).await, 0);

    let day = Granularity::Day.start_of(batch.lines[0].minute);
    let squatted = format!("reprise:{{usage}}:day:{day}");
    let () = beside.lpush(&squatted, "x").await.unwrap();
    let squatted_on = books.post(&batch).await;
    assert!(
        matches!(squatted_on, Err(BackendError::Corrupt(_))),
        "{squatted_on:?}"
    );
    assert_eq!(keys(&server).await, 1);
    let () = beside.del(&squatted).await.unwrap();

    let replica_of = async |host: &str, port: &str| {
        let mut connection = server.connection().await;
        let mut command = cmd("REPLICAOF");
        let () = command
            .arg(host)
            .arg(port)
            .query_async(&mut connection)
            .await
            .unwrap();
    };
    replica_of("127.0.0.1", "1").await;
    let demoted = books.post(&batch).await;
    assert!(
        matches!(demoted, Err(BackendError::ReadOnly(_))),
        "{demoted:?}"
    );
    replica_of("NO", "ONE").await;
    assert_eq!(keys(&server).await, 0);

    assert_eq!(post_persistently(&books, &batch).await, Posted::Now);
    assert_eq!(counted(&books, &batch).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fills_up_amid_a_batch_applies_all_of_it() {
    let server = Server::start(&["--maxmemory-policy", "noeviction"]);
    let books = books(&server.url());
    books.post(&one_request("before")).await.unwrap();
    let mut beside = server.connection().await;
    let mut info = cmd("INFO");
    let memory: String = info.arg("memory").query_async(&mut beside).await.unwrap();
    let used = memory
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .unwrap();
    // Room for the call and some of what it writes.
    let most = used.trim().parse::<u64>().unwrap() + 400_000;
    server.configure("maxmemory", &most.to_string()).await;
    let minute = this_minute();
    let lines = (0..1000).map(|place| line_of(minute, &format!("{place}"), 1));
    let large = batch_of("large", 1, lines.collect());
    assert_eq!(books.post(&large).await, Ok(Posted::Now));
    let next = batch_of("large", 2, large.lines.clone());
    let refused = books.post(&next).await;
    assert!(
        matches!(refused, Err(BackendError::OutOfSpace(_))),
        "{refused:?}"
    );
    for granularity in Granularity::ALL {
        let found = requests(&books, granularity, minute).await;
        assert!((1000..=1001).contains(&found), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_answer_came_too_late_counts_once() {
    let server = Server::start(&[]);
    let books = books(&server.url());
    let batch = one_request("late");
    let mut beside = server.connection().await;
    assert_eq!(
        books.revisions(Granularity::Day, 0..1).await,
        Ok(Vec::new())
    );
    let mut pause = cmd("CLIENT");
    pause.arg("PAUSE").arg(2_300).arg("ALL");
    let () = pause.query_async(&mut beside).await.unwrap();
    let started = Instant::now();
    assert_eq!(books.post(&batch).await, Err(BackendError::Timeout));
    assert!(
        started.elapsed() < Duration::from_millis(2_300),
        "it waits no longer"
    );
    // The first attempt is applied as well, before or after this one.
    post_persistently(&books, &batch).await;
    assert_eq!(books.post(&batch).await, Ok(Posted::Before));
    assert_eq!(counted(&books, &batch).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_counts_every_batch_once() {
    let mut server = Server::start(&["--appendonly", "yes"]);
    let books = books(&server.url());
    for number in 1..=4 {
        let batch = batch_of("restarts", number, vec![line_of(this_minute(), "model", 1)]);
        assert_eq!(post_persistently(&books, &batch).await, Posted::Now);
        server.kill();
        let started = Instant::now();
        assert!(books.post(&batch).await.is_err());
        assert!(
            started.elapsed() < Duration::from_secs(1),
            "{:?}",
            started.elapsed()
        );
        // Without the scripts it had seen.
        server.run();
        assert_eq!(post_persistently(&books, &batch).await, Posted::Before);
    }
    let mut sum = 0;
    for (start, _) in books
        .revisions(Granularity::Minute, 0..u64::MAX)
        .await
        .unwrap()
    {
        sum += requests(&books, Granularity::Minute, start).await;
    }
    assert_eq!(sum, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgot_its_scripts_or_all_of_it_is_told_again() {
    let server = Server::start(&[]);
    let books = books(&server.url());
    let mut beside = server.connection().await;
    let minute = [this_minute()];
    let batches = [1, 2, 3].map(|number| batch_of("w", number, vec![line_of(minute[0], "m", 1)]));
    books.post(&batches[0]).await.unwrap();
    let () = cmd("SCRIPT")
        .arg("FLUSH")
        .query_async(&mut beside)
        .await
        .unwrap();
    assert_eq!(books.post(&batches[1]).await, Ok(Posted::Now));
    assert_eq!(requests(&books, Granularity::Minute, minute[0]).await, 2);

    let range = minute[0]..minute[0] + 1;
    let before = books
        .revisions(Granularity::Minute, range.clone())
        .await
        .unwrap();
    let () = cmd("FLUSHALL").query_async(&mut beside).await.unwrap();
    assert_eq!(
        books.revisions(Granularity::Minute, range.clone()).await,
        Ok(Vec::new())
    );
    books.post(&batches[2]).await.unwrap();
    let after = books.revisions(Granularity::Minute, range).await.unwrap();
    assert_eq!(requests(&books, Granularity::Minute, minute[0]).await, 1);
    assert!(
        after[0].1 > before[0].1,
        "it begins with no revision it had"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_cannot_be_read_costs_only_itself() {
    let server = Server::start(&[]);
    let books = books(&server.url());
    let batch = one_request("w");
    books.post(&batch).await.unwrap();
    let mut beside = server.connection().await;
    let day = Granularity::Day.start_of(batch.lines[0].minute);
    let key = format!("reprise:{{usage}}:day:{day}");
    let damaged = line_of(day, "damaged", 1);
    let damaged_labels = damaged.labels.to_text();
    let fields = [
        ("odd", "\u{0}"),
        (damaged_labels.as_str(), "?"),
        ("[]", "\u{0}"),
    ];
    let () = beside.hset_multiple(&key, &fields).await.unwrap();
    assert_eq!(counted(&books, &batch).await, 1);
    // Nor does it stop what comes.
    books.post(&batch_of("w", 2, vec![damaged])).await.unwrap();
    assert_eq!(counted(&books, &batch).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_of_a_later_version_are_added_up() {
    let server = Server::start(&[]);
    let books = books(&server.url());
    let batch = one_request("w");
    let line = &batch.lines[0];
    let day = Granularity::Day.start_of(line.minute);
    let key = format!("reprise:{{usage}}:day:{day}");
    // Forty counts and a last one, then no times.
    let more = [&[0xdc, 0, 41][..], &[2; 40], &[7, 0x80, 0x80]].concat();
    let mut beside = server.connection().await;
    let () = beside
        .hset(&key, line.labels.to_text(), more)
        .await
        .unwrap();
    books.post(&batch).await.unwrap();
    assert_eq!(counted(&books, &batch).await, 3);
    let kept: Vec<u8> = beside.hget(&key, line.labels.to_text()).await.unwrap();
    assert_eq!(kept[..5], [0xdc, 0, 41, 3, 2]);
    assert_eq!(kept[42..44], [2, 7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_an_error_and_no_long_wait() {
    let server = Server::prepared(&[]);
    let books = books(&server.url());
    let started = Instant::now();
    let posted = books.post(&one_request("w")).await;
    assert!(
        matches!(posted, Err(BackendError::Unavailable(_))),
        "{posted:?}"
    );
    assert!(books.list("kind").await.is_err());
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_forgets_what_has_ended() {
    let server = Server::start(&[]);
    let books = books(&server.url());
    let name = |id: &str| ObjectName {
        kind: "file",
        id: id.to_owned(),
    };
    let moment = Duration::from_millis(20);
    books.put(name("short"), "x".into(), moment).await.unwrap();
    sleep(moment * 2).await;
    books.put(name("long"), "x".into(), HOUR).await.unwrap();
    books
        .put(name("shorter"), "x".into(), HOUR / 2)
        .await
        .unwrap();
    let mut beside = server.connection().await;
    let index = "reprise:{objects:file}";
    let ids: Vec<String> = beside.zrange(index, 0, -1).await.unwrap();
    assert_eq!(ids, ["shorter", "long"]);
    let left: i64 = beside.pttl(index).await.unwrap();
    assert!(left > 3_500_000, "as long as the last of them: {left}");
    // What was evicted is not there, whatever the index says.
    let () = beside.del(format!("{index}:long")).await.unwrap();
    let listed = books.list("file").await.unwrap();
    assert_eq!(listed, [("shorter".to_owned(), "x".into())]);
}
