//! What the provider may do wrong: nothing of it is made up for, nothing of it
//! is stored, and none of it holds anything for longer than it must.

use serde_json::json;

use crate::support::{
    ALICE, Ending, House, Reply, Request, Store, Upstream, Wire, answer, eventually, in_time,
    on_each_store, question,
};

on_each_store! {
    async fn a_reset_before_the_head_is_502(store) {
        let house = House::start(store).await;
        for name in ["json", "stream"] {
            house.upstream.next(Reply::reset());
            let asked = question(name);
            let seen = if name == "json" { house.ask(&asked).await } else { house.ask_stream(&asked).await };
            assert_eq!((seen.status, seen.error_code().as_str()), (502, "upstream_unreachable"));
            assert_eq!(seen.header("x-should-retry"), None);
            assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
        }
    }

    async fn silence_is_504(store) {
        let house = House::with(store).set("REPRISE_UPSTREAM_FIRST_BYTE_TIMEOUT", "300ms").start().await;
        house.upstream.next(Reply::silence());
        let seen = house.ask(&question("silent")).await;
        assert_eq!((seen.status, seen.error_code().as_str()), (504, "upstream_timeout"));
        eventually("the call is given up", || async {
            (house.upstream.left() == 1).then_some(())
        })
        .await;
        house.upstream.next(Reply::silence());
        let seen = house.send(&Request::new("GET", "/v1/files").bearer(ALICE)).await;
        assert_eq!((seen.status, seen.error_code().as_str()), (504, "upstream_timeout"));
    }

    async fn an_answer_that_is_no_http_is_502(store) {
        let house = House::start(store).await;
        for bytes in [&b"SSH-2.0-OpenSSH\r\n"[..], b"HTTP/1.1 banana\r\n\r\n", b"\x00\x01\x02\x03", b""] {
            house.upstream.next(Reply::garbage(bytes));
            let asked = question(&format!("{bytes:?}"));
            let seen = house.ask(&asked).await;
            assert_eq!(seen.status, 502, "{bytes:?}");
            assert!(!seen.error_code().is_empty());
            assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
        }
    }

    async fn a_redirect_is_shown_and_not_followed(store) {
        let house = House::start(store).await;
        let target = Upstream::start().await;
        house.upstream.next(Reply::json(302, "{}").header("location", &target.url()));
        let seen = house.ask(&question("redirect")).await;
        assert_eq!(seen.status, 302);
        assert_eq!((target.calls(), target.probes()), (0, 0));
        assert_eq!(house.ask(&question("redirect")).await.x_cache(), "MISS");
    }

    async fn hostile_streams_pass_or_break_but_do_no_harm(store) {
        let house = House::start(store).await;
        let endless_line: Vec<Vec<u8>> = std::iter::once(b"data: ".to_vec())
            .chain((0..600).map(|_| vec![b'x'; 16 * 1024]))
            .collect();
        let deep = format!("data: {}\n\ndata: [DONE]\n\n", "[".repeat(100_000));
        let many_choices = "data: {\"choices\":[{\"index\":18446744073709551615,\"delta\":{\"content\":\"x\"}}]}\n\n\
             data: {\"choices\":[{\"index\":4000000000,\"delta\":{\"tool_calls\":[{\"index\":4000000000}]}}]}\n\n\
             data: [DONE]\n\n".to_owned();
        for (name, reply) in [
            ("an endless line", Reply::stream(endless_line)),
            ("deep nesting", Reply::stream([deep])),
            ("absurd indexes", Reply::stream([many_choices])),
            ("only comments", Reply::stream(vec![b": x\n\n".to_vec(); 100])),
            ("a nul", Reply::stream([b"data: \x00\n\ndata: [DONE]\n\n".to_vec()])),
        ] {
            house.upstream.next(reply);
            let asked = question(name);
            let before = house.app.resident_bytes();
            let seen = house.ask_stream(&asked).await;
            assert!(seen.status == 200 || seen.status == 502, "{name}: {}", seen.status);
            let grown = house.app.resident_bytes().saturating_sub(before);
            assert!(grown < 100 * 1024 * 1024, "{name}: {grown} bytes more");
            assert_eq!(house.ask(&asked).await.x_cache(), "MISS", "{name} was stored");
        }
    }

    async fn a_wrong_content_type_does_not_decide_what_an_answer_is(store) {
        let house = House::start(store).await;
        let body = answer("x", "typed wrongly").to_string();
        house.upstream.next(Reply::document(200, "text/plain", body.clone()));
        let asked = question("wrong type");
        let seen = house.ask(&asked).await;
        assert_eq!((seen.status, seen.text()), (200, body.clone()));
        // Whether it is stored is the proxy's choice; what comes back is not.
        house.upstream.next(Reply::document(200, "text/plain", body.clone()));
        assert_eq!(house.ask(&asked).await.text(), body);
    }

    async fn a_cut_wire_is_an_error_and_a_mended_one_is_not(store) {
        let upstream = Upstream::start().await;
        let wire = Wire::to(upstream.address()).await;
        let url = format!("http://{}/v1", wire.address());
        let house = House::with(store).upstream(url).start_before(upstream).await;
        assert_eq!(house.ask(&question("before")).await.status, 200);
        for round in 0..3 {
            wire.cut();
            let seen = house.ask(&question(&format!("cut {round}"))).await;
            assert_eq!(seen.status, 502);
            assert_eq!(house.ask(&question("before")).await.x_cache(), "HIT");
            wire.mend();
            let seen = house.ask(&question(&format!("mended {round}"))).await;
            assert_eq!(seen.status, 200, "a dead connection was used again");
        }
    }

    async fn a_provider_that_comes_back_is_used_at_once(store) {
        let mut house = House::start(store).await;
        assert_eq!(house.ask(&question("before")).await.status, 200);
        for round in 0..3 {
            house.upstream.stop().await;
            assert_eq!(house.ask(&question(&format!("gone {round}"))).await.status, 502);
            house.upstream.resume().await;
            assert_eq!(house.ask(&question(&format!("back {round}"))).await.status, 200);
        }
    }

    async fn a_thousand_given_up_calls_leave_nothing_behind(store) {
        let house = House::with(store).set("REPRISE_UPSTREAM_FIRST_BYTE_TIMEOUT", "200ms").start().await;
        house.upstream.always(Reply::silence());
        let mut running = tokio::task::JoinSet::new();
        for number in 0..1_000 {
            let client = house.client();
            let request = crate::support::chat(&question(&format!("given up {number}")));
            running.spawn(async move { client.send(&request).await.status });
        }
        assert!(running.join_all().await.iter().all(|status| *status == 504));
        eventually("every call is given up", || async {
            (house.upstream.left() == house.upstream.calls()).then_some(())
        })
        .await;
        house.upstream.recover();
        assert_eq!(house.ask(&question("afterwards")).await.status, 200);
    }

    async fn a_trailing_answer_is_not_taken_for_the_next(store) {
        let house = House::start(store).await;
        let body = answer("first", "first").to_string();
        let mut surplus = body.clone().into_bytes();
        surplus.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        let reply = Reply::json(200, surplus).header("content-length", &body.len().to_string());
        house.upstream.next(reply);
        let seen = house.ask(&question("first")).await;
        assert_eq!((seen.text(), seen.ending), (body, Ending::Whole));
        let second = house.ask(&question("second")).await;
        assert_eq!(second.json()["object"], json!("chat.completion"));
    }
}
