//! Encrypted entries: who reads the store learns no prompt and no answer, who writes
//! there makes no answer, and keys change without anything being lost.

use serde_json::Value;

use crate::support::{
    House, Reply, Setup, Store, Stored, answer, batch, eventually, in_time, on_each_store,
    question, stored_now,
};

/// Digits of a hash: compression leaves no eight of them as they are.
const PROMPT: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const ANSWER: &str = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752";

const OLD: &str = "1:an-old-master-key-of-at-least-32-bytes";
const NEW: &str = "2:a-new-master-key-of-at-least-32-bytes!";
const OTHER: &str = "1:another-master-key-of-at-least-32-bytes";

/// A house that encrypts, in which every look-up reads the store itself.
fn encrypting(store: Store) -> Setup {
    House::with(store)
        .set("REPRISE_MEMORY_MAX_BYTES", "0")
        .set("REPRISE_ENCRYPT_ENTRIES", "true")
        .set("REPRISE_MASTER_KEYS", OLD)
}

/// The entries that are stored, as soon as there are so many and none is on its way.
async fn entries(house: &House, count: usize) -> Vec<Stored> {
    eventually("the entries are stored", || async {
        let metrics = house.metrics().await;
        let mut lines = metrics.lines();
        lines.find(|line| *line == "reprise_store_queue_depth 0")?;
        let mut found = stored_now(house);
        found.retain(|stored| stored.value.starts_with(b"LC"));
        (count <= found.len()).then_some(found)
    })
    .await
}

fn is_encrypted(entry: &Stored) -> bool {
    entry.value[4] & 2 != 0
}

/// The number of the master key an entry names.
fn master(entry: &Stored) -> u8 {
    entry.value[5]
}

/// Whether eight bytes of a text stand somewhere.
fn tells(bytes: &[u8], text: &str) -> bool {
    let mut words = text.as_bytes().windows(8);
    words.any(|word| bytes.windows(8).any(|part| part == word))
}

/// All that the store keeps, in whatever form.
fn everything(house: &House) -> Vec<u8> {
    let mut all: Vec<u8> = stored_now(house)
        .into_iter()
        .flat_map(|one| one.value)
        .collect();
    if house.redis.is_none() {
        for file in std::fs::read_dir(house.data_folder()).unwrap() {
            all.extend(std::fs::read(file.unwrap().path()).unwrap_or_default());
        }
    }
    all
}

/// Asks until the store, not the queue to it, answers as before.
async fn hits(house: &House, asked: &Value, body: &[u8]) {
    eventually("it is a hit", || async {
        let seen = house.ask(asked).await;
        assert_eq!(seen.status, 200);
        (seen.x_cache() == "HIT").then(|| assert_eq!(seen.body, body))
    })
    .await;
}

async fn restart(house: &mut House, changes: &[(&str, &str)]) {
    house.app.terminate();
    assert!(house.app.exited().await);
    for (name, value) in changes {
        house.set(name, value);
    }
    house.start_again().await;
}

