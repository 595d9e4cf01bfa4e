//! Who comes in, and that no two tenants ever meet.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::*;
use crate::access::{KeyRecord, NewKey, TokenOptions};
use crate::backend::{Changes, Document, Follower as _};
use crate::clock::SystemClock;
use crate::key::chat::identify;
use crate::key::{Address, Fingerprinter, Key, Rules};
use crate::vault::{MasterKey, Vault};
use crate::wire::{Operation, UpstreamKind, json};

const SECRET: CacheSecret = CacheSecret::new([7; 32]);

/// How many requests the tenants make at random.
const REQUESTS: u64 = 100_000;

struct House {
    door: Door,
    keys: Vec<NewKey>,
}

fn house(rights: &[(&str, Rights)]) -> House {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let keyring = Arc::new(Keyring::new(&Vault::new(vec![MasterKey::of(1, "pepper")])));
    let mut documents = Vec::new();
    let mut keys = Vec::new();
    for (at, (tenant, rights)) in (1..).zip(rights) {
        let made = keyring.make().unwrap();
        let record = KeyRecord {
            id: made.id.clone(),
            name: "test".to_owned(),
            tenant: (*tenant).to_owned(),
            digest: made.digest,
            prefix: made.prefix.clone(),
            last4: made.last4.clone(),
            created_at: at,
            expires_at: None,
            disabled: false,
            roles: BTreeSet::new(),
            rights: Arc::new(rights.clone()),
        };
        documents.push(Document {
            id: made.id.clone(),
            revision: at,
            content: Some(serde_json::to_vec(&record).unwrap().into()),
        });
        keys.push(made);
    }
    keyring.follow(&Changes {
        revision: 99,
        whole: true,
        documents,
    });
    let tokens = Tokens::new(TokenOptions::default(), Arc::clone(&clock));
    let door = Door::new(AccessMode::Keys, keyring, Arc::new(tokens), clock);
    House { door, keys }
}

impl House {
    fn headers(&self, key: usize) -> HeaderMap {
        use secrecy::ExposeSecret as _;
        let mut headers = HeaderMap::new();
        let value = format!("Bearer {}", self.keys[key].key.expose_secret());
        headers.insert("authorization", value.parse().unwrap());
        headers
    }

    fn admit(&self, headers: &mut HeaderMap) -> Principal {
        self.door.admit(headers, &SECRET, None).unwrap()
    }
}

fn random(seed: &mut u64, below: u64) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    usize::try_from(*seed % below).unwrap()
}

/// A hundred thousand requests of tenants with all kinds of isolation, over a few
/// questions and namespaces. A map from keys to whoever filled them stands for the cache.
#[test]
fn at_random_nobody_meets_what_another_was_answered() {
    let shared = |name: &str| Rights {
        isolation: Isolation::Shared(name.to_owned()),
        ..Rights::default()
    };
    let own = || Rights::default();
    let single = Rights {
        isolation: Isolation::Key,
        namespaces: true,
        ..Rights::default()
    };
    let all = [
        ("a", own(), "tenant a"),
        ("a", own(), "tenant a"),
        ("b", own(), "tenant b"),
        ("a*:{x}", own(), "tenant a*"),
        ("a", shared("s"), "shared s"),
        ("b", shared("s"), "shared s"),
        ("b", shared("t"), "shared t"),
        ("s", own(), "tenant s"),
        ("a", single.clone(), "key 8"),
        ("a", single, "key 9"),
    ];
    let rights = all.clone().map(|(tenant, rights, _)| (tenant, rights));
    let house = house(&rights);
    let fingerprinter = Fingerprinter::new(&SECRET);
    let questions = ["x", "y", "tenant", "a"].map(|text| {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]}}"#);
        let rules = Rules::of(UpstreamKind::OpenAi);
        identify(&json::parse(body.as_bytes()).unwrap(), rules).unwrap()
    });
    let mut filled: HashMap<Key, (String, usize)> = HashMap::new();
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..REQUESTS {
        let caller = random(&mut seed, 10);
        let question = random(&mut seed, 4);
        let group = ["", "one", "key", "a"][random(&mut seed, 4)];
        let mut headers = house.headers(caller);
        if !group.is_empty() {
            headers.insert("x-cache-namespace", HeaderValue::from_static(group));
        }
        let principal = house.admit(&mut headers);
        let address = Address {
            upstream: "https://api.example",
            operation: Operation::Chat,
            path: "/chat/completions",
            query: None,
            headers: &headers,
            partition: &[],
        };
        let key = fingerprinter.key(&principal.scope, &address, &questions[question]);
        let (_, rights, boundary) = &all[caller];
        let group = if rights.namespaces { group } else { "" };
        let mine = (format!("{boundary}/{group}"), question);
        let found = filled.entry(key).or_insert_with(|| mine.clone());
        assert_eq!(*found, mine, "a foreign answer");
    }
    let places: HashSet<_> = filled.values().collect();
    assert_eq!(places.len(), filled.len(), "one place has two names");
    // Six boundaries, and two keys with four groups each.
    assert_eq!(filled.len(), (6 + 2 * 4) * 4);
}

#[test]
fn a_request_with_a_key_copies_nothing_of_its_rights() {
    let names = (0..1000).map(|at| crate::access::Pattern::new(format!("m-{at}")));
    let rights = Rights {
        models: Some(names.collect()),
        ..Rights::default()
    };
    let house = house(&[("a", rights)]);
    let mut seen = HashSet::new();
    for _ in 0..1000 {
        let principal = house.admit(&mut house.headers(0));
        seen.insert(Arc::as_ptr(&principal.rights).addr());
        assert!(principal.is_ours);
    }
    assert_eq!(seen.len(), 1, "the rights were copied");
}

#[test]
fn what_the_caller_has_shown_goes_no_further() {
    let house = house(&[("a", Rights::default())]);
    let mut headers = house.headers(0);
    headers.insert("cookie", HeaderValue::from_static("1"));
    headers.insert("openai-beta", HeaderValue::from_static("1"));
    house.admit(&mut headers);
    assert_eq!(headers.len(), 1);
}

#[test]
fn before_the_keys_are_read_there_is_no_verdict() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let keyring = Keyring::new(&Vault::new(vec![MasterKey::of(1, "pepper")]));
    let tokens = Tokens::new(TokenOptions::default(), Arc::clone(&clock));
    let door = Door::new(AccessMode::Keys, Arc::new(keyring), Arc::new(tokens), clock);
    for (shown, denied) in [
        (format!("Bearer rpk_{}", "a".repeat(43)), Denied::NotReady),
        ("Bearer sk-other".to_owned(), Denied::UnknownKey),
        ("Bearer a.b.c".to_owned(), Denied::UnknownKey),
        ("Basic rpk_".to_owned(), Denied::NoKey),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", shown.parse().unwrap());
        let verdict = door.admit(&mut headers, &SECRET, None).unwrap_err();
        assert_eq!(verdict, denied, "{shown}");
    }
}
