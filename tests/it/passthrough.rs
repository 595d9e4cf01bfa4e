//! Everything that is not cached passes as it is, both ways, and leaves nothing.

use tokio::io::AsyncWriteExt;

use crate::support::{
    ALICE, Ending, Gate, House, Live, Reply, Request, Store, eventually, in_time, on_each_store,
    question,
};

on_each_store! {
    async fn other_paths_and_methods_pass_and_are_never_stored(store) {
        let house = House::start(store).await;
        for (method, path) in [
            ("GET", "/v1/files?limit=2&after=a%2Fb"),
            ("DELETE", "/v1/files/file-1"),
            ("POST", "/v1/images/generations"),
            ("POST", "/v1/threads"),
            ("PUT", "/v1/anything"),
            ("PATCH", "/v1/anything"),
            ("GET", "/v1/chat/completions"),
            ("GET", "/v1/chat/completions/chatcmpl-1"),
            ("OPTIONS", "/v1/files"),
        ] {
            let before = house.upstream.calls();
            let body = if method == "POST" { r#"{"model":"m","input":"x"}"# } else { "" };
            let request = Request::new(method, path)
                .bearer(ALICE)
                .header("content-type", "application/json")
                .body(body);
            for _ in 0..2 {
                let seen = house.send(&request).await;
                assert_eq!((seen.status, seen.x_cache()), (200, "BYPASS"), "{method} {path}");
                let got = house.upstream.last();
                assert_eq!((got.method.as_str(), got.path.as_str()), (method, path));
                assert_eq!(got.body, body.as_bytes());
                assert_eq!(got.header("authorization"), Some("Bearer sk-test-alice"));
            }
            assert_eq!(house.upstream.calls(), before + 2, "{method} {path} was stored");
        }
    }

    async fn status_headers_and_body_come_back_as_they_were(store) {
        let house = House::start(store).await;
        for status in [201, 301, 404, 409, 418, 500, 503] {
            let reply = Reply::document(status, "text/x-odd; charset=latin1", b"\xff\x00odd".to_vec())
                .header("x-custom", "kept")
                .header("location", "http://elsewhere.test/")
                .header("etag", "\"v1\"")
                .header("set-cookie", "a=b")
                .header("keep-alive", "timeout=5");
            house.upstream.next(reply);
            let seen = house.send(&Request::new("GET", "/v1/odd").bearer(ALICE)).await;
            assert_eq!((seen.status, seen.body.as_slice()), (status, &b"\xff\x00odd"[..]));
            for (name, value) in [
                ("content-type", "text/x-odd; charset=latin1"),
                ("x-custom", "kept"),
                ("location", "http://elsewhere.test/"),
                ("etag", "\"v1\""),
                ("set-cookie", "a=b"),
            ] {
                assert_eq!(seen.header(name), Some(value), "{status}");
            }
            assert_eq!(seen.header("keep-alive"), None, "a header of another connection");
        }
        assert_eq!(house.upstream.calls(), 7, "a redirect was followed");
    }

    async fn multipart_uploads_arrive_untouched(store) {
        let house = House::start(store).await;
        let mut body = b"--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n".to_vec();
        body.extend((0..300_000_u32).flat_map(u32::to_le_bytes));
        body.extend_from_slice(b"\r\n--b--\r\n");
        let request = Request::new("POST", "/v1/files")
            .bearer(ALICE)
            .header("content-type", "multipart/form-data; boundary=b")
            .body(body.clone());
        assert_eq!(house.send(&request).await.status, 200);
        let got = house.upstream.last();
        assert!(got.body == body, "the upload changed on the way");
        assert_eq!(got.header("content-type"), Some("multipart/form-data; boundary=b"));
    }

    async fn an_upload_flows_while_it_is_sent(store) {
        let house = House::start(store).await;
        let mut stream = house.client().connect().await.unwrap();
        let head = "POST /v1/uploads HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-test-alice\r\n\
            content-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        for round in 1..=3 {
            stream.write_all(b"5\r\nhello\r\n").await.unwrap();
            eventually("the piece reaches the upstream before the next is sent", || async {
                (round * 5 <= house.upstream.body_bytes()).then_some(())
            })
            .await;
        }
        assert_eq!(house.upstream.calls(), 0, "the request is not complete yet");
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        let live = Live::read_head(stream, false).await.unwrap();
        assert_eq!(live.rest().await.unwrap().status, 200);
        assert_eq!(house.upstream.last().body, b"hellohellohello");
    }

    async fn a_download_flows_while_it_comes(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let mut reply = Reply::stream([&b"\x00first"[..], &b"\xffsecond"[..]]).gate_before(1, &gate);
        reply = reply.header("content-type", "application/octet-stream");
        house.upstream.next(reply);
        let request = Request::new("GET", "/v1/files/f/content").bearer(ALICE);
        let mut live = house.client().open(&request).await;
        let early = live.until(|response| 6 <= response.body.len()).await.body.clone();
        assert_eq!(early, b"\x00first");
        gate.open();
        let seen = live.rest().await.unwrap();
        assert_eq!((seen.body.as_slice(), seen.ending), (&b"\x00first\xffsecond"[..], Ending::Whole));
    }

    async fn events_of_other_operations_flow_and_a_cut_shows(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let parts = ["event: thread.created\ndata: {}\n\n", "event: x\ndata: {}\n\n"];
        let reply = Reply::stream(parts).gate_before(1, &gate);
        let length = reply.body_bytes();
        house.upstream.next(reply.reset_after(length));
        let request = Request::post("/v1/threads/runs", r#"{"assistant_id":"a","stream":true}"#);
        let mut live = house.client().open(&request.bearer(ALICE)).await;
        live.until(|response| parts[0].len() <= response.body.len()).await;
        assert_eq!(live.so_far().text(), parts[0]);
        gate.open();
        let seen = live.rest().await.unwrap();
        assert_eq!(seen.ending, Ending::Cut, "a cut answer looks whole");
    }

    async fn an_encoded_answer_is_not_decoded(store) {
        let house = House::start(store).await;
        let reply = Reply::json(200, b"\x1f\x8b\x08not really".to_vec()).header("content-encoding", "gzip");
        house.upstream.next(reply);
        let request = Request::new("GET", "/v1/x").bearer(ALICE).header("accept-encoding", "gzip");
        let seen = house.send(&request).await;
        assert_eq!(house.upstream.last().header("accept-encoding"), Some("gzip"));
        assert_eq!(seen.header("content-encoding"), Some("gzip"));
        assert_eq!(seen.body, b"\x1f\x8b\x08not really");
        house.ask(&question("recorded")).await;
        let asked = house.upstream.last();
        let encodings = asked.header("accept-encoding").unwrap_or("identity");
        assert_eq!(encodings, "identity", "what is recorded must come unencoded");
    }

    async fn a_head_request_has_no_body(store) {
        let house = House::start(store).await;
        let reply = Reply::json(200, "").header("content-length", "42");
        house.upstream.next(reply);
        let seen = house.send(&Request::new("HEAD", "/v1/files/f").bearer(ALICE)).await;
        assert_eq!((seen.status, seen.body.len(), seen.ending), (200, 0, Ending::Whole));
    }

    async fn a_client_that_leaves_a_download_ends_it_upstream(store) {
        let house = House::start(store).await;
        house.upstream.next(Reply::stream(["first"]).silent_after(5));
        let request = Request::new("GET", "/v1/endless").bearer(ALICE);
        let mut live = house.client().open(&request).await;
        live.until(|response| 5 <= response.body.len()).await;
        drop(live);
        eventually("the upstream call is given up", || async {
            (house.upstream.left() == 1).then_some(())
        })
        .await;
    }
}
