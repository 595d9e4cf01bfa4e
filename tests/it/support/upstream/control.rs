//! How programs of other languages write scripts and read the books.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{Recorded, Reply, Script, State};
use crate::support::embeddings::{EmbeddingStyle, Encoding, items};
use crate::support::vectors::Floats;

/// The answer to a request that is for the script and not for the provider.
pub(super) fn answer(request: &Recorded, state: &State, script: &mut Script) -> Option<Reply> {
    let asked = request.json();
    let told = match request.path.strip_prefix("/control/")? {
        "next" => {
            script.next.push_back(Reply::described(&asked));
            json!({})
        }
        "calls" => json!({"calls": state.calls.load(Ordering::SeqCst)}),
        "style" => {
            script.style = style(&asked);
            json!({})
        }
        // As integers, which every language reads alike.
        "vectors" => {
            let bits = |item: &Value| -> Vec<u32> {
                let vector = script.style.vector(&asked, item);
                vector.into_iter().map(f32::to_bits).collect()
            };
            items(&asked).iter().map(bits).collect()
        }
        _ => return None,
    };
    Some(Reply::json(200, told.to_string()))
}

/// `{"floats": "short", "encoding": "base64", "shuffled": true}`, of which any may
/// be missing.
fn style(by: &Value) -> EmbeddingStyle {
    EmbeddingStyle {
        floats: match by["floats"].as_str() {
            Some("short") => Floats::Short,
            Some("double") => Floats::Double,
            _ => Floats::Wide,
        },
        encoding: match by["encoding"].as_str() {
            Some("floats") => Encoding::Floats,
            Some("base64") => Encoding::Base64,
            _ => Encoding::Asked,
        },
        shuffled: by["shuffled"] == true,
        ..EmbeddingStyle::default()
    }
}
