//! What an answer says was billed: as much for a hit as for the miss before it, and
//! what is a guess is called one.

use serde_json::{Value, json};

use crate::support::{
    EmbeddingStyle, House, Reply, Response, Store, assert_embeds, batch, billed, in_time,
    on_each_store,
};

/// What the answer says was billed.
fn usage(seen: &Response) -> u64 {
    seen.json()["usage"]["total_tokens"].as_u64().unwrap()
}

/// Whether the answer says that its count of tokens is an estimate.
fn is_estimated(seen: &Response) -> bool {
    let said = seen.header("x-cache-usage");
    assert!(matches!(said, None | Some("estimated")), "{said:?}");
    said.is_some()
}

/// A good answer that says so many tokens were billed.
fn billing(asked: &Value, total: u64) -> Reply {
    let mut body: Value = serde_json::from_str(&EmbeddingStyle::default().answer(asked)).unwrap();
    body["usage"] = json!({"prompt_tokens": total, "total_tokens": total});
    Reply::json(200, body.to_string())
}

on_each_store! {
    async fn a_hit_reports_the_tokens_its_miss_reported(store) {
        let house = House::start(store).await;
        for asked in [
            batch(["a", "a longer text", "something in between", "a much, much longer text than that"]),
            batch(["twice", "once only", "twice"]),
            batch([json!([1, 2, 3]), json!([4]), json!([5, 6])]),
            batch(["alone"]),
        ] {
            let miss = house.embed(&asked).await;
            let hit = house.embed(&asked).await;
            assert_eq!((miss.x_cache(), hit.x_cache()), ("MISS", "HIT"));
            assert_eq!(usage(&miss), usage(&hit), "{asked}");
        }
    }

    async fn a_batch_without_repetition_reports_what_was_billed(store) {
        let house = House::start(store).await;
        let asked = batch(["a", "a longer text", "something in between"]);
        let seen = house.embed(&asked).await;
        assert_eq!(usage(&seen), billed(&asked));
        assert!(!is_estimated(&seen), "the provider itself counted these");
        // Each one's share is a guess, but their sum is not.
        let mut sum = 0;
        for item in ["a", "a longer text", "something in between"] {
            let one = house.embed(&batch([item])).await;
            assert_eq!(one.x_cache(), "HIT");
            assert!(is_estimated(&one), "{item}");
            sum += usage(&one);
        }
        assert_eq!(sum, billed(&asked));
    }

    async fn what_is_counted_exactly_is_not_called_an_estimate(store) {
        let house = House::start(store).await;
        let (one, other) = (batch(["a text by itself"]), batch(["and another one"]));
        let tokens = batch([json!([1, 2, 3]), json!([4])]);
        for asked in [&one, &other, &tokens] {
            for _ in 0..2 {
                let seen = house.embed(asked).await;
                assert_eq!((usage(&seen), is_estimated(&seen)), (billed(asked), false), "{asked}");
            }
        }
        for asked in [
            batch(["and another one", "a text by itself"]),
            batch(["a text by itself", "a text by itself"]),
            batch([json!([4])]),
            batch([json!([1, 2, 3]), json!([4]), json!([4])]),
        ] {
            let seen = house.embed(&asked).await;
            assert_eq!(seen.x_cache(), "HIT");
            assert_eq!((usage(&seen), is_estimated(&seen)), (billed(&asked), false), "{asked}");
        }
    }

    async fn a_batch_half_known_adds_what_it_knows_to_what_was_billed(store) {
        let house = House::start(store).await;
        house.embed(&batch(["a text by itself"])).await;
        let asked = batch(["new", "a text by itself", "a text by itself"]);
        let seen = house.embed(&asked).await;
        assert_eq!(seen.x_cache(), "PARTIAL");
        assert_eq!((usage(&seen), is_estimated(&seen)), (billed(&asked), false));
        // Two new ones at once: their sum was billed, so nothing is guessed yet.
        let asked = batch(["newer", "new", "and the newest of all"]);
        let seen = house.embed(&asked).await;
        assert_eq!(seen.x_cache(), "PARTIAL");
        assert_eq!((usage(&seen), is_estimated(&seen)), (billed(&asked), false));
        let again = house.embed(&asked).await;
        assert_eq!((usage(&again), is_estimated(&again)), (billed(&asked), true));
    }

    async fn token_arrays_that_the_provider_counts_otherwise_are_apportioned(store) {
        let house = House::start(store).await;
        let asked = batch([json!([1, 2, 3]), json!([4])]);
        let style = EmbeddingStyle::default();
        let odd = style.answer(&asked).replace("_tokens\":4", "_tokens\":9");
        house.upstream.next(Reply::json(200, odd));
        let miss = house.embed(&asked).await;
        assert_embeds(&miss, &asked, style);
        assert_eq!(usage(&miss), 9);
        let hit = house.embed(&asked).await;
        assert_eq!((usage(&hit), is_estimated(&hit)), (9, true));
        let longer = house.embed(&batch([json!([1, 2, 3])])).await;
        let shorter = house.embed(&batch([json!([4])])).await;
        assert_eq!(usage(&longer) + usage(&shorter), 9);
        assert!(usage(&shorter) < usage(&longer), "apportioned by size");
    }

    async fn more_than_the_provider_takes_at_once_is_not_put_together_of_parts(store) {
        let house = House::start(store).await;
        for item in ["half", "other half"] {
            let asked = batch([item]);
            house.upstream.next(billing(&asked, 200_000));
            house.embed(&asked).await;
            assert_eq!(house.embed(&asked).await.x_cache(), "HIT");
        }
        let refused = Reply::error(400, "max_tokens_per_request");
        house.upstream.next(refused);
        let seen = house.embed(&batch(["half", "other half"])).await;
        assert_eq!((seen.status, seen.error_code().as_str()), (400, "max_tokens_per_request"));
        assert_eq!(seen.x_cache(), "BYPASS");
    }

    async fn a_share_of_nothing_is_told_as_well(store) {
        let house = House::start(store).await;
        let asked = batch(["a".to_owned(), "long ".repeat(200)]);
        house.upstream.next(billing(&asked, 3));
        house.embed(&asked).await;
        let mut sum = 0;
        for item in ["a".to_owned(), "long ".repeat(200)] {
            let one = batch([item]);
            let seen = house.embed(&one).await;
            assert_eq!(seen.x_cache(), "HIT");
            assert_embeds(&seen, &one, EmbeddingStyle::default());
            sum += usage(&seen);
        }
        assert_eq!(sum, 3);
    }

    async fn a_provider_that_bills_nothing_is_told_so_in_a_hit_as_in_a_miss(store) {
        let house = House::start(store).await;
        for asked in [batch(["free"]), batch(["of charge", "for nothing"])] {
            house.upstream.next(billing(&asked, 0));
            for _ in 0..2 {
                let seen = house.embed(&asked).await;
                assert_embeds(&seen, &asked, EmbeddingStyle::default());
                assert_eq!(usage(&seen), 0, "{asked}");
            }
        }
    }
}
