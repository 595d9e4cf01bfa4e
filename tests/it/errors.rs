//! Every error of our own is the envelope the official SDKs read, and no client
//! can hold a connection by being slow.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::support::{
    ALICE, House, Live, Request, Response, Store, chat, in_time, on_each_store, question,
};

/// Checks the envelope of an error of our own.
fn assert_envelope(seen: &Response, status: u16, code: &str) {
    assert_eq!(
        (seen.status, seen.error_code().as_str()),
        (status, code),
        "{}",
        seen.text()
    );
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert!(seen.header("x-request-id").is_some());
    assert_eq!(
        seen.header("cache-status"),
        None,
        "RFC 9211: not on our own errors"
    );
}

/// Sends raw bytes and reads what comes back.
async fn raw(house: &House, bytes: &[u8]) -> Response {
    let mut stream = house.client().connect().await.unwrap();
    stream.write_all(bytes).await.unwrap();
    Live::read_head(stream, false)
        .await
        .unwrap()
        .rest()
        .await
        .unwrap()
}

/// Waits until the server has closed the connection; whether it did in time.
async fn closed_within(stream: &mut TcpStream, limit: Duration) -> bool {
    let mut rest = Vec::new();
    timeout(limit, stream.read_to_end(&mut rest)).await.is_ok()
}

