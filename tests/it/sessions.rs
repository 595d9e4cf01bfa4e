//! People sign in to the administration with a key, and out again: here, everywhere, and
//! for every instance.

use serde_json::{Value, json};

use crate::support::{
    ADMIN, Client, House, Redis, Request, Response, Store, eventually, in_time, on_each_store,
};

const SESSIONS: &str = "/admin/v1/sessions";
const CURRENT: &str = "/admin/v1/sessions/current";
const MASTER_KEYS: &str = "1:a-secret-of-the-tests-that-is-long-enough";

/// What somebody has who has signed in.
struct Signed {
    id: String,
    token: String,
    csrf: String,
    /// As a browser sends it.
    cookie: String,
    set_cookie: String,
}

async fn sign_in(client: Client, headers: &[(&str, &str)]) -> Signed {
    let request = Request::post(SESSIONS, json!({"label": "a test"}).to_string()).bearer(ADMIN);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(name, value)
    });
    let opened = client.send(&request).await;
    assert_eq!(opened.status, 201, "{}", opened.text());
    let set_cookie = opened.header("set-cookie").unwrap().to_owned();
    let told = opened.json();
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    assert!(text("token").starts_with("rps_") && text("id").starts_with("ses_"));
    assert_eq!(told["roles"], json!(["owner"]));
    Signed {
        id: text("id"),
        token: text("token"),
        csrf: text("csrf_token"),
        cookie: set_cookie.split(';').next().unwrap().to_owned(),
        set_cookie,
    }
}

async fn with_token(client: Client, method: &str, path: &str, token: &str) -> Response {
    client.send(&Request::new(method, path).bearer(token)).await
}

fn sessions(listed: &Value) -> Vec<&str> {
    let listed = listed["data"].as_array().unwrap();
    listed
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect()
}

