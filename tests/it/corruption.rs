//! Whatever becomes of what is stored: never a wrong body, never an error.

use serde_json::Value;

use crate::support::{
    EmbeddingStyle, House, Reply, Response, Store, Stored, answer, assert_embeds, batch, chat,
    counted, eventually, in_time, on_each_store, question, stored, stored_now,
};

/// A house in which every look-up reads the store itself.
async fn house_without_memory(store: Store) -> House {
    House::with(store)
        .set("REPRISE_MEMORY_MAX_BYTES", "0")
        .start()
        .await
}

/// Asks until the damaged entry has been found out and replaced; every answer on
/// the way must be right. An answer still on its way to the store is served from
/// there, so the first question need not meet the damage.
async fn found_out(house: &House, asked: &Value, body: &str, damaged: &[u8]) -> Stored {
    eventually("the damaged entry is replaced", || async {
        let damage = format!("{} bytes", damaged.len());
        assert_right(&house.ask(asked).await, body, &damage);
        let now = stored_now(house);
        now.into_iter().find(|entry| entry.value != damaged)
    })
    .await
}

/// Checks that the answer is right, wherever it came from.
fn assert_right(seen: &Response, body: &str, damage: &str) {
    assert_eq!(seen.status, 200, "{damage}");
    assert_eq!(seen.text(), body, "{damage}: a wrong body");
}

on_each_store! {
    async fn a_flipped_bit_anywhere_is_a_miss(store) {
        let house = house_without_memory(store).await;
        let body = answer("flipped", "the right answer, and long enough to be worth a compression").to_string();
        house.upstream.always(Reply::json(200, body.clone()));
        let asked = question("flipped");
        house.ask(&asked).await;
        let mut entry = stored(&house, 1).await.remove(0);
        for at in 0..entry.value.len() {
            let mut damaged = entry.value.clone();
            let at = at % damaged.len();
            damaged[at] ^= 1 << (at % 8);
            entry.replace(&house, &damaged);
            entry = found_out(&house, &asked, &body, &damaged).await;
        }
    }

    async fn a_flipped_bit_anywhere_in_a_vector_is_a_miss(store) {
        let house = house_without_memory(store).await;
        let (asked, style) = (batch(["flipped"]), EmbeddingStyle::default());
        house.embed(&asked).await;
        let mut entry = stored(&house, 1).await.remove(0);
        for at in 0..entry.value.len() {
            let mut damaged = entry.value.clone();
            let at = at % damaged.len();
            damaged[at] ^= 1 << (at % 8);
            entry.replace(&house, &damaged);
            entry = eventually("the damaged vector is replaced", || async {
                assert_embeds(&house.embed(&asked).await, &asked, style);
                let now = stored_now(&house);
                now.into_iter().find(|entry| entry.value != damaged)
            })
            .await;
        }
    }

    async fn damaged_vectors_cost_only_themselves(store) {
        let house = house_without_memory(store).await;
        let (asked, style) = (batch(["a", "b", "c", "d", "e"]), EmbeddingStyle::default());
        house.embed(&asked).await;
        let entries = stored(&house, 5).await;
        let length = entries[0].value.len();
        entries[0].replace(&house, &entries[0].value[..length / 2]);
        entries[1].replace(&house, &entries[2].value);
        entries[3].replace(&house, &vec![0xff; length]);
        let seen = house.embed(&asked).await;
        assert_eq!((seen.x_cache(), counted(&seen)), ("PARTIAL", (Some(2), Some(3))));
        assert_embeds(&seen, &asked, style);
    }

    async fn a_cut_or_foreign_value_is_a_miss(store) {
        let house = house_without_memory(store).await;
        let body = answer("cut", "the right answer").to_string();
        house.upstream.always(Reply::json(200, body.clone()));
        let asked = question("cut");
        house.ask(&asked).await;
        let mut entry = stored(&house, 1).await.remove(0);
        let length = entry.value.len();
        let mut values: Vec<Vec<u8>> = (0..length).step_by(7).map(|at| entry.value[..at].to_vec()).collect();
        values.push([entry.value.as_slice(), b"more"].concat());
        values.push(vec![0xff; length]);
        values.push(b"{\"choices\":[]}".to_vec());
        values.push(vec![b' '; 300_000]);
        let mut newer = entry.value.clone();
        newer[2] = newer[2].wrapping_add(1);
        values.push(newer);
        for value in values {
            entry.replace(&house, &value);
            entry = found_out(&house, &asked, &body, &value).await;
        }
    }

    async fn entries_that_change_places_are_misses(store) {
        let house = house_without_memory(store).await;
        let asked = [question("place one"), question("place two")];
        let mut bodies = Vec::new();
        for one in &asked {
            bodies.push(house.ask(one).await.text());
        }
        let entries = stored(&house, 2).await;
        entries[0].replace(&house, &entries[1].value);
        entries[1].replace(&house, &entries[0].value);
        for one in &asked {
            let seen = house.ask(one).await;
            assert_eq!((seen.status, seen.x_cache()), (200, "MISS"));
            assert!(!bodies.contains(&seen.text()), "an answer to another question");
        }
    }

    async fn a_damaged_entry_is_replaced(store) {
        let house = house_without_memory(store).await;
        let asked = question("replaced");
        house.ask(&asked).await;
        let entry = stored(&house, 1).await.remove(0);
        entry.replace(&house, &vec![7; entry.value.len()]);
        let anew = house.ask(&asked).await;
        assert_eq!(anew.x_cache(), "MISS");
        eventually("the entry is good again", || async {
            let control = chat(&asked).header("cache-control", "only-if-cached");
            let seen = house.send(&control).await;
            (seen.x_cache() == "HIT").then(|| assert_eq!(seen.body, anew.body))
        })
        .await;
    }

    async fn a_bomb_is_a_miss(store) {
        let house = house_without_memory(store).await;
        let body = answer("bomb", "the right answer").to_string();
        house.upstream.always(Reply::json(200, body.clone()));
        let asked = question("bomb");
        house.ask(&asked).await;
        let mut entry = stored(&house, 1).await.remove(0);
        // 256 MiB of zeros in a few kilobytes, behind the header of a true entry.
        let zeros = zstd::bulk::compress(&vec![0; 256 * 1024 * 1024], 1).unwrap();
        let before = house.app.resident_bytes();
        for kept in [0, entry.value.len() / 4, entry.value.len() / 2] {
            let bomb = [&entry.value[..kept], zeros.as_slice()].concat();
            entry.replace(&house, &bomb);
            entry = found_out(&house, &asked, &body, &bomb).await;
        }
        let grown = house.app.resident_bytes().saturating_sub(before);
        assert!(grown < 64 * 1024 * 1024, "{grown} bytes more");
    }

    async fn an_emptied_store_is_only_empty(store) {
        let house = house_without_memory(store).await;
        let asked = question("emptied");
        house.ask(&asked).await;
        for entry in stored(&house, 1).await {
            entry.replace(&house, b"");
        }
        assert_eq!(house.ask(&asked).await.status, 200);
        assert!(stored_now(&house).len() <= 1);
    }
}
