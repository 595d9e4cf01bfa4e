//! One stored answer serves both forms: whatever form filled it, whatever form
//! is asked for, with usage or without.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::chat::without_nulls;
use crate::support::{
    House, Reply, Store, answer, chunk, chunks, event, fold, in_time, on_each_store, question,
    streamed, streaming, with_usage,
};

/// How a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Stream,
    StreamWithUsage,
}

const FORMS: [Form; 3] = [Form::Json, Form::Stream, Form::StreamWithUsage];

impl Form {
    fn of(self, question: &Value) -> Value {
        match self {
            Self::Json => question.clone(),
            Self::Stream => streaming(question),
            Self::StreamWithUsage => {
                let mut question = streaming(question);
                question["stream_options"] = json!({"include_usage": true});
                question
            }
        }
    }
}

/// A question that limits the answer's length itself: one of the vectors was cut
/// by such a limit.
fn limited(text: &str) -> Value {
    let mut asked = question(text);
    asked["max_tokens"] = json!(100);
    asked
}

on_each_store! {
    async fn every_form_is_filled_by_every_form(store) {
        let house = House::start(store).await;
        for filled in FORMS {
            let asked = question(&format!("filled by {filled:?}"));
            let miss = house.ask(&filled.of(&asked)).await;
            assert_eq!(miss.x_cache(), "MISS", "{filled:?}");
            let json = house.ask(&asked).await;
            assert_eq!(json.x_cache(), "HIT", "{filled:?}");
            let whole = json.json();
            assert_eq!(whole["usage"]["total_tokens"], 10, "no usage when filled by {filled:?}");
            assert_eq!(whole["object"], "chat.completion");
            for wanted in FORMS {
                let hit = house.ask(&wanted.of(&asked)).await;
                assert_eq!(hit.x_cache(), "HIT", "{filled:?} to {wanted:?}");
                assert_same(&whole, &hit, wanted);
            }
        }
        assert_eq!(house.upstream.calls(), FORMS.len());
    }

    async fn a_streamed_miss_shows_the_providers_bytes(store) {
        let house = House::start(store).await;
        let whole = answer("as-sent", "one two three");
        let all: Vec<_> = with_usage(streamed(&whole), &whole);
        let mut sent: Vec<String> = vec![": a comment\n\n".to_owned()];
        sent.extend(all.iter().map(event));
        sent.push("data: [DONE]\n\n".to_owned());
        house.upstream.next(Reply::stream(sent.clone()));
        let seen = house.ask(&Form::StreamWithUsage.of(&question("as sent"))).await;
        assert_eq!(seen.text(), sent.concat());
        assert_eq!(seen.x_cache(), "MISS");
        let kind = seen.header("content-type").unwrap();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
    }

    async fn usage_is_asked_for_and_hidden_from_who_did_not_ask(store) {
        let house = House::start(store).await;
        let asked = question("usage");
        let seen = house.ask_stream(&asked).await;
        assert_eq!(house.upstream.last().json()["stream_options"], json!({"include_usage": true}));
        assert!(seen.is_done());
        for chunk in chunks(&seen.events()) {
            assert!(chunk.get("usage").is_none(), "usage shows: {chunk}");
            assert_ne!(chunk["choices"], json!([]), "an empty chunk shows: {chunk}");
        }
        assert_eq!(house.ask(&asked).await.json()["usage"]["total_tokens"], 10);
    }

    async fn usage_that_a_provider_tells_unasked_is_told_again(store) {
        let house = House::start(store).await;
        let whole = answer("unasked", "one two three");
        let mut told = streamed(&whole);
        told.last_mut().unwrap()["usage"] = whole["usage"].clone();
        let mut events: Vec<String> = told.iter().map(event).collect();
        events.push("data: [DONE]\n\n".to_owned());
        house.upstream.next(Reply::stream(events.clone()));
        let asked = question("unasked");
        let miss = house.ask_stream(&asked).await;
        assert_eq!(miss.text(), events.concat());
        let hit = house.ask_stream(&asked).await;
        assert_eq!(hit.x_cache(), "HIT");
        assert_eq!(fold(&hit.events()), fold(&miss.events()));
        let last = chunks(&hit.events()).pop().unwrap();
        assert_eq!(last["choices"][0]["finish_reason"], "stop");
        assert_eq!(last["usage"], whole["usage"]);
        let apart = house.ask(&Form::StreamWithUsage.of(&asked)).await;
        let told: Vec<_> = chunks(&apart.events());
        let tells = told.iter().filter(|chunk| !chunk["usage"].is_null());
        assert_eq!(tells.count(), 1);
        assert_eq!(told.last().unwrap()["choices"], json!([]));
        assert_eq!(house.ask(&asked).await.json()["usage"], whole["usage"]);
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_provider_that_rejects_stream_options_is_asked_without(store) {
        let house = House::start(store).await;
        house.upstream.next(Reply::json(400, json!({"error": {
            "message": "Unknown parameter: 'stream_options'.", "type": "invalid_request_error",
            "param": "stream_options", "code": "unknown_parameter"}}).to_string()));
        let asked = question("no options");
        let seen = house.ask_stream(&asked).await;
        assert_eq!((seen.status, seen.is_done()), (200, true));
        assert_eq!(house.upstream.calls(), 2);
        assert!(house.upstream.last().json().get("stream_options").is_none());
        house.ask_stream(&question("no options again")).await;
        assert_eq!(house.upstream.calls(), 3, "the provider was asked with the option again");
        assert_eq!(house.ask(&asked).await.x_cache(), "HIT");
    }

    async fn the_golden_vectors_are_served_byte_for_byte(store) {
        let house = House::start(store).await;
        for (name, vector) in vectors() {
            let stored = vector.stored.get();
            house.upstream.next(Reply::json(200, stored));
            let asked = limited(&name);
            let miss = house.ask(&asked).await;
            assert_eq!(miss.text(), stored, "{name}");
            let hit = house.ask(&Form::Stream.of(&asked)).await;
            assert_eq!(hit.x_cache(), "HIT", "{name}");
            assert_eq!(hit.text(), vector.sse_no_usage, "{name} without usage");
            let hit = house.ask(&Form::StreamWithUsage.of(&asked)).await;
            assert_eq!(hit.text(), vector.sse, "{name} with usage");
        }
    }

    async fn the_golden_vectors_are_recorded_from_their_streams(store) {
        let house = House::start(store).await;
        for (name, vector) in vectors() {
            house.upstream.next(Reply::stream([vector.sse]));
            let asked = limited(&name);
            house.ask(&Form::StreamWithUsage.of(&asked)).await;
            let hit = house.ask(&asked).await;
            assert_eq!(hit.x_cache(), "HIT", "{name}");
            let stored: Value = serde_json::from_str(vector.stored.get()).unwrap();
            assert_eq!(without_nulls(hit.json()), without_nulls(stored), "{name}");
        }
    }

    async fn several_choices_and_their_probabilities_survive(store) {
        let house = House::start(store).await;
        let whole = answer("many", "");
        let part = |token: &str| json!({"content": [{"token": token, "logprob": -0.5, "bytes": [104],
            "top_logprobs": []}], "refusal": null});
        let mut sent = Vec::new();
        for index in 0..3 {
            sent.push(chunk(&whole, index, &json!({"role": "assistant", "content": ""}), None));
        }
        // Providers interleave the choices as they come.
        for (index, word) in [(2, "c"), (0, "a"), (1, "b"), (0, "A"), (2, "C")] {
            let mut one = chunk(&whole, index, &json!({"content": word}), None);
            one["choices"][0]["logprobs"] = part(word);
            sent.push(one);
        }
        for index in [1, 0, 2] {
            sent.push(chunk(&whole, index, &json!({}), Some("stop")));
        }
        house.upstream.next(Reply::chunks(&with_usage(sent, &whole)));
        let mut asked = question("many");
        asked["n"] = json!(3);
        asked["logprobs"] = json!(true);
        house.ask_stream(&asked).await;
        let hit = house.ask(&asked).await;
        assert_eq!(hit.x_cache(), "HIT");
        let choices = hit.json()["choices"].clone();
        for (index, text) in ["aA", "b", "cC"].into_iter().enumerate() {
            assert_eq!(choices[index]["index"], index);
            assert_eq!(choices[index]["message"]["content"], text);
            let tokens = choices[index]["logprobs"]["content"].as_array().unwrap();
            assert_eq!(tokens.len(), text.len());
        }
        let again = house.ask(&Form::StreamWithUsage.of(&asked)).await;
        assert_eq!(without_nulls(fold(&again.events())), without_nulls(hit.json()));
    }

    async fn odd_but_legal_streams_are_understood(store) {
        let house = House::start(store).await;
        let whole = answer("odd", "one two");
        let all = with_usage(streamed(&whole), &whole);
        let events: Vec<_> = all.iter().map(|chunk| format!("data:{chunk}\r\n\r\n")).collect();
        let crlf = format!("\u{feff}{}data:[DONE]\r\n\r\n", events.concat());
        let events: Vec<_> = all
            .iter()
            .map(|chunk| format!(": keep-alive\n\nevent: message\nid: 7\ndata: {chunk}\n\n"))
            .collect();
        let noisy = format!("{}data: [DONE]\n\n", events.concat());
        let bytewise: Vec<Vec<u8>> = noisy.bytes().map(|byte| vec![byte]).collect();
        for (name, reply) in [
            ("crlf", Reply::stream([crlf])),
            ("noisy", Reply::stream([noisy.clone()])),
            ("byte by byte", Reply::stream(bytewise)),
            ("until close", Reply::stream([noisy]).until_close()),
        ] {
            house.upstream.next(reply);
            let asked = question(name);
            house.ask(&Form::StreamWithUsage.of(&asked)).await;
            let hit = house.ask(&asked).await;
            assert_eq!(hit.x_cache(), "HIT", "{name}");
            assert_eq!(without_nulls(hit.json()), without_nulls(whole.clone()), "{name}");
        }
    }

    async fn a_document_in_place_of_a_stream_reaches_the_client(store) {
        let house = House::start(store).await;
        let whole = answer("document", "no stream").to_string();
        house.upstream.next(Reply::json(200, whole.clone()));
        let asked = question("document");
        let seen = house.ask_stream(&asked).await;
        assert_eq!((seen.status, seen.text()), (200, whole.clone()));
        let hit = house.ask(&asked).await;
        assert_eq!((hit.x_cache(), hit.text()), ("HIT", whole));
    }

    async fn a_replayed_stream_is_one_the_official_clients_can_read(store) {
        let house = House::start(store).await;
        let mut whole = answer("readable", "a\u{2028}b\u{2029}c\u{85}d");
        whole["choices"][0]["message"]["content"] = json!("a\u{2028}b\u{2029}c\u{85}d");
        house.upstream.next(Reply::json(200, whole.to_string()));
        let asked = question("readable");
        house.ask(&asked).await;
        let seen = house.ask_stream(&asked).await;
        let text = seen.text();
        // Python's line splitter breaks at these; raw they would cut an event.
        for odd in ['\u{2028}', '\u{2029}', '\u{85}', '\r'] {
            assert!(!text.contains(odd), "{odd:?} is not escaped");
        }
        for line in text.lines().filter(|line| !line.is_empty()) {
            assert!(line.starts_with("data: "), "no official client reads {line:?}");
        }
        assert!(text.ends_with("\n\ndata: [DONE]\n\n"));
        assert_eq!(seen.header("x-accel-buffering"), Some("no"));
        assert_eq!(without_nulls(fold(&seen.events()))["choices"], without_nulls(whole)["choices"]);
    }
}

/// Checks a hit against the stored answer.
fn assert_same(whole: &Value, hit: &crate::support::Response, wanted: Form) {
    match wanted {
        Form::Json => assert_eq!(&hit.json(), whole),
        Form::StreamWithUsage => {
            assert!(hit.is_done());
            assert_eq!(
                without_nulls(fold(&hit.events())),
                without_nulls(whole.clone())
            );
        }
        Form::Stream => {
            assert!(hit.is_done());
            let mut expected = without_nulls(whole.clone());
            expected.as_object_mut().unwrap().remove("usage");
            assert_eq!(without_nulls(fold(&hit.events())), expected);
            assert!(!hit.text().contains("\"usage\""), "usage shows");
        }
    }
}

/// An answer and the two streams that tell it.
#[derive(serde::Deserialize)]
struct Vector {
    stored: Box<RawValue>,
    sse: String,
    sse_no_usage: String,
}

fn vectors() -> BTreeMap<String, Vector> {
    let mut vectors: BTreeMap<String, Vector> =
        serde_json::from_str(include_str!("../fixtures/chat_vectors.json")).unwrap();
    // An answer that says nothing is never stored, so it is never converted.
    vectors.remove("empty");
    vectors
}
