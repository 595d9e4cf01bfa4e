//! Embeddings: each item of a batch is paid once, and an answer has them all in
//! the order of its question.

use serde_json::{Value, json};

use crate::support::{
    ALICE, EmbeddingStyle, House, Reply, Request, Store, assert_embeds, batch, counted, in_time,
    on_each_store, told,
};

on_each_store! {
    async fn a_batch_asked_twice_is_paid_once(store) {
        let house = House::start(store).await;
        let asked = batch(["one", "two", "three"]);
        let first = house.embed(&asked).await;
        let second = house.embed(&asked).await;
        assert_eq!((first.x_cache(), second.x_cache()), ("MISS", "HIT"));
        assert!(first.cache_status().starts_with("reprise; fwd=uri-miss; fwd-status=200"));
        assert!(second.cache_status().starts_with("reprise; hit; ttl="));
        assert_eq!((counted(&first), counted(&second)), ((Some(0), Some(3)), (Some(3), Some(0))));
        assert!(second.header("age").is_some());
        for seen in [&first, &second] {
            assert_embeds(seen, &asked, EmbeddingStyle::default());
        }
        assert_eq!(first.json(), second.json());
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn every_item_is_known_by_itself(store) {
        let house = House::start(store).await;
        house.embed(&batch(["a", "b", "c"])).await;
        for asked in [batch(["b"]), batch(["c", "a"]), batch(["b", "b", "a", "c"])] {
            let seen = house.embed(&asked).await;
            assert_eq!(seen.x_cache(), "HIT", "{asked}");
            assert_embeds(&seen, &asked, EmbeddingStyle::default());
        }
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_batch_half_known_pays_for_the_other_half(store) {
        let house = House::start(store).await;
        house.embed(&batch(["a", "b"])).await;
        let asked = batch(["c", "b", "d", "a", "e"]);
        let seen = house.embed(&asked).await;
        assert_eq!(seen.x_cache(), "PARTIAL");
        let status = seen.cache_status();
        assert!(status.starts_with("reprise; fwd=partial"), "{status}");
        assert!(status.ends_with("; detail=\"2/5\""), "{status}");
        assert_eq!(counted(&seen), (Some(2), Some(3)));
        assert_embeds(&seen, &asked, EmbeddingStyle::default());
        assert_eq!(house.upstream.batches(), [vec!["a", "b"], vec!["c", "d", "e"]]);
        let again = house.embed(&asked).await;
        assert_eq!(again.x_cache(), "HIT");
        assert_eq!(again.json(), seen.json());
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn the_same_item_twice_in_a_batch_is_sent_once(store) {
        let house = House::start(store).await;
        let asked = batch(["a", "b", "a", "a", "b"]);
        for (x_cache, counts) in [("MISS", (0, 5)), ("HIT", (5, 0))] {
            let seen = house.embed(&asked).await;
            assert_eq!(seen.x_cache(), x_cache);
            assert_eq!(counted(&seen), (Some(counts.0), Some(counts.1)));
            assert_embeds(&seen, &asked, EmbeddingStyle::default());
        }
        let more = batch(["c", "a", "c", "d", "c"]);
        let seen = house.embed(&more).await;
        assert_eq!((seen.x_cache(), counted(&seen)), ("PARTIAL", (Some(1), Some(4))));
        assert_embeds(&seen, &more, EmbeddingStyle::default());
        assert_eq!(house.upstream.batches(), [vec!["a", "b"], vec!["c", "d"]]);
    }

    async fn an_answer_out_of_order_is_put_in_order(store) {
        let house = House::start(store).await;
        let style = EmbeddingStyle { shuffled: true, ..EmbeddingStyle::default() };
        house.upstream.embeds(style);
        for (asked, x_cache) in [
            (batch(["a", "b", "c", "d", "e"]), "MISS"),
            (batch(["e", "d", "c", "b", "a"]), "HIT"),
            (batch(["x", "c", "y", "a", "z"]), "PARTIAL"),
            (batch(["z", "y", "x"]), "HIT"),
        ] {
            let seen = house.embed(&asked).await;
            assert_eq!(seen.x_cache(), x_cache, "{asked}");
            assert_embeds(&seen, &asked, style);
        }
    }

    async fn a_question_goes_upstream_as_it_came(store) {
        let house = House::start(store).await;
        for body in [
            "{ \"input\" :[\"caf\\u00e9\", \"caf\u{e9} 2\"],\"zebra\":{\"b\":1,\"a\":2.50}, \"model\":\"m\"}\n",
            "{\"encoding_format\":\"base64\",\"model\":\"m\",\"input\":\"alone\"}",
            "{\"model\":\"m\", \"encoding_format\" : \"float\", \"input\":[1 , 2,3]}",
            "{\"input\":[[1],\t[ 2 ]],\"model\":\"m\",\"user\":\"u\",\"dimensions\":null}",
        ] {
            let request = Request::post("/v1/embeddings?x=1", body)
                .bearer(ALICE)
                .header("x-custom", "kept")
                .header("accept-encoding", "gzip")
                .header("x-cache-ttl", "60");
            assert_eq!(house.send(&request).await.x_cache(), "MISS");
            let got = house.upstream.last();
            assert_eq!(String::from_utf8_lossy(&got.body), body);
            assert_eq!(got.path, "/v1/embeddings?x=1");
            assert_eq!(got.header("authorization"), Some("Bearer sk-test-alice"));
            assert_eq!(got.header("x-custom"), Some("kept"));
            assert_eq!(got.header("x-cache-ttl"), None);
            let encodings = got.header("accept-encoding").unwrap_or("identity");
            assert_eq!(encodings, "identity", "what is taken apart must come unencoded");
        }
    }

    async fn of_a_batch_half_known_only_the_input_is_changed(store) {
        let house = House::start(store).await;
        let known = r#"{"model":"m","dimensions":5,"zebra":{"b":1,"a":2.50},"input":["known"]}"#;
        house.send(&Request::post("/v1/embeddings", known).bearer(ALICE)).await;
        let (before, after) = (
            "{ \"zebra\" : {\"b\":1,\"a\":2.50},\n \"encoding_format\":\"base64\", \"input\" : ",
            " ,\"model\":\"m\",\t\"dimensions\" : 5, \"user\": \"caf\\u00e9\" }\n",
        );
        let items = "[\"one \\u00e9 \\\"x\\\"\", \"known\" , \"two\",\"one \u{e9} \\\"x\\\"\"]";
        let body = format!("{before}{items}{after}");
        let seen = house.send(&Request::post("/v1/embeddings", body.clone()).bearer(ALICE)).await;
        assert_eq!((seen.x_cache(), counted(&seen)), ("PARTIAL", (Some(1), Some(3))));
        assert_embeds(&seen, &serde_json::from_str(&body).unwrap(), EmbeddingStyle::default());
        let sent = String::from_utf8(house.upstream.last().body).unwrap();
        let input = sent.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        let input = input.unwrap_or_else(|| panic!("more was changed than the input: {sent}"));
        let input: Value = serde_json::from_str(input).unwrap();
        assert_eq!(input, json!(["one \u{e9} \"x\"", "two"]));
    }

    async fn a_batch_of_many_megabytes_is_cut_to_what_is_new(store) {
        // Of a kind that has no limit to what it takes at once.
        let setup = House::with(store).set("REPRISE_UPSTREAM_KIND", "compatible");
        let house = setup.start().await;
        let long = "text that \u{1f600} goes \"on\" ".repeat(500);
        let items = |range: std::ops::Range<u32>| range.map(|number| format!("{number} {long}"));
        house.embed(&batch(items(0..300))).await;
        let asked = batch(items(200..600));
        let seen = house.embed(&asked).await;
        assert_eq!((seen.x_cache(), counted(&seen)), ("PARTIAL", (Some(100), Some(300))));
        assert_embeds(&seen, &asked, EmbeddingStyle::default());
        assert!(house.upstream.last().json() == batch(items(300..600)), "other items were sent");
    }

    async fn what_looks_like_the_input_is_left_alone(store) {
        let house = House::start(store).await;
        house.embed(&json!({"model": "m", "input": ["known"], "x": {"input": ["x"]}})).await;
        for body in [
            r#"{"x":{"input":["x"]},"input":["known","new"],"model":"m"}"#,
            r#"{"model":"m","x":{"input":["x"]},"user":"input","input":["newer","known"]}"#,
            r#"{"model":"m","x":{"input":["x"]},"user":"\"input\":[","input":["newest","known"]}"#,
            r#"{"model":"m","x":{"input":["x"]},"inp\u0075t":["escaped","known"]}"#,
        ] {
            let asked: Value = serde_json::from_str(body).unwrap();
            let seen = house.send(&Request::post("/v1/embeddings", body).bearer(ALICE)).await;
            assert_embeds(&seen, &asked, EmbeddingStyle::default());
            let sent = house.upstream.last().json();
            assert_eq!((&sent["x"], &sent["user"]), (&asked["x"], &asked["user"]), "{body}");
        }
    }

    async fn token_arrays_are_items_as_texts_are(store) {
        let house = House::start(store).await;
        let asked = batch([json!([1, 2, 3]), json!([4]), json!([1, 2, 3])]);
        let seen = house.embed(&asked).await;
        assert_eq!(seen.x_cache(), "MISS");
        assert_embeds(&seen, &asked, EmbeddingStyle::default());
        let more = batch([json!([5, 6]), json!([4])]);
        let seen = house.embed(&more).await;
        assert_eq!(seen.x_cache(), "PARTIAL");
        assert_embeds(&seen, &more, EmbeddingStyle::default());
        let sent = [vec![json!([1, 2, 3]), json!([4])], vec![json!([5, 6])]];
        assert_eq!(house.upstream.batches(), sent);
    }

    async fn one_item_alone_is_a_batch_of_one(store) {
        let house = House::start(store).await;
        for (alone, listed) in [(json!("text"), json!(["text"])), (json!([7, 8]), json!([[7, 8]]))] {
            let mut asked = batch(["replaced"]);
            asked["input"] = alone;
            let first = house.embed(&asked).await;
            assert_eq!(first.x_cache(), "MISS");
            assert_embeds(&first, &asked, EmbeddingStyle::default());
            asked["input"] = listed;
            let second = house.embed(&asked).await;
            assert_eq!(second.x_cache(), "HIT", "{asked}");
            assert_eq!(first.json(), second.json());
        }
    }

    async fn clients_may_point_at_the_root_or_at_v1(store) {
        let house = House::start(store).await;
        let asked = batch(["either root"]).to_string();
        for (path, expected) in [
            ("/v1/embeddings", "MISS"),
            ("/embeddings", "HIT"),
            ("/v1/embeddings/", "HIT"),
            ("/embeddings/", "HIT"),
        ] {
            let seen = house.send(&Request::post(path, asked.clone()).bearer(ALICE)).await;
            assert_eq!((seen.status, seen.x_cache()), (200, expected), "{path}");
        }
        assert_eq!(house.upstream.last().path, "/v1/embeddings");
    }

    async fn headers_of_one_call_are_not_replayed_to_another(store) {
        let house = House::start(store).await;
        let asked = batch(["headers"]);
        let body = EmbeddingStyle::default().answer(&asked);
        let reply = Reply::json(200, body)
            .header("set-cookie", "session=secret")
            .header("x-ratelimit-remaining-requests", "41")
            .header("x-request-id", "req_upstream");
        house.upstream.next(reply);
        let miss = house.embed(&asked).await;
        let hit = house.embed(&asked).await;
        assert_eq!(miss.header("x-ratelimit-remaining-requests"), Some("41"));
        for never in ["set-cookie", "x-ratelimit-remaining-requests"] {
            assert_eq!(hit.header(never), None, "{never} was replayed");
        }
        assert_ne!(miss.header("x-request-id"), hit.header("x-request-id"));
        assert_eq!(hit.header("cache-control"), Some("private, no-store"));
    }

    async fn the_largest_batch_is_cached(store) {
        let house = House::start(store).await;
        let asked = batch((0..2_048).map(|number| format!("item {number}")));
        let known = batch((0..2_000).map(|number| format!("item {number}")));
        assert_eq!(house.embed(&known).await.x_cache(), "MISS");
        let seen = house.embed(&asked).await;
        assert_eq!(seen.x_cache(), "PARTIAL");
        assert!(seen.cache_status().ends_with("; detail=\"2000/2048\""), "{}", seen.cache_status());
        assert_embeds(&seen, &asked, EmbeddingStyle::default());
        let again = house.embed(&asked).await;
        assert_eq!((again.x_cache(), counted(&again)), ("HIT", (Some(2_048), Some(0))));
        assert!(told(&again, &asked) == told(&seen, &asked), "the hit differs from the miss");
        assert_eq!(house.upstream.calls(), 2);
    }
}
