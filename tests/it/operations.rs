//! What an operator sees: health, metrics, documentation, logs; and what nobody
//! may ever see there.

use serde_json::Value;

use crate::support::{
    ALICE, Client, House, Reply, Request, Response, Store, answer, chat, eventually, in_time,
    on_each_store, question, streamed,
};

/// The log lines of requests, parsed.
fn request_lines(house: &House, id: &str) -> Vec<Value> {
    house
        .app
        .output()
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["request_id"] == id && line["outcome"].is_string())
        .collect()
}

/// The value of a sample, all of whose labels are given.
fn sample<'a>(metrics: &'a str, name: &str, labels: &[&str]) -> Option<&'a str> {
    let line = metrics.lines().find(|line| {
        let named = line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} "));
        named && labels.iter().all(|label| line.contains(label))
    })?;
    line.rsplit(' ').next()
}

/// Gets a page, following redirects to pages of the same server.
async fn page(client: Client, path: &str) -> Response {
    let mut path = path.to_owned();
    for _ in 0..3 {
        let seen = client.get(&path).await;
        if !(300..400).contains(&seen.status) {
            return seen;
        }
        let location = seen.header("location").unwrap();
        path = if location.starts_with('/') {
            location.to_owned()
        } else {
            let folder = path.rfind('/').map_or("", |at| &path[..=at]);
            format!("{folder}{location}")
        };
    }
    panic!("redirected in circles at {path}");
}

