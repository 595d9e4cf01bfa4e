//! Transcripts and speech are cached where the operator says so, and not otherwise.

use serde_json::{Value, json};

use crate::support::{
    ALICE, Form, Gate, House, Reply, Request, Response, Store, in_time, on_each_store,
};

const SPEECH: &str = "/v1/audio/speech";
const SOUND: &[u8] = b"RIFF\0\x01 what was said";

/// Sound that is no text, has no end of line where one is expected, and looks like an
/// event at its beginning.
const SPOKEN: &[u8] = b"data:\xff\xfb\0\r\n\r\n\x80 {\"error\"";

fn transcript(text: &str) -> Reply {
    let usage =
        json!({"type": "tokens", "input_tokens": 26, "output_tokens": 5, "total_tokens": 31});
    Reply::json(200, json!({"text": text, "usage": usage}).to_string())
}

fn to_be_said(more: &Value) -> Request {
    let mut said = json!({"model": "tts-1", "input": "Hello.", "voice": "alloy"});
    for (name, value) in more.as_object().unwrap() {
        said[name] = value.clone();
    }
    Request::post(SPEECH, said.to_string()).bearer(ALICE)
}

async fn house(store: Store) -> House {
    House::with(store)
        .set("REPRISE_CACHE_AUDIO", "true")
        .start()
        .await
}

async fn hear(house: &House, form: &Form) -> Response {
    house.send(&form.asked()).await
}

