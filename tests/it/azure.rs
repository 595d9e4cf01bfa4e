//! Azure: clients that name a deployment in the address and a version in the query get
//! what every client gets, and a key that is held to some models does not get around that.

use serde_json::{Value, json};

use crate::support::{
    ADMIN, ALICE, ApiKey, Form, House, MASTER, OPERATOR, Reply, Request, Response, Store, Upstream,
    answer, asking, chunk, chunks, completions, event, eventually, fold_text, in_time,
    on_each_store, response, streaming,
};

const VERSION: &str = "api-version=2024-10-21";

/// A house whose provider is Azure, at the resource's own address.
pub(crate) async fn azure(store: Store, more: &[(&str, &str)]) -> House {
    let upstream = Upstream::start().await;
    let mut setup = House::with(store)
        .upstream(format!("http://{}", upstream.address()))
        .set("REPRISE_UPSTREAM_KIND", "azure");
    for (name, value) in more {
        setup = setup.set(name, value);
    }
    setup.start_before(upstream).await
}

async fn with_keys(store: Store) -> House {
    let more = [
        ("REPRISE_ACCESS", "keys"),
        ("REPRISE_UPSTREAM_API_KEY", OPERATOR),
        ("REPRISE_MASTER_KEYS", MASTER),
    ];
    azure(store, &more).await
}

fn at(deployment: &str, endpoint: &str) -> String {
    format!("/openai/deployments/{deployment}/{endpoint}?{VERSION}")
}

fn saying(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": text}]})
}

async fn post(house: &House, path: &str, key: &str, body: &Value) -> Response {
    let request = Request::post(path, body.to_string()).header("api-key", key);
    house.send(&request).await
}

/// Asks a deployment for chat.
async fn ask(house: &House, deployment: &str, body: &Value) -> Response {
    post(house, &at(deployment, "chat/completions"), ALICE, body).await
}

