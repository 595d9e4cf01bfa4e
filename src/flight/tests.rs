//! The protocol between one producer and its cursors.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::*;

fn flights() -> Arc<Flights> {
    Flights::new(FlightOptions {
        follow_timeout: Duration::from_mins(2),
        orphan_timeout: Duration::from_mins(2),
        orphans_max: 1,
        elections_max: 2,
    })
}

fn key() -> Key {
    Key::for_tests(1)
}

fn head() -> Head {
    Head {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        form: Form::Json,
    }
}

fn piece(text: &'static str) -> Piece {
    Piece::plain(Bytes::from_static(text.as_bytes()))
}

fn lead(flights: &Arc<Flights>) -> (Producer, Cursor) {
    match flights.join(key()) {
        Seat::Leader(producer, cursor) => (producer, cursor),
        Seat::Follower(_) => panic!("somebody else leads"),
    }
}

fn follow(flights: &Arc<Flights>) -> Cursor {
    match flights.join(key()) {
        Seat::Follower(cursor) => cursor,
        Seat::Leader(..) => panic!("nobody leads"),
    }
}

async fn read(mut cursor: Cursor) -> Result<Vec<u8>, Failure> {
    cursor.head().await?;
    let mut text = Vec::new();
    while let Some(piece) = cursor.next().await {
        text.extend_from_slice(&piece?.raw);
    }
    Ok(text)
}

#[tokio::test]
async fn a_late_follower_gets_the_start() {
    let flights = flights();
    let (producer, leader) = lead(&flights);
    producer.head(head(), None);
    producer.push(piece("a"));
    producer.push(piece("b"));
    let follower = follow(&flights);
    let reading = tokio::spawn(read(follower));
    producer.push(piece("c"));
    producer.complete(None);
    assert_eq!(reading.await.unwrap().unwrap(), b"abc");
    assert_eq!(read(leader).await.unwrap(), b"abc");
    assert!(flights.is_empty());
}

#[tokio::test]
async fn a_dropped_producer_is_a_failure_for_everybody() {
    let flights = flights();
    let (producer, leader) = lead(&flights);
    let follower = follow(&flights);
    producer.head(head(), None);
    producer.push(piece("half"));
    drop(producer);
    assert_eq!(read(leader).await, Err(Failure::Abandoned));
    assert_eq!(read(follower).await, Err(Failure::Abandoned));
    assert!(flights.is_empty());
}

#[tokio::test]
async fn a_failure_before_the_head_is_told_to_those_who_wait_for_it() {
    let flights = flights();
    let (producer, mut leader) = lead(&flights);
    let waiting = tokio::spawn(async move { leader.head().await.map(|_head| ()) });
    tokio::task::yield_now().await;
    producer.fail(Failure::Unreachable);
    assert_eq!(waiting.await.unwrap(), Err(Failure::Unreachable));
}

#[tokio::test]
async fn one_who_demands_a_new_answer_joins_no_older_fill_but_others_join_the_newer() {
    let flights = flights();
    let (older, _older_cursor) = lead(&flights);
    let Seat::Leader(newer, _newer_cursor) = flights.lead(key()) else {
        panic!("a new fill has a leader");
    };
    let follower = follow(&flights);
    older.head(head(), None);
    older.push(piece("old"));
    older.complete(None);
    assert_eq!(
        flights.len(),
        1,
        "the older fill must not take the newer out"
    );
    newer.head(head(), None);
    newer.push(piece("new"));
    newer.complete(None);
    assert_eq!(read(follower).await.unwrap(), b"new");
}

#[tokio::test(start_paused = true)]
async fn a_fill_goes_on_without_readers_for_a_while_and_a_retry_attaches() {
    let flights = flights();
    let (mut producer, leader) = lead(&flights);
    drop(leader);
    let slow = tokio::time::sleep(Duration::from_mins(1));
    assert_eq!(producer.while_wanted(slow).await, Ok(()));
    let retry = follow(&flights);
    let slow = tokio::time::sleep(Duration::from_mins(10));
    assert_eq!(
        producer.while_wanted(slow).await,
        Ok(()),
        "somebody reads again"
    );
    drop(retry);
    let slow = tokio::time::sleep(Duration::from_secs(121));
    assert_eq!(producer.while_wanted(slow).await, Err(Alone));
}

