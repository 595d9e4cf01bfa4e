//! Nobody gets what another credential was answered, and nobody gets what the
//! provider would not give them now.

use serde_json::Value;

use crate::support::{
    ALICE, Crowd, House, Reply, Request, Response, Store, eventually, in_time, on_each_store,
    question, streaming,
};

const BOB: &str = "sk-test-bob";

/// Asks with a credential.
async fn ask_as(house: &House, credential: &str, question: &Value) -> Response {
    let request = Request::post("/v1/chat/completions", question.to_string());
    house.send(&request.bearer(credential)).await
}

on_each_store! {
    async fn two_credentials_never_share(store) {
        let house = House::start(store).await;
        let asked = question("shared?");
        let alice = ask_as(&house, ALICE, &asked).await;
        let bob = ask_as(&house, BOB, &asked).await;
        assert_eq!((alice.x_cache(), bob.x_cache()), ("MISS", "MISS"));
        assert_ne!(alice.body, bob.body);
        for (credential, first) in [(ALICE, &alice), (BOB, &bob)] {
            for form in [asked.clone(), streaming(&asked)] {
                assert_eq!(ask_as(&house, credential, &form).await.x_cache(), "HIT");
            }
            assert_eq!(&ask_as(&house, credential, &asked).await.body, &first.body);
        }
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn every_kind_of_credential_is_a_boundary(store) {
        let house = House::start(store).await;
        let asked = question("kinds").to_string();
        let plain = || Request::post("/v1/chat/completions", asked.clone());
        let callers = [
            plain().bearer(ALICE),
            plain().bearer(BOB),
            plain().header("api-key", ALICE),
            plain().header("x-api-key", ALICE),
            plain().bearer(ALICE).header("openai-organization", "org-1"),
            plain().bearer(ALICE).header("openai-organization", "org-2"),
            plain().bearer(ALICE).header("openai-project", "org-1"),
            plain().bearer(ALICE).header("api-key", BOB),
            plain(),
        ];
        for (at, caller) in callers.iter().enumerate() {
            assert_eq!(house.send(caller).await.x_cache(), "MISS", "caller {at}");
            assert_eq!(house.upstream.calls(), at + 1, "caller {at}");
        }
        for (at, caller) in callers.iter().enumerate() {
            assert_eq!(house.send(caller).await.x_cache(), "HIT", "caller {at}");
        }
    }

    async fn a_crowd_of_two_credentials_is_two_calls(store) {
        let house = House::start(store).await;
        let asked = question("two crowds");
        let gate = crate::support::Gate::new();
        for id in ["a", "b"] {
            let body = crate::support::answer(id, "x").to_string();
            house.upstream.next(Reply::json(200, body).after(&gate));
        }
        let alices = Crowd::of(&house, &asked, 20);
        let client = house.client();
        let request = Request::post("/v1/chat/completions", asked.to_string()).bearer(BOB);
        let bob = tokio::spawn(async move { client.send(&request).await });
        house.upstream.asked(2).await;
        gate.open();
        let bob = bob.await.unwrap();
        for alice in alices.answers().await {
            assert_ne!(alice.body, bob.body);
        }
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn a_stranger_with_a_known_question_gets_the_providers_refusal(store) {
        let house = House::start(store).await;
        let asked = question("known");
        ask_as(&house, ALICE, &asked).await;
        house.upstream.refuse("sk-stranger");
        for control in ["", "only-if-cached", "max-stale"] {
            let request = Request::post("/v1/chat/completions", asked.to_string())
                .bearer("sk-stranger")
                .header("cache-control", control);
            let seen = house.send(&request).await;
            if control == "only-if-cached" {
                assert_eq!(seen.status, 504);
            } else {
                assert_eq!((seen.status, seen.error_code().as_str()), (401, "invalid_api_key"));
            }
        }
    }

    async fn a_refusal_revokes_what_the_credential_had(store) {
        let house = House::start(store).await;
        let asked = question("revoked");
        ask_as(&house, ALICE, &asked).await;
        assert_eq!(ask_as(&house, ALICE, &asked).await.x_cache(), "HIT");
        house.upstream.refuse(ALICE);
        // Any answer tells: another question, or a page that is only passed on.
        let other = ask_as(&house, ALICE, &question("something else")).await;
        assert_eq!(other.status, 401);
        for _ in 0..2 {
            let seen = ask_as(&house, ALICE, &asked).await;
            assert_eq!((seen.status, seen.error_code().as_str()), (401, "invalid_api_key"));
        }
    }

    async fn an_acceptance_lapses_and_is_asked_for_again(store) {
        let house = House::with(store).set("REPRISE_CREDENTIAL_TTL", "1s").start().await;
        let asked = question("window");
        let first = ask_as(&house, ALICE, &asked).await;
        assert_eq!(house.upstream.probes(), 0);
        eventually("the provider is asked about the credential", || async {
            let seen = ask_as(&house, ALICE, &asked).await;
            assert_eq!((seen.x_cache(), &seen.body), ("HIT", &first.body));
            (0 < house.upstream.probes()).then_some(())
        })
        .await;
        house.upstream.refuse(ALICE);
        eventually("the revocation is noticed", || async {
            let seen = ask_as(&house, ALICE, &asked).await;
            (seen.status == 401).then_some(())
        })
        .await;
        assert_eq!(ask_as(&house, ALICE, &asked).await.status, 401);
    }

    async fn an_accepted_credential_is_good_while_the_provider_is_away(store) {
        let mut house = House::with(store).set("REPRISE_CREDENTIAL_TTL", "1s").start().await;
        let asked = question("away");
        let first = ask_as(&house, ALICE, &asked).await;
        house.upstream.stop().await;
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        let hit = ask_as(&house, ALICE, &asked).await;
        assert_eq!((hit.x_cache(), &hit.body), ("HIT", &first.body));
        let stranger = ask_as(&house, "sk-stranger", &asked).await;
        assert_eq!(stranger.status, 502);
    }

    async fn a_restarted_proxy_asks_before_it_gives(store) {
        let mut house = House::start(store).await;
        let asked = question("restart");
        let first = ask_as(&house, ALICE, &asked).await;
        house.app.terminate();
        assert!(house.app.exited().await);
        house.start_again().await;
        let hit = ask_as(&house, ALICE, &asked).await;
        assert_eq!((hit.x_cache(), &hit.body), ("HIT", &first.body));
        assert_eq!((house.upstream.calls(), house.upstream.probes()), (1, 1));
    }

    async fn a_shared_key_of_the_operator_is_lent_to_who_brings_none(store) {
        let house = House::with(store).set("REPRISE_UPSTREAM_API_KEY", "sk-operator").start().await;
        let request = Request::post("/v1/chat/completions", question("lent").to_string());
        assert_eq!(house.send(&request).await.x_cache(), "MISS");
        assert_eq!(house.upstream.last().header("authorization"), Some("Bearer sk-operator"));
        assert_eq!(house.send(&request).await.x_cache(), "HIT");
        let own = ask_as(&house, BOB, &question("lent")).await;
        assert_eq!(own.x_cache(), "MISS");
        assert_eq!(house.upstream.last().header("authorization"), Some("Bearer sk-test-bob"));
    }
}
