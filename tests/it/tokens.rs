//! Tokens of an identity provider stand for a tenant, until they end or are revoked.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reprise::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::support::{
    ADMIN, House, OPERATOR, Reply, Request, Response, Scratch, Store, Upstream, eventually,
    in_time, on_each_store, question,
};

const SECRET: &str = "the secret of tokens in the tests";

fn now() -> u64 {
    SystemClock.unix_millis() / 1000
}

fn claims(subject: &str, tenant: &str) -> Value {
    json!({"sub": subject, "tenant": tenant, "exp": now() + 3600, "jti": format!("id-{subject}")})
}

fn signed(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

/// A key pair, and its public half as a set of keys.
fn pair(id: &str) -> (EncodingKey, Value) {
    let random = aws_lc_rs::rand::SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap();
    let point = pair.public_key().as_ref();
    let set = json!({"keys": [{
        "kty": "EC", "crv": "P-256", "kid": id, "use": "sig",
        "x": URL_SAFE_NO_PAD.encode(&point[1..33]),
        "y": URL_SAFE_NO_PAD.encode(&point[33..65]),
    }]});
    (EncodingKey::from_ec_der(document.as_ref()), set)
}

fn signed_by(key: &EncodingKey, id: &str, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(id.to_owned());
    encode(&header, claims, key).unwrap()
}

async fn ask(house: &House, token: &str, text: &str) -> Response {
    let request = Request::post("/v1/chat/completions", question(text).to_string());
    house.send(&request.bearer(token)).await
}

on_each_store! {
    async fn a_token_stands_for_its_tenant(store) {
        let house = House::with_keys(store).set("REPRISE_JWT_SECRET", SECRET).start().await;
        let key = house.key("acme", json!({})).await;
        let (ann, bob) = (signed(&claims("ann", "acme")), signed(&claims("bob", "other")));
        assert_eq!(ask(&house, &ann, "x").await.x_cache(), "MISS");
        assert_eq!(ask(&house, &ann, "x").await.x_cache(), "HIT");
        // Tokens and keys of one tenant share.
        assert_eq!(key.ask(&house, &question("x")).await.x_cache(), "HIT");
        assert_eq!(ask(&house, &bob, "x").await.x_cache(), "MISS");
        for seen in house.upstream.requests() {
            let operators = format!("Bearer {OPERATOR}");
            assert_eq!(seen.header("authorization"), Some(operators.as_str()));
        }
        let path = "/admin/v1/usage?granularity=total&group_by=key,tenant";
        eventually("the subject is counted under its own name", || async {
            let told = house.admin(path).await.text();
            (told.contains("\"jwt_ann\"") && told.contains("\"jwt_bob\"")).then_some(())
        })
        .await;
    }

    async fn a_token_that_is_not_good_gets_nothing_although_it_is_there(store) {
        let house = House::with_keys(store)
            .set("REPRISE_JWT_SECRET", SECRET)
            .set("REPRISE_JWT_ISSUER", "https://login.example")
            .set("REPRISE_JWT_AUDIENCE", "reprise")
            .start()
            .await;
        let mut good = claims("ann", "acme");
        good["iss"] = json!("https://login.example");
        good["aud"] = json!(["reprise"]);
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            signed(&claims)
        };
        assert_eq!(ask(&house, &signed(&good), "x").await.x_cache(), "MISS");
        let key = EncodingKey::from_secret(b"some other secret of 32 bytes....");
        let forged = encode(&Header::new(Algorithm::HS256), &good, &key).unwrap();
        let unsigned = format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
            URL_SAFE_NO_PAD.encode(good.to_string()),
        );
        for bad in [
            forged,
            unsigned,
            with("exp", json!(now() - 3600)),
            with("exp", json!(null)),
            with("nbf", json!(now() + 3600)),
            with("iss", json!("https://elsewhere.example")),
            with("aud", json!("other")),
            with("tenant", json!("")),
            with("sub", json!(null)),
        ] {
            let seen = ask(&house, &bad, "x").await;
            assert_eq!((seen.status, seen.error_code().as_str()), (401, "invalid_token"), "{bad}");
        }
        let narrow = with("reprise", json!({"models": ["gpt-*"], "operations": ["chat"]}));
        assert_eq!(ask(&house, &narrow, "x").await.error_code(), "model_not_allowed");
        assert_eq!(ask(&house, &signed(&good), "x").await.x_cache(), "HIT");
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_revoked_token_is_refused_after_a_restart_too(store) {
        let mut house = House::with_keys(store)
            .set("REPRISE_JWT_SECRET", SECRET)
            .set("REPRISE_LOG", "trace")
            .start()
            .await;
        let (ann, bob) = (signed(&claims("ann", "acme")), signed(&claims("bob", "acme")));
        assert_eq!(ask(&house, &ann, "x").await.x_cache(), "MISS");
        assert_eq!(ask(&house, &bob, "x").await.x_cache(), "HIT");
        let path = "/admin/v1/tokens/revoke";
        let revoked = house.administer("POST", path, &json!({"token": ann})).await;
        assert_eq!(revoked.status, 200, "{}", revoked.text());
        assert_eq!(ask(&house, &ann, "x").await.error_code(), "invalid_token");
        assert_eq!(ask(&house, &bob, "x").await.x_cache(), "HIT");
        let by_id = json!({"jti": "id-bob", "expires_at": now() + 3600});
        assert_eq!(house.administer("POST", path, &by_id).await.status, 200);
        assert_eq!(ask(&house, &bob, "x").await.error_code(), "invalid_token");
        for wrong in [
            json!({}),
            json!({"token": "a.b.c"}),
            json!({"jti": "x"}),
            json!({"jti": "x", "expires_at": 1}),
            json!({"token": bob, "jti": "x"}),
        ] {
            let refused = house.administer("POST", path, &wrong).await;
            assert_eq!(refused.status, 400, "{wrong}");
        }
        house.app.terminate();
        house.app.exited().await;
        let log = house.app.output();
        let signature = ann.rsplit('.').next().unwrap();
        assert!(!log.contains(signature), "the log has the token");
        house.start_again().await;
        for token in [&ann, &bob] {
            assert_eq!(ask(&house, token, "x").await.error_code(), "invalid_token");
        }
        let stranger = Request::post(path, "{}");
        assert_eq!(house.send(&stranger).await.status, 401);
    }

    async fn public_keys_are_fetched_and_followed(store) {
        let issuer = Upstream::start().await;
        let ((old, old_set), (new, mut new_set)) = (pair("old"), pair("new"));
        issuer.always(Reply::json(200, old_set.to_string()));
        let house = House::with_keys(store)
            .set("REPRISE_JWT_JWKS", &format!("{}/keys", issuer.url()))
            .start()
            .await;
        let (first, second) = (
            signed_by(&old, "old", &claims("ann", "acme")),
            signed_by(&new, "new", &claims("ann", "acme")),
        );
        eventually("the keys are fetched", || async {
            (ask(&house, &first, "x").await.status == 200).then_some(())
        })
        .await;
        assert_eq!(ask(&house, &second, "x").await.error_code(), "invalid_token");
        // The credential of the operator is none of the issuer's business.
        assert!(issuer.requests().iter().all(|one| one.header("authorization").is_none()));
        let mut both = old_set.clone();
        both["keys"].as_array_mut().unwrap().append(new_set["keys"].as_array_mut().unwrap());
        issuer.always(Reply::json(200, both.to_string()));
        eventually("a key that is not known is asked for", || async {
            (ask(&house, &second, "x").await.x_cache() == "HIT").then_some(())
        })
        .await;
        assert_eq!(ask(&house, &first, "x").await.x_cache(), "HIT");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_public_keys_is_read_again_when_it_changes() {
    in_time(async {
        let folder = Scratch::new();
        let file = folder.path().join("keys.json");
        let ((old, old_set), (new, new_set)) = (pair("old"), pair("new"));
        std::fs::write(&file, old_set.to_string()).unwrap();
        let house = House::with_keys(Store::Embedded)
            .set("REPRISE_JWT_JWKS", &file.display().to_string())
            .start()
            .await;
        let first = signed_by(&old, "old", &claims("ann", "acme"));
        let second = signed_by(&new, "new", &claims("ann", "acme"));
        assert_eq!(ask(&house, &first, "x").await.x_cache(), "MISS");
        std::fs::write(&file, new_set.to_string()).unwrap();
        eventually("the file is read again", || async {
            (ask(&house, &second, "x").await.status == 200).then_some(())
        })
        .await;
        // What a key that is gone has signed counts for nothing, remembered or not.
        assert_eq!(ask(&house, &first, "x").await.error_code(), "invalid_token");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_revoked_at_one_instance_is_refused_by_all() {
    in_time(async {
        let first = House::with_keys(Store::Redis)
            .set("REPRISE_JWT_SECRET", SECRET)
            .start()
            .await;
        let second = House::with_keys(Store::Redis)
            .backend(first.redis().url())
            .set("REPRISE_JWT_SECRET", SECRET)
            .start()
            .await;
        let ann = signed(&claims("ann", "acme"));
        assert_eq!(ask(&second, &ann, "x").await.status, 200);
        let path = "/admin/v1/tokens/revoke";
        let revoked = first.administer("POST", path, &json!({"token": ann})).await;
        assert_eq!(revoked.status, 200);
        eventually("the other instance refuses it", || async {
            (ask(&second, &ann, "x").await.status == 401).then_some(())
        })
        .await;
        assert_eq!(
            second
                .send(&Request::new("GET", "/admin/v1/keys").bearer(ADMIN))
                .await
                .status,
            200
        );
    })
    .await;
}
