//! The largest batch there is passes in memory that has a bound.

use serde_json::{Value, json};

use crate::support::{
    EmbeddingStyle, Encoding, House, Response, Store, batch, counted, embed, encoded, in_time,
    on_each_store, packed, single, told,
};

const ITEMS: usize = 2_048;
const DIMENSIONS: usize = 3_072;

const MIB: usize = 1024 * 1024;

/// The vectors as single precision has them: 24 MiB.
const VECTORS_BYTES: usize = ITEMS * DIMENSIONS * 4;

/// The same in base64: 32 MiB. As numbers in decimal it is four times as much.
const BASE64_BYTES: usize = VECTORS_BYTES / 3 * 4;

/// The most memory the program may have had after the largest batch was missed and
/// hit. What it is made of: the program at rest (48 MiB); the provider's answer,
/// once; the vectors in the memory tier, on their way to the store, and in the
/// answer that is being given; and half as much again that the allocator keeps.
/// An answer in decimal (130 MiB) does not fit in beside the rest.
const PEAK_BYTES_MAX: usize = (48 * MIB + BASE64_BYTES + 3 * VECTORS_BYTES) * 3 / 2;

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

on_each_store! {
    async fn the_largest_batch_leaves_memory_bounded(store) {
        let house = House::start(store).await;
        let style = EmbeddingStyle { encoding: Encoding::Base64, ..EmbeddingStyle::default() };
        house.upstream.embeds(style);
        let mut asked = batch((0..ITEMS).map(|number| format!("item {number}")));
        asked["dimensions"] = json!(DIMENSIONS);
        let packed = encoded(&asked, "base64");
        let items = ITEMS.try_into().unwrap();
        for (form, x_cache, counts) in [
            (&packed, "MISS", (0, items)),
            (&packed, "HIT", (items, 0)),
            (&asked, "HIT", (items, 0)),
        ] {
            let seen = house.send(&embed(form)).await;
            assert_eq!((seen.status, seen.x_cache()), (200, x_cache));
            assert_eq!(counted(&seen), (Some(counts.0), Some(counts.1)));
            assert_some(&seen, form, style);
        }
        let peak = house.app.peak_bytes();
        assert!(peak <= PEAK_BYTES_MAX, "{} of {} MiB", peak / MIB, PEAK_BYTES_MAX / MIB);
        let small = batch(["item 5"]);
        let mut small = encoded(&small, "float");
        small["dimensions"] = json!(DIMENSIONS);
        let seen = house.embed(&small).await;
        assert_eq!((seen.x_cache(), told(&seen, &small)[0].len()), ("HIT", DIMENSIONS));
    }
}
