//! No secret stands where it does not belong: not in a log at its most talkative, not in
//! metrics, not in what the administration tells, not in an error.

use serde_json::json;

use crate::support::{
    House, Redis, Reply, Request, Store, answer, in_time, on_each_store, question,
};

const UPSTREAM_KEY: &str = "sk-canary-upstream-4b1f0e";
const ADMIN_KEY: &str = "canary-admin-8f2d77";
const CLIENT: &str = "sk-canary-client-19ae35";
const PARAMETER: &str = "canary-parameter-77c0de";
const REDIS_PASSWORD: &str = "canary-redis-5d0c4a";
const CACHE_SECRET: &str = "canary-cache-secret-0a9b8c";
const MASTER_SECRET: &str = "canary-master-secret-3c4d5e6f7a8b9c0d";
const IN_ERROR: &str = "sk-canary-echoed-c81e72";
const PROMPT: &str = "canary-prompt-61fd90";
const ANSWER: &str = "canary-answer-aa42b1";
const WRONG: &str = "canary-wrong-2e5f80";

on_each_store! {
    async fn no_secret_is_told(store) {
        let redis = match store {
            Store::Embedded => None,
            Store::Redis => {
                let redis = Redis::start().await;
                redis.configure("requirepass", REDIS_PASSWORD);
                Some(redis)
            }
        };
        let setup = House::with(store)
            .set("REPRISE_LOG", "trace")
            .set("REPRISE_UPSTREAM_API_KEY", UPSTREAM_KEY)
            .set("REPRISE_ADMIN_KEY", ADMIN_KEY)
            .set("REPRISE_CACHE_SECRET", CACHE_SECRET)
            .set("REPRISE_MASTER_KEYS", &format!("1:{MASTER_SECRET}"));
        let setup = match &redis {
            None => setup,
            Some(redis) => {
                let port = redis.address().port();
                setup.backend(format!("redis://:{REDIS_PASSWORD}@127.0.0.1:{port}"))
            }
        };
        let mut house = setup.start().await;
        let mut told = Vec::new();
        let session = requests(&house, &mut told).await;
        pages(&house, &session, &mut told).await;
        house.upstream.stop().await;
        let lost = house.send(&ask("another", CLIENT)).await;
        assert_eq!(lost.status, 502);
        told.push(("an error of ours", lost.text()));
        house.app.terminate();
        assert!(house.app.exited().await);
        told.push(("the log", house.app.output()));
        let (token, csrf) = (session.0.as_str(), session.1.as_str());
        for secret in [
            UPSTREAM_KEY, ADMIN_KEY, CLIENT, PARAMETER, REDIS_PASSWORD, CACHE_SECRET,
            MASTER_SECRET, IN_ERROR, PROMPT, ANSWER, WRONG, token, csrf,
        ] {
            for (place, text) in &told {
                if let Some(at) = text.find(secret) {
                    let from = text[..at].rfind('\n').unwrap_or(0);
                    let line: String = text[from..].chars().take(600).collect();
                    panic!("{secret} stands in {place}: {line}");
                }
            }
        }
        let log = &told.last().unwrap().1;
        assert!(log.contains("reprise::request"), "the log says nothing: {log}");
    }
}

fn ask(text: &str, credential: &str) -> Request {
    let body = question(&format!("{PROMPT} {text}")).to_string();
    Request::post("/v1/chat/completions", body).bearer(credential)
}

/// Requests that go well and that do not; a session's token and word.
async fn requests(house: &House, told: &mut Vec<(&'static str, String)>) -> (String, String) {
    house
        .upstream
        .always(Reply::json(200, answer("1", ANSWER).to_string()));
    for _ in 0..2 {
        assert_eq!(house.send(&ask("one", CLIENT)).await.status, 200);
    }
    let lent = question(PROMPT).to_string();
    let lent = Request::post("/v1/chat/completions", lent);
    assert_eq!(house.send(&lent).await.status, 200);
    house.upstream.recover();
    let input = json!({"model": "test-embedding", "input": [PROMPT]}).to_string();
    house
        .send(&Request::post("/v1/embeddings", input).bearer(CLIENT))
        .await;
    let passed = format!("/v1/files?key={PARAMETER}");
    house
        .send(&Request::new("GET", &passed).bearer(CLIENT))
        .await;
    fail(house).await;
    refuse(house, told).await;
    let opened = house
        .send(&Request::post("/admin/v1/sessions", "").bearer(ADMIN_KEY))
        .await;
    assert_eq!(opened.status, 201, "{}", opened.text());
    let opened = opened.json();
    let text = |name: &str| opened[name].as_str().unwrap().to_owned();
    let astray = Request::new("GET", "/v1/models").bearer(&text("token"));
    told.push(("a refusal", house.send(&astray).await.text()));
    (text("token"), text("csrf_token"))
}

/// Requests that the provider answers badly, or nobody understands.
async fn fail(house: &House) {
    let error = json!({"error": {"message": format!("wrong key {IN_ERROR}"), "type": "x", "param": null, "code": null}});
    for status in [500, 401] {
        house.upstream.next(Reply::json(status, error.to_string()));
        house.send(&ask("refused", CLIENT)).await;
    }
    house.upstream.next(Reply::reset());
    house.send(&ask("reset", CLIENT)).await;
    house
        .upstream
        .next(Reply::garbage(b"HTTP/9 canary\r\n\r\n"));
    house.send(&ask("garbage", CLIENT)).await;
    let broken = format!("{{\"model\": \"{PROMPT}");
    let broken = Request::post("/v1/chat/completions", broken).bearer(CLIENT);
    house.send(&broken).await;
}

/// Requests to the administration that are refused.
async fn refuse(house: &House, told: &mut Vec<(&'static str, String)>) {
    for path in [
        "/admin/v1/usage",
        "/v1/organization/costs?start_time=1",
        "/admin/v1/audit",
    ] {
        let refused = house.send(&Request::new("GET", path).bearer(WRONG)).await;
        told.push(("a refusal", refused.text()));
        let cookie = format!("reprise_session={WRONG}");
        let refused = house
            .send(&Request::new("GET", path).header("cookie", &cookie))
            .await;
        told.push(("a refusal", refused.text()));
    }
}

/// What the administration tells.
async fn pages(house: &House, session: &(String, String), told: &mut Vec<(&'static str, String)>) {
    let cookie = format!("reprise_session={}", session.0);
    for path in [
        "/metrics",
        "/health/ready",
        "/admin/v1/health",
        "/admin/v1/usage?group_by=key,model,tag,outcome",
        "/admin/v1/models",
        "/admin/v1/sessions",
        "/admin/v1/audit",
    ] {
        let page = house
            .send(&Request::new("GET", path).header("cookie", &cookie))
            .await;
        assert_eq!(page.status, 200, "{path}");
        told.push(("a page", page.text()));
    }
    let watch = Request::new("GET", "/admin/v1/usage/live").bearer(&session.0);
    let mut live = house.client().open(&watch).await;
    live.events(4).await;
    told.push(("the live view", live.so_far().text()));
}
