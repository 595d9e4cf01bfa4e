//! Which tokens are accepted, and which are not.

use std::sync::atomic::AtomicU64;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;
use crate::backend::{Changes, Document};

const SECRET: &str = "a secret of tokens with 32 bytes";
const NOW: u64 = 1_000_000;

#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn unix_millis(&self) -> UnixMillis {
        self.0.load(Ordering::Relaxed)
    }
}

struct Desk {
    tokens: Tokens,
    hand: Arc<Hand>,
}

fn desk(change: impl FnOnce(&mut TokenOptions)) -> Desk {
    let mut options = TokenOptions {
        secret: Some(SecretString::from(SECRET)),
        tenant_claim: "tenant".to_owned(),
        ..TokenOptions::default()
    };
    change(&mut options);
    let hand = Arc::new(Hand(AtomicU64::new(NOW * 1000)));
    let tokens = Tokens::new(options, Arc::clone(&hand) as _);
    let desk = Desk { tokens, hand };
    desk.revoke(&[]);
    desk
}

impl Desk {
    fn revoke(&self, revocations: &[&Revocation]) {
        let documents = revocations.iter().map(|one| Document {
            id: one.name.clone(),
            revision: 1,
            content: Some(one.content()),
        });
        self.tokens.follow(&Changes {
            revision: 1,
            whole: true,
            documents: documents.collect(),
        });
    }

    fn fault(&self, token: &str) -> Option<TokenFault> {
        match self.tokens.check(token) {
            Ok(_) => None,
            Err(Denied::Token(fault)) => Some(fault),
            Err(other) => panic!("{other}"),
        }
    }
}

fn claims() -> Value {
    json!({"sub": "u-1", "tenant": "acme", "exp": NOW + 600})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn signed(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

/// A token of any header, signed by nobody.
fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(header), part(claims))
}

/// A key pair, and its public half as a set of keys.
fn pair(id: &str) -> (EncodingKey, Value) {
    let random = aws_lc_rs::rand::SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap();
    // An uncompressed point: 4, x, y.
    let point = pair.public_key().as_ref();
    let set = json!({"keys": [{
        "kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "alg": "ES256",
        "x": URL_SAFE_NO_PAD.encode(&point[1..33]),
        "y": URL_SAFE_NO_PAD.encode(&point[33..65]),
    }]});
    (EncodingKey::from_ec_der(document.as_ref()), set)
}

fn signed_by(key: &EncodingKey, id: &str) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(id.to_owned());
    encode(&header, &claims(), key).unwrap()
}

#[test]
fn a_good_token_says_whom_it_stands_for() {
    let desk = desk(|_| {});
    let token = desk.tokens.check(&signed(&claims())).unwrap();
    assert_eq!(
        (&*token.caller.key, &*token.caller.tenant),
        ("jwt_u-1", "acme")
    );
    assert_eq!(*token.rights, Rights::default());
}

#[test]
fn the_algorithm_is_the_keys_and_never_the_tokens() {
    let (key, set) = pair("k1");
    let desk = desk(|options| {
        options.key_set = Some(KeySetSource::Url("https://a.example".to_owned()));
    });
    desk.tokens.set_keys(set.to_string().as_bytes()).unwrap();
    assert_eq!(desk.fault(&signed_by(&key, "k1")), None);
    for alg in ["none", "None", "NONE", "HS256", "ES256", "RS256"] {
        let forged = unsigned(&json!({"alg": alg, "typ": "JWT"}), &claims());
        assert_eq!(desk.fault(&forged), Some(TokenFault::Signature), "{alg}");
    }
    // The public key taken for a secret: as it is published, and its parts.
    let published = set["keys"][0].to_string();
    let x = URL_SAFE_NO_PAD
        .decode(set["keys"][0]["x"].as_str().unwrap())
        .unwrap();
    for secret in [published.as_bytes(), &x, b""] {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("k1".to_owned());
        let forged = encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap();
        assert_eq!(desk.fault(&forged), Some(TokenFault::Signature));
    }
    // Another algorithm of the secret's family.
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let other = encode(&Header::new(Algorithm::HS512), &claims(), &key).unwrap();
    assert_eq!(desk.fault(&other), Some(TokenFault::Signature));
}

#[test]
fn a_changed_token_is_refused_wherever_it_was_changed() {
    let desk = desk(|_| {});
    let token = signed(&claims());
    assert_eq!(desk.fault(&token), None);
    // The last letter of a signature carries bits that count for nothing.
    for at in 0..token.len() - 1 {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(desk.fault(&changed).is_some(), "{at}");
    }
}

#[test]
fn time_is_judged_on_each_request() {
    let desk = desk(|_| {});
    let token = signed(&with("nbf", json!(NOW + 100)));
    for (second, fault) in [
        (NOW, Some(TokenFault::Time)),
        (NOW + 70, None),
        (NOW + 600, None),
        (NOW + 629, None),
        (NOW + 630, Some(TokenFault::Time)),
    ] {
        desk.hand.0.store(second * 1000, Ordering::Relaxed);
        assert_eq!(desk.fault(&token), fault, "{second}");
    }
}

#[test]
fn a_token_that_never_ends_is_none() {
    let desk = desk(|_| {});
    let mut endless = claims();
    endless.as_object_mut().unwrap().remove("exp");
    assert_eq!(desk.fault(&signed(&endless)), Some(TokenFault::Endless));
    for odd in [json!("soon"), json!(-1), json!(null), json!([1])] {
        let fault = desk.fault(&signed(&with("exp", odd.clone())));
        assert!(fault.is_some(), "{odd}");
    }
    assert_eq!(desk.fault(&signed(&with("exp", json!(1e300)))), None);
}

