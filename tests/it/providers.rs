//! Several providers: each is asked for its models and nothing else decides, its
//! credential is seen by nobody, and a change counts everywhere at once.

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{
    ADMIN, ALICE, House, Redis, Reply, Request, Response, Store, Upstream, chat, eventually,
    in_time, on_each_store, question,
};

const CANARY: &str = "sk-canary-of-the-second-provider-7f3a";

async fn put(house: &House, name: &str, body: &Value) -> Response {
    let path = format!("/admin/v1/providers/{name}");
    let request = Request::new("PUT", &path)
        .header("content-type", "application/json")
        .bearer(ADMIN);
    house.send(&request.body(body.to_string())).await
}

async fn delete(house: &House, name: &str) -> u16 {
    let path = format!("/admin/v1/providers/{name}");
    let request = Request::new("DELETE", &path).bearer(ADMIN);
    house.send(&request).await.status
}

async fn test(house: &House, name: &str) -> Value {
    let path = format!("/admin/v1/providers/{name}/test");
    let request = Request::new("POST", &path).bearer(ADMIN);
    let told = house.send(&request).await;
    assert_eq!(told.status, 200, "{}", told.text());
    assert!(!told.text().contains("canary"), "{}", told.text());
    told.json()
}

/// A provider that callers' own credentials may be sent to.
fn open_to_all(upstream: &Upstream, models: &Value) -> Value {
    json!({"kind": "openai", "base_url": upstream.url(), "models": models,
        "aliases": {"fast": "small-1"}, "credential": CANARY, "pass_through": true})
}

fn asking(model: &str, text: &str) -> Value {
    let mut asked = question(text);
    asked["model"] = json!(model);
    asked
}

/// A house with a second provider for `other-*`.
async fn with_second(store: Store) -> (House, Upstream) {
    let (house, second) = (House::start(store).await, Upstream::start().await);
    let made = put(&house, "second", &open_to_all(&second, &json!(["other-*"]))).await;
    assert_eq!(made.status, 201, "{}", made.text());
    (house, second)
}

/// Waits until the second provider has been read from the store.
async fn known(house: &House) {
    eventually("the second provider is known", || async {
        let told = house.admin("/admin/v1/providers/second").await;
        (told.status == 200).then_some(())
    })
    .await;
}

/// Everything that is on the disk of a house, or in its Redis.
fn at_rest(house: &House) -> Vec<u8> {
    if house.redis.is_some() {
        // Compressed, it could not be searched.
        house.redis().configure("rdbcompression", "no");
        let mut connection = house.redis().connect();
        let keys: Vec<Vec<u8>> = ::redis::cmd("KEYS")
            .arg("*")
            .query(&mut connection)
            .unwrap();
        let dump = |key: &Vec<u8>| -> Vec<u8> {
            ::redis::cmd("DUMP")
                .arg(key)
                .query(&mut connection)
                .unwrap()
        };
        return keys.iter().flat_map(dump).collect();
    }
    let files = std::fs::read_dir(house.data_folder()).unwrap();
    let files = files.filter_map(|file| std::fs::read(file.ok()?.path()).ok());
    files.flatten().collect()
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    let mut windows = haystack.windows(needle.len());
    windows.any(|window| window == needle.as_bytes())
}

