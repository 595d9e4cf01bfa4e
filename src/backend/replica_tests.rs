use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::*;
use crate::backend::documents::Seen;
use crate::backend::in_process::InProcess;
use crate::clock::SystemClock;

#[derive(Debug, Default)]
struct Held(Mutex<BTreeMap<String, Bytes>>);

impl Follower for Held {
    fn kind(&self) -> &'static str {
        "letters"
    }

    fn follow(&self, changes: &Changes) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if changes.whole {
            held.clear();
        }
        for document in &changes.documents {
            match &document.content {
                Some(content) => held.insert(document.id.clone(), content.clone()),
                None => held.remove(&document.id),
            };
        }
    }
}

fn letter(id: &str, seen: Seen, content: Option<&'static str>) -> Change {
    Change {
        kind: "letters",
        id: id.to_owned(),
        seen,
        content: content.map(Bytes::from),
        keep_for: None,
    }
}

#[tokio::test]
async fn a_change_is_seen_here_at_once_and_elsewhere_within_a_second() {
    let documents: Arc<dyn Documents> = Arc::new(InProcess::new(Arc::new(SystemClock)));
    let (here, there) = (Arc::new(Held::default()), Arc::new(Held::default()));
    let mine = Replica::start(Arc::clone(&documents), vec![Arc::clone(&here) as _]);
    let others = Replica::start(documents, vec![Arc::clone(&there) as _]);
    assert!(others.first(Duration::from_secs(5)).await);
    let made = mine.change(letter("a", Seen::Absent, Some("1"))).await;
    let revision = made.unwrap().unwrap();
    assert_eq!(here.0.lock().unwrap()["a"], "1");
    let again = mine.change(letter("a", Seen::Absent, Some("2"))).await;
    assert_eq!(again.unwrap(), None);
    let began = Instant::now();
    while there.0.lock().unwrap().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let removed = mine.change(letter("a", Seen::At(revision), None)).await;
    assert!(removed.unwrap().is_some());
    assert!(here.0.lock().unwrap().is_empty());
    others.refresh().await.unwrap();
    assert!(there.0.lock().unwrap().is_empty());
    assert!(others.age().unwrap() < Duration::from_secs(5));
}