on_each_store! {
    async fn a_deployment_is_asked_once_and_where_it_is(store) {
        let house = azure(store, &[]).await;
        let asked = saying("hello");
        let miss = ask(&house, "gpt", &asked).await;
        assert_eq!((miss.status, miss.x_cache()), (200, "MISS"), "{}", miss.text());
        let sent = house.upstream.last();
        assert_eq!(sent.path, at("gpt", "chat/completions"));
        assert_eq!(sent.header("api-key"), Some(ALICE));
        let hit = ask(&house, "gpt", &asked).await;
        assert_eq!((hit.x_cache(), hit.text()), ("HIT", miss.text()));
        let streamed = ask(&house, "gpt", &streaming(&asked)).await;
        assert_eq!((streamed.x_cache(), streamed.is_done()), ("HIT", true));
        // What is of one request alone is not part of what is asked.
        let traced = Request::post(&at("gpt", "chat/completions"), asked.to_string())
            .header("api-key", ALICE)
            .header("x-ms-client-request-id", "one");
        assert_eq!(house.send(&traced).await.x_cache(), "HIT");
        assert_eq!(house.upstream.calls(), 1);
        // Another deployment, another version: another question.
        assert_eq!(ask(&house, "gpt-2", &asked).await.x_cache(), "MISS");
        let path = at("gpt", "chat/completions").replace("2024-10-21", "2025-01-01-preview");
        assert_eq!(post(&house, &path, ALICE, &asked).await.x_cache(), "MISS");
        let other = post(&house, &at("gpt", "chat/completions"), "sk-somebody-else", &asked).await;
        assert_eq!(other.x_cache(), "MISS");
    }

    async fn responses_are_answered_and_deleted_where_they_are(store) {
        let house = azure(store, &[]).await;
        for root in ["/openai/responses", "/openai/v1/responses"] {
            let path = format!("{root}?{VERSION}");
            let asked = asking(root);
            let whole = response("resp_1", "x", &asked);
            house.upstream.next(Reply::json(200, whole.to_string()));
            assert_eq!(post(&house, &path, ALICE, &asked).await.x_cache(), "MISS");
            let hit = post(&house, &path, ALICE, &asked).await;
            assert_eq!((hit.x_cache(), hit.json()), ("HIT", whole));
            let one = format!("{root}/resp_1?{VERSION}");
            house.upstream.next(Reply::json(200, r#"{"id":"resp_1","deleted":true}"#));
            let delete = Request::new("DELETE", &one).header("api-key", ALICE);
            assert_eq!(house.send(&delete).await.status, 200);
            assert_eq!(house.upstream.last().path, one);
            assert_eq!(post(&house, &path, ALICE, &asked).await.x_cache(), "MISS");
        }
    }

    async fn a_recording_is_known_at_its_deployment(store) {
        let house = azure(store, &[("REPRISE_CACHE_AUDIO", "true")]).await;
        let said = |text: &str| Reply::json(200, json!({"text": text}).to_string());
        house.upstream.next(said("hello"));
        let path = at("whisper", "audio/transcriptions");
        let asked = Form::of(b"RIFF what was said").posted(&path).header("api-key", ALICE);
        assert_eq!(house.send(&asked).await.x_cache(), "MISS");
        assert_eq!(house.upstream.last().path, path);
        let hit = house.send(&asked).await;
        assert_eq!((hit.x_cache(), hit.json()["text"].as_str()), ("HIT", Some("hello")));
        house.upstream.next(said("hullo"));
        let other = at("whisper-2", "audio/transcriptions");
        let other = Form::of(b"RIFF what was said").posted(&other).header("api-key", ALICE);
        assert_eq!(house.send(&other).await.x_cache(), "MISS");
    }

    async fn a_bearer_token_reaches_the_provider(store) {
        let house = azure(store, &[]).await;
        let request = Request::post(&at("gpt", "chat/completions"), saying("token").to_string());
        assert_eq!(house.send(&request.bearer("aad-token")).await.x_cache(), "MISS");
        assert_eq!(house.upstream.last().header("authorization"), Some("Bearer aad-token"));
        assert_eq!(house.upstream.last().header("api-key"), None);
    }

    async fn every_endpoint_of_a_deployment_has_its_operation(store) {
        let house = azure(store, &[]).await;
        let texts = |texts: &[&str]| json!({"input": texts});
        let embed = async |deployment: &str, body: &Value| {
            let seen = post(&house, &at(deployment, "embeddings"), ALICE, body).await;
            assert_eq!(seen.status, 200, "{}", seen.text());
            seen.x_cache().to_owned()
        };
        assert_eq!(embed("ada", &texts(&["a", "b"])).await, "MISS");
        assert_eq!(embed("ada", &texts(&["b", "a"])).await, "HIT");
        assert_eq!(embed("ada", &texts(&["b", "c"])).await, "PARTIAL");
        // A vector of one deployment is not one of another.
        assert_eq!(embed("large", &texts(&["a", "b"])).await, "MISS");
        assert_eq!(house.upstream.last().path, at("large", "embeddings"));

        let path = at("instruct", "completions");
        let asked = json!({"prompt": "x"});
        for outcome in ["MISS", "HIT"] {
            let seen = post(&house, &path, ALICE, &asked).await;
            assert_eq!(seen.x_cache(), outcome, "{}", seen.text());
        }
        let whole = completions("cmpl-cut", &["as long as is documented"]).to_string();
        house.upstream.next(Reply::json(200, whole.replace("\"stop\"", "\"length\"")));
        let asked = json!({"prompt": "cut by the documented limit", "max_tokens": 16});
        assert_eq!(post(&house, &path, ALICE, &asked).await.x_cache(), "MISS");
        let asked = json!({"prompt": "cut by the documented limit"});
        assert_eq!(post(&house, &path, ALICE, &asked).await.x_cache(), "HIT");
        for passed in ["images/generations", "assistants"] {
            let seen = post(&house, &at("dall-e", passed), ALICE, &json!({"prompt": "x"})).await;
            assert_eq!((seen.status, seen.x_cache()), (200, "BYPASS"), "{passed}");
            assert_eq!(house.upstream.last().path, at("dall-e", passed));
        }
    }

    async fn other_clients_find_azure_below_its_own_root(store) {
        let house = azure(store, &[]).await;
        let mut asked = saying("by its model");
        asked["model"] = json!("gpt");
        for (path, place) in [
            ("/v1/chat/completions", "/openai/v1/chat/completions"),
            ("/openai/v1/chat/completions", "/openai/v1/chat/completions"),
            ("/v1/files", "/openai/v1/files"),
            ("/openai/files?api-version=1", "/openai/files?api-version=1"),
        ] {
            assert_eq!(post(&house, path, ALICE, &asked).await.status, 200, "{path}");
            assert_eq!(house.upstream.last().path, place);
        }
    }

    async fn a_filtered_prompt_is_told_as_it_came_and_a_filtered_stream_is_understood(store) {
        let house = azure(store, &[]).await;
        let refused = json!({"error": {"message": "The response was filtered", "type": null,
            "param": "prompt", "code": "content_filter", "status": 400,
            "innererror": {"code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"hate": {"filtered": true, "severity": "high"}}}}});
        house.upstream.next(Reply::json(400, refused.to_string()));
        let asked = saying("filtered");
        let seen = ask(&house, "gpt", &asked).await;
        assert_eq!((seen.status, seen.json()), (400, refused.clone()));
        house.upstream.next(Reply::json(200, refused.to_string()));
        assert_eq!(ask(&house, "gpt", &asked).await.json(), refused);

        let whole = answer("chatcmpl-azure", "");
        let mut first = chunk(&whole, 0, &json!({}), None);
        first["choices"] = json!([]);
        for empty in ["id", "model"] {
            first[empty] = json!("");
        }
        first["created"] = json!(0);
        first["prompt_filter_results"] = json!([{"prompt_index": 0, "content_filter_results": {}}]);
        let mut offsets = chunk(&whole, 0, &json!({}), None);
        let choice = offsets["choices"][0].as_object_mut().unwrap();
        choice.remove("delta");
        choice.insert("content_filter_offsets".to_owned(), json!({"check_offset": 44}));
        choice.insert("content_filter_results".to_owned(), json!({"hate": {"filtered": false}}));
        let sent = [
            first,
            chunk(&whole, 0, &json!({"role": "assistant", "content": ""}), None),
            chunk(&whole, 0, &json!({"content": "fine"}), None),
            offsets,
            chunk(&whole, 0, &json!({}), Some("stop")),
        ];
        house.upstream.next(Reply::chunks(&sent));
        let streamed = ask(&house, "gpt", &streaming(&asked)).await;
        let events: Vec<String> = sent.iter().map(event).collect();
        assert_eq!(streamed.text(), events.concat() + "data: [DONE]\n\n");
        let hit = ask(&house, "gpt", &asked).await;
        let told = hit.json();
        assert_eq!((hit.x_cache(), &told["id"]), ("HIT", &json!("chatcmpl-azure")));
        assert_eq!(told["choices"][0]["message"]["content"], "fine");
        assert_eq!(told["choices"][0]["content_filter_results"]["hate"]["filtered"], false);
        assert_eq!(told["prompt_filter_results"][0]["prompt_index"], 0);
        let again = ask(&house, "gpt", &streaming(&asked)).await;
        assert_eq!(fold_text(&again.events()), "fine");
        assert!(chunks(&again.events()).iter().all(|chunk| chunk["choices"] != json!([])));
    }

    async fn a_key_of_ours_goes_no_further_and_the_operators_does(store) {
        let house = with_keys(store).await;
        let key = house.key("a", json!({})).await;
        let seen = post(&house, &at("gpt", "chat/completions"), &key.key, &saying("ours")).await;
        assert_eq!((seen.status, seen.x_cache()), (200, "MISS"), "{}", seen.text());
        let sent = house.upstream.last();
        assert_eq!(sent.header("api-key"), Some(OPERATOR));
        assert_eq!(sent.header("authorization"), None);
        let refused = post(&house, &at("gpt", "chat/completions"), "rk-nobody", &saying("x")).await;
        assert_eq!(refused.status, 401);
        assert_eq!(refused.error_code(), "invalid_api_key");
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_key_held_to_models_is_held_to_deployments(store) {
        let house = with_keys(store).await;
        let key = house.key("a", json!({"models": ["gpt-4o*"]})).await;
        let asked = saying("held");
        let named = |model: &str| {
            let mut asked = saying("held");
            asked["model"] = json!(model);
            asked
        };
        let status = async |path: &str, body: &Value| post(&house, path, &key.key, body).await.status;
        let chat = |deployment: &str| at(deployment, "chat/completions");
        assert_eq!(status(&chat("gpt-4o"), &asked).await, 200);
        assert_eq!(status(&chat("gpt-4o-mini"), &named("gpt-4o")).await, 200);
        let calls = house.upstream.calls();
        for (path, body) in [
            (chat("o1"), asked.clone()),
            (chat("o1"), named("gpt-4o")),
            (chat("gpt-4o"), named("o1")),
            (chat("gpt-4o%2F..%2Fo1"), asked.clone()),
            (chat("gpt-4o%2f..%2fo1"), named("gpt-4o")),
            (chat("gpt-4o/../o1"), asked.clone()),
            (chat(".."), named("gpt-4o")),
            (chat("GPT-4o"), asked.clone()),
            (at("o1", "embeddings"), json!({"input": "x"})),
            (at("o1", "completions"), json!({"prompt": "x"})),
            (at("o1", "images/generations"), json!({"prompt": "x"})),
            ("/openai/v1/chat/completions".to_owned(), named("o1")),
            ("/openai/v1/chat/completions".to_owned(), asked.clone()),
            (format!("/openai/responses?{VERSION}"), json!({"model": "o1", "input": "x"})),
        ] {
            assert_eq!(status(&path, &body).await, 403, "{path} with {body}");
        }
        assert_eq!(house.upstream.calls(), calls);
    }

    async fn a_deployment_is_counted_as_the_model_it_is(store) {
        let house = with_keys(store).await;
        let key = house.key("a", json!({})).await;
        // An answer that says what answered is counted under that, here as everywhere.
        let mut whole = answer("chatcmpl-unnamed", "fine");
        whole.as_object_mut().unwrap().remove("model");
        house.upstream.next(Reply::json(200, whole.to_string()));
        let mut asked = saying("counted");
        asked["model"] = json!("what-the-caller-calls-it");
        post(&house, &at("my-deployment", "chat/completions"), &key.key, &asked).await;
        eventually("the deployment is counted", || async {
            let told = house.admin("/admin/v1/models").await.text();
            told.contains("my-deployment").then_some(())
        })
        .await;
        assert!(!house.admin("/admin/v1/models").await.text().contains("what-the-caller"));
    }

    async fn a_deployment_goes_to_the_provider_that_has_it(store) {
        let house = with_keys(store).await;
        let second = Upstream::start().await;
        let provider = json!({
            "kind": "azure", "base_url": format!("http://{}/openai/v1", second.address()),
            "models": ["eu-*"], "aliases": {"fast": "gpt-mini"}, "credential": "key-of-the-second",
        });
        let put = house.administer("PUT", "/admin/v1/providers/second", &provider).await;
        assert_eq!(put.status, 201, "{}", put.text());
        let key: ApiKey = house.key("a", json!({})).await;
        let chat = |deployment: &str| at(deployment, "chat/completions");
        eventually("the provider is known", || async {
            post(&house, &chat("eu-gpt"), &key.key, &saying("eu")).await;
            (second.calls() == 1).then_some(())
        })
        .await;
        assert_eq!(second.last().path, chat("eu-gpt"));
        assert_eq!(second.last().header("api-key"), Some("key-of-the-second"));
        let mut asked = saying("an alias");
        asked["model"] = json!("fast");
        post(&house, &chat("fast"), &key.key, &asked).await;
        assert_eq!(second.last().path, chat("gpt-mini"));
        assert_eq!(second.last().json()["model"], "gpt-mini");
        let calls = house.upstream.calls();
        post(&house, &chat("other"), &key.key, &saying("elsewhere")).await;
        assert_eq!((house.upstream.calls(), second.calls()), (calls + 1, 2));
        let told = house.send(&Request::new("GET", "/admin/v1/providers/second").bearer(ADMIN)).await;
        assert_eq!(told.json()["state"], "ready");
    }
}
