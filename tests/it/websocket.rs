//! Tunnels are opened for callers that may have one, and carry both ways what is said; the
//! tokens told in them are counted.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    ALICE, ApiKey, House, OPERATOR, Sessions, Setup, Socket, Store, echo, eventually, in_time,
    next, on_each_store, refused,
};

const PATH: &str = "/v1/realtime?model=gpt-realtime";

async fn house(setup: Setup) -> (House, Sessions) {
    let sessions = Sessions::start().await;
    let house = setup.upstream(sessions.url()).start().await;
    (house, sessions)
}

async fn open(house: &House) -> Socket {
    let bearer = format!("Bearer {ALICE}");
    house
        .session(PATH, &[("authorization", &bearer)])
        .await
        .unwrap()
}

/// Whether a socket speaks both ways.
async fn assert_speaks(socket: &mut Socket) {
    let heard = echo(socket, Message::text("hello")).await;
    assert_eq!(heard, Some(Message::text("hello")));
}

/// The status a key gets.
async fn try_key(house: &House, path: &str, key: &ApiKey) -> u16 {
    let bearer = format!("Bearer {}", key.key);
    refused(house.session(path, &[("authorization", &bearer)]).await)
}

on_each_store! {
    async fn whatever_is_said_passes_both_ways(store) {
        let (house, sessions) = house(House::with(store)).await;
        let mut socket = open(&house).await;
        assert_speaks(&mut socket).await;
        let binary = Message::binary(vec![0, 0xff, 0x81, 0]);
        assert_eq!(echo(&mut socket, binary.clone()).await, Some(binary));
        let long = Message::binary(vec![7; 3 * 1024 * 1024]);
        assert_eq!(echo(&mut socket, long.clone()).await, Some(long));
        let (path, headers) = sessions.heads().remove(0);
        assert_eq!(path, PATH);
        assert_eq!(headers["authorization"], format!("Bearer {ALICE}"));
        assert!(!headers.contains_key("sec-websocket-extensions"));
    }

    async fn either_side_may_close(store) {
        let (house, sessions) = house(House::with(store)).await;
        let mut socket = open(&house).await;
        let heard = echo(&mut socket, Message::text("bye")).await;
        assert!(matches!(heard, Some(Message::Close(_))), "{heard:?}");
        assert_eq!(next(&mut socket).await, None);
        let mut socket = open(&house).await;
        assert_speaks(&mut socket).await;
        // Without a word.
        drop(socket);
        eventually("both sessions have ended", || async {
            (sessions.ended() == 2).then_some(())
        })
        .await;
        eventually("both are told", || async {
            let told = house.app.output();
            (told.matches("\"websocket\"").count() >= 2).then_some(())
        })
        .await;
    }

    async fn a_refusal_comes_as_it_is(store) {
        let (house, _sessions) = house(House::with(store)).await;
        let bearer = format!("Bearer {ALICE}");
        let refusal = house.session("/v1/realtime?model=refused", &[("authorization", &bearer)]).await;
        let Err(tokio_tungstenite::tungstenite::Error::Http(response)) = refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()["x-cache"], "BYPASS");
        assert!(response.headers()["cache-status"].to_str().unwrap().contains("websocket"));
    }

    async fn tokens_are_counted_as_they_are_told(store) {
        let (house, _sessions) = house(House::with(store)).await;
        let mut socket = open(&house).await;
        for _ in 0..2 {
            let heard = echo(&mut socket, Message::text("done")).await.unwrap();
            assert!(heard.to_text().unwrap().contains("response.done"));
        }
        // While the tunnel is open.
        eventually("the tokens are counted", || async {
            let metrics = house.metrics().await;
            let spent = |direction: &str, tokens: u64| {
                metrics.lines().any(|line| {
                    line.starts_with("reprise_tokens_total")
                        && ["passthrough", "upstream"].iter().all(|word| line.contains(word))
                        && line.contains(&format!("direction=\"{direction}\""))
                        && line.ends_with(&format!(" {tokens}"))
                })
            };
            (spent("input", 40) && spent("output", 20)).then_some(())
        })
        .await;
        assert_speaks(&mut socket).await;
    }

    async fn a_key_opens_a_tunnel_with_the_credential_of_the_operator(store) {
        let (house, sessions) = house(House::with_keys(store)).await;
        let key = house.key("a", json!({})).await;
        assert_eq!(try_key(&house, PATH, &key).await, 101);
        let protocols = format!("realtime, openai-insecure-api-key.{}, openai-beta.realtime-v1", key.key);
        let mut socket = house.session(PATH, &[("sec-websocket-protocol", &protocols)]).await.unwrap();
        assert_speaks(&mut socket).await;
        for (_, headers) in sessions.heads() {
            assert_eq!(headers["authorization"], format!("Bearer {OPERATOR}"));
            assert!(!format!("{headers:?}").contains(&key.key));
        }
        let last = sessions.heads().pop().unwrap().1;
        assert_eq!(last["sec-websocket-protocol"], "realtime, openai-beta.realtime-v1");
        assert!(!house.app.output().contains(&key.key));
        assert_eq!(refused(house.session(PATH, &[]).await), 401);
        let unknown = "realtime, openai-insecure-api-key.rpk_unknown";
        assert_eq!(refused(house.session(PATH, &[("sec-websocket-protocol", unknown)]).await), 401);
    }

    async fn a_key_is_held_to_its_rights(store) {
        let (house, sessions) = house(House::with_keys(store)).await;
        let held = house.key("a", json!({"models": ["gpt-realtime*"]})).await;
        for (path, status) in [
            (PATH, 101),
            ("/v1/realtime?model=other", 403),
            ("/v1/realtime?model=gpt-realtime&model=other", 403),
            ("/v1/realtime", 403),
            // The model is not in the address there.
            ("/v1/responses?model=gpt-realtime", 403),
        ] {
            assert_eq!(try_key(&house, path, &held).await, status, "{path}");
        }
        let chats = house.key("a", json!({"operations": ["chat"]})).await;
        assert_eq!(try_key(&house, PATH, &chats).await, 403);
        let any = house.key("a", json!({})).await;
        assert_eq!(try_key(&house, "/v1/realtime?model=m&api_key=x", &any).await, 400);
        assert_eq!(sessions.heads().len(), 1);
    }

    async fn a_tunnel_is_under_way_until_it_ends(store) {
        let (house, _sessions) = house(House::with(store).set("REPRISE_DEFAULT_CONCURRENT", "1")).await;
        let mut socket = open(&house).await;
        assert_speaks(&mut socket).await;
        let bearer = format!("Bearer {ALICE}");
        let headers = [("authorization", bearer.as_str())];
        assert_eq!(refused(house.session(PATH, &headers).await), 429);
        drop(socket);
        eventually("the place is free again", || async {
            (refused(house.session(PATH, &headers).await) == 101).then_some(())
        })
        .await;
    }

    async fn a_revoked_key_loses_its_tunnel(store) {
        let (house, sessions) = house(House::with_keys(store)).await;
        let key = house.key("a", json!({})).await;
        let bearer = format!("Bearer {}", key.key);
        let mut socket = house.session(PATH, &[("authorization", &bearer)]).await.unwrap();
        assert_speaks(&mut socket).await;
        house.revoke(&key).await;
        assert_eq!(next(&mut socket).await, None);
        eventually("the provider's side is closed", || async {
            (sessions.ended() == 1).then_some(())
        })
        .await;
    }

    async fn a_page_of_another_site_is_lent_nothing(store) {
        let lent = House::with(store).set("REPRISE_UPSTREAM_API_KEY", OPERATOR);
        let (house, sessions) = house(lent).await;
        let evil = ("origin", "https://evil.example");
        assert_eq!(refused(house.session(PATH, &[evil]).await), 403);
        assert_eq!(refused(house.session(PATH, &[("origin", "null")]).await), 403);
        assert_eq!(sessions.heads().len(), 0);
        // A program, a page of this machine, and one that brings a credential.
        assert_eq!(refused(house.session(PATH, &[]).await), 101);
        assert_eq!(refused(house.session(PATH, &[("origin", "http://localhost:3000")]).await), 101);
        let own = ("sec-websocket-protocol", "realtime, openai-insecure-api-key.sk-own");
        assert_eq!(refused(house.session(PATH, &[evil, own]).await), 101);
        let last = sessions.heads().pop().unwrap().1;
        assert_eq!(last["authorization"], "Bearer sk-own");
    }

    async fn a_server_that_stops_lets_tunnels_end_and_then_closes_them(store) {
        let (mut house, sessions) = house(House::with(store).set("REPRISE_DRAIN_TIMEOUT", "3s")).await;
        let mut socket = open(&house).await;
        assert_speaks(&mut socket).await;
        house.app.terminate();
        // It still speaks while there is time.
        assert_speaks(&mut socket).await;
        assert_eq!(next(&mut socket).await, None);
        house.app.exited().await;
        eventually("the provider's side is closed", || async {
            (sessions.ended() == 1).then_some(())
        })
        .await;
    }

    async fn a_silent_tunnel_is_closed(store) {
        let (house, _sessions) = house(House::with(store).set("REPRISE_UPSTREAM_IDLE_TIMEOUT", "1s")).await;
        let mut socket = open(&house).await;
        assert_speaks(&mut socket).await;
        assert_eq!(next(&mut socket).await, None);
    }
}
