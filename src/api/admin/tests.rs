use std::collections::BTreeSet;

use http::Request;
use secrecy::ExposeSecret as _;

use super::*;
use crate::access::keyring::KeyRecord;
use crate::access::session::Sessions;
use crate::backend::{Changes, Document, Documents, Follower as _, InProcess, Replica};
use crate::vault::{MasterKey, Vault};

const KEY: &str = "rpk_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const BEARER: &str = "Bearer rpk_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

struct House {
    admin_key: AdminKey,
    sessions: SessionDesk,
    keyring: Arc<Keyring>,
}

impl House {
    fn open() -> Self {
        let vault = Arc::new(Vault::new(vec![MasterKey::of(1, "secret")]));
        let admin_key = AdminKey::chosen(&SecretString::from("rk-admin"));
        let keyring = Arc::new(Keyring::new(&vault));
        let held = Arc::new(Sessions::new(vault));
        let clock = Arc::new(SystemClock);
        let documents: Arc<dyn Documents> = Arc::new(InProcess::new(Arc::clone(&clock) as _));
        let replica = Replica::start(documents, vec![Arc::clone(&held) as _]);
        let sessions = SessionDesk::new(
            held,
            Arc::clone(&keyring),
            admin_key.clone(),
            replica,
            clock,
        );
        Self {
            admin_key,
            sessions,
            keyring,
        }
    }

    fn give_out(&self, key: &str, roles: &[Role], disabled: bool) {
        let digest = self.keyring.digest(&SecretString::from(key)).unwrap();
        let record = KeyRecord {
            id: "key_1".to_owned(),
            name: "a key".to_owned(),
            tenant: "acme".to_owned(),
            digest,
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
                id: record.id.clone(),
                revision: 1,
                content: Some(serde_json::to_vec(&record).unwrap().into()),
            }],
        });
    }

    fn admit(&self, method: &str, headers: &[(&str, &str)]) -> Result<Admin, ApiError> {
        let request = headers.iter().fold(
            Request::builder().method(method),
            |request, (name, value)| request.header(*name, *value),
        );
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let doors = Doors {
            admin_key: &self.admin_key,
            sessions: &self.sessions,
            keyring: &self.keyring,
        };
        doors.admit(&parts)
    }
}

#[test]
fn the_scheme_is_bearer_in_any_case() {
    assert_eq!(bearer("Bearer abc"), Some("abc"));
    assert_eq!(bearer("bearer  abc "), Some("abc"));
    assert_eq!(bearer("Basic abc"), None);
    assert_eq!(bearer("abc"), None);
}

#[test]
fn the_administration_is_a_folder_not_a_beginning() {
    assert!(is_below_prefix("/admin") && is_below_prefix("/admin/v1/usage"));
    assert!(!is_below_prefix("/administer") && !is_below_prefix("/v1/admin"));
}

#[tokio::test]
async fn a_key_may_do_what_its_roles_are_for() {
    let house = House::open();
    house.give_out(KEY, &[Role::PurgeAll], false);
    let bearer = [("authorization", BEARER)];
    let admin = house.admit("GET", &bearer).unwrap();
    assert_eq!(admin.actor().id, "key_1");
    assert_eq!(admin.actor().tenant.as_deref(), Some("acme"));
    assert!(admin.may(Role::PurgeOwn).is_ok() && admin.may(Role::PurgeAll).is_ok());
    let refused = admin.may(Role::ReadUsage);
    assert!(matches!(
        refused,
        Err(ApiError::RoleMissing(Role::ReadUsage))
    ));
    house.give_out(KEY, &[], false);
    assert!(matches!(house.admit("GET", &bearer), Err(ApiError::NoRole)));
    house.give_out(KEY, &[Role::Owner], true);
    let refused = house.admit("GET", &bearer);
    assert!(matches!(refused, Err(ApiError::AdminKeyWrong)));
}

#[tokio::test]
async fn strangers_are_told_apart_from_those_who_say_nothing() {
    let house = House::open();
    let refused = house.admit("GET", &[]);
    assert!(matches!(refused, Err(ApiError::AdminKeyMissing)));
    for wrong in ["Bearer x", "Basic cmstYWRtaW4=", "Bearer rps_x", "rk-admin"] {
        let refused = house.admit("GET", &[("authorization", wrong)]);
        assert!(matches!(refused, Err(ApiError::AdminKeyWrong)), "{wrong}");
    }
    let owner = house.admit("GET", &[("authorization", "bearer rk-admin")]);
    assert!(owner.unwrap().may(Role::Owner).is_ok());
}

#[tokio::test]
async fn what_a_cookie_signs_must_come_from_a_page_of_ours() {
    let house = House::open();
    let opened = house
        .sessions
        .open(&Actor::owner(), None, None)
        .await
        .unwrap();
    let cookie = format!("reprise_session={}", opened.token.expose_secret());
    let cookie = ("cookie", cookie.as_str());
    let word = ("x-csrf-token", opened.csrf.expose_secret());
    let (host, ours) = (("host", "a.example"), ("origin", "https://a.example"));
    assert!(house.admit("GET", &[cookie]).is_ok());
    for good in [
        &[cookie, word, ("sec-fetch-site", "same-origin")][..],
        &[cookie, word, ("sec-fetch-site", "none")],
        &[cookie, word, host, ours],
    ] {
        assert!(house.admit("POST", good).is_ok(), "{good:?}");
    }
    for forged in [
        &[cookie][..],
        &[cookie, word],
        &[cookie, ("sec-fetch-site", "same-origin")],
        &[cookie, ("x-csrf-token", "0"), host, ours],
        &[cookie, word, ("sec-fetch-site", "same-site"), host, ours],
        &[cookie, word, ("sec-fetch-site", "cross-site"), host, ours],
        &[cookie, word, host, ("origin", "https://b.example")],
        &[cookie, word, host, ("origin", "null")],
    ] {
        let refused = house.admit("DELETE", forged);
        assert!(matches!(refused, Err(ApiError::Forged)), "{forged:?}");
    }
    // What a browser does not send by itself needs neither.
    let token = format!("Bearer {}", opened.token.expose_secret());
    let bearer = [("authorization", token.as_str())];
    assert!(house.admit("POST", &bearer).is_ok());
}