on_each_store! {
    async fn pages_of_our_own_answer_wrong_methods_with_405(store) {
        let house = House::start(store).await;
        for path in ["/health/live", "/health/ready", "/metrics", "/openapi.json"] {
            let seen = house.send(&Request::new("POST", path)).await;
            assert_envelope(&seen, 405, "method_not_allowed");
            assert!(seen.header("allow").is_some(), "RFC 9110 15.5.6 asks for Allow");
        }
        assert_eq!(house.upstream.calls(), 0);
    }

    async fn pages_that_do_not_exist_here_are_404(store) {
        let house = House::start(store).await;
        let seen = house.client().get("/favicon.ico").await;
        assert_eq!((seen.status, seen.error_code().as_str()), (404, "not_found"));
        assert_eq!(house.upstream.calls(), 0);
    }

    async fn a_body_that_is_too_large_is_413(store) {
        let house = House::start(store).await;
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n\
            content-type: application/json\r\ncontent-length: 67108865\r\n\r\n{";
        assert_envelope(&raw(&house, head.as_bytes()).await, 413, "request_too_large");
        assert_eq!(house.upstream.calls(), 0);
        let mut large = question("x");
        large["messages"][0]["content"] = "x".repeat(10 * 1024 * 1024).into();
        assert_eq!(house.ask(&large).await.x_cache(), "MISS", "10 MiB is an ordinary picture");
    }

    async fn a_body_that_is_no_plain_json_is_415(store) {
        let house = House::start(store).await;
        let body = question("x").to_string();
        for (name, value) in [("content-type", "text/plain"), ("content-encoding", "gzip")] {
            let mut request = Request::new("POST", "/v1/chat/completions").bearer(ALICE).body(body.clone());
            if name == "content-encoding" {
                request = request.header("content-type", "application/json");
            }
            assert_envelope(&house.send(&request.header(name, value)).await, 415, "unsupported_media_type");
        }
        assert_eq!(house.upstream.calls(), 0);
        for kind in ["application/json; charset=utf-8", "Application/JSON"] {
            let request = Request::new("POST", "/v1/chat/completions").bearer(ALICE).body(body.clone());
            assert_eq!(house.send(&request.header("content-type", kind)).await.status, 200, "{kind}");
        }
    }

    async fn headers_that_are_too_large_are_431(store) {
        let house = House::start(store).await;
        let asked = chat(&question("headers"));
        let large = asked.clone().header("x-large", &"x".repeat(70 * 1024));
        assert_envelope(&house.send(&large).await, 431, "headers_too_large");
        let many = (0..150).fold(asked.clone(), |request, at| request.header(&format!("x-{at}"), "1"));
        assert_envelope(&house.send(&many).await, 431, "headers_too_large");
        let fair = asked.header("x-fair", &"x".repeat(30 * 1024));
        assert_eq!(house.send(&fair).await.status, 200);
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn an_upstream_that_is_away_is_502(store) {
        let mut house = House::start(store).await;
        house.upstream.stop().await;
        let seen = house.ask(&question("away")).await;
        assert_envelope(&seen, 502, "upstream_unreachable");
        assert_eq!(seen.header("x-should-retry"), None, "the SDKs may try again");
        let seen = house.ask_stream(&question("away")).await;
        assert_envelope(&seen, 502, "upstream_unreachable");
        let seen = house.send(&Request::new("GET", "/v1/files").bearer(ALICE)).await;
        assert_envelope(&seen, 502, "upstream_unreachable");
    }

    async fn bytes_that_are_no_http_end_the_connection(store) {
        let house = House::start(store).await;
        for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"GET / HTTP/9.9\r\n\r\n", b"nonsense\r\n\r\n"] {
            let mut stream = house.client().connect().await.unwrap();
            stream.write_all(bytes).await.unwrap();
            assert!(closed_within(&mut stream, Duration::from_secs(15)).await, "{bytes:?}");
        }
        assert_eq!(house.ask(&question("still here")).await.status, 200);
    }

    async fn requests_framed_in_two_ways_are_refused(store) {
        let house = House::start(store).await;
        let smuggled = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
        for framing in [
            "content-length: 5\r\ncontent-length: 6\r\n\r\n{}xxx",
            "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        ] {
            let mut stream = house.client().connect().await.unwrap();
            stream.write_all(format!("{smuggled}{framing}").as_bytes()).await.unwrap();
            let answer = Live::read_head(stream, false).await;
            let status = answer.map_or(400, |live| live.so_far().status);
            assert!((400..500).contains(&status), "{framing:?} gave {status}");
        }
        assert_eq!(house.upstream.calls(), 0);
    }

    async fn slow_heads_and_silent_connections_are_closed(store) {
        let house = House::with(store)
            .set("REPRISE_HEADER_TIMEOUT", "500ms")
            .set("REPRISE_IDLE_TIMEOUT", "1s")
            .start()
            .await;
        let mut silent = house.client().connect().await.unwrap();
        let mut partial = house.client().connect().await.unwrap();
        partial.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost:").await.unwrap();
        let limit = Duration::from_secs(10);
        assert!(closed_within(&mut silent, limit).await, "a silent connection stays open");
        assert!(closed_within(&mut partial, limit).await, "half a head holds a connection");
        // A client that sends a byte now and then is slow all the same.
        let mut trickling = house.client().connect().await.unwrap();
        let began = Instant::now();
        while trickling.write_all(b"x").await.is_ok() && began.elapsed() < limit {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(began.elapsed() < limit, "a trickling head holds a connection");
        let (first, mut kept) = house.client().open(&chat(&question("kept"))).await.rest_and_stream().await;
        assert_eq!(first.status, 200);
        assert!(closed_within(&mut kept, limit).await, "an idle connection stays open");
    }

    async fn a_body_that_stops_coming_is_408_or_closed(store) {
        let house = House::with(store).set("REPRISE_BODY_TIMEOUT", "500ms").start().await;
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\
            content-type: application/json\r\ncontent-length: 100\r\n\r\n{\"model\":";
        let mut stream = house.client().connect().await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        if let Ok(live) = Live::read_head(stream, false).await {
            assert_envelope(&live.rest().await.unwrap(), 408, "request_timeout");
        }
        assert_eq!(house.upstream.calls(), 0);
    }

    async fn half_open_connections_do_not_stand_in_the_way(store) {
        let house = House::start(store).await;
        let mut half_open = Vec::new();
        for _ in 0..300 {
            let mut stream = house.client().connect().await.unwrap();
            stream.write_all(b"POST /v1/chat/completions HTTP/1.1\r\n").await.unwrap();
            half_open.push(stream);
        }
        for number in 0..50 {
            assert_eq!(house.ask(&question(&format!("among {number}"))).await.status, 200);
        }
        drop(half_open);
    }
}
