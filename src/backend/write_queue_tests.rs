//! What waits is bounded, in order, and not lost lightly. Time is the test's own.

use super::*;
use crate::backend::Rendition;
use crate::backend::contract::entry_of;
use crate::backend::scripted::{Behaviour, Scripted};
use crate::entry::Limits;

const HOUR: Duration = Duration::from_hours(1);

fn queue(bounds: Bounds) -> (Arc<Scripted>, WriteQueue) {
    let scripted = Arc::new(Scripted::default());
    let guard = Guard::new(
        Arc::clone(&scripted) as _,
        Duration::from_millis(50),
        Duration::from_millis(250),
    );
    let keys = Arc::new(TenantKeys::none());
    let purges = Arc::new(Purges::new(Arc::new(crate::clock::SystemClock)));
    let queue = WriteQueue::new(Arc::new(guard), keys, purges, bounds);
    (scripted, queue)
}

fn away() -> Behaviour {
    Behaviour::Fail(BackendError::Unavailable(String::new()))
}

fn put(stored_at: u64, body: &[u8]) -> Change {
    let cached = Cached::new(entry_of(stored_at, body));
    Change::Put(Arc::new(cached), Instant::now() + HOUR)
}

fn body(scripted: &Scripted, key: &Key) -> Option<Bytes> {
    let sealed = scripted.stored(key)?;
    Some(entry::open(&sealed, key, Limits::default()).unwrap().body)
}

