//! A response that is deleted at its provider is not served any more, by nobody.

use serde_json::{Value, json};

use crate::support::{
    ALICE, House, Reply, Request, Store, asking, asking_with, eventually, in_time, on_each_store,
    respond_as, response, stored, stored_now,
};

/// Deletes a response.
async fn delete(house: &House, path: &str, credential: &str) -> u16 {
    let deleted = json!({"id": "resp_1", "object": "response", "deleted": true});
    house.upstream.next(Reply::json(200, deleted.to_string()));
    let request = Request::new("DELETE", path).bearer(credential);
    house.send(&request).await.status
}

/// Has a response stored; its question.
async fn store_one(house: &House, id: &str, text: &str) -> Value {
    let asked = asking(text);
    let whole = response(id, "x", &asked);
    house.upstream.next(Reply::json(200, whole.to_string()));
    assert_eq!(house.respond(&asked).await.x_cache(), "MISS");
    assert_eq!(house.respond(&asked).await.x_cache(), "HIT");
    asked
}

on_each_store! {
    async fn a_deleted_response_is_gone_and_others_stay(store) {
        let house = House::start(store).await;
        for (at, path) in ["/v1/responses/resp_", "/responses/resp_"].into_iter().enumerate() {
            let asked = store_one(&house, &format!("resp_{at}"), &format!("gone {at}")).await;
            let other = store_one(&house, &format!("resp_other_{at}"), &format!("stays {at}")).await;
            assert_eq!(delete(&house, &format!("{path}{at}"), ALICE).await, 200);
            assert_eq!(house.upstream.last().path, format!("/v1/responses/resp_{at}"));
            let whole = response("resp_new", "x", &asked);
            house.upstream.next(Reply::json(200, whole.to_string()));
            assert_eq!(house.respond(&asked).await.x_cache(), "MISS");
            assert_eq!(house.respond(&other).await.x_cache(), "HIT");
        }
    }

    async fn a_deleted_response_is_gone_after_a_restart_too(store) {
        for encrypts in ["false", "true"] {
            let mut house = House::with(store)
                .set("REPRISE_ENCRYPT_ENTRIES", encrypts)
                .set("REPRISE_MASTER_KEYS", crate::support::MASTER)
                .start()
                .await;
            let asked = store_one(&house, "resp_1", "restarted").await;
            stored(&house, 2).await;
            house.app.terminate();
            assert!(house.app.exited().await);
            house.start_again().await;
            assert_eq!(delete(&house, "/v1/responses/resp_1", ALICE).await, 200);
            eventually("nothing is left", || async {
                stored_now(&house).is_empty().then_some(())
            })
            .await;
            let whole = response("resp_2", "x", &asked);
            house.upstream.next(Reply::json(200, whole.to_string()));
            assert_eq!(house.respond(&asked).await.x_cache(), "MISS", "{encrypts}");
        }
    }

    async fn a_deletion_that_is_refused_or_anothers_changes_nothing(store) {
        let house = House::start(store).await;
        let asked = store_one(&house, "resp_1", "stays").await;
        house.upstream.next(Reply::error(404, "not_found"));
        let request = Request::new("DELETE", "/v1/responses/resp_1").bearer(ALICE);
        assert_eq!(house.send(&request).await.status, 404);
        assert_eq!(delete(&house, "/v1/responses/resp_1", "sk-test-bob").await, 200);
        assert_eq!(delete(&house, "/v1/responses/resp_2", ALICE).await, 200);
        assert_eq!(house.respond(&asked).await.x_cache(), "HIT");
    }

    async fn any_key_of_the_tenant_deletes(store) {
        let house = House::with_keys(store).start().await;
        let key = house.key("acme", json!({})).await;
        let other = house.key("acme", json!({})).await;
        let asked = asking("ours");
        let whole = response("resp_1", "x", &asked).to_string();
        house.upstream.next(Reply::json(200, whole.clone()));
        house.send(&respond_as(&key.key, &asked)).await;
        assert_eq!(house.send(&respond_as(&key.key, &asked)).await.x_cache(), "HIT");
        assert_eq!(delete(&house, "/v1/responses/resp_1", &other.key).await, 200);
        house.upstream.next(Reply::json(200, whole));
        assert_eq!(house.send(&respond_as(&key.key, &asked)).await.x_cache(), "MISS");
    }

    async fn what_leads_to_an_answer_is_not_listed_and_leaves_with_its_tenant(store) {
        let house = House::start(store).await;
        store_one(&house, "resp_1", "listed once").await;
        stored(&house, 2).await;
        let listed = house.entries("").await;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["operation"], "response");
        // One that is not kept cannot be deleted, so nothing leads to it.
        let asked = asking_with("not kept", &json!({"store": false}));
        house.upstream.next(Reply::json(200, response("resp_2", "x", &asked).to_string()));
        house.respond(&asked).await;
        stored(&house, 3).await;
        assert_eq!(stored_now(&house).len(), 3);
        let tenant = listed[0]["tenant"].as_str().unwrap();
        let erased = house.order("DELETE", &format!("/admin/v1/tenants/{tenant}")).await;
        house.purged(&erased.json()["purge"]).await;
        assert_eq!(stored_now(&house).len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_instances_forget_what_they_have_in_memory() {
    in_time(async {
        let first = House::start(Store::Redis).await;
        let second = House::with(Store::Redis)
            .backend(first.redis().url())
            .upstream(first.upstream.url())
            .start()
            .await;
        let asked = store_one(&first, "resp_1", "everywhere").await;
        eventually("the other instance has the answer", || async {
            (second.respond(&asked).await.x_cache() == "HIT").then_some(())
        })
        .await;
        // It has it in memory now, and is not told by the store alone.
        assert_eq!(second.respond(&asked).await.x_cache(), "HIT");
        assert_eq!(delete(&first, "/v1/responses/resp_1", ALICE).await, 200);
        eventually("the other instance asks anew", || async {
            let only = crate::support::respond(&asked).header("cache-control", "only-if-cached");
            (second.send(&only).await.status == 504).then_some(())
        })
        .await;
    })
    .await;
}
