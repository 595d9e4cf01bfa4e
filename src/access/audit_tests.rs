use super::*;
use crate::backend::InProcess;
use crate::clock::SystemClock;

const PATIENCE: Duration = Duration::from_secs(30);

fn audit() -> (Audit, Arc<InProcess>) {
    let clock = Arc::new(SystemClock);
    let objects = Arc::new(InProcess::new(Arc::clone(&clock) as _));
    (Audit::start(Arc::clone(&objects) as _, clock), objects)
}

fn key(id: &str) -> Actor {
    Actor {
        id: id.to_owned(),
        ..Actor::owner()
    }
}

async fn acts(audit: &Audit, wanted: Wanted) -> (Vec<String>, bool) {
    let acts = audit.read(&Actor::owner(), &wanted).await.unwrap();
    let told = acts.acts.iter().map(|act| act.subject.clone()).collect();
    (told, acts.has_more)
}

#[tokio::test]
async fn acts_are_told_the_newest_first_page_by_page() {
    let (audit, _objects) = audit();
    for subject in ["1", "2", "3"] {
        audit.note(&key("key_a"), "key.create", &subject);
    }
    audit.note(&key("key_b"), "key.revoke", &"4");
    let of = |actor: Option<&str>, act: Option<&str>, limit| Wanted {
        actor: actor.map(str::to_owned),
        act: act.map(str::to_owned),
        before: None,
        limit,
    };
    let (first, has_more) = acts(&audit, of(None, Some("key."), 3)).await;
    assert_eq!(
        (first, has_more),
        (["4", "3", "2"].map(String::from).into(), true)
    );
    let page = audit
        .read(&Actor::owner(), &of(Some("key_a"), None, 2))
        .await;
    let before = page.unwrap().acts.last().map(|act| act.id.clone());
    let rest = Wanted {
        before,
        ..of(Some("key_a"), None, 2)
    };
    assert_eq!(acts(&audit, rest).await, (vec!["1".to_owned()], false));
    let (revoked, _) = acts(&audit, of(None, Some("key.revoke"), 9)).await;
    assert_eq!(revoked, ["4"]);
}

#[tokio::test]
async fn reading_is_noted_once_an_hour() {
    let (audit, _objects) = audit();
    let all = Wanted {
        limit: 100,
        ..Wanted::default()
    };
    for _ in 0..3 {
        assert_eq!(acts(&audit, all.clone()).await.0, ["acts"]);
    }
}

#[tokio::test]
async fn what_is_noted_outlives_the_process() {
    let (audit, objects) = audit();
    audit.note(&Actor::owner(), "key.create", &"key_1");
    assert!(audit.flush(PATIENCE).await);
    assert_eq!(audit.waiting(), 0);
    drop(audit);
    let again = Audit::start(objects, Arc::new(SystemClock));
    let all = Wanted {
        act: Some("key.create".to_owned()),
        limit: 1,
        ..Wanted::default()
    };
    assert_eq!(acts(&again, all).await.0, ["key_1"]);
}

#[tokio::test(start_paused = true)]
async fn acts_wait_for_a_backend_that_is_away_within_bounds() {
    let objects = Arc::new(Away::default());
    let audit = Audit::start(Arc::clone(&objects) as _, Arc::new(SystemClock));
    for count in 0..=WAITING_MAX {
        audit.note(&Actor::owner(), "key.create", &count);
    }
    assert!(!audit.flush(Duration::from_mins(1)).await);
    assert_eq!(audit.waiting(), WAITING_MAX);
    objects.back.store(1, Ordering::Relaxed);
    assert!(audit.flush(Duration::from_mins(1)).await);
    assert_eq!(objects.kept.load(Ordering::Relaxed), WAITING_MAX as u64);
}

/// A place for objects that takes none until it is back.
#[derive(Debug, Default)]
struct Away {
    back: AtomicU64,
    kept: AtomicU64,
}

type Answer<'a, T> = futures_util::future::BoxFuture<'a, Result<T, BackendError>>;

impl Objects for Away {
    fn put(&self, _name: ObjectName, _content: Bytes, _keep_for: Duration) -> Answer<'_, ()> {
        Box::pin(async {
            if self.back.load(Ordering::Relaxed) == 0 {
                return Err(BackendError::Timeout);
            }
            self.kept.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }

    fn get(&self, _name: &ObjectName) -> Answer<'_, Option<Bytes>> {
        Box::pin(async { Err(BackendError::Timeout) })
    }

    fn list(&self, _kind: &'static str) -> Answer<'_, Vec<(String, Bytes)>> {
        Box::pin(async { Err(BackendError::Timeout) })
    }

    fn remove(&self, _name: &ObjectName) -> Answer<'_, bool> {
        Box::pin(async { Err(BackendError::Timeout) })
    }
}
