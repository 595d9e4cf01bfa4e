use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::access::keyring::{KeyDigest, KeyRecord, Keyring};
use crate::access::{Actor, AdminKey, Role};
use crate::backend::{Document, Documents, InProcess, Replica};
use crate::clock::Clock;
use crate::vault::MasterKey;

#[derive(Debug)]
struct MovingClock(AtomicU64);

impl Clock for MovingClock {
    fn unix_millis(&self) -> UnixMillis {
        self.0.load(Ordering::Relaxed)
    }
}

struct House {
    desk: SessionDesk,
    keyring: Arc<Keyring>,
    clock: Arc<MovingClock>,
    documents: Arc<dyn Documents>,
}

fn vault() -> Arc<Vault> {
    Arc::new(Vault::new(vec![MasterKey::of(1, "secret")]))
}

impl House {
    fn open() -> Self {
        let clock = Arc::new(MovingClock(AtomicU64::new(1_700_000_000_000)));
        let documents: Arc<dyn Documents> = Arc::new(InProcess::new(Arc::clone(&clock) as _));
        Self::over(documents, clock, "rk-admin")
    }

    fn over(documents: Arc<dyn Documents>, clock: Arc<MovingClock>, admin: &str) -> Self {
        let sessions = Arc::new(Sessions::new(vault()));
        let keyring = Arc::new(Keyring::new(&vault()));
        let followers = vec![Arc::clone(&sessions) as _];
        let replica = Replica::start(Arc::clone(&documents), followers);
        let desk = SessionDesk::new(
            sessions,
            Arc::clone(&keyring),
            AdminKey::chosen(&SecretString::from(admin)),
            replica,
            Arc::clone(&clock) as _,
        );
        Self {
            desk,
            keyring,
            clock,
            documents,
        }
    }

    /// Puts a key into the keyring as it is now.
    fn key(&self, roles: &[Role], disabled: bool) -> Actor {
        let key = KeyRecord {
            id: "key_1".to_owned(),
            name: "a key".to_owned(),
            tenant: "acme".to_owned(),
            digest: KeyDigest([1; 32]),
            prefix: "rpk_".to_owned(),
            last4: "wxyz".to_owned(),
            created_at: 0,
            expires_at: None,
            disabled,
            roles: roles.iter().copied().collect::<BTreeSet<_>>(),
            rights: Arc::default(),
        };
        self.keyring.follow(&Changes {
            revision: 1,
            whole: true,
            documents: vec![Document {
                id: key.id.clone(),
                revision: 1,
                content: Some(serde_json::to_vec(&key).unwrap().into()),
            }],
        });
        Actor::of_key(&key)
    }

    async fn session(&self, actor: &Actor) -> Opened {
        self.desk.open(actor, None, None).await.unwrap()
    }

    fn roles(&self, opened: &Opened) -> Option<Vec<Role>> {
        let signed = self.desk.find(opened.token.expose_secret())?;
        Some(signed.actor.roles)
    }
}

#[tokio::test]
async fn a_session_stands_for_who_opened_it() {
    let house = House::open();
    let opened = house.session(&Actor::owner()).await;
    let signed = house.desk.find(opened.token.expose_secret()).unwrap();
    assert_eq!(signed.actor.id, "owner");
    assert_eq!(
        signed.actor.origin.session.as_ref(),
        Some(&opened.record.id)
    );
    assert!(signed.actor.may(Role::ManageKeys));
    assert!(house.desk.find("rps_wrong").is_none());
    assert!(house.desk.find("rk-admin").is_none());
}

#[tokio::test]
async fn a_session_is_worth_what_its_key_is_worth_now() {
    let house = House::open();
    let actor = house.key(&[Role::ReadUsage, Role::PurgeAll], false);
    let opened = house.session(&actor).await;
    let both = vec![Role::ReadUsage, Role::PurgeAll];
    assert_eq!(house.roles(&opened), Some(both));
    house.key(&[Role::ReadUsage], false);
    assert_eq!(house.roles(&opened), Some(vec![Role::ReadUsage]));
    house.key(&[], false);
    assert_eq!(house.roles(&opened), None);
    house.key(&[Role::ReadUsage], true);
    assert_eq!(house.roles(&opened), None);
    house.keyring.follow(&Changes {
        revision: 2,
        whole: true,
        documents: Vec::new(),
    });
    assert_eq!(house.roles(&opened), None);
}

#[tokio::test]
async fn an_owners_session_ends_with_the_admin_key() {
    let house = House::open();
    let opened = house.session(&Actor::owner()).await;
    let (documents, clock) = (Arc::clone(&house.documents), Arc::clone(&house.clock));
    let same = House::over(Arc::clone(&documents), Arc::clone(&clock), "rk-admin");
    let other = House::over(documents, clock, "rk-another");
    for (house, is_good) in [(same, true), (other, false)] {
        house.desk.close_all(&house.key(&[], false)).await.unwrap();
        assert_eq!(house.roles(&opened).is_some(), is_good);
    }
}

#[tokio::test]
async fn a_session_ends_after_a_day_and_notes_its_use_once_a_minute() {
    let house = House::open();
    let opened = house.session(&Actor::owner()).await;
    house.clock.0.fetch_add(90_000, Ordering::Relaxed);
    let signed = house.desk.find(opened.token.expose_secret()).unwrap();
    assert_eq!(signed.session.used_at(), opened.record.used_at + 90_000);
    // Written behind the answer: another process learns of it.
    let there = House::over(
        Arc::clone(&house.documents),
        Arc::clone(&house.clock),
        "rk-admin",
    );
    let noted = async {
        loop {
            let seen = there.desk.list(&Actor::owner());
            if seen
                .iter()
                .any(|one| one.session.record.used_at > one.session.record.created_at)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), noted)
        .await
        .unwrap();
    house
        .clock
        .0
        .fetch_add(24 * 60 * 60 * 1000, Ordering::Relaxed);
    assert!(house.desk.find(opened.token.expose_secret()).is_none());
    assert!(house.desk.list(&Actor::owner()).is_empty());
}

#[tokio::test]
async fn sessions_are_closed_by_their_own_and_by_owners() {
    let house = House::open();
    let actor = house.key(&[Role::ReadUsage], false);
    let of_owner = house.session(&Actor::owner()).await;
    let of_key = house.session(&actor).await;
    let refused = house.desk.close(&actor, &of_owner.record.id).await;
    assert!(matches!(refused, Err(SessionError::Missing)));
    assert_eq!(house.desk.list(&actor).len(), 1);
    assert_eq!(house.desk.list(&Actor::owner()).len(), 2);
    assert_eq!(house.desk.close_all(&actor).await.unwrap(), 1);
    assert_eq!(house.roles(&of_key), None);
    assert!(house.roles(&of_owner).is_some());
    assert_eq!(house.desk.close_all(&Actor::owner()).await.unwrap(), 1);
    assert_eq!(house.roles(&of_owner), None);
}

#[tokio::test]
async fn of_too_many_sessions_the_oldest_goes() {
    let house = House::open();
    let first = house.session(&Actor::owner()).await;
    for _ in 0..20 {
        house.clock.0.fetch_add(1, Ordering::Relaxed);
        house.session(&Actor::owner()).await;
    }
    assert_eq!(house.desk.list(&Actor::owner()).len(), 20);
    assert_eq!(house.roles(&first), None);
}
