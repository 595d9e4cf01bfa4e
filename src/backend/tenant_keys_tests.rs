//! Keys of tenants: made once, followed everywhere, dropped for good.

use std::sync::Mutex;

use super::*;
use crate::backend::contract::{TemporaryFolder, entry_of};
use crate::backend::documents::Documents;
use crate::backend::in_process::InProcess;
use crate::backend::{BackendChoice, BackendOptions, Store};
use crate::clock::SystemClock;
use crate::key::Key;
use crate::vault::MasterKey;

fn vault(ids: &[u8]) -> Arc<Vault> {
    let key = |id: &u8| MasterKey::of(*id, &format!("secret {id}"));
    Arc::new(Vault::new(ids.iter().map(key).collect()))
}

fn documents() -> Arc<dyn Documents> {
    Arc::new(InProcess::new(Arc::new(SystemClock)))
}

/// One process.
struct House {
    keys: Arc<TenantKeys>,
    replica: Replica,
    _keeper: tokio_util::task::AbortOnDropHandle<()>,
}

fn house(documents: &Arc<dyn Documents>, masters: &[u8]) -> House {
    let keys = Arc::new(TenantKeys::new(vault(masters), true));
    let replica = Replica::start(Arc::clone(documents), vec![Arc::clone(&keys) as _]);
    House {
        _keeper: Arc::clone(&keys).keep(replica.clone()),
        keys,
        replica,
    }
}

impl House {
    async fn key(&self, tenant: &str) -> Arc<DataKey> {
        loop {
            match self.keys.obtain(tenant).await {
                Ok(key) => return key.unwrap(),
                Err(error) => assert_eq!(error, BackendError::NoKeyYet),
            }
        }
    }
}

async fn eventually(what: impl Fn() -> bool) {
    let waited = timeout(Duration::from_mins(1), async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("it comes true");
}

#[tokio::test]
async fn two_processes_that_make_a_key_at_once_have_the_same() {
    let documents = documents();
    let (one, two) = (house(&documents, &[1]), house(&documents, &[1]));
    let (first, second) = tokio::join!(one.key("acme"), two.key("acme"));
    assert_eq!(first.id(), second.id());
    assert_ne!(one.key("globex").await.id(), first.id());
    assert_eq!(two.keys.data_key(&first.id()).unwrap().id(), first.id());
}

#[tokio::test]
async fn without_encryption_no_key_is_made_but_those_there_are_open() {
    let documents = documents();
    let made = house(&documents, &[1]).key("acme").await;
    let keys = Arc::new(TenantKeys::new(vault(&[1]), false));
    let replica = Replica::start(Arc::clone(&documents), vec![Arc::clone(&keys) as _]);
    assert!(replica.first(Duration::from_mins(1)).await);
    assert!(keys.obtain("acme").await.unwrap().is_none());
    assert!(keys.data_key(&made.id()).is_some());
}

#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Forgets for Told {
    fn forget_tenant(&self, tenant: &str) {
        self.0.lock().unwrap().push(tenant.to_owned());
    }
}

#[tokio::test]
async fn a_dropped_key_is_gone_everywhere_and_the_next_is_another() {
    let documents = documents();
    let (here, there) = (house(&documents, &[1]), house(&documents, &[1]));
    let told = Arc::new(Told::default());
    let forgets: Arc<dyn Forgets> = Arc::clone(&told) as _;
    there.keys.tell(Arc::downgrade(&forgets));
    let key = here.key("acme").await;
    there.key("acme").await;
    there.key("globex").await;
    assert!(here.keys.forget(&here.replica, "acme").await.unwrap());
    assert!(here.keys.data_key(&key.id()).is_none());
    eventually(|| there.keys.data_key(&key.id()).is_none()).await;
    assert_eq!(*told.0.lock().unwrap(), ["acme"]);
    assert!(!here.keys.forget(&here.replica, "acme").await.unwrap());
    assert_ne!(here.key("acme").await.id(), key.id());
}

#[tokio::test]
async fn keys_are_brought_under_the_master_key_in_force() {
    let documents = documents();
    let id = house(&documents, &[1]).key("acme").await.id();
    let rotated = house(&documents, &[2, 1]);
    let master = || rotated.keys.data_key(&id).map(|key| key.master());
    eventually(|| master() == Some(2)).await;
    let later = house(&documents, &[2]);
    assert_eq!(later.key("acme").await.id(), id);
}

#[tokio::test]
async fn a_key_under_an_unknown_master_key_is_neither_used_nor_replaced() {
    let documents = documents();
    let id = house(&documents, &[1]).key("acme").await.id();
    let other = house(&documents, &[3]);
    assert!(other.replica.first(Duration::from_mins(1)).await);
    let refused = other.keys.obtain("acme").await.unwrap_err();
    assert_eq!(refused.as_str(), "no_key");
    assert!(!refused.is_passing());
    assert!(other.keys.data_key(&id).is_none());
    assert_eq!(house(&documents, &[1]).key("acme").await.id(), id);
}

#[tokio::test]
async fn answers_of_a_forgotten_tenant_are_misses_at_once() {
    let folder = TemporaryFolder::new();
    let keys = Arc::new(TenantKeys::new(vault(&[1]), true));
    let options = BackendOptions {
        choice: BackendChoice::Embedded,
        data_dir: folder.0.clone(),
        cache_bytes_max: 64 << 20,
        memory_bytes_max: 16 << 20,
        read_timeout: Duration::from_secs(2),
        write_timeout: Duration::from_secs(2),
        redis_prefix: "reprise".to_owned(),
        cache_secret: None,
    };
    let store = Store::open_with(&options, Arc::clone(&keys), Arc::new(SystemClock)).unwrap();
    let replica = Replica::start(store.documents(), vec![Arc::clone(&keys) as _]);
    let _keeper = Arc::clone(&keys).keep(replica.clone());
    let insert = |seed: u8, tenant: &str| {
        let mut entry = entry_of(1, b"{}");
        entry.meta.tenant = Some(tenant.to_owned());
        store.insert(Key::for_tests(seed), entry, Duration::from_hours(1));
    };
    insert(1, "acme");
    insert(2, "globex");
    eventually(|| store.health().queue_depth == 0).await;
    // One more waits to be written, or is: it goes as well.
    insert(3, "acme");
    assert!(keys.forget(&replica, "acme").await.unwrap());
    for (seed, is_kept) in [(1, false), (2, true), (3, false)] {
        let found = store.lookup(&Key::for_tests(seed)).await.0;
        assert_eq!(found.is_some(), is_kept, "{seed}");
    }
}
