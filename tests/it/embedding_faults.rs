//! Nothing a provider may get wrong about vectors is stored or made up for, and
//! vectors of two models never come in one answer.

use serde_json::{Value, json};

use crate::support::{
    EmbeddingStyle, Ending, House, Reply, Store, assert_embeds, batch, embed, encoded, in_time,
    on_each_store,
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