#[tokio::test(start_paused = true)]
async fn what_is_pushed_is_written_sealed() {
    let (scripted, queue) = queue(Bounds::default());
    for seed in 0..=255 {
        queue.push(Key::for_tests(seed), put(1, &[seed]));
    }
    assert_eq!(queue.flush(HOUR).await, 0);
    for seed in 0..=255 {
        let found = body(&scripted, &Key::for_tests(seed));
        assert_eq!(found, Some(Bytes::copy_from_slice(&[seed])));
    }
    assert_eq!(
        queue.depth(),
        Depth {
            changes: 0,
            bytes: 0,
            dropped: 0
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_large_batches_is_written_without_loss_or_long_searches() {
    const BURST: u32 = 30 * 2048;
    let (scripted, queue) = queue(Bounds::default());
    scripted.behave(Behaviour::Hang);
    let remove = |numbers: std::ops::Range<u32>| {
        for number in numbers {
            queue.push(Key::numbered_for_tests(number), Change::Remove);
        }
    };
    // Those under way come first again among those that wait, and are passed over.
    let under_way = u32::try_from(IN_FLIGHT_MAX).unwrap();
    remove(0..under_way);
    tokio::task::yield_now().await;
    remove(0..BURST);
    let expected = BURST as usize + IN_FLIGHT_MAX;
    assert_eq!(queue.depth().changes, expected);
    scripted.behave(Behaviour::Serve);
    // Not the test's own time: a search of all that waits for each change would
    // take minutes.
    let started = std::time::Instant::now();
    assert_eq!(queue.flush(HOUR).await, 0);
    assert!(started.elapsed() < Duration::from_secs(30));
    assert_eq!(queue.depth().dropped, 0);
    assert!(scripted.writes() >= BURST as usize);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_are_dropped_when_there_are_too_many() {
    let (scripted, queue) = queue(Bounds {
        changes: 10,
        bytes: u64::MAX,
    });
    scripted.behave(Behaviour::Hang);
    for seed in 0..30 {
        queue.push(Key::for_tests(seed), put(1, b"x"));
        assert!(queue.depth().changes <= 10);
    }
    assert_eq!(queue.depth().dropped, 20);
    scripted.behave(Behaviour::Serve);
    assert_eq!(queue.flush(HOUR).await, 0);
    assert!(scripted.stored(&Key::for_tests(29)).is_some());
    assert!(scripted.stored(&Key::for_tests(19)).is_none());
}

#[tokio::test(start_paused = true)]
async fn the_oldest_are_dropped_when_they_are_too_long() {
    let (scripted, queue) = queue(Bounds {
        changes: usize::MAX,
        bytes: 100_000,
    });
    scripted.behave(away());
    for seed in 0..50 {
        queue.push(Key::for_tests(seed), put(1, &[seed; 10_000]));
        assert!(queue.depth().bytes <= 100_000);
    }
    let depth = queue.depth();
    assert_eq!((depth.changes, depth.dropped), (9, 41));
}

#[tokio::test(start_paused = true)]
async fn a_key_gets_its_latest_change() {
    let (scripted, queue) = queue(Bounds::default());
    let key = Key::for_tests(1);
    queue.push(key, put(1, b"one"));
    tokio::task::yield_now().await;
    queue.push(key, Change::Remove);
    queue.push(key, put(2, b"two"));
    queue.push(key, put(3, b"three"));
    queue.push(key, put(2, b"late"));
    assert!(
        matches!(queue.pending(&key), Some(Change::Put(cached, _)) if cached.entry.stored_at == 3)
    );
    queue.flush(HOUR).await;
    assert_eq!(body(&scripted, &key), Some("three".into()));
    queue.push(key, Change::Remove);
    queue.flush(HOUR).await;
    assert_eq!(body(&scripted, &key), None);
    assert!(scripted.written().len() <= 3, "changes that wait are one");
}

#[tokio::test(start_paused = true)]
async fn answers_wait_while_the_backend_is_away() {
    let (scripted, queue) = queue(Bounds::default());
    scripted.behave(away());
    for seed in 0..100 {
        queue.push(Key::for_tests(seed), put(1, &[seed]));
    }
    sleep(HOUR / 2).await;
    assert_eq!(queue.depth().changes, 100);
    assert_eq!(queue.flush(Duration::from_secs(1)).await, 100);
    scripted.behave(Behaviour::Serve);
    assert_eq!(queue.flush(Duration::from_secs(2)).await, 0);
    assert!((0..100).all(|seed| scripted.stored(&Key::for_tests(seed)).is_some()));
    assert_eq!(queue.depth().dropped, 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_time_is_over_is_not_written_late() {
    let (scripted, queue) = queue(Bounds::default());
    scripted.behave(away());
    queue.push(Key::for_tests(1), put(1, b"x"));
    sleep(HOUR).await;
    scripted.behave(Behaviour::Serve);
    assert_eq!(queue.flush(HOUR).await, 0);
    assert_eq!(body(&scripted, &Key::for_tests(1)), None);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_can_never_be_written_is_given_up() {
    let (scripted, queue) = queue(Bounds::default());
    scripted.behave(Behaviour::RefuseWrites(
        BackendError::Invalid(String::new()),
    ));
    queue.push(Key::for_tests(1), put(1, b"x"));
    assert_eq!(queue.flush(HOUR).await, 0);
    assert_eq!((scripted.writes(), queue.depth().dropped), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn removing_what_is_damaged_does_not_remove_what_replaces_it() {
    let (scripted, queue) = queue(Bounds::default());
    let key = Key::for_tests(1);
    queue.push(key, put(1, b"new"));
    queue.remove_damaged(key);
    queue.flush(HOUR).await;
    assert_eq!(body(&scripted, &key), Some("new".into()));
}

#[tokio::test(start_paused = true)]
async fn forms_rendered_while_an_answer_waits_do_not_upset_the_books() {
    let (scripted, queue) = queue(Bounds::default());
    scripted.behave(away());
    let [kept, replaced] = [1, 2].map(Key::for_tests);
    let changes = [put(1, b"x"), put(1, b"y"), put(2, b"z")];
    let [one, two, three] = changes;
    queue.push(kept, one.clone());
    queue.push(replaced, two.clone());
    let before = queue.depth().bytes;
    for change in [&one, &two] {
        if let Change::Put(cached, _until) = change {
            cached.rendition(Rendition::Stream, || Some(vec![b'x'; 10_000].into()));
            cached.rendition(Rendition::Numbers, || Some(vec![b'x'; 10_000].into()));
        }
    }
    queue.push(replaced, three);
    assert_eq!(queue.depth().bytes, before);
    scripted.behave(Behaviour::Serve);
    assert_eq!(queue.flush(HOUR).await, 0);
    assert_eq!(queue.depth().bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_what_was_dropped() {
    let (scripted, queue) = queue(Bounds {
        changes: usize::MAX,
        bytes: 100_000,
    });
    scripted.behave(away());
    queue.push(Key::for_tests(1), put(1, b"x"));
    let started = Instant::now();
    let too_long = async {
        sleep(Duration::from_secs(5)).await;
        queue.push(Key::for_tests(2), put(1, &vec![0; 200_000]));
    };
    let (left, ()) = tokio::join!(queue.flush(HOUR), too_long);
    assert_eq!((left, queue.depth().dropped), (0, 2));
    assert!(started.elapsed() < Duration::from_secs(6));
}
