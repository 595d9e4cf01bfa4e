//! Completions of the time before chat: one stored answer serves both forms, each
//! question has its own, and what is in doubt is not stored.

use serde_json::{Value, json};

use crate::support::{
    ALICE, House, Reply, Request, Store, chunks, completion_chunk, completion_chunks, completions,
    event, fold_completions, in_time, on_each_store, prompt, streaming,
};

fn with_usage(question: &Value) -> Value {
    let mut question = streaming(question);
    question["stream_options"] = json!({"include_usage": true});
    question
}

/// The forms a question is asked in.
fn forms(question: &Value) -> [Value; 3] {
    [question.clone(), streaming(question), with_usage(question)]
}

/// A stored answer, asked for in every form, is the same in each of them.
async fn assert_stored(house: &House, asked: &Value, whole: &Value) {
    let calls = house.upstream.calls();
    for wanted in forms(asked) {
        let hit = house.complete(&wanted).await;
        assert_eq!(hit.x_cache(), "HIT", "{wanted}");
        if wanted["stream"] != true {
            assert_eq!(&hit.json(), whole);
            continue;
        }
        assert!(hit.is_done());
        let mut expected = whole.clone();
        if wanted.get("stream_options").is_none() {
            expected.as_object_mut().unwrap().remove("usage");
        }
        assert_eq!(fold_completions(&chunks(&hit.events())), expected);
    }
    assert_eq!(house.upstream.calls(), calls);
}

