//! Embeddings come in the form the client asked for, and are in every form the
//! numbers the provider gave.

use serde_json::{Value, json};

use crate::support::{
    ALICE, EmbeddingStyle, Encoding, Floats, House, Reply, Request, Store, assert_embeds, batch,
    embed, encoded, in_time, on_each_store, packed, single, told,
};

/// A question in each form a client may ask for.
fn forms(asked: &Value) -> [Value; 4] {
    let mut unsaid = asked.clone();
    unsaid["encoding_format"] = Value::Null;
    [
        asked.clone(),
        encoded(asked, "float"),
        encoded(asked, "base64"),
        unsaid,
    ]
}

/// Every kind of provider.
fn styles() -> Vec<EmbeddingStyle> {
    let of = |floats| {
        Encoding::ALL.map(|encoding| EmbeddingStyle {
            floats,
            encoding,
            ..EmbeddingStyle::default()
        })
    };
    Floats::ALL.into_iter().flat_map(of).collect()
}

on_each_store! {
    async fn any_form_is_filled_and_read_in_any_form(store) {
        let house = House::start(store).await;
        for style in styles() {
            house.upstream.embeds(style);
            for (at, first) in forms(&batch(["a", "b", "c"])).into_iter().enumerate() {
                // Another model each time: an item of its own.
                let named = |asked: &Value| {
                    let mut asked = asked.clone();
                    asked["model"] = json!(format!("{style:?} {at}"));
                    asked
                };
                let first = named(&first);
                let seen = house.embed(&first).await;
                assert_eq!(seen.x_cache(), "MISS");
                assert_embeds(&seen, &first, style);
                for second in forms(&batch(["c", "a"])) {
                    let second = named(&second);
                    let seen = house.embed(&second).await;
                    assert_eq!(seen.x_cache(), "HIT", "{second}");
                    assert_embeds(&seen, &second, style);
                }
                let mixed = named(&encoded(&batch(["new", "b"]), ["float", "base64"][at % 2]));
                let seen = house.embed(&mixed).await;
                assert_eq!(seen.x_cache(), "PARTIAL", "{mixed}");
                assert_embeds(&seen, &mixed, style);
            }
        }
    }

    async fn numbers_are_those_the_provider_printed_to_the_last_digit(store) {
        let house = House::start(store).await;
        for floats in Floats::ALL {
            let style = EmbeddingStyle::printing(floats);
            house.upstream.embeds(style);
            let mut asked = batch(["a", "b", "c", "d", "e", "f", "g", "h"]);
            asked["dimensions"] = json!(64);
            asked["model"] = json!(format!("{floats:?}"));
            for x_cache in ["MISS", "HIT"] {
                let seen = house.embed(&asked).await;
                assert_eq!(seen.x_cache(), x_cache);
                for (item, numbers) in ["a", "b", "c", "d", "e", "f", "g", "h"].iter().zip(told(&seen, &asked)) {
                    let vector = style.vector(&asked, &json!(item));
                    let bits: Vec<_> = numbers.iter().map(|number| number.to_bits()).collect();
                    let wanted: Vec<_> = vector.iter().map(|number| floats.read(*number).to_bits()).collect();
                    assert_eq!(bits, wanted, "{floats:?} {x_cache} {item}: {vector:?}");
                }
            }
        }
    }

    async fn the_examples_of_each_style_are_printed_as_they_came(store) {
        let house = House::start(store).await;
        for (style, numbers) in [
            ("wide", "-0.006929283495992422,-0.005336422007530928,0.5"),
            ("short", "0.0023064255,-0.009327292,0.1"),
            ("double", "0.1234567890123456,-0.9876543210987654,0.3333333333333333"),
            ("whole", "0,1,-3,0,16777216"),
            ("one too precise for the rest", "0.5,0.25,0.1234567890123456"),
            ("beyond single precision", "1e200,0.5"),
        ] {
            let asked = batch([style]);
            house.upstream.next(Reply::json(200, written(&[&format!("[{numbers}]")])));
            house.embed(&asked).await;
            let hit = house.embed(&asked).await;
            let wanted: Vec<f64> = numbers.split(',').map(|number| number.parse().unwrap()).collect();
            if style == "beyond single precision" && hit.x_cache() != "HIT" {
                // As base64 it would be infinite: not to store it is as good.
                continue;
            }
            assert_eq!(hit.x_cache(), "HIT", "{style}");
            assert_eq!(told(&hit, &asked), [wanted], "{style}");
            if matches!(style, "wide" | "short" | "double") {
                assert!(hit.text().contains(numbers), "{style}: {}", hit.text());
            }
        }
    }

    async fn a_negative_zero_keeps_its_sign_in_every_language(store) {
        let house = House::start(store).await;
        for numbers in ["-0.0,0.5", "1.0,-0.0", "1,-0.0,0.5"] {
            let asked = batch([numbers]);
            house.upstream.next(Reply::json(200, written(&[&format!("[{numbers}]")])));
            house.embed(&asked).await;
            let hit = house.embed(&asked).await;
            assert_eq!(hit.x_cache(), "HIT", "{numbers}");
            // Without its point it is an integer to some readers, and those have no
            // negative zero.
            assert!(hit.text().contains("-0.0"), "{numbers}: {}", hit.text());
        }
    }

    async fn a_vector_that_came_as_base64_is_printed_as_its_provider_prints(store) {
        for (kind, floats) in [("openai", Floats::Short), ("compatible", Floats::Wide)] {
            let setup = House::with(store).set("REPRISE_UPSTREAM_KIND", kind);
            let house = setup.start().await;
            let asked = batch(["came as base64"]);
            house.embed(&encoded(&asked, "base64")).await;
            let hit = house.embed(&asked).await;
            assert_eq!(hit.x_cache(), "HIT");
            let vector = EmbeddingStyle::default().vector(&asked, &json!("came as base64"));
            let wanted: Vec<_> = vector.iter().map(|number| floats.read(*number)).collect();
            assert_eq!(told(&hit, &asked), [wanted], "{kind}");
        }
    }

    async fn one_answer_may_have_vectors_of_every_origin(store) {
        let house = House::start(store).await;
        for floats in Floats::ALL {
            house.upstream.embeds(EmbeddingStyle::printing(floats));
            house.embed(&batch([format!("{floats:?}")])).await;
        }
        house.embed(&encoded(&batch(["base64"]), "base64")).await;
        let asked = batch(["Short", "base64", "Double", "Wide"]);
        let style = EmbeddingStyle::default();
        for form in forms(&asked) {
            let seen = house.embed(&form).await;
            assert_eq!(seen.x_cache(), "HIT");
            assert_embeds(&seen, &form, style);
        }
        let printed = told(&house.embed(&asked).await, &asked);
        for (at, floats) in [(0, Floats::Short), (1, Floats::Short), (2, Floats::Double), (3, Floats::Wide)] {
            let vector = style.vector(&asked, &asked["input"][at]);
            let wanted: Vec<_> = vector.iter().map(|number| floats.read(*number)).collect();
            assert_eq!(printed[at], wanted, "{floats:?} at {at}");
        }
    }

    async fn base64_is_padded_whatever_the_length(store) {
        let house = House::start(store).await;
        for dimensions in 1..=7 {
            let mut asked = encoded(&batch(["padded"]), "base64");
            asked["dimensions"] = json!(dimensions);
            for (form, x_cache) in [(asked.clone(), "MISS"), (asked.clone(), "HIT"), (encoded(&asked, "float"), "HIT")] {
                let seen = house.embed(&form).await;
                assert_eq!(seen.x_cache(), x_cache, "{form}");
                assert_embeds(&seen, &form, EmbeddingStyle::default());
            }
        }
    }

    async fn base64_of_doubles_is_what_a_client_would_make_of_them(store) {
        let house = House::start(store).await;
        let asked = batch(["rounded"]);
        // Between two numbers of single precision, and exactly half way.
        let numbers = [0.1_f64, 0.123_456_789_012, 1.0 + 1.0 / 16_777_216.0, -0.3, 1e-46];
        let printed: Vec<_> = numbers.iter().map(|number| format!("{number:?}")).collect();
        house.upstream.next(Reply::json(200, written(&[&format!("[{}]", printed.join(","))])));
        house.embed(&asked).await;
        let hit = house.embed(&encoded(&asked, "base64")).await;
        assert_eq!(hit.x_cache(), "HIT");
        let rounded: Vec<_> = numbers.iter().map(|number| single(*number)).collect();
        assert_eq!(hit.json()["data"][0]["embedding"], packed(&rounded));
    }

    async fn an_answer_with_more_in_it_than_is_known_is_still_right(store) {
        let house = House::start(store).await;
        let asked = batch(["more"]);
        let plain = written(&["[0.5,0.25]"]);
        let more = plain
            .replace("{\"object\":\"list\"", "{ \"id\" : \"x\",\n\"object\":\"list\",\"created\":1")
            .replace("\"index\"", "\"score\":{\"a\":[1]},\"index\"");
        house.upstream.next(Reply::json(200, more));
        for x_cache in ["MISS", "HIT"] {
            let seen = house.send(&embed(&asked)).await;
            assert_eq!((seen.x_cache(), told(&seen, &asked)), (x_cache, vec![vec![0.5, 0.25]]));
        }
    }

    async fn an_answer_without_indexes_or_usage_is_in_the_order_it_came(store) {
        let house = House::start(store).await;
        let asked = batch(["no index", "either"]);
        let bare = r#"{"data":[{"embedding":[0.5]},{"embedding":[0.25]}],"model":"m"}"#;
        house.upstream.always(Reply::json(200, bare));
        for _ in 0..2 {
            let seen = house.send(&Request::post("/v1/embeddings", asked.to_string()).bearer(ALICE)).await;
            // Whether it is stored is the proxy's choice; what comes back is not.
            let data = seen.json()["data"].clone();
            assert_eq!((&data[0]["embedding"], &data[1]["embedding"]), (&json!([0.5]), &json!([0.25])));
        }
    }
}

/// An answer with these embeddings, as they are written here.
fn written(embeddings: &[&str]) -> String {
    let member = |(index, embedding): (usize, &&str)| {
        format!(r#"{{"object":"embedding","index":{index},"embedding":{embedding}}}"#)
    };
    let data: Vec<_> = embeddings.iter().enumerate().map(member).collect();
    format!(
        r#"{{"object":"list","data":[{}],"model":"m","usage":{{"prompt_tokens":3,"total_tokens":3}}}}"#,
        data.join(",")
    )
}