on_each_store! {
    async fn a_session_is_held_as_a_token_or_as_a_cookie(store) {
        let house = House::start(store).await;
        let client = house.client();
        let signed = sign_in(client, &[("user-agent", "Browser/1.0")]).await;
        assert!(signed.set_cookie.starts_with("reprise_session=rps_"));
        for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=86400"] {
            assert!(signed.set_cookie.contains(part), "{}", signed.set_cookie);
        }
        assert!(!signed.set_cookie.contains("Secure"));
        let by_cookie = Request::new("GET", CURRENT).header("cookie", &signed.cookie);
        let told = client.send(&by_cookie).await;
        assert_eq!(told.status, 200);
        let told = told.json();
        assert_eq!(told["csrf_token"], signed.csrf.as_str());
        assert_eq!(told["user_agent"], "Browser/1.0");
        assert_eq!(told["label"], "a test");
        assert_eq!(told["token"], Value::Null);
        let listed = with_token(client, "GET", SESSIONS, &signed.token).await.json();
        assert_eq!(sessions(&listed), [signed.id.as_str()]);
        assert_eq!(listed["data"][0]["current"], true);
        let listed = house.admin(SESSIONS).await.json();
        assert_eq!(listed["data"][0]["current"], false);
        let usage = with_token(client, "GET", "/v1/organization/costs?start_time=1", &signed.token).await;
        assert_ne!(usage.status, 401);
        let again = client.send(&Request::post(SESSIONS, "").bearer(&signed.token)).await;
        assert_eq!((again.status, again.error_code().as_str()), (403, "session_not_allowed"));
        let https = sign_in(client, &[("x-forwarded-proto", "https")]).await;
        assert!(https.set_cookie.starts_with("__Host-reprise=rps_"));
        assert!(https.set_cookie.ends_with("; Secure"));
    }

    async fn what_a_cookie_signs_cannot_be_forged(store) {
        let house = House::start(store).await;
        let signed = sign_in(house.client(), &[]).await;
        let sign_out = || Request::new("DELETE", CURRENT).header("cookie", &signed.cookie);
        let word = ("x-csrf-token", signed.csrf.as_str());
        let forged = [
            sign_out(),
            sign_out().header(word.0, word.1),
            sign_out().header("origin", "http://localhost"),
            sign_out().header(word.0, "0").header("origin", "http://localhost"),
            sign_out().header(word.0, word.1).header("origin", "http://evil.example"),
            sign_out().header(word.0, word.1).header("sec-fetch-site", "cross-site"),
        ];
        for forged in forged {
            let refused = house.send(&forged).await;
            assert_eq!((refused.status, refused.error_code().as_str()), (403, "csrf_refused"));
        }
        let meant = sign_out().header(word.0, word.1).header("sec-fetch-site", "same-origin");
        let done = house.send(&meant).await;
        assert_eq!(done.status, 204);
        assert!(done.header("set-cookie").unwrap().contains("Max-Age=0"));
        let after = Request::new("GET", CURRENT).header("cookie", &signed.cookie);
        assert_eq!(house.send(&after).await.status, 401);
    }

    async fn sessions_outlive_a_restart_and_are_closed_one_by_one_or_all(store) {
        let mut house = House::start(store).await;
        let client = house.client();
        let (one, two) = (sign_in(client, &[]).await, sign_in(client, &[]).await);
        house.app.terminate();
        assert!(house.app.exited().await);
        house.start_again().await;
        let client = house.client();
        eventually("the sessions are known again", || async {
            let told = with_token(client, "GET", CURRENT, &one.token).await;
            (told.status == 200).then_some(())
        }).await;
        let path = format!("{SESSIONS}/{}", two.id);
        assert_eq!(with_token(client, "DELETE", &path, &one.token).await.status, 204);
        assert_eq!(with_token(client, "DELETE", &path, &one.token).await.status, 404);
        assert_eq!(with_token(client, "GET", CURRENT, &two.token).await.status, 401);
        let three = sign_in(client, &[]).await;
        let revoke = format!("{SESSIONS}/revoke");
        let revoked = with_token(client, "POST", &revoke, &three.token).await;
        assert_eq!(revoked.json()["revoked"], 2);
        for token in [&one.token, &three.token] {
            assert_eq!(with_token(client, "GET", CURRENT, token).await.status, 401);
        }
    }

    async fn acts_are_kept_and_told_to_owners(store) {
        let mut house = House::start(store).await;
        let client = house.client();
        let signed = sign_in(client, &[]).await;
        with_token(client, "DELETE", CURRENT, &signed.token).await;
        let told = house.admin("/admin/v1/audit?act=session.").await.json();
        let acts = told["data"].as_array().unwrap();
        assert_eq!(acts.len(), 2, "{told}");
        assert_eq!(acts[0]["act"], "session.close");
        assert_eq!(acts[0]["session"], signed.id.as_str());
        assert_eq!(acts[1]["act"], "session.open");
        assert_eq!(acts[1]["actor"], "owner");
        assert_eq!(acts[1]["subject"], signed.id.as_str());
        assert!(acts[1]["request_id"].as_str().unwrap().starts_with("req_"));
        let first = house.admin("/admin/v1/audit?act=session.&limit=1").await.json();
        assert_eq!((&first["has_more"], &first["data"][0]), (&json!(true), &acts[0]));
        let before = first["data"][0]["id"].as_str().unwrap();
        let next = format!("/admin/v1/audit?act=session.&limit=1&before={before}");
        let next = house.admin(&next).await.json();
        assert_eq!((&next["has_more"], &next["data"][0]), (&json!(false), &acts[1]));
        assert_eq!(house.admin("/admin/v1/audit?limit=0").await.status, 400);
        house.app.terminate();
        assert!(house.app.exited().await);
        house.start_again().await;
        let again = house.admin("/admin/v1/audit?actor=owner&act=session.").await.json();
        assert_eq!(again["data"], told["data"]);
    }

    async fn health_tells_of_the_backend(store) {
        let house = House::start(store).await;
        let health = house.admin("/admin/v1/health").await.json();
        let backend = &health["backend"];
        assert_eq!(backend["reachable"], true, "{health}");
        assert!(backend["ping_ms"].is_number() && backend["version"].is_string());
        assert!(0 < backend["used_bytes"].as_u64().unwrap());
        assert_eq!(backend["read_breaker"], "closed");
        match store {
            Store::Embedded => assert!(backend["file_bytes"].is_number()),
            Store::Redis => assert!(backend["clients"].is_number()),
        }
        assert!(health["replica_age_ms"].is_number() && health["uptime_seconds"].is_number());
        assert_eq!(health["queues"]["writes_dropped"], 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_told_while_the_backend_hangs_or_is_gone() {
    in_time(async {
        let mut house = House::start(Store::Redis).await;
        house.redis().freeze();
        let health = house.admin("/admin/v1/health").await;
        assert_eq!(health.status, 200);
        assert_eq!(health.json()["backend"]["reachable"], false);
        house.redis().thaw();
        house.redis.as_mut().unwrap().kill();
        let health = house.admin("/admin/v1/health").await.json();
        assert_eq!(health["backend"]["reachable"], false);
        assert!(health["backend"]["cause"].is_string());
        assert_eq!(health["status"], "degraded");
        let alerts = health["alerts"].as_array().unwrap();
        let down = alerts
            .iter()
            .find(|alert| alert["name"] == "RepriseBackendDown");
        assert_eq!(down.unwrap()["severity"], "critical");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_known_and_closed_on_every_instance() {
    in_time(async {
        let redis = Redis::start().await;
        let instance = || {
            House::with(Store::Redis)
                .backend(redis.url())
                .set("REPRISE_MASTER_KEYS", MASTER_KEYS)
                .start()
        };
        let (here, there) = (instance().await, instance().await);
        let signed = sign_in(here.client(), &[]).await;
        let seen = async |house: &House, status: u16| {
            let client = house.client();
            eventually("the other instance follows", || async {
                let told = with_token(client, "GET", CURRENT, &signed.token).await;
                (told.status == status).then_some(())
            })
            .await;
        };
        seen(&there, 200).await;
        let path = format!("{SESSIONS}/{}", signed.id);
        assert_eq!(
            with_token(there.client(), "DELETE", &path, ADMIN)
                .await
                .status,
            204
        );
        let dead = with_token(there.client(), "GET", CURRENT, &signed.token).await;
        assert_eq!(dead.status, 401);
        seen(&here, 401).await;
    })
    .await;
}