#[tokio::test(start_paused = true)]
async fn only_so_many_fills_go_on_without_readers() {
    let flights = flights();
    let (mut first, cursor) = lead(&flights);
    drop(cursor);
    let Seat::Leader(mut second, cursor) = flights.lead_alone(Key::for_tests(2)) else {
        panic!("alone means leading");
    };
    drop(cursor);
    let step = || tokio::time::sleep(Duration::from_secs(1));
    assert_eq!(first.while_wanted(step()).await, Ok(()));
    assert_eq!(second.while_wanted(step()).await, Err(Alone));
    drop(first);
    let Seat::Leader(mut third, cursor) = flights.lead_alone(Key::for_tests(3)) else {
        panic!("alone means leading");
    };
    drop(cursor);
    assert_eq!(
        third.while_wanted(step()).await,
        Ok(()),
        "a place is free again"
    );
}

#[tokio::test]
async fn a_body_too_large_to_keep_is_passed_on_in_a_window() {
    let flights = flights();
    let (mut producer, leader) = lead(&flights);
    let laggard = follow(&flights);
    producer.head(head(), None);
    producer.outgrow();
    assert!(flights.is_empty(), "nobody can join any more");
    let reading = tokio::spawn(read(leader));
    let large = Bytes::from(vec![b'x'; 256 * 1024]);
    for _ in 0..40 {
        producer.paced().await.unwrap();
        producer.push(Piece::plain(large.clone()));
    }
    producer.complete(None);
    assert_eq!(reading.await.unwrap().unwrap().len(), 40 * 256 * 1024);
    assert_eq!(read(laggard).await, Err(Failure::Lagged));
}

#[tokio::test]
async fn a_key_that_cannot_be_shared_is_filled_without_company() {
    let flights = flights();
    let (producer, _cursor) = lead(&flights);
    producer.unshareable();
    producer.complete(None);
    let (_first, _cursor) = lead(&flights);
    let (_second, _cursor) = lead(&flights);
}

#[tokio::test]
async fn everybody_is_told_when_the_server_stops() {
    let flights = flights();
    let (producer, leader) = lead(&flights);
    producer.head(head(), None);
    flights.abandon_all();
    assert_eq!(read(leader).await, Err(Failure::Abandoned));
    producer.complete(None);
}

/// The items somebody has to call for, and those that each follower waits for.
fn places(seats: &ItemSeats) -> (Vec<usize>, Vec<Vec<usize>>) {
    let led = seats.lead.as_ref().map(|(_, _, items)| items.clone());
    let followed = seats.follow.iter().map(|(_, items)| items.clone());
    (led.unwrap_or_default(), followed.collect())
}

#[tokio::test]
async fn batches_that_overlap_wait_for_each_other_and_call_for_the_rest() {
    let flights = flights();
    let keys: Vec<Key> = (0..6).map(Key::for_tests).collect();
    let first = flights.join_items(&keys[0..2]);
    let second = flights.join_items(&keys[2..4]);
    let third = flights.join_items(&[keys[1], keys[4], keys[2], keys[0], keys[5]]);
    assert_eq!(places(&first), (vec![0, 1], vec![]));
    assert_eq!(places(&second), (vec![0, 1], vec![]));
    assert_eq!(places(&third), (vec![1, 4], vec![vec![0, 3], vec![2]]));
    assert_eq!(flights.len(), 6);
    let Some((producer, _, _)) = first.lead else {
        panic!("nobody leads");
    };
    producer.complete_items(ItemAnswers {
        by_key: HashMap::new(),
        frame: Bytes::from_static(b"{}"),
    });
    let (mut cursor, _) = third.follow.into_iter().next().unwrap();
    assert!(matches!(cursor.end().await, End::Items(answers) if answers.frame == "{}"));
    assert_eq!(flights.len(), 4, "what is answered is not running");
}

#[tokio::test]
async fn a_batch_given_up_fails_for_each_of_its_items() {
    let flights = flights();
    let keys = [Key::for_tests(1), Key::for_tests(2)];
    let first = flights.join_items(&keys);
    let second = flights.join_items(&keys[1..]);
    drop(first);
    for (mut cursor, _) in second.follow {
        assert!(matches!(
            cursor.end().await,
            End::Failed(Failure::Abandoned)
        ));
    }
    assert!(flights.is_empty());
    assert!(keys.iter().all(|key| flights.failures(key) == 1));
}

#[tokio::test]
async fn items_that_cannot_be_shared_are_called_for_without_company() {
    let flights = flights();
    let keys = [Key::for_tests(1), Key::for_tests(2)];
    let alone = flights.lead_items_alone(&keys[..1]);
    assert_eq!(places(&alone), (vec![0], vec![]));
    assert!(flights.is_empty());
    let Some((producer, _, _)) = alone.lead else {
        panic!("nobody leads");
    };
    producer.unshareable();
    producer.complete(None);
    let first = flights.join_items(&keys);
    assert_eq!(places(&first), (vec![0, 1], vec![]));
    let second = flights.join_items(&keys);
    assert_eq!(places(&second), (vec![0], vec![vec![1]]));
}