fn counted(metrics: &str, reason: &str) -> bool {
    let name = format!("reprise_store_corrupt_total{{reason=\"{reason}\"}} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
    value.is_some_and(|value| value != "0")
}

on_each_store! {
    async fn the_store_tells_nothing_of_prompt_and_answer(store) {
        let mut house = encrypting(store).start().await;
        let body = answer("canary", ANSWER).to_string();
        house.upstream.always(Reply::json(200, body.clone()));
        let asked = question(PROMPT);
        house.ask(&asked).await;
        let stored = entries(&house, 1).await;
        assert!(stored.iter().all(is_encrypted));
        hits(&house, &asked, body.as_bytes()).await;
        house.app.terminate();
        assert!(house.app.exited().await);
        let all = everything(&house);
        assert!(!tells(&all, PROMPT), "the prompt is in the store");
        assert!(!tells(&all, ANSWER), "the answer is in the store");
    }

    async fn answers_vectors_and_judgements_outlive_a_restart(store) {
        let mut house = encrypting(store).start().await;
        let asked = question("restarted");
        let first = house.ask(&asked).await;
        let listed = batch(["a", "b", "c"]);
        let vectors = house.embed(&listed).await;
        assert_eq!(vectors.status, 200);
        assert!(entries(&house, 4).await.iter().all(is_encrypted));
        restart(&mut house, &[]).await;
        hits(&house, &asked, &first.body).await;
        let again = house.embed(&listed).await;
        assert_eq!((again.x_cache(), again.json()), ("HIT", vectors.json()));
        assert_eq!(house.upstream.calls(), 2);
    }

    async fn entries_that_change_places_are_misses_and_counted(store) {
        let house = encrypting(store).start().await;
        let asked = [question("place one"), question("place two")];
        let mut bodies = Vec::new();
        for one in &asked {
            bodies.push(house.ask(one).await.text());
        }
        let stored = entries(&house, 2).await;
        stored[0].replace(&house, &stored[1].value);
        stored[1].replace(&house, &stored[0].value);
        for one in &asked {
            let seen = house.ask(one).await;
            assert_eq!((seen.status, seen.x_cache()), (200, "MISS"));
            assert!(!bodies.contains(&seen.text()), "an answer to another question");
        }
        assert!(counted(&house.metrics().await, "mismatch"));
    }

    async fn damage_anywhere_is_a_miss(store) {
        let house = encrypting(store).start().await;
        let body = answer("damaged", "the right answer").to_string();
        house.upstream.always(Reply::json(200, body.clone()));
        let asked = question("damaged");
        house.ask(&asked).await;
        let mut entry = entries(&house, 1).await.remove(0);
        for at in (0..entry.value.len()).step_by(7) {
            let mut damaged = entry.value.clone();
            let at = at % damaged.len();
            damaged[at] ^= 1 << (at % 8);
            entry.replace(&house, &damaged);
            entry = eventually("the damaged entry is replaced", || async {
                let seen = house.ask(&asked).await;
                assert_eq!((seen.status, seen.text()), (200, body.clone()), "byte {at}");
                let mut now = stored_now(&house);
                now.retain(|one| one.value.starts_with(b"LC") && one.value != damaged);
                now.pop()
            })
            .await;
        }
    }

    async fn master_keys_change_without_a_miss(store) {
        let mut house = encrypting(store).start().await;
        let (before, after) = (question("before"), question("after"));
        let first = house.ask(&before).await;
        assert_eq!(master(&entries(&house, 1).await[0]), 1);
        let both = format!("{NEW},{OLD}");
        restart(&mut house, &[("REPRISE_MASTER_KEYS", &both)]).await;
        hits(&house, &before, &first.body).await;
        eventually("the tenant's key is kept under the new one", || async {
            let asked = question(&format!("again {}", house.upstream.calls()));
            house.ask(&asked).await;
            let stored = entries(&house, 1).await;
            stored.iter().any(|entry| master(entry) == 2).then_some(())
        })
        .await;
        let second = house.ask(&after).await;
        entries(&house, 2).await;
        restart(&mut house, &[("REPRISE_MASTER_KEYS", NEW)]).await;
        hits(&house, &before, &first.body).await;
        hits(&house, &after, &second.body).await;
    }

    async fn with_another_master_key_all_is_a_miss_and_answered(store) {
        let mut house = encrypting(store).start().await;
        let asked = question("locked");
        let first = house.ask(&asked).await;
        let kept = entries(&house, 1).await.remove(0);
        restart(&mut house, &[("REPRISE_MASTER_KEYS", OTHER)]).await;
        for _ in 0..3 {
            let seen = house.ask(&asked).await;
            assert_eq!((seen.status, seen.x_cache()), (200, "MISS"));
            assert_ne!(seen.body, first.body);
        }
        eventually("what is not stored is counted", || async {
            let metrics = house.metrics().await;
            metrics.contains("reprise_store_writes_dropped_total{reason=\"no_key\"}").then_some(())
        })
        .await;
        assert!(counted(&house.metrics().await, "unknown_key"));
        assert_eq!(entries(&house, 1).await.remove(0).value, kept.value);
        restart(&mut house, &[("REPRISE_MASTER_KEYS", OLD)]).await;
        hits(&house, &asked, &first.body).await;
    }

    async fn encryption_is_switched_on_and_off_without_a_miss(store) {
        let mut house = encrypting(store).set("REPRISE_ENCRYPT_ENTRIES", "false").start().await;
        let mut known = Vec::new();
        for (step, encrypts) in ["false", "true", "false"].into_iter().enumerate() {
            restart(&mut house, &[("REPRISE_ENCRYPT_ENTRIES", encrypts)]).await;
            let asked = question(&format!("step {step}"));
            let body = house.ask(&asked).await.body;
            known.push((asked, body));
            for (asked, body) in &known {
                hits(&house, asked, body).await;
            }
            let encrypted = entries(&house, known.len()).await;
            let encrypted = encrypted.iter().filter(|entry| is_encrypted(entry)).count();
            assert_eq!(encrypted, step.min(1));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_redis_read_each_others_entries() {
    in_time(async {
        let one = encrypting(Store::Redis).start().await;
        let two = encrypting(Store::Redis)
            .backend(one.redis().url())
            .upstream(one.upstream.url())
            .start()
            .await;
        // Both make a key for the same tenant at once.
        let (here, there) = (question("asked here"), question("asked there"));
        let (first, second) = tokio::join!(one.ask(&here), two.ask(&there));
        assert!(entries(&one, 2).await.iter().all(is_encrypted));
        hits(&two, &here, &first.body).await;
        hits(&one, &there, &second.body).await;
        assert_eq!(one.upstream.calls(), 2);
    })
    .await;
}
