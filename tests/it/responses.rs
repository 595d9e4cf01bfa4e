//! Responses: one stored answer serves both forms, what depends on more than the request
//! is never stored, and nothing of an answer that broke off is.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::{
    ALICE, Crowd, Ending, House, Reply, Request, Response, Store, asking, asking_with, completed,
    eventually, in_time, on_each_store, payloads, respond, respond_as, response, streaming,
    told_as_events,
};

/// An answer and the stream that tells it.
#[derive(serde::Deserialize)]
struct Vector {
    stored: Box<RawValue>,
    sse: String,
}

fn vectors() -> BTreeMap<String, Vector> {
    serde_json::from_str(include_str!("../fixtures/response_vectors.json")).unwrap()
}

/// Whether the client can tell that something is missing.
fn tells_of_the_cut(seen: &Response) -> bool {
    let events = payloads(seen);
    let last = events.last();
    let ended = last.is_some_and(|event| event["type"] == "response.completed");
    let error = last.is_some_and(|event| {
        // Nested, which is what makes the official clients raise.
        event["type"] == "error"
            && event["error"]["message"].is_string()
            && event["error"]["code"] == event["code"]
            && event["sequence_number"] == events.len() - 1
    });
    !ended && (error || seen.ending == Ending::Cut)
}

on_each_store! {
    async fn every_form_is_filled_by_every_form_and_counted_once(store) {
        let house = House::start(store).await;
        for streams_first in [false, true] {
            let asked = asking(&format!("streams first: {streams_first}"));
            let whole = response("resp_forms", "one two three", &asked);
            house.upstream.next(if streams_first {
                Reply::stream(told_as_events(&whole))
            } else {
                Reply::json(200, whole.to_string())
            });
            let before = house.upstream.calls();
            let first = if streams_first { streaming(&asked) } else { asked.clone() };
            assert_eq!(house.respond(&first).await.x_cache(), "MISS");
            for _ in 0..2 {
                let hit = house.respond(&asked).await;
                assert_eq!((hit.x_cache(), hit.json()), ("HIT", whole.clone()));
                let hit = house.respond_stream(&asked).await;
                assert_eq!((hit.x_cache(), completed(&hit)), ("HIT", whole.clone()));
            }
            assert_eq!(house.upstream.calls(), before + 1);
        }
        let path = "/admin/v1/usage?start=0&granularity=total&operation=response";
        let books = eventually("the requests are in the books", || async {
            let seen = house.admin(path).await;
            let books = (seen.status == 200).then(|| seen.json()["totals"].clone())?;
            (books["requests"] == 10).then_some(books)
        })
        .await;
        assert_eq!(books["hits"], 8, "{books:#}");
        for (kind, answers) in [("upstream", 2), ("served", 10), ("saved", 8)] {
            let tokens = &books["tokens"][kind];
            assert_eq!(tokens["input"], 7 * answers, "{kind}: {books:#}");
            assert_eq!(tokens["output"], 3 * answers, "{kind}: {books:#}");
        }
    }

    async fn the_golden_vectors_are_served_and_recorded_byte_for_byte(store) {
        let house = House::start(store).await;
        for (name, vector) in vectors() {
            let stored = vector.stored.get();
            let asked = |how: &str| {
                asking_with(&format!("{name} {how}"), &json!({"max_output_tokens": 4, "store": false}))
            };
            house.upstream.next(Reply::json(200, stored));
            assert_eq!(house.respond(&asked("json")).await.text(), stored, "{name}");
            let hit = house.respond_stream(&asked("json")).await;
            assert_eq!((hit.x_cache(), hit.text()), ("HIT", vector.sse.clone()), "{name}");
            let hit = house.respond(&asked("json")).await;
            assert_eq!((hit.x_cache(), hit.text()), ("HIT", stored.to_owned()), "{name}");

            house.upstream.next(Reply::stream([vector.sse.clone()]));
            let seen = house.respond_stream(&asked("stream")).await;
            assert_eq!((seen.x_cache(), seen.text()), ("MISS", vector.sse), "{name}");
            let hit = house.respond(&asked("stream")).await;
            let stored: Value = serde_json::from_str(stored).unwrap();
            assert_eq!((hit.x_cache(), hit.json()), ("HIT", stored), "{name}");
        }
    }

    async fn spellings_of_one_question_share_an_answer_at_every_address(store) {
        let house = House::start(store).await;
        let asked = asking("hello");
        let whole = response("resp_same", "hi", &asked);
        house.upstream.next(Reply::json(200, whole.to_string()));
        house.respond(&asked).await;
        for same in [
            json!({"model": "test-model", "input": [{"role": "user", "content": "hello"}]}),
            json!({"input": [{"type": "message", "role": "user",
                "content": [{"type": "input_text", "text": "hello"}]}], "model": "test-model"}),
            asking_with("hello", &json!({"store": true, "temperature": 1, "tools": []})),
            asking_with("hello", &json!({"service_tier": "flex", "background": false})),
        ] {
            assert_eq!(house.respond(&same).await.x_cache(), "HIT", "{same}");
        }
        for path in ["/responses", "/responses/", "/v1/responses/"] {
            let request = Request::post(path, asked.to_string()).bearer(ALICE);
            assert_eq!(house.send(&request).await.x_cache(), "HIT", "{path}");
        }
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_response_that_is_not_kept_is_another_answer(store) {
        let house = House::start(store).await;
        for (id, members) in [("resp_kept", json!({})), ("resp_gone", json!({"store": false}))] {
            let asked = asking_with("kept?", &members);
            let whole = response(id, "x", &asked);
            house.upstream.next(Reply::json(200, whole.to_string()));
            assert_eq!(house.respond(&asked).await.x_cache(), "MISS");
            let hit = house.respond(&asked).await;
            assert_eq!((hit.x_cache(), &hit.json()["id"]), ("HIT", &json!(id)));
        }
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn what_depends_on_more_than_the_request_is_forwarded(store) {
        let house = House::start(store).await;
        for (reason, members) in [
            ("stateful", json!({"previous_response_id": "resp_1"})),
            ("stateful", json!({"conversation": "conv_1"})),
            ("stateful", json!({"background": true})),
            ("stateful", json!({"input": [{"type": "item_reference", "id": "msg_1"}]})),
            ("stateful", json!({"prompt": {"id": "pmpt_1"}})),
            ("hosted-tool", json!({"tools": [{"type": "web_search"}]})),
            ("hosted-tool", json!({"tools": [{"type": "mcp", "server_label": "l"}]})),
            ("volatile", json!({"model": "o3-deep-research"})),
            ("remote-reference", json!({"input": [{"role": "user", "content": [
                {"type": "input_file", "file_id": "file-1"}]}]})),
            ("invalid", json!({"metadata": {"a": 1}})),
            ("control-field", json!({"cache": true})),
        ] {
            let asked = asking_with("bypassed", &members);
            for _ in 0..2 {
                let before = house.upstream.calls();
                let whole = response("resp_bypassed", "x", &asked).to_string();
                house.upstream.next(Reply::json(200, whole.clone()));
                let seen = house.respond(&asked).await;
                assert_eq!((seen.x_cache(), seen.text()), ("BYPASS", whole), "{members}");
                let detail = format!("detail={reason}");
                assert!(seen.cache_status().contains(&detail), "{}", seen.cache_status());
                assert_eq!(house.upstream.calls(), before + 1, "{members}");
            }
        }
    }

    async fn answers_that_did_not_end_well_are_not_stored(store) {
        let house = House::start(store).await;
        let whole = response("resp_bad", "x", &json!({}));
        let changed = |name: &str, value: Value| {
            let mut whole = whole.clone();
            whole[name] = value;
            whole
        };
        let mut cut = changed("status", json!("incomplete"));
        cut["incomplete_details"] = json!({"reason": "max_output_tokens"});
        let mut filtered = cut.clone();
        filtered["incomplete_details"] = json!({"reason": "content_filter"});
        let searched = json!([{"type": "web_search_call", "id": "ws_1", "status": "completed"}]);
        for bad in [
            changed("status", json!("failed")),
            changed("status", json!("queued")),
            changed("error", json!({"code": "server_error", "message": "m"})),
            changed("output", json!([])),
            changed("output", searched),
            cut,
            filtered,
        ] {
            let asked = asking(&format!("bad: {bad}"));
            house.upstream.next(Reply::json(200, bad.to_string()));
            let seen = house.respond(&asked).await;
            assert_eq!((seen.x_cache(), seen.json()), ("MISS", bad.clone()));
            house.upstream.next(Reply::json(200, whole.to_string()));
            assert_eq!(house.respond(&asked).await.x_cache(), "MISS", "{bad}");
        }
    }

    async fn a_cut_after_any_event_is_told(store) {
        let house = House::start(store).await;
        let events = told_as_events(&response("resp_cut", "one two", &json!({})));
        let mut length = 0;
        for (at, event) in events.iter().enumerate() {
            for how in ["reset", "closed", "ended"] {
                let asked = asking(&format!("{how} before event {at}"));
                let reply = Reply::stream(events.clone());
                house.upstream.next(match how {
                    "reset" => reply.reset_after(length),
                    "closed" => reply.closed_after(length),
                    _ => reply.ended_after(length),
                });
                let seen = house.respond_stream(&asked).await;
                if seen.status == 200 {
                    assert!(tells_of_the_cut(&seen), "{how} {at} looks whole: {}", seen.text());
                } else {
                    assert_eq!((seen.status, seen.error_code().is_empty()), (502, false));
                }
                let whole = response("resp_again", "x", &asked);
                house.upstream.next(Reply::json(200, whole.to_string()));
                assert_eq!(house.respond(&asked).await.x_cache(), "MISS", "{how} {at}");
            }
            length += event.len();
        }
    }

    async fn streams_that_tell_more_or_fail_are_passed_on_and_not_stored(store) {
        let house = House::start(store).await;
        let mut events = told_as_events(&response("resp_odd", "x", &json!({})));
        let search = "event: response.web_search_call.searching\ndata: {\"type\":\"response.web_search_call.searching\"}\n\n";
        events.insert(2, search.to_owned());
        let mut failed = events[..2].to_vec();
        failed.push("event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\"}}\n\n".to_owned());
        for (name, events) in [("searched", events), ("failed", failed)] {
            let asked = asking(name);
            house.upstream.next(Reply::stream(events.clone()));
            let seen = house.respond_stream(&asked).await;
            assert_eq!((seen.text(), seen.ending), (events.concat(), Ending::Whole), "{name}");
            let whole = response("resp_odd", "x", &asked);
            house.upstream.next(Reply::json(200, whole.to_string()));
            assert_eq!(house.respond(&asked).await.x_cache(), "MISS", "{name}");
        }
    }

    async fn two_hundred_at_once_are_one_call(store) {
        let house = House::start(store).await;
        let asked = asking("crowd");
        let gate = crate::support::Gate::new();
        let whole = response("resp_crowd", "for all", &asked);
        house.upstream.next(Reply::stream(told_as_events(&whole)).after(&gate));
        let requests = (0..200).map(|at| {
            respond(&if at % 2 == 0 { streaming(&asked) } else { asked.clone() })
        });
        let first = Crowd::sending(&house, vec![respond(&streaming(&asked))]);
        house.upstream.asked(1).await;
        let running = Crowd::sending(&house, requests.collect());
        running.arrived(&house).await;
        gate.open();
        let mut answers = first.answers().await;
        answers.extend(running.answers().await);
        assert_eq!(house.upstream.calls(), 1);
        for answer in answers {
            let kind = answer.header("content-type").unwrap();
            let told = if kind.starts_with("text/event-stream") {
                completed(&answer)
            } else {
                answer.json()
            };
            assert_eq!(told, whole);
        }
    }

    async fn encrypted_reasoning_stays_with_its_credential(store) {
        let house = House::start(store).await;
        let asked = asking("sealed");
        for (at, credential) in [ALICE, "sk-test-bob"].into_iter().enumerate() {
            let whole = response(&format!("resp_{at}"), "x", &asked);
            house.upstream.next(Reply::json(200, whole.to_string()));
            let request = respond_as(credential, &asked);
            assert_eq!(house.send(&request).await.x_cache(), "MISS");
            let hit = house.send(&request).await;
            assert_eq!((hit.x_cache(), hit.json()), ("HIT", whole));
        }
    }

    async fn encrypted_reasoning_does_not_outlive_the_operators_credential(store) {
        let mut house = House::with_keys(store).start().await;
        let key = house.key("acme", json!({})).await;
        let other = house.key("acme", json!({})).await;
        let asked = asking("rotated");
        let whole = |id: &str| Reply::json(200, response(id, "x", &asked).to_string());
        house.upstream.next(whole("resp_old"));
        assert_eq!(house.send(&respond_as(&key.key, &asked)).await.x_cache(), "MISS");
        // Another key of the same tenant goes by the same credential.
        assert_eq!(house.send(&respond_as(&other.key, &asked)).await.x_cache(), "HIT");
        house.app.terminate();
        assert!(house.app.exited().await);
        house.set("REPRISE_UPSTREAM_API_KEY", "sk-operator-rotated");
        house.start_again().await;
        house.upstream.next(whole("resp_new"));
        let seen = house.send(&respond_as(&key.key, &asked)).await;
        assert_eq!((seen.x_cache(), &seen.json()["id"]), ("MISS", &json!("resp_new")));
        assert_eq!(house.send(&respond_as(&other.key, &asked)).await.x_cache(), "HIT");
    }

    async fn a_response_that_is_kept_is_fresh_for_thirty_days_at_most(store) {
        let days = |days: u64| (days * 24 * 60 * 60).to_string();
        let house = House::with(store)
            .set("REPRISE_COMPLETION_TTL", &format!("{}s", days(300)))
            .set("REPRISE_TTL_MAX", &format!("{}s", days(365)))
            .start()
            .await;
        for (members, bound) in [(json!({}), 30), (json!({"store": false}), 300)] {
            let asked = asking_with("long", &members);
            let whole = response("resp_long", "x", &asked);
            house.upstream.next(Reply::json(200, whole.to_string()));
            house.respond(&asked).await;
            let hit = house.respond(&asked).await;
            let status = hit.cache_status();
            let ttl = status.split("ttl=").nth(1).unwrap();
            let ttl: u64 = ttl.split(';').next().unwrap().trim().parse().unwrap();
            let bound: u64 = days(bound).parse().unwrap();
            assert!(ttl <= bound && bound - ttl < 3600, "{members}: {status}");
        }
    }

    async fn everything_below_passes_through(store) {
        let house = House::start(store).await;
        for (method, path) in [
            ("GET", "/v1/responses/resp_1"),
            ("GET", "/v1/responses/resp_1/input_items?limit=5"),
            ("POST", "/v1/responses/resp_1/cancel"),
            ("POST", "/v1/responses/compact"),
            ("POST", "/v1/responses/input_tokens"),
        ] {
            for _ in 0..2 {
                let request = Request::new(method, path).bearer(ALICE);
                let request = request.header("content-type", "application/json").body("{}");
                let seen = house.send(&request).await;
                assert_eq!((seen.status, seen.x_cache()), (200, "BYPASS"), "{path}");
                assert_eq!(house.upstream.last().path, path);
            }
        }
        let events = told_as_events(&response("resp_1", "x", &json!({})));
        house.upstream.next(Reply::stream(events.clone()));
        let path = "/v1/responses/resp_1?stream=true&starting_after=3";
        let seen = house.send(&Request::new("GET", path).bearer(ALICE)).await;
        assert_eq!(seen.text(), events.concat());
    }
}
