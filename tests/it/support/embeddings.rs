//! Embeddings: questions, what a provider answers to them, and whether an answer
//! is right.

use serde_json::{Value, json};

use super::http::Response;
use super::vectors::{DIMENSIONS, Floats, packed, unpacked, vector};

/// The model asked for where a test does not care.
const MODEL: &str = "test-embedding";

/// Which form a provider answers in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// The one it was asked for.
    Asked,
    /// Numbers, whatever it was asked for.
    Floats,
    /// Base64, whatever it was asked for.
    Base64,
}

impl Encoding {
    /// Every one.
    pub(crate) const ALL: [Self; 3] = [Self::Asked, Self::Floats, Self::Base64];
}

/// What kind of provider it is that answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EmbeddingStyle {
    pub(crate) floats: Floats,
    pub(crate) encoding: Encoding,
    /// Whether `data` comes in another order than that of its indexes.
    pub(crate) shuffled: bool,
    /// What the alias stands for now: another version gives other vectors.
    pub(crate) version: u32,
}

impl Default for EmbeddingStyle {
    fn default() -> Self {
        Self {
            floats: Floats::Wide,
            encoding: Encoding::Asked,
            shuffled: false,
            version: 1,
        }
    }
}

impl EmbeddingStyle {
    /// One that prints its numbers so.
    pub(crate) fn printing(floats: Floats) -> Self {
        Self {
            floats,
            ..Self::default()
        }
    }

    /// The same after its alias has moved on.
    pub(crate) fn moved_on(self) -> Self {
        Self {
            version: self.version + 1,
            ..self
        }
    }

    /// The model that the answer to a question names.
    pub(crate) fn model(self, asked: &Value) -> String {
        let model = asked["model"].as_str().unwrap_or_default();
        format!("{model}-v{}", self.version)
    }

    /// The vector of one item of a question.
    pub(crate) fn vector(self, asked: &Value, item: &Value) -> Vec<f32> {
        let dimensions = asked["dimensions"]
            .as_u64()
            .and_then(|dimensions| dimensions.try_into().ok());
        vector(&self.model(asked), dimensions.unwrap_or(DIMENSIONS), item)
    }

    /// Every member of `data` in the order of their indexes.
    pub(crate) fn data(self, asked: &Value) -> Vec<String> {
        let in_base64 = match self.encoding {
            Encoding::Asked => asked["encoding_format"] == "base64",
            Encoding::Floats => false,
            Encoding::Base64 => true,
        };
        let member = |(index, item): (usize, &Value)| {
            let vector = self.vector(asked, item);
            let embedding = if in_base64 {
                format!("\"{}\"", packed(&vector))
            } else {
                let numbers: Vec<_> = vector.iter().map(|one| self.floats.print(*one)).collect();
                format!("[{}]", numbers.join(","))
            };
            format!(r#"{{"object":"embedding","index":{index},"embedding":{embedding}}}"#)
        };
        items(asked).iter().enumerate().map(member).collect()
    }

    /// The whole answer.
    pub(crate) fn answer(self, asked: &Value) -> String {
        let mut data = self.data(asked);
        if self.shuffled {
            data.reverse();
            if 3 < data.len() {
                data.rotate_left(2);
            }
        }
        self.answer_of(asked, &data)
    }

    /// An answer with these members of `data`.
    pub(crate) fn answer_of(self, asked: &Value, data: &[String]) -> String {
        let total: u64 = items(asked).iter().map(tokens).sum();
        format!(
            r#"{{"object":"list","data":[{}],"model":{},"usage":{{"prompt_tokens":{total},"total_tokens":{total}}}}}"#,
            data.join(","),
            json!(self.model(asked)),
        )
    }
}

/// A question about these items.
pub(crate) fn batch<I: Into<Value>>(items: impl IntoIterator<Item = I>) -> Value {
    let items: Vec<Value> = items.into_iter().map(Into::into).collect();
    json!({"model": MODEL, "input": items})
}

/// The same question, to be answered in this form.
pub(crate) fn encoded(asked: &Value, form: &str) -> Value {
    let mut asked = asked.clone();
    asked["encoding_format"] = json!(form);
    asked
}

/// The items of a question, of whichever form.
pub(crate) fn items(asked: &Value) -> Vec<Value> {
    let input = &asked["input"];
    match input.as_array() {
        Some(items) if !items.first().is_some_and(Value::is_number) => items.clone(),
        Some(_) | None => vec![input.clone()],
    }
}

/// What an item is billed.
fn tokens(item: &Value) -> u64 {
    let tokens = item.as_array().map(Vec::len);
    let letters = item.as_str().unwrap_or_default().len();
    tokens.unwrap_or(1 + letters / 3).try_into().unwrap()
}

/// What all items of a question are billed.
pub(crate) fn billed(asked: &Value) -> u64 {
    items(asked).iter().map(tokens).sum()
}

/// The vectors of an answer as doubles, after all that can be said of its form
/// without knowing them.
#[track_caller]
pub(crate) fn told(seen: &Response, asked: &Value) -> Vec<Vec<f64>> {
    let case = || {
        let body: String = String::from_utf8_lossy(&seen.body)
            .chars()
            .take(400)
            .collect();
        format!("{asked}: {} {body}", seen.x_cache())
    };
    assert_eq!(seen.status, 200, "{}", case());
    let body = seen.json();
    assert_eq!(body["object"], "list", "{}", case());
    let usage = &body["usage"];
    assert!(usage["prompt_tokens"].is_u64(), "{}", case());
    assert_eq!(usage["prompt_tokens"], usage["total_tokens"], "{}", case());
    let data = body["data"].as_array().unwrap();
    assert_eq!(data.len(), items(asked).len(), "{}", case());
    let in_base64 = asked["encoding_format"] == "base64";
    let read = |(index, member): (usize, &Value)| -> Vec<f64> {
        assert_eq!(member["object"], "embedding", "{}", case());
        assert_eq!(member["index"], index, "{}", case());
        if in_base64 {
            let text = member["embedding"].as_str();
            let text = text.unwrap_or_else(|| panic!("no base64: {}", case()));
            return unpacked(text).into_iter().map(f64::from).collect();
        }
        let numbers = member["embedding"].as_array();
        let numbers = numbers.unwrap_or_else(|| panic!("no numbers: {}", case()));
        numbers
            .iter()
            .map(|number| number.as_f64().unwrap())
            .collect()
    };
    data.iter().enumerate().map(read).collect()
}

/// Checks that an answer is right: each vector in its place, in the form asked
/// for, equal in single precision to what such a provider gives.
#[track_caller]
pub(crate) fn assert_embeds(seen: &Response, asked: &Value, style: EmbeddingStyle) {
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let told = told(seen, asked);
    assert_eq!(seen.json()["model"], style.model(asked), "{asked}");
    for (item, numbers) in items(asked).iter().zip(told) {
        let wanted = style.vector(asked, item);
        let wanted: Vec<_> = wanted.into_iter().map(f32::to_bits).collect();
        let got: Vec<_> = numbers
            .into_iter()
            .map(|number| single(number).to_bits())
            .collect();
        assert_eq!(got, wanted, "the vector of {item} ({})", seen.x_cache());
    }
}

/// The number in single precision.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what a client does that wants single precision"
)]
pub(crate) fn single(number: f64) -> f32 {
    number as f32
}

/// How many items were found and how many were not, as the answer says.
pub(crate) fn counted(seen: &Response) -> (Option<u64>, Option<u64>) {
    let count = |name| seen.header(name).map(|count| count.parse().unwrap());
    (count("x-cache-hits"), count("x-cache-misses"))
}
