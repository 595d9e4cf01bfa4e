//! A backend that fails is in nobody's way. Time is the test's own.

use super::*;
use crate::backend::contract::record_of;
use crate::backend::scripted::{Behaviour, Scripted};

const READ: Duration = Duration::from_millis(50);
const WRITE: Duration = Duration::from_millis(250);

fn guarded() -> (Arc<Scripted>, Guard) {
    let scripted = Arc::new(Scripted::default());
    let guard = Guard::new(Arc::clone(&scripted) as _, READ, WRITE);
    (scripted, guard)
}

async fn look_up(guard: &Guard) -> (Result<Option<Bytes>, BackendError>, Duration) {
    let started = Instant::now();
    let result = guard.get(&Key::for_tests(1)).await;
    (result, started.elapsed())
}

async fn write(guard: &Guard) -> Result<(), BackendError> {
    let record = record_of(b"x", Duration::from_hours(1));
    guard.put(Key::for_tests(1), record).await
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_hangs_costs_ten_deadlines_and_then_nothing() {
    let (scripted, guard) = guarded();
    sleep(Duration::from_millis(1)).await;
    assert!(guard.is_reachable());
    scripted.behave(Behaviour::Hang);
    for _look_up in 0..10 {
        assert_eq!(look_up(&guard).await, (Err(BackendError::Timeout), READ));
    }
    for _look_up in 0..100 {
        assert_eq!(
            look_up(&guard).await,
            (Err(BackendError::LeftAlone), Duration::ZERO)
        );
    }
    assert!(!guard.is_reachable());
    // Writes have their own breaker, and were not tried.
    assert_eq!(guard.writes(), Standing::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_few_entries_have_the_deadline_of_one() {
    let (scripted, guard) = guarded();
    let keys = [Key::for_tests(1), Key::for_tests(2)];
    assert_eq!(guard.get_many(&keys).await, Ok(vec![None, None]));
    scripted.behave(Behaviour::Hang);
    for _look_up in 0..10 {
        let started = Instant::now();
        assert_eq!(guard.get_many(&keys).await, Err(BackendError::Timeout));
        assert_eq!(started.elapsed(), READ);
    }
    assert_eq!(guard.get_many(&keys).await, Err(BackendError::LeftAlone));
    assert_eq!(scripted.questions().len(), 11, "and is asked no more");
}

#[tokio::test(start_paused = true)]
async fn many_entries_have_a_longer_deadline() {
    let (scripted, guard) = guarded();
    let keys: Vec<Key> = (0..128).map(Key::for_tests).collect();
    assert_eq!(guard.get_many(&keys).await, Ok(vec![None; 128]));
    scripted.behave(Behaviour::Hang);
    let started = Instant::now();
    assert_eq!(guard.get_many(&keys).await, Err(BackendError::Timeout));
    assert_eq!(started.elapsed(), READ * 5);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_comes_back_is_used_within_the_time_of_a_probe() {
    let (scripted, guard) = guarded();
    scripted.behave(Behaviour::Fail(BackendError::Unavailable(String::new())));
    for _look_up in 0..5 {
        assert!(look_up(&guard).await.0.is_err());
    }
    assert_eq!(guard.reads(), Standing::Open);
    sleep(PROBE_INTERVAL * 5).await;
    assert_eq!(guard.reads(), Standing::Open);
    scripted.behave(Behaviour::Serve);
    sleep(PROBE_INTERVAL + Duration::from_millis(200)).await;
    assert_eq!(look_up(&guard).await.0, Ok(None));
    assert!(guard.is_reachable());
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_away_at_the_start_is_left_alone_from_the_start() {
    let scripted = Arc::new(Scripted::default());
    scripted.behave(Behaviour::Fail(BackendError::Unavailable(String::new())));
    let guard = Guard::new(Arc::clone(&scripted) as _, READ, WRITE);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(look_up(&guard).await.0, Err(BackendError::LeftAlone));
    assert!(!guard.is_reachable());
}

#[tokio::test(start_paused = true)]
async fn a_full_backend_is_read_on_and_tried_with_one_write_a_second() {
    let (scripted, guard) = guarded();
    scripted.behave(Behaviour::RefuseWrites(BackendError::OutOfSpace(
        String::new(),
    )));
    for _write in 0..5 {
        assert!(write(&guard).await.is_err());
    }
    assert_eq!(guard.writes(), Standing::Open);
    assert_eq!(look_up(&guard).await.0, Ok(None));
    let before = scripted.writes();
    for _tenth in 0..100 {
        sleep(Duration::from_millis(100)).await;
        assert!(write(&guard).await.is_err());
    }
    let tried = scripted.writes() - before;
    assert!((7..=10).contains(&tried), "{tried} in ten seconds");
    scripted.behave(Behaviour::Serve);
    sleep(PROBE_INTERVAL + Duration::from_millis(200)).await;
    assert_eq!(write(&guard).await, Ok(()));
    assert_eq!(guard.writes(), Standing::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_value_says_nothing_about_the_backend() {
    let (scripted, guard) = guarded();
    scripted.behave(Behaviour::Fail(BackendError::Corrupt(String::new())));
    for _look_up in 0..50 {
        assert!(look_up(&guard).await.0.is_err());
    }
    assert_eq!(guard.reads(), Standing::Closed);
}
