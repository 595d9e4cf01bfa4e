//! No header or framing lets a client say one thing to this server and another to the
//! provider, and nothing of a provider's answer but its body is given to the next client.

use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::support::{
    ALICE, House, Live, Reply, Store, answer, chat, in_time, on_each_store, question,
};

/// Sends a chat request with these lines in its head and reads the status of the answer:
/// 400 if the connection was closed without one.
async fn status_with(house: &House, lines: &str, asked: &Value) -> u16 {
    let body = asked.to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ALICE}\r\n\
         content-type: application/json\r\n{lines}\r\n\r\n{body}"
    );
    let mut stream = house.client().connect().await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = Live::read_head(stream, false).await;
    answer.map_or(400, |live| live.so_far().status)
}

on_each_store! {
    async fn a_head_that_two_servers_might_read_differently_is_refused(store) {
        let house = House::start(store).await;
        let asked = question("smuggled");
        let length = asked.to_string().len();
        for lines in [
            format!("content-length: {length}\r\nx-folded: one\r\n two"),
            format!("content-length: {length}\r\nx-bare: one\rtwo: three"),
            format!("content-length: {length}\r\nx-nul: one\0two"),
            format!("content-length: {length}\r\nspaced : one"),
            format!("content-length: +{length}"),
            format!("content-length: {length}\r\ncontent-length: {}", length + 1),
            format!("content-length: {length}, {}", length + 1),
        ] {
            let status = status_with(&house, &lines, &asked).await;
            assert!((400..500).contains(&status), "{lines:?} gave {status}");
        }
        assert_eq!(house.upstream.calls(), 0);
    }

    async fn what_a_connection_names_does_not_travel_on(store) {
        let house = House::start(store).await;
        let asked = question("hop by hop");
        let request = chat(&asked)
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("x-forwarded-for", "203.0.113.9")
            .header("forwarded", "for=203.0.113.9")
            .header("x-real-ip", "203.0.113.9")
            .header("x-kept", "1");
        assert_eq!(house.send(&request).await.status, 200);
        let sent = house.upstream.last();
        for name in ["x-hop", "x-forwarded-for", "forwarded", "x-real-ip"] {
            assert_eq!(sent.header(name), None, "{name}");
        }
        assert_eq!(sent.header("x-kept"), Some("1"));
    }

    async fn only_the_body_of_an_answer_is_given_again(store) {
        let house = House::start(store).await;
        let asked = question("headers");
        let body = answer("x", "given again").to_string();
        let reply = Reply::json(200, body)
            .header("set-cookie", "session=canary")
            .header("openai-organization", "org-canary")
            .header("x-canary", "1");
        house.upstream.next(reply);
        let miss = house.ask(&asked).await;
        assert_eq!(miss.header("x-canary"), Some("1"));
        let hit = house.ask(&asked).await;
        assert_eq!(hit.x_cache(), "HIT");
        for name in ["set-cookie", "openai-organization", "x-canary"] {
            assert_eq!(hit.header(name), None, "{name}");
        }
    }
}
