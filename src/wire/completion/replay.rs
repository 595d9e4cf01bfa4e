//! JSON to SSE: stored completions as the stream they could have come as.
//!
//! For each choice its text in pieces, the log probabilities of all of it on the first,
//! then a chunk that says why it ended and whatever else is known of it; usage last.

use crate::wire::Json;
use crate::wire::choices::chunks::{Chunks, is_nothing, members};
use crate::wire::choices::{Unreplayable, UsageTold, listed};
use crate::wire::pieces::pieces;

/// The members of a choice that have a place of their own in a stream.
const PLACED: [&str; 4] = ["finish_reason", "index", "logprobs", "text"];

/// The bytes of the whole stream, its end mark included. Where usage is told apart,
/// every chunk has `usage` and the last one tells it.
///
/// # Errors
/// If the answer is not one that could have been streamed.
pub fn replay(stored: &Json<'_>, usage: UsageTold) -> Result<Vec<u8>, Unreplayable> {
    let top = stored.as_object().ok_or(Unreplayable::NoChoices)?;
    let choices = listed(stored, |choice| {
        let text = choice.get("text").and_then(Json::as_str);
        Ok((choice, text.ok_or(Unreplayable::Shape)?))
    })?;
    let mut chunks = Chunks::new(top, "text_completion", usage);
    for (index, (choice, text)) in choices {
        tell(&mut chunks, index, choice, text);
    }
    Ok(chunks.end(stored.get("usage")))
}

fn tell(chunks: &mut Chunks, index: u64, choice: &Json<'_>, text: &str) {
    let logprobs = choice.get("logprobs").filter(|told| !is_nothing(told));
    let mut waiting = logprobs;
    // Without any text there is still a chunk for what is known of none.
    let none = (text.is_empty() && logprobs.is_some()).then_some("");
    for piece in none.into_iter().chain(pieces(text)) {
        chunks.part(index, |part| {
            part.text("text", piece);
            part.member("logprobs", waiting.take().unwrap_or(&Json::Null));
            part.member("finish_reason", &Json::Null);
        });
    }
    chunks.part(index, |part| {
        part.text("text", "");
        part.member("logprobs", &Json::Null);
        let reason = choice.get("finish_reason");
        part.member("finish_reason", reason.unwrap_or(&Json::Null));
        for (name, value) in members(choice).filter(|(name, _)| !PLACED.contains(&name.as_ref())) {
            part.member(name, value);
        }
    });
}

#[cfg(test)]
mod tests;
