//! Every error of our own on the paths of Anthropic's Messages API is in that API's
//! envelope; those of the provider stay as they came.

use serde_json::{Value, json};

use crate::support::{
    House, Reply, Request, Response, Store, in_time, message, message_question, on_each_store,
};

/// Checks the envelope of an error of our own.
fn assert_problem(seen: &Response, status: u16, kind: &str) {
    assert_eq!(seen.status, status, "{}", seen.text());
    let body = seen.json();
    assert_eq!(body["type"], "error", "{body}");
    assert_eq!(body["error"]["type"], kind, "{body}");
    assert!(body["error"]["message"].is_string(), "{body}");
    assert_eq!(body["error"].as_object().unwrap().len(), 2, "{body}");
    let id = seen.header("request-id").unwrap();
    assert_eq!(body["request_id"], id);
    assert_eq!(seen.header("x-request-id"), Some(id));
    assert_eq!(seen.header("content-type"), Some("application/json"));
}

on_each_store! {
    async fn our_own_errors_are_in_anthropics_envelope(store) {
        let house = House::with(store).set("REPRISE_REQUEST_MAX_BYTES", "2000").start().await;
        let missed = message(&message_question("never")).header("cache-control", "only-if-cached");
        let seen = house.send(&missed).await;
        assert_problem(&seen, 504, "api_error");
        assert_eq!(seen.header("x-should-retry"), Some("false"));
        let large = message(&message_question(&"x".repeat(3000)));
        assert_problem(&house.send(&large).await, 413, "request_too_large");
        for path in ["/v1/messages", "/v1/messages/count_tokens"] {
            let form = Request::new("POST", path)
                .header("content-type", "text/plain")
                .body("x");
            assert_problem(&house.send(&form).await, 415, "invalid_request_error");
        }
        let astray = Request::post("/v1/messages", "{}").bearer(crate::support::ADMIN);
        assert_problem(&house.send(&astray).await, 401, "authentication_error");
        assert_eq!(house.upstream.calls(), 0);
        house.upstream.next(Reply::garbage(b"no HTTP\r\n\r\n"));
        let seen = house.send(&message(&message_question("garbage"))).await;
        assert_problem(&seen, 502, "api_error");
        // The others keep their own.
        let other = Request::post("/v1/chat/completions", "x".repeat(3000)).bearer("sk-a");
        assert_eq!(house.send(&other).await.error_code(), "request_too_large");
    }

    async fn a_key_that_is_not_ours_is_refused_on_every_path_below(store) {
        let setup = House::with_keys(store).set("REPRISE_UPSTREAM_KIND", "anthropic");
        let house = setup.start().await;
        for path in ["/v1/messages", "/v1/messages/count_tokens", "/v1/messages/batches", "/messages"] {
            let request = Request::post(path, message_question("x").to_string());
            let wrong = request.clone().header("x-api-key", "rk-wrong");
            assert_problem(&house.send(&wrong).await, 401, "authentication_error");
            assert_problem(&house.send(&request).await, 401, "authentication_error");
        }
        let key = house.key("acme", json!({"models": ["other-*"]})).await;
        let denied = Request::post("/v1/messages", message_question("x").to_string())
            .header("x-api-key", &key.key);
        assert_problem(&house.send(&denied).await, 403, "permission_error");
        assert_eq!(house.upstream.calls(), 0);
    }

    async fn limits_are_told_as_anthropic_does(store) {
        let setup = House::with(store).set("REPRISE_DEFAULT_REQUESTS_PER_MINUTE", "1");
        let house = setup.start().await;
        house.send(&message(&message_question("one"))).await;
        let seen = house.send(&message(&message_question("two"))).await;
        assert_problem(&seen, 429, "rate_limit_error");
        assert!(seen.header("retry-after").is_some());
        assert!(seen.header("retry-after-ms").is_some());
    }

    async fn the_providers_errors_stay_as_they_came(store) {
        let house = House::start(store).await;
        let text = json!({"type": "error", "error": {"type": "not_found_error", "message": "model: x"},
            "request_id": "req_upstream"}).to_string();
        house.upstream.next(Reply::json(404, text.clone()).header("request-id", "req_upstream"));
        let seen = house.send(&message(&message_question("unknown model"))).await;
        assert_eq!((seen.status, seen.text()), (404, text));
        assert_eq!(seen.header("request-id"), seen.header("x-request-id"));
        assert_ne!(seen.header("request-id"), Some("req_upstream"));
        let other = Request::new("GET", "/v1/messages/nothing").header("x-api-key", "sk-a");
        house.upstream.next(Reply::json(404, "{\"echo\":1}"));
        assert_eq!(house.send(&other).await.json(), json!({"echo": 1}));
        let ok: Value = house.send(&message(&message_question("fine"))).await.json();
        assert_eq!(ok["type"], "message");
    }
}