on_each_store! {
    async fn every_form_is_filled_by_every_form(store) {
        let house = House::start(store).await;
        for (at, number) in (0..3).zip(1..) {
            let asked = prompt(&format!("filled by form {at}"));
            let miss = house.complete(&forms(&asked)[at]).await;
            assert_eq!((miss.status, miss.x_cache()), (200, "MISS"));
            let text = format!("completion {number}");
            let whole = completions(&format!("cmpl-{number}"), &[&text]);
            assert_stored(&house, &asked, &whole).await;
        }
        assert_eq!(house.upstream.calls(), 3);
    }

    async fn usage_is_asked_for_and_hidden_from_who_did_not_ask(store) {
        let house = House::start(store).await;
        let asked = prompt("usage");
        let seen = house.complete(&streaming(&asked)).await;
        let sent = house.upstream.last();
        assert_eq!(sent.path, "/v1/completions");
        assert_eq!(sent.json()["stream_options"], json!({"include_usage": true}));
        assert!(seen.is_done());
        for chunk in chunks(&seen.events()) {
            assert!(chunk.get("usage").is_none(), "usage shows: {chunk}");
            assert_ne!(chunk["choices"], json!([]), "an empty chunk shows: {chunk}");
        }
        let hit = house.complete(&asked).await;
        assert_eq!(hit.json()["usage"]["total_tokens"], 10);
    }

    async fn a_provider_that_rejects_stream_options_is_asked_without(store) {
        let house = House::start(store).await;
        house.upstream.next(Reply::json(400, json!({"error": {
            "message": "Unknown parameter: 'stream_options'.", "type": "invalid_request_error",
            "param": "stream_options", "code": "unknown_parameter"}}).to_string()));
        let asked = prompt("no options");
        let seen = house.complete(&streaming(&asked)).await;
        assert_eq!((seen.status, seen.is_done()), (200, true));
        assert_eq!(house.upstream.calls(), 2);
        assert!(house.upstream.last().json().get("stream_options").is_none());
    }

    async fn each_form_of_a_prompt_is_the_question_it_means(store) {
        let house = House::start(store).await;
        let asked = |prompt: &Value| json!({"model": "m", "prompt": prompt, "max_tokens": 9});
        for (one, same) in [
            (json!("x"), json!(["x"])),
            (json!([7, 8]), json!([[7, 8]])),
            (json!("7"), json!(["7"])),
            (json!([7]), json!([[7]])),
        ] {
            assert_eq!(house.complete(&asked(&one)).await.x_cache(), "MISS", "{one}");
            assert_eq!(house.complete(&asked(&same)).await.x_cache(), "HIT", "{same}");
            assert_eq!(house.upstream.last().json()["prompt"], one);
        }
        for other in [json!(["x", "x"]), json!([[7], [8]]), json!("x ")] {
            assert_eq!(house.complete(&asked(&other)).await.x_cache(), "MISS", "{other}");
        }
        let mut named = asked(&json!("x"));
        named["user"] = json!("somebody");
        assert_eq!(house.complete(&named).await.x_cache(), "HIT");
        named["suffix"] = json!("y");
        assert_eq!(house.complete(&named).await.x_cache(), "MISS");
    }

    async fn several_choices_of_several_prompts_survive_interleaved(store) {
        let house = House::start(store).await;
        let mut asked = prompt("");
        asked["prompt"] = json!(["a", "b"]);
        asked["n"] = json!(2);
        let whole = completions("cmpl-many", &["one two", "three", "four five six", "seven"]);
        house.upstream.next(Reply::chunks(&completion_chunks(&whole, &with_usage(&asked))));
        assert_eq!(house.complete(&streaming(&asked)).await.x_cache(), "MISS");
        assert_stored(&house, &asked, &whole).await;
    }

    async fn an_echo_and_its_probabilities_survive(store) {
        let house = House::start(store).await;
        let mut asked = prompt("Say ");
        asked["echo"] = json!(true);
        asked["logprobs"] = json!(1);
        let mut whole = completions("cmpl-echo", &["Say hi"]);
        whole["choices"][0]["logprobs"] = json!({
            "tokens": ["Say ", "hi"], "token_logprobs": [null, -0.5],
            "top_logprobs": [null, {"hi": -0.5}], "text_offset": [0, 4],
        });
        let mut sent = Vec::new();
        for (at, text) in ["Say ", "hi"].into_iter().enumerate() {
            let all = &whole["choices"][0]["logprobs"];
            let part: serde_json::Map<String, Value> = all.as_object().unwrap().iter()
                .map(|(name, list)| (name.clone(), json!([list[at]]))).collect();
            sent.push(completion_chunk(&whole, &json!([
                {"text": text, "index": 0, "logprobs": part, "finish_reason": null}])));
        }
        sent.push(completion_chunk(&whole, &json!([
            {"text": "", "index": 0, "logprobs": null, "finish_reason": "stop"}])));
        let mut usage = completion_chunk(&whole, &json!([]));
        usage["usage"] = whole["usage"].clone();
        sent.push(usage);
        house.upstream.next(Reply::chunks(&sent));
        house.complete(&streaming(&asked)).await;
        assert_stored(&house, &asked, &whole).await;
    }

    async fn a_stream_that_is_cut_is_not_stored_and_does_not_look_whole(store) {
        let house = House::start(store).await;
        let whole = completions("cmpl-cut", &["one two", "three"]);
        let all: Vec<String> = completion_chunks(&whole, &Value::Null).iter().map(event).collect();
        for count in 1..all.len() {
            let asked = prompt(&format!("cut after {count}"));
            house.upstream.next(Reply::stream(all[..count].to_vec()));
            let seen = house.complete(&streaming(&asked)).await;
            assert!(!seen.is_done());
            let told = chunks(&seen.events());
            assert!(told.last().is_some_and(|last| last.get("error").is_some()), "after {count}");
            assert_eq!(house.complete(&asked).await.x_cache(), "MISS", "after {count}");
        }
        // Without its mark a stream may lack a prompt's answer: it is passed on, no more.
        house.upstream.next(Reply::stream(all));
        let asked = prompt("no mark");
        let seen = house.complete(&streaming(&asked)).await;
        assert_eq!(fold_completions(&chunks(&seen.events()))["choices"][0]["text"], "one two");
        assert_eq!(house.complete(&asked).await.x_cache(), "MISS");
    }

    async fn an_answer_in_doubt_reaches_the_client_and_is_not_stored(store) {
        let house = House::start(store).await;
        let finished = |reason: &Value| {
            let mut whole = completions("cmpl-doubt", &["x"]);
            whole["choices"][0]["finish_reason"] = reason.clone();
            whole
        };
        let mut failed = completions("cmpl-doubt", &["x"]);
        failed["error"] = json!({"message": "overloaded"});
        for (name, body) in [
            ("an error beside", failed),
            ("an error alone", json!({"error": {"message": "no"}})),
            ("nothing said", completions("cmpl-doubt", &[""])),
            ("unfinished", finished(&Value::Null)),
            ("filtered", finished(&json!("content_filter"))),
            ("no choices", completions("cmpl-doubt", &[])),
        ] {
            let asked = prompt(name);
            house.upstream.next(Reply::json(200, body.to_string()));
            let seen = house.complete(&asked).await;
            assert_eq!((seen.status, seen.text()), (200, body.to_string()), "{name}");
            assert_eq!(house.complete(&asked).await.x_cache(), "MISS", "{name}");
        }
        let setup = House::with(store).set("REPRISE_UPSTREAM_KIND", "compatible");
        let house = setup.start().await;
        // Nobody knows what this server's own limit is.
        let mut unlimited = prompt("cut by a limit of its own");
        unlimited.as_object_mut().unwrap().remove("max_tokens");
        house.upstream.next(Reply::json(200, finished(&json!("length")).to_string()));
        house.complete(&unlimited).await;
        assert_eq!(house.complete(&unlimited).await.x_cache(), "MISS");
        let limited = prompt("cut by the limit that was set");
        house.upstream.next(Reply::json(200, finished(&json!("length")).to_string()));
        house.complete(&limited).await;
        assert_eq!(house.complete(&limited).await.x_cache(), "HIT");
    }

    async fn what_cannot_be_named_is_passed_on(store) {
        let house = House::start(store).await;
        for (body, reason) in [
            (json!({"model": "m", "prompt": null}), "invalid"),
            (json!({"model": "m", "prompt": ["a", [1]]}), "invalid"),
            (json!({"prompt": "x"}), "invalid"),
            (json!({"model": "m", "prompt": "x", "store": true}), "stateful"),
            (json!({"model": "m", "prompt": "x", "cache": true}), "control-field"),
        ] {
            for _ in 0..2 {
                let seen = house.complete(&body).await;
                assert_eq!((seen.status, seen.x_cache()), (200, "BYPASS"), "{body}");
                assert!(seen.cache_status().contains(reason), "{}", seen.cache_status());
            }
        }
        assert_eq!(house.upstream.calls(), 10);
    }

    async fn the_spellings_of_the_path_are_one(store) {
        let house = House::start(store).await;
        let body = prompt("spelled").to_string();
        for (path, outcome) in [
            ("/v1/completions", "MISS"),
            ("/v1/completions/", "HIT"),
            ("/completions", "HIT"),
            ("/completions/", "HIT"),
        ] {
            let request = Request::post(path, body.clone()).bearer(ALICE);
            assert_eq!(house.send(&request).await.x_cache(), outcome, "{path}");
        }
    }

    async fn what_would_become_of_a_question_is_told(store) {
        let house = House::start(store).await;
        let inquiry = json!({"path": "/v1/completions",
            "headers": {"authorization": format!("Bearer {ALICE}")}, "body": {"model": "m", "prompt": "x", "user": "u", "temperature": 0}});
        let request = Request::post("/admin/v1/cache/explain", inquiry.to_string());
        let told = house.send(&request.bearer(crate::support::ADMIN)).await;
        assert_eq!(told.status, 200, "{}", told.text());
        let text = told.text();
        assert!(text.contains(r#""prompt":["x"]"#) && text.contains(r#""field":"user""#), "{text}");
        assert_eq!(told.json()["outcome"], "miss");
    }
}
