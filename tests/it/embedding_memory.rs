//! The largest batch there is passes in memory that has a bound.

use serde_json::{Value, json};

use crate::support::{
    EmbeddingStyle, House, Response, Store, batch, counted, encoded, in_time, on_each_store,
    packed, single,
};

const ITEMS: usize = 2_048;
const DIMENSIONS: usize = 3_072;

const MIB: usize = 1024 * 1024;

/// The vectors as single precision has them: 24 MiB.
const VECTORS_BYTES: usize = ITEMS * DIMENSIONS * 4;

/// How much more memory the program may ever have had than before it was asked.
/// What it is made of: the vectors, once, which the memory tier, the queue to the
/// store and the answers share; a quarter of that for the backend, which gets them
/// in batches; and pieces, names and the allocator's own for all else. The vectors
/// beside the text of an answer, 32 MiB in base64 and 130 MiB in decimal, do not fit.
const GROWTH_BYTES_MAX: usize = VECTORS_BYTES * 5 / 4 + 20 * MIB;

/// Looks at the first, the last and some vectors between them.
fn assert_some(seen: &Response, asked: &Value, style: EmbeddingStyle) {
    let in_base64 = asked["encoding_format"] == "base64";
    let text = std::str::from_utf8(&seen.body).unwrap();
    for at in [0, 1, 777, ITEMS / 2, ITEMS - 1] {
        let wanted = style.vector(asked, &asked["input"][at]);
        let index = format!("\"index\":{at},");
        let from = text
            .find(&index)
            .unwrap_or_else(|| panic!("no item {at}: {text:.200}"));
        let member = &text[from..];
        let member = &member[..member.find('}').unwrap()];
        let embedding = member.split_once("\"embedding\":").unwrap().1;
        if in_base64 {
            assert!(embedding.trim_matches('"') == packed(&wanted), "item {at}");
            continue;
        }
        let numbers: Vec<f64> = serde_json::from_str(embedding).unwrap();
        let numbers: Vec<_> = numbers.into_iter().map(single).collect();
        assert!(numbers == wanted, "item {at}");
    }
}

/// Asks for the largest batch there is: once to miss, and then in each form.
async fn ask_for_all(store: Store, first: &str) {
    let house = House::start(store).await;
    let style = EmbeddingStyle::default();
    let before = house.app.peak_bytes();
    let mut asked = batch((0..ITEMS).map(|number| format!("item {number}")));
    asked["dimensions"] = json!(DIMENSIONS);
    let items = ITEMS.try_into().unwrap();
    for (form, x_cache, hits) in [
        (first, "MISS", 0),
        ("base64", "HIT", items),
        ("float", "HIT", items),
    ] {
        let asked = encoded(&asked, form);
        let seen = house.embed(&asked).await;
        assert_eq!((seen.status, seen.x_cache()), (200, x_cache));
        assert_eq!(counted(&seen), (Some(hits), Some(items - hits)));
        assert_some(&seen, &asked, style);
    }
    let grown = house.app.peak_bytes() - before;
    assert!(
        grown <= GROWTH_BYTES_MAX,
        "{} of {} MiB more",
        grown / MIB,
        GROWTH_BYTES_MAX / MIB
    );
}

on_each_store! {
    async fn the_largest_batch_in_base64_leaves_memory_bounded(store) {
        ask_for_all(store, "base64").await;
    }

    async fn the_largest_batch_in_numbers_leaves_memory_bounded(store) {
        ask_for_all(store, "float").await;
    }
}