#[test]
fn issuer_and_audience_are_those_that_are_wanted() {
    let open = desk(|_| {});
    let strict = desk(|options| {
        options.issuer = Some("https://login.example".to_owned());
        options.audience = Some("reprise".to_owned());
    });
    let audience = Some(TokenFault::Audience);
    assert_eq!(open.fault(&signed(&with("iss", json!("anybody")))), None);
    // Meant for somebody, and this server has not been told who it is.
    assert_eq!(open.fault(&signed(&with("aud", json!("other")))), audience);
    assert_eq!(strict.fault(&signed(&claims())), audience);
    for (iss, aud, fault) in [
        (json!("https://login.example"), json!("reprise"), None),
        (
            json!("https://login.example"),
            json!(["a", "reprise"]),
            None,
        ),
        (json!("https://login.example"), json!(["a"]), audience),
        (json!("https://login.example/"), json!("reprise"), audience),
        (json!(null), json!("reprise"), audience),
        (json!("https://login.example"), json!([]), audience),
    ] {
        let mut claims = with("iss", iss);
        claims["aud"] = aud;
        assert_eq!(strict.fault(&signed(&claims)), fault, "{claims}");
    }
}

#[test]
fn a_token_names_a_subject_and_a_tenant() {
    let desk = desk(|_| {});
    for (name, value) in [
        ("sub", json!("")),
        ("sub", json!(1)),
        ("tenant", json!("")),
        ("tenant", json!(["acme"])),
        ("tenant", json!("a\r\nFLUSHALL")),
        ("tenant", json!("x".repeat(129))),
    ] {
        let fault = desk.fault(&signed(&with(name, value.clone())));
        assert_eq!(fault, Some(TokenFault::Subject), "{name} {value}");
    }
    let own = self::desk(|options| options.tenant_claim = "sub".to_owned());
    let token = own.tokens.check(&signed(&claims())).unwrap();
    assert_eq!(&*token.caller.tenant, "u-1");
}

#[test]
fn a_token_can_only_take_from_its_own_rights() {
    let desk = desk(|_| {});
    let narrow = json!({"models": ["gpt-4o*"], "operations": ["chat"]});
    let token = desk
        .tokens
        .check(&signed(&with("reprise", narrow)))
        .unwrap();
    assert!(token.rights.allow_model("gpt-4o-mini") && !token.rights.allow_model("o1"));
    for more in [
        json!({"isolation": {"shared": "all"}}),
        json!({"allowance": {}}),
        json!({"namespaces": true}),
        json!({"roles": ["owner"]}),
        json!("all"),
    ] {
        let fault = desk.fault(&signed(&with("reprise", more)));
        assert_eq!(fault, Some(TokenFault::Narrowing));
    }
}

#[test]
fn a_revoked_token_is_refused_although_it_is_remembered() {
    let desk = desk(|_| {});
    let (first, second) = (
        signed(&with("jti", json!("t-1"))),
        signed(&with("jti", json!("t-2"))),
    );
    assert_eq!((desk.fault(&first), desk.fault(&second)), (None, None));
    let by_text = desk.tokens.revocation(&first).unwrap();
    assert_eq!(by_text.until, (NOW + 630) * 1000);
    desk.revoke(&[&by_text]);
    assert_eq!(desk.fault(&first), Some(TokenFault::Revoked));
    assert_eq!(desk.fault(&second), None);
    let by_id = Tokens::revocation_of_id("t-2", (NOW + 600) * 1000);
    desk.revoke(&[&by_id]);
    assert_eq!(desk.fault(&second), Some(TokenFault::Revoked));
    assert_eq!(
        desk.tokens.revocation("a.b.c").unwrap_err(),
        TokenFault::Signature
    );
}

#[test]
fn what_was_revoked_must_be_known_before_anything_is_accepted() {
    let options = TokenOptions {
        secret: Some(SecretString::from(SECRET)),
        tenant_claim: "tenant".to_owned(),
        ..TokenOptions::default()
    };
    let hand = Arc::new(Hand(AtomicU64::new(NOW * 1000)));
    let tokens = Tokens::new(options, hand);
    assert_eq!(
        tokens.check(&signed(&claims())).unwrap_err(),
        Denied::NotReady
    );
}

#[test]
fn a_key_that_is_gone_takes_its_tokens_along() {
    let ((one, one_set), (two, two_set)) = (pair("k1"), pair("k2"));
    let desk = desk(|options| {
        options.secret = None;
        options.key_set = Some(KeySetSource::Url("https://a.example".to_owned()));
    });
    let (first, second) = (signed_by(&one, "k1"), signed_by(&two, "k2"));
    assert_eq!(desk.fault(&first), Some(TokenFault::NoKeys));
    desk.tokens
        .set_keys(one_set.to_string().as_bytes())
        .unwrap();
    assert_eq!(desk.fault(&first), None);
    assert_eq!(desk.fault(&second), Some(TokenFault::Signature));
    desk.tokens
        .set_keys(two_set.to_string().as_bytes())
        .unwrap();
    assert_eq!(desk.fault(&first), Some(TokenFault::Signature));
    assert_eq!(desk.fault(&second), None);
}

#[test]
fn a_set_without_public_keys_for_signatures_is_refused() {
    let desk = desk(|_| {});
    let secret = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET), "alg": "HS256"});
    let (_, mut sealing) = pair("k1");
    sealing["keys"][0]["use"] = json!("enc");
    let (_, mut confused) = pair("k1");
    confused["keys"][0]["alg"] = json!("HS256");
    for set in [
        json!({}),
        json!({"keys": []}),
        json!({"keys": [secret]}),
        sealing,
        confused,
    ] {
        assert!(
            desk.tokens.set_keys(set.to_string().as_bytes()).is_err(),
            "{set}"
        );
    }
}
