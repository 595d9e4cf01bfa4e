//! What was used is told to the operator, as the provider tells it and in our own way,
//! and to nobody else.

use serde_json::Value;

use crate::support::{
    ADMIN, ALICE, House, Request, Response, Store, eventually, in_time, on_each_store, question,
};

const PAGES: [&str; 7] = [
    "/v1/organization/usage/completions?start_time=1",
    "/v1/organization/usage/embeddings?start_time=1",
    "/v1/organization/usage/moderations?start_time=1",
    "/v1/organization/costs?start_time=1",
    "/admin/v1/usage",
    "/admin/v1/usage/keys/k",
    "/admin/v1/models",
];

async fn look(house: &House, path: &str) -> Response {
    house.send(&Request::new("GET", path).bearer(ADMIN)).await
}

/// What is told once `requests` are counted.
async fn counted(house: &House, path: &str, requests: u64) -> Value {
    eventually("the requests are counted", || async {
        let told = look(house, path).await.json();
        (told["totals"]["requests"] == requests).then_some(told)
    })
    .await
}

on_each_store! {
    async fn what_was_used_is_told_in_both_ways(store) {
        let house = House::start(store).await;
        for _ in 0..3 {
            house.ask(&question("used?")).await;
        }
        house.ask(&question("another?")).await;
        let by = "granularity=total&group_by=model,outcome";
        let told = counted(&house, &format!("/admin/v1/usage?{by}"), 4).await;
        let groups = told["data"][0]["groups"].as_array().unwrap();
        let seen: Vec<_> = groups
            .iter()
            .map(|one| (one["outcome"].as_str().unwrap(), one["requests"].as_u64().unwrap()))
            .collect();
        assert_eq!(seen.iter().map(|(_, requests)| requests).sum::<u64>(), 4);
        assert!(seen.contains(&("hit", 2)), "{seen:?}");
        let totals = &told["totals"];
        assert_eq!((&totals["hits"], &totals["misses"]), (&2.into(), &2.into()));
        assert_eq!(totals["hit_ratio"], 0.5);
        assert_eq!(totals["upstream_calls"], 2);
        let tokens = |kind: &str| totals["tokens"][kind]["input"].as_u64().unwrap();
        assert_eq!(tokens("served"), tokens("upstream") + tokens("saved"));
        assert!(tokens("saved") > 0 && totals["latency_ms"]["p99"].is_number());

        let page = look(&house, "/v1/organization/usage/completions?start_time=1&bucket_width=1d").await;
        assert_eq!(page.status, 200);
        let start = told["start"].as_u64().unwrap();
        let path = format!("/organization/usage/completions?start_time={start}&group_by=api_key_id");
        let page = look(&house, &path).await.json();
        let last = page["data"].as_array().unwrap().iter().rev();
        let result = last.flat_map(|one| one["results"].as_array().unwrap()).next().unwrap();
        assert_eq!(result["num_model_requests"], 2);
        assert_eq!(result["input_tokens"].as_u64(), Some(tokens("upstream")));
        assert_eq!(result["cache_saved_input_tokens"].as_u64(), Some(tokens("saved")));

        let key = result["api_key_id"].as_str().unwrap();
        let told = look(&house, &format!("/admin/v1/usage/keys/{key}?days=2")).await.json();
        assert_eq!((&told["totals"]["requests"], &told["_cache"]["hit"]), (&4.into(), &false.into()));
        let again = look(&house, &format!("/admin/v1/usage/keys/{key}?days=2")).await.json();
        assert_eq!(again["_cache"]["hit"], true);

        let models = look(&house, "/admin/v1/models").await.json();
        let model = &models["data"][0];
        assert_eq!((&model["status"], &model["calls"]), (&"ok".into(), &2.into()));
        assert_eq!(model["last_seen_granularity"], "minute");
        assert!(model["latency_ms"].as_f64().unwrap() > 0.0);
    }

    async fn it_is_the_operators_alone(store) {
        let house = House::start(store).await;
        for page in PAGES {
            let request = Request::new("GET", page);
            for request in [request.clone(), request.bearer(ALICE)] {
                let refused = house.send(&request).await;
                assert_eq!(refused.status, 401, "{page}");
                assert_eq!(refused.error_code(), "invalid_admin_key");
            }
            assert_eq!(look(&house, page).await.status, 200, "{page}");
        }
        assert_eq!(house.upstream.calls(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parameter_that_means_nothing_is_named() {
    in_time(async {
        let house = House::start(Store::Embedded).await;
        for (path, param) in [
            ("/v1/organization/usage/completions", "start_time"),
            (
                "/v1/organization/costs?start_time=1&bucket_width=1h",
                "bucket_width",
            ),
            ("/admin/v1/usage?group_by=user", "group_by"),
            ("/admin/v1/usage/keys/k?days=0", "days"),
        ] {
            let refused = look(&house, path).await;
            assert_eq!(refused.status, 400, "{path}");
            assert_eq!(refused.json()["error"]["param"], param);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rest_of_the_organization_is_the_providers_but_never_with_our_key() {
    in_time(async {
        let house = House::start(Store::Embedded).await;
        let path = "/v1/organization/usage/images?start_time=1";
        let passed = house.send(&Request::new("GET", path).bearer(ALICE)).await;
        assert_eq!((passed.status, passed.x_cache()), (200, "BYPASS"));
        assert_eq!(house.upstream.calls(), 1);
        for (method, path, status) in [
            ("GET", path, 404),
            ("GET", "/organization/projects", 404),
            ("POST", "/v1/organization/costs", 405),
        ] {
            let request = Request::new(method, path).bearer(ADMIN);
            assert_eq!(house.send(&request).await.status, status, "{path}");
        }
        assert_eq!(house.upstream.calls(), 1);
    })
    .await;
}
