//! Nothing a provider may get wrong about vectors is stored or made up for, and
//! vectors of two models never come in one answer.

use serde_json::{Value, json};

use crate::support::{
    Crowd, EmbeddingStyle, Ending, Gate, House, Reply, Store, assert_embeds, batch, embed, encoded,
    in_time, on_each_store,
};

/// Answers to a question about two items that are not what they should be.
fn malformed(asked: &Value) -> Vec<(&'static str, String)> {
    let style = EmbeddingStyle::default();
    let of = |data: &[&str]| {
        let data: Vec<_> = data.iter().map(|member| (*member).to_owned()).collect();
        style.answer_of(asked, &data)
    };
    let at = |index: &str, embedding: &str| {
        format!(r#"{{"object":"embedding","index":{index},"embedding":{embedding}}}"#)
    };
    let good = at("0", "[0.5,0.25]");
    let second = |embedding: &str| of(&[&good, &at("1", embedding)]);
    vec![
        ("a null vector", second("null")),
        (
            "no vector",
            of(&[&good, r#"{"object":"embedding","index":1}"#]),
        ),
        ("a null number", second("[0.5,null]")),
        ("a text as a number", second("[0.5,\"x\"]")),
        ("an empty vector", second("[]")),
        ("both empty", of(&[&at("0", "[]"), &at("1", "[]")])),
        ("another length", second("[0.5,0.25,0.125]")),
        ("a nested vector", second("[[0.5,0.25]]")),
        ("a number too large", second("[0.5,1e999]")),
        ("one item too few", of(&[&good])),
        (
            "one item too many",
            of(&[&good, &at("1", "[0,1]"), &at("2", "[1,0]")]),
        ),
        ("no items", of(&[])),
        ("an index twice", of(&[&good, &good])),
        ("an index too large", of(&[&good, &at("2", "[0,1]")])),
        ("a negative index", of(&[&good, &at("-1", "[0,1]")])),
        ("a null member", of(&[&good, "null"])),
        (
            "data that is no list",
            r#"{"object":"list","data":{},"model":"m"}"#.to_owned(),
        ),
        ("no data", r#"{"object":"list","model":"m"}"#.to_owned()),
        (
            "an error",
            r#"{"error":{"message":"x","type":"t","param":null,"code":null}}"#.to_owned(),
        ),
        ("a text", "\"vector\"".to_owned()),
        ("no JSON", "<html>busy</html>".to_owned()),
        ("half of it", of(&[&good, &good]).split_at(60).0.to_owned()),
        ("more after it", format!("{} x", second("[0,1]"))),
        ("nothing", String::new()),
    ]
}

/// The same with vectors in base64.
fn malformed_base64() -> Vec<(&'static str, String)> {
    let of = |first: &str, second: &str| {
        format!(
            r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":"{first}"}},{{"object":"embedding","index":1,"embedding":"{second}"}}],"model":"m","usage":{{"prompt_tokens":2,"total_tokens":2}}}}"#
        )
    };
    let good = "AAAAPwAAgD4=";
    vec![
        ("not a number", of(good, "AADAfwAAgD4=")),
        ("an infinite one", of(good, "AACAfwAAgD4=")),
        ("half a number", of(good, "AAAAPwAA")),
        ("letters it has not", of(good, "AAAA!wAAgD4=")),
        ("another length", of(good, "AAAAPw==")),
        ("nothing", of(good, "")),
    ]
}

on_each_store! {
    async fn what_is_malformed_passes_and_is_not_stored(store) {
        let house = House::start(store).await;
        let plain = batch(["a", "b"]);
        let cases = malformed(&plain).into_iter().map(|(name, body)| (name, plain.clone(), body));
        let packed = encoded(&plain, "base64");
        let packed = malformed_base64().into_iter().map(|(name, body)| (name, packed.clone(), body));
        for (name, mut asked, body) in cases.chain(packed) {
            asked["model"] = json!(format!("{name} {}", asked["encoding_format"]));
            house.upstream.next(Reply::json(200, body.clone()));
            let seen = house.embed(&asked).await;
            assert_eq!(seen.status, 200, "{name}");
            assert_eq!(seen.text(), body, "{name}: not as it came");
            let again = house.embed(&asked).await;
            assert_ne!(again.x_cache(), "HIT", "{name} was stored");
            assert_embeds(&again, &asked, EmbeddingStyle::default());
        }
    }

    async fn what_is_malformed_in_half_a_batch_is_asked_for_again_in_whole(store) {
        let house = House::start(store).await;
        for (name, body) in malformed(&batch(["new", "newer"])) {
            let mut asked = batch(["known"]);
            asked["model"] = json!(name);
            house.embed(&asked).await;
            asked["input"] = json!(["new", "known", "newer"]);
            let before = house.upstream.calls();
            house.upstream.next(Reply::json(200, body));
            let seen = house.embed(&asked).await;
            assert_eq!(seen.x_cache(), "BYPASS", "{name}");
            assert_embeds(&seen, &asked, EmbeddingStyle::default());
            assert_eq!(house.upstream.calls(), before + 2, "{name}");
            assert_eq!(house.upstream.last().body, asked.to_string().as_bytes(), "{name}");
            asked["input"] = json!(["known"]);
            assert_eq!(house.embed(&asked).await.x_cache(), "HIT", "{name}");
        }
    }

    async fn a_cut_answer_is_an_error_and_not_stored(store) {
        let house = House::start(store).await;
        let asked = batch(["cut", "short"]);
        let style = EmbeddingStyle::default();
        let whole = style.answer(&asked);
        for bytes in [0, 1, whole.len() / 2, whole.len() - 1] {
            house.upstream.next(Reply::json(200, whole.clone()).reset_after(bytes));
            let seen = house.client().try_send(&embed(&asked)).await;
            let looks_whole = seen.is_ok_and(|seen| seen.status == 200 && seen.ending == Ending::Whole);
            assert!(!looks_whole, "cut after {bytes} bytes, and looks whole");
        }
        let seen = house.embed(&asked).await;
        assert_eq!(seen.x_cache(), "MISS");
        assert_embeds(&seen, &asked, style);
    }

    async fn a_moved_alias_mixes_no_vectors_of_two_models(store) {
        let house = House::start(store).await;
        house.embed(&batch(["a", "b"])).await;
        let style = EmbeddingStyle::default().moved_on();
        house.upstream.embeds(style);
        let asked = batch(["a", "new", "b", "new"]);
        let seen = house.embed(&asked).await;
        assert_embeds(&seen, &asked, style);
        let calls = house.upstream.calls();
        assert!((3..=4).contains(&calls), "{calls} calls");
        assert_eq!(house.upstream.sent("b"), 2);
        let again = house.embed(&asked).await;
        assert_eq!(again.x_cache(), "HIT");
        assert_embeds(&again, &asked, style);
        assert_eq!(house.upstream.calls(), calls);
    }

    async fn a_joined_call_to_another_model_is_not_mixed_in(store) {
        let house = House::start(store).await;
        let (old, new) = (EmbeddingStyle::default(), EmbeddingStyle::default().moved_on());
        let gate = Gate::new();
        let joined = batch(["joined"]);
        house.upstream.next(Reply::json(200, old.answer(&joined)).after(&gate));
        let leader = Crowd::sending(&house, vec![embed(&joined)]);
        house.upstream.asked(1).await;
        house.upstream.embeds(new);
        let asked = batch(["own", "joined"]);
        let follower = Crowd::sending(&house, vec![embed(&asked)]);
        house.upstream.asked(2).await;
        gate.open();
        assert_embeds(&leader.answers().await[0], &joined, old);
        assert_embeds(&follower.answers().await[0], &asked, new);
    }

    async fn an_answer_that_must_not_be_stored_is_given_and_not_stored(store) {
        let house = House::start(store).await;
        let asked = batch(["a", "b"]);
        let style = EmbeddingStyle::default();
        let reply = Reply::json(200, style.answer(&asked)).header("cache-control", "no-store");
        house.upstream.next(reply);
        assert_embeds(&house.embed(&asked).await, &asked, style);
        assert_eq!(house.embed(&asked).await.x_cache(), "MISS");
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn an_answer_packed_against_all_asking_passes_and_is_not_stored(store) {
        let house = House::start(store).await;
        let asked = batch(["packed"]);
        let packed = Reply::json(200, b"\x1f\x8b\x08not really".to_vec()).header("content-encoding", "gzip");
        house.upstream.next(packed);
        let seen = house.embed(&asked).await;
        assert_eq!(seen.header("content-encoding"), Some("gzip"));
        assert_eq!(seen.body, b"\x1f\x8b\x08not really");
        assert_eq!(house.embed(&asked).await.x_cache(), "MISS");
    }

    async fn an_answer_may_come_in_any_pieces(store) {
        let house = House::start(store).await;
        let style = EmbeddingStyle { shuffled: true, ..EmbeddingStyle::default() };
        for (size, asked) in [1, 2, 7, 100].map(|size| (size, batch([format!("a {size}"), format!("b {size}")]))) {
            let whole = style.answer(&asked).into_bytes();
            let pieces = whole.chunks(size).map(<[u8]>::to_vec);
            let reply = Reply::stream(pieces).header("content-type", "application/json");
            house.upstream.next(if size == 7 { reply.until_close() } else { reply });
            for x_cache in ["MISS", "HIT"] {
                let seen = house.embed(&asked).await;
                assert_eq!(seen.x_cache(), x_cache, "pieces of {size}");
                assert_embeds(&seen, &asked, style);
            }
        }
    }

    async fn hits_of_two_models_are_not_mixed_either(store) {
        let house = House::start(store).await;
        house.embed(&batch(["old"])).await;
        let style = EmbeddingStyle::default().moved_on();
        house.upstream.embeds(style);
        house.embed(&batch(["new"])).await;
        for asked in [batch(["old", "new"]), batch(["new", "old"])] {
            let seen = house.embed(&asked).await;
            assert_embeds(&seen, &asked, style);
        }
    }
}
