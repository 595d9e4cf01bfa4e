//! A message of Anthropic's API asked twice is paid once, in whichever form it was
//! asked and is asked.

use serde_json::{Value, json};

use crate::support::{
    Crowd, Gate, House, MESSAGES, OPERATOR, Reply, Request, Response, Setup, Store, eventually,
    fold_message, in_time, message, message_answer, message_events, message_question,
    on_each_store, streaming,
};

/// A house before Anthropic's own server.
fn before_anthropic(store: Store) -> Setup {
    House::with(store).set("REPRISE_UPSTREAM_KIND", "anthropic")
}

async fn ask(house: &House, question: &Value) -> Response {
    house.send(&message(question)).await
}

/// The message in an answer of either form.
fn told(seen: &Response) -> Value {
    if seen
        .header("content-type")
        .unwrap()
        .starts_with("text/event-stream")
    {
        assert!(
            seen.text().starts_with("event: message_start\n"),
            "{}",
            seen.text()
        );
        assert!(
            seen.text()
                .ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
        );
        fold_message(&seen.events())
    } else {
        seen.json()
    }
}

/// Every kind of block that a model says by itself.
fn rich() -> Value {
    json!([
        {"type": "thinking", "thinking": "let me see é\u{2028}", "signature": "c2lnbmF0dXJl"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        {"type": "text", "text": "It is sunny, as you see."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"zebra": 1.5, "apple": ["ü", null]}},
        {"type": "tool_use", "id": "toolu_2", "name": "clock", "input": {}},
    ])
}

