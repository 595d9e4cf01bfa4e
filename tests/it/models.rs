//! The list of models is asked for once a minute, by each credential for itself.

use serde_json::json;

use crate::support::{
    ALICE, House, Reply, Request, Response, Setup, Store, eventually, in_time, on_each_store,
    question,
};

const LIST: &str = "/v1/models";

async fn get(house: &House, path: &str) -> Response {
    house.send(&Request::new("GET", path).bearer(ALICE)).await
}

/// Asks only if it has changed.
async fn changed(house: &House, path: &str, condition: &str) -> Response {
    let request = Request::new("GET", path).bearer(ALICE);
    house
        .send(&request.header("if-none-match", condition))
        .await
}

/// A house that asks anew after a second.
fn impatient(store: Store) -> Setup {
    House::with(store).set("REPRISE_MODELS_TTL", "1s")
}

on_each_store! {
    async fn the_list_is_asked_for_once(store) {
        let house = House::start(store).await;
        let first = get(&house, LIST).await;
        assert_eq!((first.status, first.x_cache()), (200, "MISS"));
        assert_eq!(first.json()["data"][0]["id"], "test-model");
        for path in [LIST, "/models", "/v1/models/"] {
            let again = get(&house, path).await;
            assert_eq!((again.status, again.x_cache()), (200, "HIT"), "{path}");
            assert_eq!(again.body, first.body);
            assert!(again.cache_status().starts_with("reprise; hit; ttl="));
            assert!(again.header("age").is_some());
            assert_eq!(again.header("content-type"), Some("application/json"));
        }
        assert_eq!(house.upstream.probes(), 1);
    }

    async fn each_model_is_kept_by_itself(store) {
        let house = House::start(store).await;
        let paths = [LIST, "/v1/models/one", "/v1/models/two", "/v1/models/org/name", "/v1/models/ft:one:org::x"];
        for x_cache in ["MISS", "HIT"] {
            for path in paths {
                let seen = get(&house, path).await;
                assert_eq!((seen.status, seen.x_cache()), (200, x_cache), "{path}");
                if let Some(id) = path.strip_prefix("/v1/models/") {
                    assert_eq!(seen.json()["id"], id);
                }
            }
        }
        assert_eq!(house.upstream.probes(), paths.len());
    }

    async fn each_credential_asks_for_itself(store) {
        let house = House::start(store).await;
        get(&house, LIST).await;
        let other = Request::new("GET", LIST).bearer("sk-test-bob");
        assert_eq!(house.send(&other).await.x_cache(), "MISS");
        assert_eq!(house.send(&other).await.x_cache(), "HIT");
        house.upstream.refuse("sk-stranger");
        let stranger = Request::new("GET", LIST).bearer("sk-stranger");
        for _ in 0..2 {
            let seen = house.send(&stranger).await;
            assert_eq!((seen.status, seen.error_code().as_str()), (401, "invalid_api_key"));
        }
    }

    async fn a_revoked_credential_gets_no_list(store) {
        let house = House::start(store).await;
        get(&house, LIST).await;
        assert_eq!(get(&house, LIST).await.x_cache(), "HIT");
        house.upstream.refuse(ALICE);
        assert_eq!(house.ask(&question("anything")).await.status, 401);
        let seen = get(&house, LIST).await;
        assert_eq!((seen.status, seen.error_code().as_str()), (401, "invalid_api_key"));
    }

    async fn a_provider_with_tags_of_its_own_is_no_trouble(store) {
        let house = House::start(store).await;
        let list = json!({"object": "list", "data": []}).to_string();
        let tagged = Reply::json(200, list.clone()).header("etag", "\"of the provider\"");
        house.upstream.models(Some(tagged));
        let (miss, hit) = (get(&house, LIST).await, get(&house, LIST).await);
        assert_eq!((miss.x_cache(), hit.x_cache()), ("MISS", "HIT"));
        assert_eq!((miss.text(), hit.text()), (list.clone(), list));
        assert_eq!(miss.header("etag"), hit.header("etag"));
        let tags = miss.headers.iter().filter(|(name, _)| name == "etag").count();
        assert_eq!(tags, 1);
        let same = changed(&house, LIST, miss.header("etag").unwrap()).await;
        assert_eq!((same.status, same.body.len()), (304, 0));
    }

    async fn an_unchanged_list_is_not_sent_again(store) {
        let house = House::start(store).await;
        for path in [LIST, "/v1/models/one"] {
            let miss = get(&house, path).await;
            let hit = get(&house, path).await;
            let etag = miss.header("etag").expect("no etag on a miss").to_owned();
            assert_eq!(hit.header("etag"), Some(etag.as_str()));
            let opaque = etag.trim_start_matches("W/");
            assert!(opaque.starts_with('"') && opaque.ends_with('"') && 2 < opaque.len(), "{etag}");
            for condition in [
                etag.clone(),
                format!("W/{opaque}"),
                opaque.to_owned(),
                format!("\"other\", {etag}"),
                format!("\"a,b\",{etag} , \"c\""),
                "*".to_owned(),
            ] {
                let seen = changed(&house, path, &condition).await;
                assert_eq!((seen.status, seen.body.len()), (304, 0), "{condition}");
                assert_eq!(seen.header("etag"), Some(etag.as_str()), "{condition}");
                assert_eq!(seen.x_cache(), "HIT", "{condition}");
            }
            for condition in ["\"other\"".to_owned(), "W/\"other\"".to_owned(), opaque.trim_matches('"').to_owned(), String::new()] {
                let seen = changed(&house, path, &condition).await;
                assert_eq!((seen.status, &seen.body), (200, &miss.body), "{condition}");
            }
        }
    }

    async fn the_first_question_may_have_a_condition(store) {
        let etag = {
            let house = House::start(store).await;
            get(&house, LIST).await.header("etag").unwrap().to_owned()
        };
        let house = House::start(store).await;
        let other = changed(&house, LIST, "\"other\"").await;
        assert_eq!((other.status, other.x_cache()), (200, "MISS"));
        let same = changed(&house, LIST, &etag).await;
        assert_eq!((same.status, same.body.len()), (304, 0), "the same list has the same tag");
    }

    async fn another_list_has_another_tag(store) {
        let house = House::start(store).await;
        let first = get(&house, LIST).await;
        let longer = json!({"object": "list", "data": [{"id": "new", "object": "model"}]}).to_string();
        house.upstream.models(Some(Reply::json(200, longer.clone())));
        let request = Request::new("GET", LIST).bearer(ALICE).header("cache-control", "no-cache");
        let fresh = house.send(&request).await;
        assert_eq!((fresh.x_cache(), fresh.text()), ("REFRESH", longer.clone()));
        assert_ne!(fresh.header("etag"), first.header("etag"));
        let hit = get(&house, LIST).await;
        assert_eq!((hit.x_cache(), hit.text()), ("HIT", longer));
        let seen = changed(&house, LIST, first.header("etag").unwrap()).await;
        assert_eq!(seen.status, 200, "what the client has is no longer true");
    }

    async fn a_minute_is_how_long_it_is_kept(store) {
        let house = House::start(store).await;
        get(&house, LIST).await;
        let status = get(&house, LIST).await.cache_status();
        let ttl = status.strip_prefix("reprise; hit; ttl=").unwrap();
        let ttl: u64 = ttl.split(';').next().unwrap().parse().unwrap();
        assert!((40..=60).contains(&ttl), "{status}");
    }

    async fn an_operator_says_how_long_it_is_kept(store) {
        let house = impatient(store).start().await;
        get(&house, LIST).await;
        eventually("the list is asked for anew", || async {
            let seen = get(&house, LIST).await;
            assert_eq!(seen.status, 200);
            (seen.x_cache() == "MISS").then_some(())
        })
        .await;
        assert_eq!(house.upstream.probes(), 2);
    }

    async fn an_old_list_stands_in_for_a_failing_provider(store) {
        let house = impatient(store).start().await;
        let first = get(&house, LIST).await;
        for failure in [Reply::error(500, "x"), Reply::error(503, "x"), Reply::error(429, "x"), Reply::reset()] {
            house.upstream.models(Some(failure));
            let seen = eventually("the list is no longer fresh", || async {
                let seen = get(&house, LIST).await;
                assert_eq!(seen.status, 200);
                (seen.x_cache() == "STALE").then_some(seen)
            })
            .await;
            assert_eq!(seen.body, first.body);
            assert_eq!(seen.header("etag"), first.header("etag"));
            let seen = changed(&house, LIST, first.header("etag").unwrap()).await;
            assert_eq!((seen.status, seen.body.len()), (304, 0));
        }
        house.upstream.models(None);
        assert_eq!(get(&house, LIST).await.x_cache(), "MISS", "the provider is well again");
    }

    async fn an_error_is_not_kept(store) {
        let house = House::start(store).await;
        for path in ["/v1/models/missing", "/v1/models/missing-too"] {
            for _ in 0..2 {
                let seen = get(&house, path).await;
                assert_eq!((seen.status, seen.error_code().as_str()), (404, "model_not_found"));
                assert_eq!(seen.header("etag"), None);
            }
        }
        assert_eq!(house.upstream.probes(), 4);
        house.upstream.models(Some(Reply::error(503, "down")));
        assert_eq!(get(&house, LIST).await.status, 503);
        house.upstream.models(None);
        assert_eq!(get(&house, LIST).await.x_cache(), "MISS");
    }

    async fn directives_hold_for_lists_too(store) {
        let house = House::start(store).await;
        let ask = async |control: &str| {
            let request = Request::new("GET", LIST).bearer(ALICE);
            house.send(&request.header("cache-control", control)).await
        };
        let nothing = ask("only-if-cached").await;
        assert_eq!((nothing.status, nothing.error_code().as_str()), (504, "cache_only_miss"));
        assert_eq!(ask("no-store").await.x_cache(), "BYPASS");
        assert_eq!(get(&house, LIST).await.x_cache(), "MISS");
        assert_eq!(ask("only-if-cached").await.x_cache(), "HIT");
        assert_eq!(ask("no-cache").await.x_cache(), "REFRESH");
        assert_eq!(house.upstream.probes(), 3);
    }

    async fn a_question_with_parameters_is_another_question(store) {
        let house = House::start(store).await;
        get(&house, LIST).await;
        get(&house, "/v1/models?limit=1").await;
        assert_eq!(house.upstream.probes(), 2);
    }

    async fn other_methods_pass_and_a_model_that_is_deleted_is_forgotten(store) {
        let house = House::start(store).await;
        for path in ["/v1/models/one", "/v1/models/two"] {
            get(&house, path).await;
        }
        for _ in 0..2 {
            let seen = house.send(&Request::new("DELETE", "/v1/models/one").bearer(ALICE)).await;
            assert_eq!((seen.status, seen.x_cache()), (200, "BYPASS"));
            assert_eq!(house.upstream.last().method, "DELETE");
        }
        assert_eq!(get(&house, "/v1/models/one").await.x_cache(), "MISS");
        assert_eq!(get(&house, "/v1/models/two").await.x_cache(), "HIT");
    }
}
