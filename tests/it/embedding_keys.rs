//! Which items are the same: what may share a vector and what must not; and what
//! is not cached at all.

use serde_json::{Value, json};

use crate::support::{
    ALICE, EmbeddingStyle, House, Reply, Request, Store, assert_embeds, batch, counted, embed,
    encoded, eventually, in_time, on_each_store,
};

const BOB: &str = "sk-test-bob";

/// A question about one item, with more members, or others.
fn with(members: &Value) -> Value {
    let mut asked = batch(["the same text"]);
    for (name, value) in members.as_object().unwrap() {
        asked[name] = value.clone();
    }
    asked
}

on_each_store! {
    async fn every_field_that_may_change_a_vector_tells_items_apart(store) {
        let house = House::start(store).await;
        for members in [
            json!({}),
            json!({"model": "another-model"}),
            json!({"model": "Test-Embedding"}),
            json!({"dimensions": 4}),
            json!({"dimensions": 5}),
            json!({"input_type": "query"}),
            json!({"input_type": "document"}),
            json!({"truncate": "END"}),
            json!({"task": "retrieval.passage"}),
            json!({"late_chunking": true}),
            json!({"late_chunking": false}),
            json!({"unheard_of": {"a": [1]}}),
            json!({"input": ["the same text "]}),
            json!({"input": ["The same text"]}),
            json!({"input": ["the same te\u{301}xt"]}),
            json!({"input": ["the same t\u{e9}xt"]}),
        ] {
            let asked = with(&members);
            for x_cache in ["MISS", "HIT"] {
                let seen = house.embed(&asked).await;
                assert_eq!(seen.x_cache(), x_cache, "{asked}");
                assert_embeds(&seen, &asked, EmbeddingStyle::default());
            }
        }
    }

    async fn text_is_never_tokens(store) {
        let house = House::start(store).await;
        for input in [
            json!([1, 2]),
            json!("[1,2]"),
            json!("1,2"),
            json!([[1], [2]]),
            json!(["1", "2"]),
            json!([12]),
            json!([[2, 1]]),
            json!([258]),
            json!("\u{1}\u{2}"),
        ] {
            let asked = with(&json!({"input": input}));
            let seen = house.embed(&asked).await;
            assert_eq!(seen.x_cache(), "MISS", "{asked}");
            assert_embeds(&seen, &asked, EmbeddingStyle::default());
        }
    }

    async fn what_changes_no_vector_tells_nothing_apart(store) {
        let house = House::start(store).await;
        house.embed(&with(&json!({}))).await;
        for members in [
            json!({"encoding_format": "float"}),
            json!({"encoding_format": "base64"}),
            json!({"encoding_format": null}),
            json!({"user": "someone"}),
            json!({"user": null}),
            json!({"dimensions": null}),
            json!({"input": "the same text"}),
        ] {
            let asked = with(&members);
            let seen = house.embed(&asked).await;
            assert_eq!(seen.x_cache(), "HIT", "{asked}");
            assert_embeds(&seen, &asked, EmbeddingStyle::default());
        }
        let spelled = "{ \"input\":\t[\"the s\\u0061me text\"] , \"model\" : \"test-embeddin\\u0067\"}\n";
        let seen = house.send(&Request::post("/v1/embeddings", spelled).bearer(ALICE)).await;
        assert_eq!(seen.x_cache(), "HIT", "another spelling");
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_null_says_nothing_in_a_documented_field_alone(store) {
        let house = House::start(store).await;
        house.embed(&with(&json!({}))).await;
        for name in ["dimensions", "user", "encoding_format"] {
            let asked = with(&json!({name: null}));
            assert_eq!(house.embed(&asked).await.x_cache(), "HIT", "{asked}");
        }
        // What a server makes of one that nobody documents is not known.
        for name in ["input_type", "unheard_of"] {
            let asked = with(&json!({name: null}));
            assert_eq!(house.embed(&asked).await.x_cache(), "MISS", "{asked}");
        }
    }

    async fn the_longest_item_is_cached(store) {
        let house = House::start(store).await;
        let tokens: Vec<_> = (0..8_192).collect();
        for input in [json!([tokens]), json!("long ".repeat(100_000))] {
            let asked = with(&json!({"input": input}));
            for x_cache in ["MISS", "HIT"] {
                let seen = house.embed(&asked).await;
                assert_eq!(seen.x_cache(), x_cache);
                assert_embeds(&seen, &asked, EmbeddingStyle::default());
            }
        }
    }

    async fn what_is_odd_passes_as_it_is_and_is_never_stored(store) {
        let house = House::start(store).await;
        let many: Vec<_> = (0..2_049).map(|number| number.to_string()).collect();
        let long: Vec<_> = (0..8_193).collect();
        for members in [
            json!({"input": many}),
            json!({"input": []}),
            json!({"input": ""}),
            json!({"input": ["x", ""]}),
            json!({"input": [[]]}),
            json!({"input": [[1], []]}),
            json!({"input": ["x", 1]}),
            json!({"input": ["x", [1]]}),
            json!({"input": [1, [1]]}),
            json!({"input": ["x", null]}),
            json!({"input": [1.5]}),
            json!({"input": [-1]}),
            json!({"input": [[1, "x"]]}),
            json!({"input": {"text": "x"}}),
            json!({"input": [{"text": "x"}]}),
            json!({"input": 7}),
            json!({"input": true}),
            json!({"input": null}),
            json!({"input": long}),
            json!({"input": [long]}),
            json!({"encoding_format": "int8"}),
            json!({"encoding_format": 7}),
            json!({"encoding_format": ["float"]}),
            json!({"output_dtype": "int8"}),
            json!({"embedding_types": ["binary"]}),
            json!({"model": null}),
            json!({"model": 7}),
        ] {
            let asked = with(&members);
            let case: String = asked.to_string().chars().take(100).collect();
            let before = house.upstream.calls();
            for number in 0..2 {
                let body = format!("{{ \"passed\":{number} }}");
                house.upstream.next(Reply::json(200, body.clone()));
                let seen = house.embed(&asked).await;
                assert_eq!((seen.status, seen.x_cache()), (200, "BYPASS"), "{case}");
                assert!(seen.cache_status().starts_with("reprise; fwd=bypass"), "{case}");
                assert_eq!(seen.text(), body, "{case}");
                assert_eq!(seen.header("x-cache-misses"), None, "{case}");
                assert!(house.upstream.last().body == asked.to_string().as_bytes(), "{case}");
            }
            assert_eq!(house.upstream.calls(), before + 2, "{case}");
        }
    }

    async fn what_is_no_question_at_all_gets_the_providers_own_refusal(store) {
        let house = House::start(store).await;
        for body in ["", "{", "[]", "null", "{\"model\":\"m\"}", "{\"input\":\"x\"}", "{\"model\":\"m\",\"input\":\"\\ud800\"}", "{\"input\":\"x\",\"input\":\"y\",\"model\":\"m\"}"] {
            house.upstream.next(Reply::error(400, "not_a_question"));
            let seen = house.send(&Request::post("/v1/embeddings", body).bearer(ALICE)).await;
            assert_eq!((seen.status, seen.error_code().as_str()), (400, "not_a_question"), "{body}");
            assert_eq!(house.upstream.last().body, body.as_bytes());
        }
    }

    async fn other_methods_pass(store) {
        let house = House::start(store).await;
        for method in ["GET", "DELETE"] {
            let seen = house.send(&Request::new(method, "/v1/embeddings").bearer(ALICE)).await;
            assert_eq!((seen.status, seen.x_cache()), (200, "BYPASS"), "{method}");
            assert_eq!(house.upstream.last().method, method);
        }
    }

    async fn two_credentials_never_share(store) {
        let house = House::start(store).await;
        let asked = batch(["a", "b"]);
        let plain = || Request::post("/v1/embeddings", asked.to_string());
        let callers = [
            plain().bearer(ALICE),
            plain().bearer(BOB),
            plain().header("api-key", ALICE),
            plain().bearer(ALICE).header("openai-organization", "org-1"),
            plain().bearer(ALICE).header("openai-project", "org-1"),
            plain(),
        ];
        for x_cache in ["MISS", "HIT"] {
            for (at, caller) in callers.iter().enumerate() {
                let seen = house.send(caller).await;
                assert_eq!(seen.x_cache(), x_cache, "caller {at}");
                assert_embeds(&seen, &asked, EmbeddingStyle::default());
            }
        }
        assert_eq!(house.upstream.calls(), callers.len());
    }

    async fn headers_with_a_meaning_tell_items_apart(store) {
        let house = House::start(store).await;
        let asked = batch(["headers"]);
        assert_eq!(house.embed(&asked).await.x_cache(), "MISS");
        let beta = embed(&asked).header("openai-beta", "vectors=v2");
        assert_eq!(house.send(&beta).await.x_cache(), "MISS");
        assert_eq!(house.send(&beta).await.x_cache(), "HIT");
        let sdk = embed(&asked).header("user-agent", "other").header("x-stainless-lang", "js");
        assert_eq!(house.send(&sdk).await.x_cache(), "HIT");
    }

    async fn a_refused_credential_gets_the_refusal_and_no_vector(store) {
        let house = House::start(store).await;
        let asked = batch(["known"]);
        house.embed(&asked).await;
        assert_eq!(house.embed(&asked).await.x_cache(), "HIT");
        house.upstream.refuse(ALICE);
        assert_eq!(house.embed(&batch(["something else"])).await.status, 401);
        for again in [batch(["known"]), batch(["known", "new"])] {
            let seen = house.embed(&again).await;
            assert_eq!((seen.status, seen.error_code().as_str()), (401, "invalid_api_key"));
        }
        house.upstream.refuse("sk-stranger");
        let stranger = Request::post("/v1/embeddings", asked.to_string()).bearer("sk-stranger");
        assert_eq!(house.send(&stranger).await.status, 401);
        let stranger = stranger.header("cache-control", "only-if-cached");
        assert_eq!(house.send(&stranger).await.status, 504);
    }

    async fn a_whole_batch_outlives_the_proxy(store) {
        let mut house = House::start(store).await;
        let mut asked = batch((0..2_048).map(|number| format!("item {number}")));
        asked["dimensions"] = json!(1_024);
        let asked = encoded(&asked, "base64");
        let first = house.embed(&asked).await;
        assert_eq!(first.x_cache(), "MISS");
        house.app.terminate();
        assert!(house.app.exited().await);
        house.start_again().await;
        let again = eventually("every vector is read", || async {
            // On a busy machine a look-up may run into its deadline: a part is a miss
            // then, and asked for with the next.
            let seen = house.embed(&asked).await;
            (counted(&seen) == (Some(2_048), Some(0))).then_some(seen)
        })
        .await;
        assert_eq!(again.x_cache(), "HIT");
        assert!(again.json()["data"] == first.json()["data"], "other vectors than before");
    }

    async fn vectors_outlive_the_proxy(store) {
        let mut house = House::start(store).await;
        let asked = batch(["kept", "as well"]);
        house.embed(&asked).await;
        house.app.terminate();
        assert!(house.app.exited().await);
        house.start_again().await;
        let seen = house.embed(&asked).await;
        assert_eq!(seen.x_cache(), "HIT");
        assert_embeds(&seen, &asked, EmbeddingStyle::default());
    }
}
