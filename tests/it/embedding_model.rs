//! Whatever batches come, in whatever form, from whatever kind of provider: the
//! right vector at each place, and no item paid twice.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{
    Crowd, EmbeddingStyle, Encoding, Floats, Gate, House, Reply, Response, Store, assert_embeds,
    batch, billed, counted, embed, encoded, hash, in_time, on_each_store, packed, single, told,
};

/// How many batches come, one after another.
const BATCHES: usize = 300;

/// How many pairs of batches come at once.
const PAIRS: usize = 40;

/// How many different items there are in a run.
const ITEMS: u64 = 120;

/// A sequence that repeats for the same seed.
struct Dice(u64);

impl Dice {
    /// One nobody has thrown; its seed is shown, to be tried again.
    #[expect(
        clippy::print_stderr,
        reason = "shown by the test harness if the test fails"
    )]
    fn new() -> Self {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        let seed = hash(&format!("{name}{:?}", std::time::Instant::now()));
        eprintln!("seed: Dice({seed})");
        Self(seed)
    }

    /// A number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        let limit = all.len().try_into().unwrap();
        all[usize::try_from(self.below(limit)).unwrap()]
    }

    fn style(&mut self) -> EmbeddingStyle {
        EmbeddingStyle {
            floats: self.one_of(&Floats::ALL),
            encoding: self.one_of(&Encoding::ALL),
            shuffled: self.below(2) == 0,
            ..EmbeddingStyle::default()
        }
    }

    /// A question of up to 12 items, some of them twice, in any form.
    fn question(&mut self) -> Value {
        let size = 1 + self.below(12);
        let of_tokens = self.below(3) == 0;
        let mut items: Vec<Value> = Vec::new();
        for _ in 0..size {
            let number = self.below(ITEMS);
            let again = self.below(4) == 0 && !items.is_empty();
            items.push(if again {
                let limit = items.len().try_into().unwrap();
                items[usize::try_from(self.below(limit)).unwrap()].clone()
            } else if of_tokens {
                let tokens: Vec<_> = (0..=number % 7).map(|at| at + number).collect();
                json!(tokens)
            } else {
                json!("é ".repeat(1 + usize::try_from(number % 5).unwrap()) + &number.to_string())
            });
        }
        let mut asked = batch(items);
        if size == 1 && self.below(2) == 0 {
            asked["input"] = asked["input"][0].take();
        }
        match self.below(4) {
            0 => encoded(&asked, "float"),
            1 | 2 => encoded(&asked, "base64"),
            _ => asked,
        }
    }
}

/// The different items of a question.
fn items(asked: &Value) -> Vec<String> {
    let input = &asked["input"];
    match input.as_array() {
        Some(items) if !items[0].is_number() => items.iter().map(Value::to_string).collect(),
        Some(_) | None => vec![input.to_string()],
    }
}

/// What a cache that makes no mistake would know by now.
#[derive(Default)]
struct Known {
    /// How the numbers of each item were told first.
    printed: BTreeMap<String, Floats>,
}

impl Known {
    /// How many of the items are known.
    fn hits(&self, asked: &Value) -> u64 {
        let known = |item: &&String| self.printed.contains_key(*item);
        let items = items(asked);
        items.iter().filter(known).count().try_into().unwrap()
    }

    /// Learns what such a provider answers.
    fn learn(&mut self, asked: &Value, style: EmbeddingStyle) {
        let packed = match style.encoding {
            Encoding::Asked => asked["encoding_format"] == "base64",
            Encoding::Floats => false,
            Encoding::Base64 => true,
        };
        // As OpenAI prints, which the provider is taken for.
        let printed = if packed { Floats::Short } else { style.floats };
        for item in items(asked) {
            self.printed.entry(item).or_insert(printed);
        }
    }

    /// Checks the last digit of each number of an answer.
    #[track_caller]
    fn assert_exact(&self, seen: &Response, asked: &Value, style: EmbeddingStyle) {
        let packed = asked["encoding_format"] == "base64";
        for (item, numbers) in items(asked).iter().zip(told(seen, asked)) {
            let vector = style.vector(asked, &serde_json::from_str(item).unwrap());
            for (number, exact) in numbers.into_iter().zip(vector) {
                let wanted = self.printed[item].read(exact);
                let wanted = if packed {
                    f64::from(single(wanted))
                } else {
                    wanted
                };
                assert_eq!(
                    number.to_bits(),
                    wanted.to_bits(),
                    "{number} for {wanted} in {item}"
                );
            }
        }
    }
}