on_each_store! {
    async fn nothing_is_cached_unless_it_is_said(store) {
        let house = House::start(store).await;
        let form = Form::of(SOUND);
        for call in 1..=2 {
            house.upstream.next(transcript("Hi."));
            let seen = hear(&house, &form).await;
            assert_eq!((seen.status, seen.x_cache()), (200, "BYPASS"));
            assert!(seen.cache_status().contains("not-enabled"));
            let got = house.upstream.last();
            assert_eq!((got.path.as_str(), got.body), ("/v1/audio/transcriptions", form.body()));
            house.upstream.next(Reply::document(200, "audio/mpeg", SPOKEN));
            let said = house.send(&to_be_said(&json!({}))).await;
            assert_eq!((said.x_cache(), said.body.as_slice()), ("BYPASS", SPOKEN));
            assert_eq!(house.upstream.calls(), 2 * call);
        }
    }

    async fn what_is_not_cached_is_passed_on_while_it_comes(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let slow = Reply::stream([&b"first"[..], b"second"]).gate_before(1, &gate);
        house.upstream.next(slow.header("content-type", "audio/mpeg"));
        let mut live = house.client().open(&to_be_said(&json!({}))).await;
        let seen = live.until(|seen| seen.body.starts_with(b"first")).await;
        assert_eq!(seen.body, b"first");
        gate.open();
        assert_eq!(live.rest().await.unwrap().body, b"firstsecond");
    }

    async fn the_same_recording_is_transcribed_once(store) {
        let house = house(store).await;
        house.upstream.next(transcript("Hi."));
        let form = Form::of(SOUND).field("temperature", "0").field("language", "en");
        let first = hear(&house, &form).await;
        assert_eq!((first.status, first.x_cache()), (200, "MISS"));
        assert_eq!(house.upstream.last().body, form.body());
        house.upstream.next(transcript("Hi."));
        let other_name = Form::of(b"what was said").field("language", "en");
        assert_eq!(hear(&house, &other_name).await.x_cache(), "MISS");
        let renamed = other_name.clone().renamed("other.wav").bounded_by("another-boundary");
        for same in [&form, &form.clone().bounded_by("x")] {
            let again = hear(&house, same).await;
            assert_eq!((again.x_cache(), &again.body), ("HIT", &first.body));
        }
        assert_eq!(hear(&house, &renamed).await.x_cache(), "HIT");
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn another_byte_or_field_is_another_question(store) {
        let house = house(store).await;
        house.upstream.always(transcript("Hi."));
        let plain = Form::of(SOUND);
        let other = Form::of(b"RIFF\0\x02 what was said");
        let verbose = plain.clone().field("response_format", "verbose_json");
        let prompted = plain.clone().field("prompt", "A name.");
        let odd = plain.clone().field("timestamp_granularities[]", "word");
        for (call, form) in [&plain, &other, &verbose, &prompted, &odd].into_iter().enumerate() {
            assert_eq!(hear(&house, form).await.x_cache(), "MISS");
            assert_eq!(house.upstream.calls(), call + 1);
        }
        // A translation is no transcription.
        let translated = plain.posted("/v1/audio/translations").bearer(ALICE);
        assert_eq!(house.send(&translated).await.x_cache(), "MISS");
        assert_eq!(house.send(&translated).await.x_cache(), "HIT");
    }

    async fn text_is_given_as_it_came(store) {
        let house = house(store).await;
        for (format, content_type, text) in [
            ("text", "text/plain; charset=utf-8", "data: is what I hear\n\nand more\n"),
            ("srt", "application/x-subrip", "1\n00:00:00,000 --> 00:00:01,000\nHi.\n\n"),
            ("vtt", "text/vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nHi.\n"),
        ] {
            house.upstream.next(Reply::document(200, content_type, text));
            let form = Form::of(SOUND).field("response_format", format);
            for x_cache in ["MISS", "HIT"] {
                let seen = hear(&house, &form).await;
                assert_eq!((seen.x_cache(), seen.text().as_str()), (x_cache, text));
                assert_eq!(seen.header("content-type"), Some(content_type));
            }
        }
    }

    async fn answers_in_doubt_are_not_kept(store) {
        let house = house(store).await;
        let text = || Form::of(SOUND).field("response_format", "text");
        let error = json!({"error": {"message": "busy"}}).to_string();
        for (form, reply) in [
            (Form::of(SOUND), Reply::document(200, "text/plain", "not JSON")),
            (Form::of(SOUND), Reply::json(200, "{}")),
            (Form::of(SOUND), Reply::json(200, error.clone())),
            (Form::of(SOUND), Reply::json(200, "")),
            (text(), Reply::document(200, "text/plain", "")),
            (text(), Reply::json(200, error.clone())),
            (text(), Reply::document(200, "text/plain", "x").header("content-encoding", "gzip")),
        ] {
            house.upstream.next(reply);
            assert_eq!(hear(&house, &form).await.status, 200);
        }
        for reply in [
            Reply::document(200, "audio/mpeg", ""),
            Reply::document(200, "text/html", "<html>"),
            Reply::document(200, "audio/mpeg", error.clone()),
            Reply::json(200, "{}"),
            Reply::document(500, "audio/mpeg", SPOKEN),
        ] {
            house.upstream.next(reply);
            house.send(&to_be_said(&json!({}))).await;
        }
        assert_eq!(house.upstream.calls(), 12);
        house.upstream.next(transcript("Hi."));
        assert_eq!(hear(&house, &Form::of(SOUND)).await.x_cache(), "MISS");
        assert_eq!(house.upstream.calls(), 13);
    }

    async fn speech_is_said_once_to_the_byte(store) {
        let mut house = house(store).await;
        house.upstream.next(Reply::document(200, "audio/mpeg", SPOKEN));
        for x_cache in ["MISS", "HIT"] {
            let seen = house.send(&to_be_said(&json!({}))).await;
            assert_eq!((seen.status, seen.x_cache()), (200, x_cache));
            assert_eq!((seen.body.as_slice(), seen.header("content-type")), (SPOKEN, Some("audio/mpeg")));
        }
        house.upstream.always(Reply::document(200, "audio/wav", b"RIFF"));
        for more in [
            json!({"response_format": "wav"}),
            json!({"voice": "nova"}),
            json!({"input": "hello."}),
            json!({"speed": 1.5}),
        ] {
            assert_eq!(house.send(&to_be_said(&more)).await.x_cache(), "MISS", "{more}");
        }
        // From the store, not from memory.
        house.app.terminate();
        assert!(house.app.exited().await);
        house.start_again().await;
        let seen = house.send(&to_be_said(&json!({}))).await;
        assert_eq!((seen.x_cache(), seen.body.as_slice()), ("HIT", SPOKEN));
        assert_eq!(seen.header("content-type"), Some("audio/mpeg"));
    }

    async fn followers_hear_the_same_speech(store) {
        let house = house(store).await;
        let gate = Gate::new();
        house.upstream.next(Reply::document(200, "audio/mpeg", SPOKEN).after(&gate));
        let request = to_be_said(&json!({}));
        let open = async {
            crate::support::eventually("the call is made", || async {
                (house.upstream.calls() == 1).then_some(())
            })
            .await;
            gate.open();
        };
        let (first, second, ()) = tokio::join!(house.send(&request), house.send(&request), open);
        assert_eq!((first.body.as_slice(), second.body.as_slice()), (SPOKEN, SPOKEN));
        assert_eq!(second.header("content-type"), Some("audio/mpeg"));
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn streams_and_odd_forms_are_forwarded(store) {
        let house = house(store).await;
        house.upstream.always(transcript("Hi."));
        let plain = Form::of(SOUND);
        let broken = Request::new("POST", "/v1/audio/transcriptions")
            .header("content-type", "multipart/form-data; boundary=elsewhere")
            .body(plain.body())
            .bearer(ALICE);
        let document = Request::post("/v1/audio/transcriptions", "{}").bearer(ALICE);
        for (request, reason) in [
            (plain.clone().field("stream", "true").asked(), "stream"),
            (plain.clone().field("model", "whisper-1").asked(), "uncanonical"),
            (broken, "uncanonical"),
            (document, "uncanonical"),
            (to_be_said(&json!({"stream_format": "sse"})), "stream"),
        ] {
            for _ in 0..2 {
                let seen = house.send(&request).await;
                assert_eq!((seen.status, seen.x_cache()), (200, "BYPASS"), "{reason}");
                assert!(seen.cache_status().contains(reason), "{}", seen.cache_status());
            }
        }
        assert_eq!(house.upstream.calls(), 10);
    }

    async fn a_key_is_held_to_its_models(store) {
        let house = House::with_keys(store).set("REPRISE_CACHE_AUDIO", "true").start().await;
        house.upstream.always(transcript("Hi."));
        let key = house.key("a", json!({"models": ["whisper-*"]})).await;
        let path = "/v1/audio/transcriptions";
        let ask = async |form: Form| house.send(&form.posted(path).bearer(&key.key)).await.status;
        assert_eq!(ask(Form::of(SOUND)).await, 200);
        assert_eq!(house.upstream.last().header("authorization"), Some("Bearer sk-operator-of-the-tests"));
        assert_eq!(ask(Form::of(SOUND).field("model", "gpt-4o")).await, 403);
        assert_eq!(ask(Form::of(SOUND).field("MODEL", "gpt-4o")).await, 403);
        let any = house.key("a", json!({})).await;
        let foreign = Form::of(SOUND).field("api_base", "http://169.254.169.254/");
        let seen = house.send(&foreign.posted(path).bearer(&any.key)).await;
        assert_eq!((seen.status, seen.error_code().as_str()), (400, "parameter_not_allowed"));
        let preferring = house.key("b", json!({"preferences": {"language": "en"}})).await;
        assert_eq!(house.send(&Form::of(SOUND).posted(path).bearer(&preferring.key)).await.status, 200);
        let sent = String::from_utf8_lossy(&house.upstream.last().body).into_owned();
        assert!(sent.contains("name=\"language\"\r\n\r\nen\r\n"), "{sent}");
    }
}