on_each_store! {
    async fn a_model_goes_to_the_provider_that_has_it(store) {
        let (house, second) = with_second(store).await;
        for (model, is_second, becomes) in [
            ("test-model", false, "test-model"),
            ("other-1", true, "other-1"),
            ("second/test-model", true, "test-model"),
            ("fast", true, "small-1"),
            ("second/fast", true, "small-1"),
            ("meta-llama/Llama-3", false, "meta-llama/Llama-3"),
        ] {
            let before = (house.upstream.calls(), second.calls());
            let asked = asking(model, &format!("to whom goes {model}"));
            assert_eq!(house.ask(&asked).await.x_cache(), "MISS", "{model}");
            assert_eq!(house.ask(&asked).await.x_cache(), "HIT", "{model}");
            let calls = (house.upstream.calls() - before.0, second.calls() - before.1);
            assert_eq!(calls, if is_second { (0, 1) } else { (1, 0) }, "{model}");
            let asked = if is_second { second.last() } else { house.upstream.last() };
            assert_eq!(asked.json()["model"], becomes);
            // The caller's own credential, never the one that is the operator's.
            let bearer = format!("Bearer {ALICE}");
            assert_eq!(asked.header("authorization"), Some(bearer.as_str()));
        }
        // Two names of one model are one question.
        let asked = asking("second/small-1", "to whom goes fast");
        assert_eq!(house.ask(&asked).await.x_cache(), "HIT");
        // The same question to another provider is another question.
        let asked = asking("small-1", "to whom goes fast");
        assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
    }

    async fn a_request_that_is_not_cached_goes_where_its_model_does(store) {
        let (house, second) = with_second(store).await;
        let request = chat(&asking("other-1", "no trace")).header("cache-control", "no-store");
        assert_eq!(house.send(&request).await.x_cache(), "BYPASS");
        assert_eq!((house.upstream.calls(), second.calls()), (0, 1));
        let embedded = json!({"model": "other-2", "input": ["a", "b"]});
        assert_eq!(house.embed(&embedded).await.status, 200);
        assert_eq!((house.upstream.calls(), second.calls()), (0, 2));
        // What names no model is the default provider's.
        let request = Request::post("/v1/files", "{}").bearer(ALICE);
        assert_eq!(house.send(&request).await.status, 200);
        assert_eq!((house.upstream.calls(), second.calls()), (1, 2));
    }

    async fn a_credential_is_seen_by_nobody(store) {
        let (house, second) = with_second(store).await;
        house.ask(&asking("other-1", "canary?")).await;
        let mut told = Vec::new();
        for path in ["/admin/v1/providers", "/admin/v1/providers/second", "/metrics", "/admin/v1/models"] {
            told.extend(house.admin(path).await.body);
        }
        let bad = put(&house, "second", &json!({"credential": CANARY, "base_url": 5})).await;
        assert_eq!(bad.status, 400);
        told.extend(bad.body);
        second.models(Some(Reply::json(401, format!("{{\"error\":\"{CANARY}\"}}"))));
        let tested = test(&house, "second").await;
        assert_eq!(tested["error"], "credential_refused");
        told.extend(house.app.output().into_bytes());
        told.extend(at_rest(&house));
        assert!(!contains(&told, CANARY));
        assert!(!contains(&told, &hex::encode(CANARY)));
        let shown = house.admin("/admin/v1/providers/second").await.json();
        assert_eq!(shown["credential"], json!({"set": true, "last4": "7f3a"}));
        let listed = house.admin("/admin/v1/providers").await.json();
        assert_eq!(listed["data"][0]["name"], "default");
        assert_eq!(listed["data"][0]["source"], "settings");
        assert_eq!(listed["data"][1]["name"], "second");
    }

    async fn a_credential_does_not_follow_to_another_place(store) {
        let (house, second) = with_second(store).await;
        let elsewhere = Upstream::start().await;
        let mut body = open_to_all(&second, &json!(["other-*"]));
        body.as_object_mut().unwrap().remove("credential");
        assert_eq!(put(&house, "second", &body).await.status, 200);
        let shown = house.admin("/admin/v1/providers/second").await.json();
        assert_eq!(shown["credential"]["set"], true);
        assert_eq!(test(&house, "second").await["ok"], true);
        body["base_url"] = json!(elsewhere.url());
        let refused = put(&house, "second", &body).await;
        assert_eq!((refused.status, refused.json()["error"]["param"].as_str()), (400, Some("credential")));
        test(&house, "second").await;
        assert_eq!(elsewhere.probes(), 0);
        body["credential"] = Value::Null;
        assert_eq!(put(&house, "second", &body).await.status, 200);
        let shown = house.admin("/admin/v1/providers/second").await.json();
        assert_eq!(shown["credential"], json!({"set": false, "last4": null}));
        test(&house, "second").await;
        assert_eq!(elsewhere.probes(), 1);
    }

    async fn another_place_begins_with_nothing_cached(store) {
        let (house, second) = with_second(store).await;
        let third = Upstream::start().await;
        let asked = asking("other-1", "where from?");
        assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
        assert_eq!(house.ask(&asked).await.x_cache(), "HIT");
        let moved = open_to_all(&third, &json!(["other-*"]));
        assert_eq!(put(&house, "second", &moved).await.status, 200);
        assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
        assert_eq!((second.calls(), third.calls()), (1, 1));
        // Two that are at the same place are two all the same.
        assert_eq!(put(&house, "twin", &open_to_all(&third, &json!([]))).await.status, 201);
        let asked = asking("twin/other-1", "where from?");
        assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
        // And what was taken away is the default provider's to answer.
        assert_eq!(delete(&house, "second").await, 204);
        let asked = asking("other-1", "where from?");
        assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
        assert_eq!(house.upstream.calls(), 1);
        assert_eq!(delete(&house, "second").await, 404);
    }

    async fn a_credential_one_provider_accepts_is_not_accepted_by_another(store) {
        let (house, second) = with_second(store).await;
        let (here, there) = (question("standing"), asking("other-1", "standing"));
        house.ask(&there).await;
        second.refuse(ALICE);
        // Refused there, and what is stored of there is not given out any more.
        let request = chat(&there).header("cache-control", "no-cache");
        assert_eq!(house.send(&request).await.status, 401);
        assert_eq!(house.ask(&here).await.x_cache(), "MISS");
        assert_eq!(house.ask(&here).await.x_cache(), "HIT");
        let seen = house.ask(&there).await;
        assert_eq!((seen.status, seen.x_cache()), (401, "MISS"));
        assert_eq!(house.ask(&here).await.x_cache(), "HIT");
    }

    async fn a_provider_that_is_down_fails_its_own_models_alone(store) {
        let setup = House::with(store).set("REPRISE_COMPLETION_TTL", "1s");
        let (house, mut second) = (setup.start().await, Upstream::start().await);
        put(&house, "second", &open_to_all(&second, &json!(["other-*"]))).await;
        let asked = asking("other-1", "stale?");
        house.ask(&asked).await;
        second.stop().await;
        let failed = house.ask(&asking("other-1", "never asked")).await;
        assert_eq!((failed.status, failed.error_code()), (502, "upstream_unreachable".to_owned()));
        assert_eq!(house.ask(&question("fine")).await.status, 200);
        eventually("the stale answer stands in", || async {
            (house.ask(&asked).await.x_cache() == "STALE").then_some(())
        })
        .await;
        assert_eq!(test(&house, "second").await["error"], "unreachable");
    }

    async fn what_a_provider_cannot_be_is_refused_and_says_where(store) {
        let house = House::start(store).await;
        let good = json!({"base_url": "https://llm.example/v1"});
        let with = |member: &str, value: Value| {
            let mut body = good.clone();
            body[member] = value;
            body
        };
        for (name, body, param) in [
            ("Upper", good.clone(), "name"),
            ("default", good.clone(), "name"),
            ("a", with("base_url", json!("http://llm.example/v1")), "base_url"),
            ("a", with("base_url", json!("http://169.254.169.254/v1")), "base_url"),
            ("a", with("base_url", json!("https://u:p@llm.example/v1")), "base_url"),
            ("a", with("headers", json!({"authorization": "Bearer x"})), "headers"),
            ("a", with("price_provider", json!("nobody")), "price_provider"),
            ("a", with("credential", json!("a b")), "credential"),
            ("a", with("models", json!([""])), "models"),
        ] {
            let refused = put(&house, name, &body).await;
            assert_eq!(refused.status, 400, "{body}");
            assert_eq!(refused.json()["error"]["param"], param, "{body}");
        }
        for body in [with("other", json!(1)), with("models", json!("gpt-*")), json!([])] {
            assert_eq!(put(&house, "a", &body).await.status, 400, "{body}");
        }
        assert_eq!(house.admin("/admin/v1/providers/a").await.status, 404);
        let stranger = Request::new("GET", "/admin/v1/providers").bearer(ALICE);
        assert_eq!(house.send(&stranger).await.status, 401);
        assert_eq!(house.admin("/admin/v1/providers/default").await.json()["state"], "ready");
        assert_eq!(delete(&house, "default").await, 400);
    }

    async fn providers_are_there_after_a_restart_and_unreadable_under_another_key(store) {
        let redis = match store {
            Store::Embedded => None,
            Store::Redis => Some(Redis::start_durable().await),
        };
        let key = |id: &str| format!("{id}:{}", "k".repeat(40));
        let mut setup = House::with(store).set("REPRISE_MASTER_KEYS", &key("1"));
        if let Some(redis) = &redis {
            setup = setup.backend(redis.url());
        }
        let (mut house, second) = (setup.start().await, Upstream::start().await);
        put(&house, "second", &open_to_all(&second, &json!(["other-*"]))).await;
        house.app.kill();
        house.start_again().await;
        known(&house).await;
        house.ask(&asking("other-1", "after the restart")).await;
        assert_eq!((house.upstream.calls(), second.calls()), (0, 1));
        assert_eq!(test(&house, "second").await["ok"], true);

        house.app.kill();
        house.set("REPRISE_MASTER_KEYS", &key("2"));
        house.start_again().await;
        known(&house).await;
        let shown = house.admin("/admin/v1/providers/second").await.json();
        assert_eq!((&shown["sealed"], &shown["state"]), (&json!("unreadable"), &json!("unreadable")));
        house.ask(&asking("other-1", "not to be used")).await;
        assert_eq!((house.upstream.calls(), second.calls()), (1, 1));
        assert_eq!(test(&house, "second").await["error"], "unusable");
        let mut body = open_to_all(&second, &json!(["other-*"]));
        body.as_object_mut().unwrap().remove("credential");
        assert_eq!(put(&house, "second", &body).await.status, 400);
        body["credential"] = json!(CANARY);
        assert_eq!(put(&house, "second", &body).await.status, 200);
        house.ask(&asking("other-1", "to be used again")).await;
        assert_eq!((house.upstream.calls(), second.calls()), (1, 2));
    }

    async fn no_client_chooses_where_it_is_answered(store) {
        let (house, second) = with_second(store).await;
        let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = trap.local_addr().unwrap();
        let caught = tokio::spawn(async move { trap.accept().await.is_ok() });
        let url = format!("http://{place}/v1");
        let (calls, mut sent) = (house.upstream.calls(), 0);
        let members = [
            "base_url", "api_base", "api_url", "baseURL", "endpoint", "azure_endpoint", "host",
            "url", "upstream", "provider", "custom_llm_provider", "proxy", "proxies", "region",
            "vertex_location", "aws_bedrock_runtime_endpoint", "litellm_params", "extra_body",
        ];
        for member in members {
            let mut asked = question(&format!("in the body: {member}"));
            asked[member] = match member {
                "litellm_params" | "extra_body" => json!({"api_base": url, "base_url": url}),
                "provider" | "custom_llm_provider" => json!("second"),
                _ => json!(url),
            };
            assert_eq!(house.ask(&asked).await.status, 200, "{member}");
            sent += 1;
        }
        let absolute = format!("{url}/chat/completions");
        for (header, value) in [
            ("x-base-url", url.as_str()), ("x-api-base", &url), ("x-upstream", &url),
            ("x-provider", "second"), ("x-forwarded-host", &place.to_string()),
            ("x-forwarded-server", &place.to_string()), ("x-original-url", &absolute),
            ("x-rewrite-url", &absolute), ("forwarded", &format!("host={place}")),
            ("x-portkey-custom-host", &url), ("helicone-target-url", &url),
            ("helicone-openai-api-base", &url), ("cf-aig-provider", "second"),
        ] {
            let request = chat(&question(&format!("in {header}"))).header(header, value);
            assert_eq!(house.send(&request).await.status, 200, "{header}");
            sent += 1;
        }
        for query in [format!("base_url={url}"), format!("api_base={url}"), format!("@{place}/")] {
            let path = format!("/v1/chat/completions?{query}");
            let request = Request::post(&path, question(&query).to_string()).bearer(ALICE);
            assert_eq!(house.send(&request).await.status, 200, "{query}");
            sent += 1;
        }
        for model in [url.as_str(), "//evil.example/x", "default/x", "second\\x", "../second/x", "@second/x"] {
            assert_eq!(house.ask(&asking(model, "as a model")).await.status, 200, "{model}");
            sent += 1;
        }
        assert_eq!(house.upstream.calls() - calls, sent);
        assert_eq!(second.calls(), 0);
        assert!(!caught.is_finished(), "a client chose where it was answered");
    }

    async fn a_key_of_ours_is_answered_with_each_providers_own_credential(store) {
        let setup = House::with(store)
            .set("REPRISE_ACCESS", "keys")
            .set("REPRISE_UPSTREAM_API_KEY", "sk-of-the-default");
        let (house, second) = (setup.start().await, Upstream::start().await);
        let mut body = open_to_all(&second, &json!(["other-*"]));
        body["pass_through"] = json!(false);
        assert_eq!(put(&house, "second", &body).await.status, 201);
        let made = Request::post("/admin/v1/keys", json!({"name": "k", "tenant": "t"}).to_string());
        let made = house.send(&made.bearer(ADMIN)).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let key = made.json()["key"].as_str().unwrap().to_owned();
        for model in ["test-model", "other-1"] {
            let asked = asking(model, "with whose credential?").to_string();
            let request = Request::post("/v1/chat/completions", asked).bearer(&key);
            assert_eq!(house.send(&request).await.status, 200);
        }
        let bearer = |upstream: &Upstream| upstream.last().header("authorization").map(str::to_owned);
        assert_eq!(bearer(&house.upstream).unwrap(), "Bearer sk-of-the-default");
        assert_eq!(bearer(&second).unwrap(), format!("Bearer {CANARY}"));
    }

    async fn a_provider_is_counted_and_charged_under_its_own_name(store) {
        let (house, second) = (House::start(store).await, Upstream::start().await);
        let mut body = open_to_all(&second, &json!(["gpt-*"]));
        body["price_provider"] = json!("openai");
        body["completion_ttl_seconds"] = json!(60);
        assert_eq!(put(&house, "second", &body).await.status, 201);
        let asked = asking("gpt-4o-mini", "what does it cost?");
        house.ask(&asked).await;
        let hit = house.ask(&asked).await;
        assert_eq!(hit.x_cache(), "HIT");
        assert!(hit.header("x-cache-saved-usd").is_some(), "{:?}", hit.headers);
        let ttl: i64 = hit.cache_status().split("ttl=").nth(1).unwrap()
            .split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
        assert!(ttl <= 60, "{}", hit.cache_status());
        let named = eventually("the call is counted", || async {
            let told = house.admin("/admin/v1/models").await.json();
            let first = told["data"][0].clone();
            first["model"].is_string().then_some(first)
        })
        .await;
        assert_eq!((&named["upstream"], &named["model"]), (&json!("second"), &json!("test-model-2026-01-01")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_instance_is_told_all_instances_do() {
    in_time(async {
        let redis = Redis::start().await;
        let key = format!("1:{}", "k".repeat(40));
        let setup = || {
            let backend = House::with(Store::Redis).backend(redis.url());
            backend.set("REPRISE_MASTER_KEYS", &key)
        };
        let (this, that) = (setup().start().await, setup().start().await);
        let second = Upstream::start().await;
        put(&this, "second", &open_to_all(&second, &json!(["other-*"]))).await;
        let has = |wanted: bool| {
            let that = &that;
            move || async move {
                let status = that.admin("/admin/v1/providers/second").await.status;
                ((status == 200) == wanted).then_some(())
            }
        };
        eventually("the other instance follows", has(true)).await;
        that.ask(&asking("other-1", "from the other instance"))
            .await;
        assert_eq!((that.upstream.calls(), second.calls()), (0, 1));
        assert_eq!(delete(&this, "second").await, 204);
        eventually("the other instance follows", has(false)).await;
        that.ask(&asking("other-1", "from the other instance"))
            .await;
        assert_eq!((that.upstream.calls(), second.calls()), (1, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lent_credential_stays_with_its_provider() {
    in_time(async {
        let setup = House::with(Store::Embedded).set("REPRISE_UPSTREAM_API_KEY", "sk-lent");
        let (house, second) = (setup.start().await, Upstream::start().await);
        put(&house, "second", &open_to_all(&second, &json!(["other-*"]))).await;
        let asked = asking("other-1", "by nobody").to_string();
        let nobody = Request::post("/v1/chat/completions", asked);
        assert_eq!(house.send(&nobody).await.status, 200);
        assert_eq!((house.upstream.calls(), second.calls()), (1, 0));
        // And one that is not open to callers gets none of theirs.
        let mut body = open_to_all(&second, &json!(["mine-*"]));
        body["pass_through"] = json!(false);
        put(&house, "mine", &body).await;
        house.ask(&asking("mine/x", "by Alice")).await;
        assert_eq!((house.upstream.calls(), second.calls()), (2, 0));
    })
    .await;
}