/// Sends batches one after another and checks all there is to check.
async fn one_after_another(house: House) {
    let mut dice = Dice::new();
    let mut known = Known::default();
    for number in 0..BATCHES {
        let (style, asked) = (dice.style(), dice.question());
        house.upstream.embeds(style);
        let hits = known.hits(&asked);
        let size: u64 = items(&asked).len().try_into().unwrap();
        let before = house.upstream.calls();
        let seen = house.embed(&asked).await;
        assert_embeds(&seen, &asked, style);
        let (x_cache, calls) = match hits {
            0 => ("MISS", 1),
            _ if hits == size => ("HIT", 0),
            _ => ("PARTIAL", 1),
        };
        assert_eq!(seen.x_cache(), x_cache, "batch {number}: {asked}");
        assert_eq!(
            counted(&seen),
            (Some(hits), Some(size - hits)),
            "batch {number}: {asked}"
        );
        assert_eq!(
            house.upstream.calls(),
            before + calls,
            "batch {number}: {asked}"
        );
        known.learn(&asked, style);
        known.assert_exact(&seen, &asked, style);
        let tokens = seen.json()["usage"]["total_tokens"].as_u64().unwrap();
        if seen.header("x-cache-usage").is_none() {
            assert_eq!(tokens, billed(&asked), "batch {number}: {asked}");
        }
    }
    let sent = house.upstream.all_sent();
    assert_eq!(sent.len(), known.printed.len());
    let twice: Vec<_> = sent.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "paid more than once: {twice:?}");
}

on_each_store! {
    async fn batches_one_after_another(store) {
        one_after_another(House::start(store).await).await;
    }

    async fn batches_one_after_another_without_memory(store) {
        let setup = House::with(store).set("REPRISE_MEMORY_MAX_BYTES", "0");
        one_after_another(setup.start().await).await;
    }

    async fn batches_two_at_a_time(store) {
        let house = House::start(store).await;
        let mut dice = Dice::new();
        let mut different = BTreeMap::new();
        for number in 0..PAIRS {
            let style = dice.style();
            house.upstream.embeds(style);
            let gate = Gate::new();
            house.upstream.always(Reply::usual().after(&gate));
            let asked = [dice.question(), dice.question()];
            let requests = asked.iter().map(embed).collect();
            let pair = Crowd::sending(&house, requests);
            pair.arrived(&house).await;
            gate.open();
            for seen in pair.answers().await {
                let mine = asked.iter().find(|asked| is_answer_to(&seen, asked, style));
                assert!(mine.is_some(), "pair {number}: {asked:?}: an answer to neither: {}", seen.text());
            }
            for item in asked.iter().flat_map(items) {
                different.insert(item, 1);
            }
        }
        assert_eq!(house.upstream.all_sent(), different, "each item, once");
    }

    async fn batches_all_at_once(store) {
        let house = House::start(store).await;
        let mut dice = Dice::new();
        let style = dice.style();
        house.upstream.embeds(style);
        let gate = Gate::new();
        house.upstream.always(Reply::usual().after(&gate));
        let asked: Vec<_> = (0..60).map(|_| dice.question()).collect();
        let crowd = Crowd::sending(&house, asked.iter().map(embed).collect());
        crowd.arrived(&house).await;
        gate.open();
        for seen in crowd.answers().await {
            assert!(asked.iter().any(|asked| is_answer_to(&seen, asked, style)), "{}", seen.text());
        }
        let sent = house.upstream.all_sent();
        let different: BTreeMap<_, _> = asked.iter().flat_map(items).map(|item| (item, 1)).collect();
        assert_eq!(sent, different, "each item, once");
    }
}

/// Whether this is the answer to that question, in its form.
fn is_answer_to(seen: &Response, asked: &Value, style: EmbeddingStyle) -> bool {
    let body = seen.json();
    let data = body["data"].as_array().cloned().unwrap_or_default();
    let is_packed = asked["encoding_format"] == "base64";
    let wanted: Vec<_> = items(asked)
        .iter()
        .map(|item| style.vector(asked, &serde_json::from_str(item).unwrap()))
        .collect();
    let is_it = |(member, wanted): (&Value, &Vec<f32>)| match &member["embedding"] {
        Value::String(text) => is_packed && *text == packed(wanted),
        Value::Array(numbers) => {
            let bits = |number: &Value| number.as_f64().map(|number| single(number).to_bits());
            !is_packed
                && numbers
                    .iter()
                    .map(bits)
                    .eq(wanted.iter().map(|number| Some(number.to_bits())))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    };
    seen.status == 200 && data.len() == wanted.len() && data.iter().zip(&wanted).all(is_it)
}
