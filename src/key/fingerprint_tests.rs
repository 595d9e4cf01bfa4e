//! Golden values of the layout, and every component of a key told apart.

use std::collections::HashSet;

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use crate::key::Rules;
use crate::key::chat::identify;
use crate::wire::UpstreamKind;
use crate::wire::json::parse;

use super::*;

const SECRET: CacheSecret = CacheSecret::new([7; 32]);
const BODY: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Say hi"}],"temperature":0.5,"stream":true}"#;

fn scope(credential: &[u8]) -> Scope {
    Scope::derive(&SECRET, &[("authorization", credential)])
}

fn address(headers: &HeaderMap) -> Address<'_> {
    Address {
        upstream: "https://api.openai.com",
        operation: Operation::Chat,
        path: "/v1/chat/completions",
        query: None,
        headers,
        partition: &[],
    }
}

fn question(body: &str) -> Canonical {
    let rules = Rules::of(UpstreamKind::OpenAi);
    identify(&parse(body.as_bytes()).unwrap(), rules).unwrap()
}

fn with_header(name: &'static str, value: &'static str) -> HeaderMap {
    [(
        HeaderName::from_static(name),
        HeaderValue::from_static(value),
    )]
    .into_iter()
    .collect()
}

/// The values were made by another implementation of the documented layout. If
/// this fails, every stored entry is lost: change the version in the labels together with these values, and say so in the changelog.
#[test]
fn the_layout_of_version_1_stands_still() {
    let headers = with_header("openai-beta", "x=v1");
    let address = Address {
        query: Some("api-version=1"),
        ..address(&headers)
    };
    let maker = Fingerprinter::new(&SECRET);
    let scope = scope(b"Bearer sk-test");
    let key = maker.key(&scope, &address, &question(BODY));
    assert_eq!(
        key.to_string(),
        "5e91d08873f854d12e506b661096a29000e298be2d9496b6b54a7bc833f86631"
    );
    assert_eq!(hex::encode(key.proof()), "0521d6f2973930aa43f22fd417211906");
    assert_eq!(
        hex::encode(maker.raw_digest(&scope, &address, BODY.as_bytes())),
        "afd7b33e0d5926bcecf985595b203f8505b39279049e936736884f13ecfa2dec"
    );
}

#[test]
fn each_component_makes_another_key() {
    let none = HeaderMap::new();
    let beta = with_header("openai-beta", "a");
    let other_beta = with_header("openai-beta", "b");
    let base = address(&none);
    let addresses = [
        base,
        Address {
            upstream: "https://other",
            ..base
        },
        Address {
            operation: Operation::Passthrough,
            ..base
        },
        Address {
            path: "/v1/chat/completionsx",
            ..base
        },
        Address {
            query: Some(""),
            ..base
        },
        Address {
            query: Some("a=b"),
            ..base
        },
        Address {
            headers: &beta,
            ..base
        },
        Address {
            headers: &other_beta,
            ..base
        },
    ];
    let bodies = [BODY.to_owned(), BODY.replace("hi", "ho")];
    let makers = [
        Fingerprinter::new(&SECRET),
        Fingerprinter::new(&CacheSecret::new([8; 32])),
    ];
    let (mut ids, mut proofs, mut raws) = (HashSet::new(), HashSet::new(), HashSet::new());
    for maker in &makers {
        for scope in [scope(b"a"), scope(b"b")] {
            for address in &addresses {
                for body in &bodies {
                    let key = maker.key(&scope, address, &question(body));
                    assert!(ids.insert(*key.id()), "{address:?} {body}");
                    assert!(proofs.insert(*key.proof()), "{address:?} {body}");
                    assert!(raws.insert(maker.raw_digest(&scope, address, body.as_bytes())));
                    assert_ne!(key.id().get(..16), Some(key.proof().as_slice()));
                }
            }
        }
    }
    assert_eq!(ids.len(), 2 * 2 * addresses.len() * 2);
}

#[test]
fn bytes_moved_from_one_component_to_the_next_make_another_key() {
    let none = HeaderMap::new();
    let maker = Fingerprinter::new(&SECRET);
    let key = |upstream, path| {
        maker.key(
            &scope(b"a"),
            &Address {
                upstream,
                path,
                ..address(&none)
            },
            &question(BODY),
        )
    };
    assert_ne!(key("ab", "c"), key("a", "bc"));
    let raw = |query, body: &[u8]| {
        maker.raw_digest(
            &scope(b"a"),
            &Address {
                query,
                ..address(&none)
            },
            body,
        )
    };
    assert_ne!(raw(Some("a"), b"bc"), raw(Some("ab"), b"c"));
    assert_ne!(raw(None, b""), raw(Some(""), b""));
}

#[test]
fn headers_that_are_not_in_the_question_make_no_other_key() {
    let none = HeaderMap::new();
    let mut some = with_header("user-agent", "curl");
    some.insert("authorization", HeaderValue::from_static("Bearer other"));
    some.insert("x-stainless-retry-count", HeaderValue::from_static("1"));
    some.insert("cache-control", HeaderValue::from_static("no-cache"));
    let maker = Fingerprinter::new(&SECRET);
    let key = |headers| maker.key(&scope(b"a"), &address(headers), &question(BODY));
    assert_eq!(key(&none), key(&some));
}