on_each_store! {
    async fn every_form_is_filled_by_every_form(store) {
        let house = before_anthropic(store).start().await;
        for (at, filled) in [false, true].into_iter().enumerate() {
            let asked = message_question(&format!("filled by stream: {filled}"));
            let whole = message_answer(&format!("msg_rich_{at}"), &rich(), "tool_use");
            house.upstream.next(if filled {
                Reply::stream(message_events(&whole))
            } else {
                Reply::json(200, whole.to_string())
            });
            let form = |streams: bool| if streams { streaming(&asked) } else { asked.clone() };
            let miss = ask(&house, &form(filled)).await;
            assert_eq!((miss.status, miss.x_cache()), (200, "MISS"));
            assert_eq!(told(&miss), whole);
            for wanted in [false, true] {
                let hit = ask(&house, &form(wanted)).await;
                assert_eq!(hit.x_cache(), "HIT", "{filled} to {wanted}");
                assert_eq!(told(&hit), whole, "{filled} to {wanted}");
            }
            assert_eq!(house.upstream.calls(), at + 1);
        }
    }

    async fn a_miss_shows_the_providers_bytes_and_a_hit_those_of_a_document(store) {
        let house = before_anthropic(store).start().await;
        let whole = message_answer("msg_bytes", &json!([{"type": "text", "text": "one two"}]), "end_turn");
        let events = message_events(&whole);
        house.upstream.next(Reply::stream(events.clone()));
        let seen = ask(&house, &streaming(&message_question("streamed bytes"))).await;
        assert_eq!(seen.text(), events.concat());
        assert!(house.upstream.last().json().get("stream_options").is_none());
        let text = whole.to_string().replace("\":", "\" : ");
        house.upstream.next(Reply::json(200, text.clone()));
        let asked = message_question("bytes");
        assert_eq!(ask(&house, &asked).await.text(), text);
        let hit = ask(&house, &asked).await;
        assert_eq!((hit.x_cache(), hit.text()), ("HIT", text));
    }

    async fn long_answers_are_told_in_pieces(store) {
        let house = before_anthropic(store).start().await;
        let content = json!([
            {"type": "text", "text": "ü".repeat(40_000)},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"text": "é".repeat(40_000)}},
        ]);
        let whole = message_answer("msg_long", &content, "tool_use");
        house.upstream.next(Reply::json(200, whole.to_string()));
        let asked = message_question("long");
        ask(&house, &asked).await;
        let hit = ask(&house, &streaming(&asked)).await;
        assert_eq!(hit.x_cache(), "HIT");
        assert!(hit.events().iter().all(|data| data.len() < 20_000));
        assert_eq!(told(&hit), whole);
    }

    async fn all_who_ask_at_once_are_answered_by_one_call(store) {
        let house = before_anthropic(store).start().await;
        let gate = Gate::new();
        house.upstream.next(Reply::usual().after(&gate));
        let asked = message(&streaming(&message_question("crowd")));
        let crowd = Crowd::sending(&house, vec![asked; 200]);
        house.upstream.asked(1).await;
        crowd.arrived(&house).await;
        gate.open();
        let answers = crowd.answers().await;
        assert_eq!(answers.len(), 200);
        let first = told(&answers[0]);
        assert_eq!(first["stop_reason"], "end_turn");
        assert!(answers.iter().all(|answer| told(answer) == first));
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn tokens_are_counted_once(store) {
        let house = before_anthropic(store).start().await;
        for (text, streams) in [("in events", true), ("in a document", false)] {
            let mut asked = message_question(text);
            asked["stream"] = json!(streams);
            for _ in 0..3 {
                assert_eq!(ask(&house, &asked).await.status, 200);
            }
        }
        assert_eq!(house.upstream.calls(), 2);
        let billed = house.upstream.billed();
        assert_eq!((billed.input, billed.cached_input, billed.output), (22, 6, 10));
        let books = eventually("the requests are in the books", || async {
            let path = "/admin/v1/usage?start=0&granularity=total&operation=message";
            let books = house.admin(path).await.json()["totals"].clone();
            (books["requests"] == 6).then_some(books)
        })
        .await;
        let spent = &books["tokens"]["upstream"];
        assert_eq!((&spent["input"], &spent["cached_input"]), (&json!(22), &json!(6)));
        assert_eq!((&spent["output"], &books["hits"]), (&json!(10), &json!(4)));
    }

    async fn a_count_of_tokens_is_kept(store) {
        let house = before_anthropic(store).start().await;
        let mut asked = message_question("count me");
        asked.as_object_mut().unwrap().remove("max_tokens");
        let request = || {
            Request::post(&format!("{MESSAGES}/count_tokens"), asked.to_string())
                .header("x-api-key", "sk-test-alice")
                .header("anthropic-version", "2023-06-01")
        };
        let (first, second) = (house.send(&request()).await, house.send(&request()).await);
        assert_eq!((first.x_cache(), second.x_cache()), ("MISS", "HIT"));
        assert_eq!(first.json(), json!({"input_tokens": 11}));
        assert_eq!(second.text(), first.text());
        assert_eq!(house.upstream.last().path, "/v1/messages/count_tokens");
        assert_eq!(house.upstream.calls(), 1);
        // The same body asked for a message is another question.
        asked["max_tokens"] = json!(5);
        assert_eq!(ask(&house, &asked).await.x_cache(), "MISS");
    }

    async fn what_is_no_answer_is_not_kept(store) {
        let house = before_anthropic(store).start().await;
        let text = json!([{"type": "text", "text": "a"}]);
        let answers = [
            ("pause", message_answer("m", &text, "pause_turn")),
            ("refusal", message_answer("m", &text, "refusal")),
            ("empty", message_answer("m", &json!([]), "end_turn")),
            ("input", message_answer("m", &json!([
                {"type": "tool_use", "id": "t", "name": "f", "input": "{}"}]), "tool_use")),
            ("error", json!({"type": "error", "error": {"type": "overloaded_error", "message": "m"}})),
        ];
        for (name, whole) in answers {
            house.upstream.next(Reply::json(200, whole.to_string()));
            let asked = message_question(name);
            let seen = ask(&house, &asked).await;
            assert_eq!(seen.json(), whole, "{name}");
            assert_eq!(ask(&house, &asked).await.x_cache(), "MISS", "{name}");
        }
        // Nothing but the caller's own stop sequence is an answer.
        let whole = message_answer("m", &json!([]), "stop_sequence");
        house.upstream.next(Reply::json(200, whole.to_string()));
        let asked = message_question("stopped");
        ask(&house, &asked).await;
        assert_eq!(told(&ask(&house, &streaming(&asked)).await), whole);
    }

    async fn in_key_mode_the_provider_gets_the_operators_credential(store) {
        let setup = House::with_keys(store).set("REPRISE_UPSTREAM_KIND", "anthropic");
        let house = setup.start().await;
        let key = house.key("acme", json!({})).await;
        let asked = message_question("by key").to_string();
        let by = |name: &str, value: &str| {
            Request::post(MESSAGES, asked.clone())
                .header(name, value)
                .header("anthropic-version", "2023-06-01")
        };
        let miss = house.send(&by("x-api-key", &key.key)).await;
        assert_eq!((miss.status, miss.x_cache()), (200, "MISS"), "{}", miss.text());
        let got = house.upstream.last();
        assert_eq!(got.header("x-api-key"), Some(OPERATOR));
        assert_eq!(got.header("authorization"), None);
        let hit = house.send(&by("authorization", &format!("Bearer {}", key.key))).await;
        assert_eq!((hit.status, hit.x_cache()), (200, "HIT"));
        let stranger = house.send(&by("x-api-key", "rk-nobody")).await;
        assert_eq!(stranger.status, 401);
        assert_eq!(stranger.json()["error"]["type"], "authentication_error");
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_lapsed_credential_is_asked_about_as_anthropic_wants_it(store) {
        let mut house = before_anthropic(store).start().await;
        let asked = message_question("lapsed");
        ask(&house, &asked).await;
        house.app.terminate();
        house.app.exited().await;
        house.start_again().await;
        let hit = ask(&house, &asked).await;
        assert_eq!((hit.x_cache(), house.upstream.calls()), ("HIT", 1));
        assert_eq!(house.upstream.probes(), 1);
        // A refused credential gets nothing, whoever else was answered.
        house.upstream.refuse("sk-revoked");
        let revoked = Request::post(MESSAGES, asked.to_string())
            .header("x-api-key", "sk-revoked")
            .header("anthropic-version", "2023-06-01");
        assert_eq!(house.send(&revoked).await.status, 401);
    }
}
