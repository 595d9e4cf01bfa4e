//! Waiting for a condition instead of for a time.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// How long a whole test may take before it is taken to hang.
const TEST_MAX: Duration = Duration::from_mins(10);

/// How long a condition may take to come true. Generous, because the machine may
/// be busy; a test that passes never waits for it.
const CONDITION_MAX: Duration = Duration::from_mins(1);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Runs a test's body; fails it rather than let it hang.
pub(crate) async fn in_time<T>(story: impl Future<Output = T>) -> T {
    timeout(TEST_MAX, story)
        .await
        .expect("the test hangs: it has not ended for ten minutes")
}

/// Looks again and again until `look` has something, and gives it back.
pub(crate) async fn eventually<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < CONDITION_MAX, "never came true: {what}");
        sleep(LOOK_EVERY).await;
    }
}