#[test]
fn a_stream_and_its_json_have_one_key() {
    let none = HeaderMap::new();
    let maker = Fingerprinter::new(&SECRET);
    let key = |body: &str| maker.key(&scope(b"a"), &address(&none), &question(body));
    assert_eq!(key(BODY), key(&BODY.replace(r#","stream":true"#, "")));
    assert_eq!(format!("{maker:?}"), "Fingerprinter(…)");
}

#[test]
fn the_key_of_an_item_is_no_other_items_and_no_requests() {
    let headers = HeaderMap::new();
    let address = address(&headers);
    let maker = Fingerprinter::new(&SECRET);
    let (alice, bob) = (scope(b"a"), scope(b"b"));
    let shared = [question(BODY), question(&BODY.replace("hi", "ho"))];
    let items = [
        question(&BODY.replace("hi", "x")),
        question(&BODY.replace("hi", "y")),
    ];
    let mut seen = HashSet::from([maker.key(&alice, &address, &shared[0])]);
    for scope in [&alice, &bob] {
        for shared in &shared {
            let keys = maker.item_keys(scope, &address, shared, &items);
            assert_eq!(keys, maker.item_keys(scope, &address, shared, &items));
            let alone = maker.item_keys(scope, &address, shared, &items[1..]);
            assert_eq!(alone, keys[1..], "neighbours do not matter");
            assert!(keys.iter().all(|key| seen.insert(*key)));
        }
    }
}

/// As with whole requests: if this fails, every stored item is lost.
#[test]
fn the_layout_of_an_items_key_stands_still() {
    let headers = with_header("openai-beta", "x=v1");
    let maker = Fingerprinter::new(&SECRET);
    let body = parse(br#"{"model":"m","input":["Say hi"],"dimensions":2}"#).unwrap();
    let batch = crate::key::embedding::identify(&body, Rules::of(UpstreamKind::OpenAi)).unwrap();
    let keys = maker.item_keys(
        &scope(b"Bearer sk-test"),
        &address(&headers),
        &batch.shared,
        &batch.items,
    );
    assert_eq!(
        keys[0].to_string(),
        "d1bdd96ec705e161582c6cc7186ed553cc4618c139b363a9b7dc7581a3768f1b"
    );
    assert_eq!(
        hex::encode(keys[0].proof()),
        "a9148c6ce357b68e23030ec735954d3e"
    );
}

type Parts = Vec<(&'static str, Box<[u8]>)>;

/// A few parts, of which many are alike.
fn any_parts() -> impl Strategy<Value = Parts> {
    let name = prop_oneof![Just("seed"), Just("key"), Just("seedkey")];
    let value = "[ab]{0,2}".prop_map(|text| text.into_bytes().into_boxed_slice());
    prop::collection::vec((name, value), 0..3)
}

proptest! {
    /// What is asked under another partition is never met, and what is asked under the
    /// same one is: a partition splits what has one key without it, and joins nothing.
    #[test]
    fn a_partition_only_splits(
        parts in [any_parts(), any_parts()],
        texts in ["[ab]{1,2}", "[ab]{1,2}"],
        scopes in [0_u8..2, 0_u8..2],
    ) {
        let maker = Fingerprinter::new(&SECRET);
        let none = HeaderMap::new();
        let keys = |at: usize, partition: &[(&'static str, Box<[u8]>)]| {
            let address = Address { partition, ..address(&none) };
            let body = BODY.replace("Say hi", &texts[at]);
            let scope = scope(&[scopes[at]]);
            let items = [question(&body)];
            let question = question(&body);
            (
                maker.key(&scope, &address, &question),
                maker.item_keys(&scope, &address, &question, &items),
                maker.raw_digest(&scope, &address, body.as_bytes()),
            )
        };
        let without = [keys(0, &[]), keys(1, &[])];
        let with = [keys(0, &parts[0]), keys(1, &parts[1])];
        let is_same = without[0] == without[1] && parts[0] == parts[1];
        prop_assert_eq!(with[0].0 == with[1].0, is_same);
        prop_assert_eq!(with[0].0.proof() == with[1].0.proof(), is_same);
        prop_assert_eq!(with[0].1 == with[1].1, is_same);
        prop_assert_eq!(with[0].2 == with[1].2, is_same);
    }
}

/// If this fails, every entry that a client has kept apart is lost.
#[test]
fn the_layout_of_a_partition_stands_still() {
    let headers = with_header("openai-beta", "x=v1");
    let parts: Parts = vec![("helicone-cache-seed", (*b"user-1").into())];
    let address = Address {
        query: Some("api-version=1"),
        partition: &parts,
        ..address(&headers)
    };
    let maker = Fingerprinter::new(&SECRET);
    let key = maker.key(&scope(b"Bearer sk-test"), &address, &question(BODY));
    assert_eq!(
        key.to_string(),
        "f4d30bda8054897a6f8b488c1f9a495d9a576b091f3297e976b91ce9e3a0fc3a"
    );
}