on_each_store! {
    async fn health_tells_of_life_and_readiness(store) {
        let house = House::start(store).await;
        let live = house.client().get("/health/live").await;
        assert_eq!((live.status, &live.json()["status"]), (200, &"live".into()));
        let ready = house.client().get("/health/ready").await;
        assert_eq!((ready.status, &ready.json()["status"]), (200, &"ready".into()));
        eventually("the store is reachable", || async {
            let degraded = house.client().get("/health/ready").await.json()["degraded"].clone();
            (degraded == serde_json::json!([])).then_some(())
        })
        .await;
        assert_eq!((house.upstream.calls(), house.upstream.probes()), (0, 0));
    }

    async fn metrics_count_what_happened(store) {
        let house = House::start(store).await;
        let asked = question("counted");
        house.ask(&asked).await;
        for _ in 0..3 {
            house.ask(&asked).await;
        }
        house.send(&chat(&asked).header("cache-control", "no-store")).await;
        house.send(&Request::new("GET", "/v1/files").bearer(ALICE)).await;
        let metrics = eventually("every request is counted", || async {
            let metrics = house.metrics().await;
            let counted = |operation: &str, outcome: &str| {
                let labels = [format!("operation=\"{operation}\""), format!("outcome=\"{outcome}\"")];
                sample(&metrics, "reprise_requests_total", &[&labels[0], &labels[1]])
            };
            let all = [counted("chat", "miss"), counted("chat", "hit"), counted("chat", "bypass"),
                counted("passthrough", "bypass")];
            (all == [Some("1"), Some("3"), Some("1"), Some("1")]).then_some(metrics)
        })
        .await;
        let hits = ["operation=\"chat\"", "outcome=\"hit\""];
        assert_eq!(sample(&metrics, "reprise_request_duration_seconds_count", &hits), Some("3"));
        for part in ["breaker", "entries", "bytes", "backend"] {
            let there = metrics.lines().any(|line| line.starts_with("reprise_") && line.contains(part));
            assert!(there, "no metric of {part} in:\n{metrics}");
        }
        for line in metrics.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            assert!(line.starts_with("reprise_"), "a metric that is not ours: {line}");
        }
    }

    async fn every_request_is_one_line_with_its_id(store) {
        let house = House::start(store).await;
        let asked = question("logged");
        let answers = [
            house.ask(&asked).await,
            house.ask(&asked).await,
            house.ask_stream(&asked).await,
            house.send(&chat(&asked).header("cache-control", "no-cache")).await,
            house.send(&Request::new("GET", "/v1/files").bearer(ALICE)).await,
        ];
        for (seen, outcome) in answers.iter().zip(["miss", "hit", "hit", "refresh", "bypass"]) {
            let id = seen.header("x-request-id").unwrap();
            let line = eventually("the request is logged", || async {
                request_lines(&house, id).pop()
            })
            .await;
            assert_eq!(line["outcome"], outcome, "{line}");
            assert_eq!(line["status"], 200, "{line}");
            assert!(line["total_ms"].is_number(), "{line}");
            assert_eq!(request_lines(&house, id).len(), 1);
        }
    }

    async fn nothing_confidential_is_written_anywhere(store) {
        let house = House::with(store)
            .set("REPRISE_LOG", "trace")
            .set("REPRISE_UPSTREAM_API_KEY", "sk-canary-operator")
            .set("REPRISE_CACHE_SECRET", "canary-cache-secret-0123456789abcdef")
            .start()
            .await;
        let asked = question("canary-prompt");
        house.upstream.next(Reply::json(200, answer("x", "canary-answer").to_string()));
        let request = chat(&asked)
            .header("api-key", "canary-api-key")
            .header("cookie", "session=canary-cookie")
            .header("proxy-authorization", "canary-proxy");
        let request = Request::post("/v1/chat/completions?key=canary-query", asked.to_string())
            .bearer("sk-canary-bearer")
            .header("x-canary", "canary-header-value")
            .body(String::from_utf8(request.to_wire()).unwrap().split("\r\n\r\n").nth(1).unwrap().to_owned());
        for _ in 0..2 {
            house.send(&request).await;
        }
        let mut chunks = streamed(&answer("y", "canary-streamed words"));
        chunks.truncate(2);
        house.upstream.next(Reply::chunks(&chunks));
        house.ask_stream(&question("canary-prompt streamed")).await;
        house.upstream.next(Reply::error(401, "canary-error sk-canary-echoed"));
        house.ask(&question("canary-prompt refused")).await;
        house.upstream.next(Reply::garbage(b"canary-garbage\r\n\r\n"));
        house.ask(&question("canary-prompt garbage")).await;
        let broken = Request::post("/v1/chat/completions", "{\"canary-broken\": \"canary-body\"");
        house.send(&broken.bearer("sk-canary-bearer")).await;
        let pass = Request::new("GET", "/v1/files?key=canary-query").bearer("sk-canary-bearer");
        house.send(&pass).await;
        let last = house.send(&Request::post("/v1/chat/completions", asked.to_string())).await;
        let id = last.header("x-request-id").unwrap().to_owned();
        eventually("the last request is logged", || async {
            (!request_lines(&house, &id).is_empty()).then_some(())
        })
        .await;
        let written = [
            house.app.output(),
            house.metrics().await,
            house.client().get("/health/ready").await.text(),
        ];
        for text in written {
            for line in text.lines() {
                assert!(!line.contains("canary"), "written: {line}");
            }
        }
    }

    async fn the_documentation_works_without_a_network(store) {
        let house = House::start(store).await;
        let seen = page(house.client(), "/docs").await;
        assert_eq!(seen.status, 200);
        let html = seen.text();
        let mut links = 0;
        for attribute in ["src=\"", "href=\""] {
            for (at, _) in html.match_indices(attribute) {
                let link: String = html[at + attribute.len()..].chars().take_while(|c| *c != '"').collect();
                assert!(!link.contains("//"), "the page needs the network: {link}");
                let path = link.trim_start_matches("./");
                let path = if path.starts_with('/') { path.to_owned() } else { format!("/docs/{path}") };
                let part = page(house.client(), &path).await;
                assert_eq!((part.status, part.body.is_empty()), (200, false), "{path}");
                links += 1;
            }
        }
        assert!(0 < links, "a page of documentation with nothing in it:\n{html}");
        assert_eq!(house.upstream.calls(), 0, "a page was asked of the upstream");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_of_a_store_is_not_written() {
    in_time(async {
        let house = House::with(Store::Redis)
            .backend("redis://canary-user:canary-password@127.0.0.1:1/0".to_owned())
            .set("REPRISE_LOG", "trace")
            .start()
            .await;
        house.ask(&question("x")).await;
        house.ask(&question("y")).await;
        eventually("the log tells that the store is away", || async {
            house
                .app
                .output()
                .to_lowercase()
                .contains("warn")
                .then_some(())
        })
        .await;
        assert!(!house.app.output().contains("canary"));
    })
    .await;
}
