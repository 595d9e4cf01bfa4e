//! JSON to SSE: a stored message as the stream it could have come as.
//!
//! Events have names: without them the official Python client sees nothing. What a
//! message knows only at its end stands in its start as `null`, as the provider does it,
//! so that its members keep their order. Text is cut into pieces, so that no line is
//! longer than common readers take; there are no artificial pauses.

use super::block::Kind;
use crate::wire::Json;
use crate::wire::json::Member;
use crate::wire::pieces::pieces;

/// The members of a message that the end of its stream tells, with its delta.
const LATE: [&str; 4] = ["container", "stop_details", "stop_reason", "stop_sequence"];

/// The member of a message that the end of its stream tells, beside its delta.
const BESIDE: &str = "context_management";

/// The members of the usage that only the start of a stream tells.
const EARLY_USAGE: [&str; 3] = ["cache_creation", "inference_geo", "service_tier"];

/// The bytes of the whole stream; `None` if the message is not one that could have been
/// streamed, or has a block of which it is not known how.
pub fn replay(stored: &Json<'_>) -> Option<Vec<u8>> {
    let message = stored.as_object()?;
    let content = stored.get("content")?.as_array()?;
    let usage = stored.get("usage")?.as_object()?;
    stored.get("stop_reason")?.as_str()?;
    let mut stream = Stream(Vec::new());
    let start = message.iter().map(|(name, value)| match name.as_ref() {
        "content" => (name.clone(), Json::Array(Vec::new())),
        "usage" => (name.clone(), early_usage(usage)),
        late if late == BESIDE || LATE.contains(&late) => (name.clone(), Json::Null),
        _ => (name.clone(), value.clone()),
    });
    stream.event(
        "message_start",
        vec![("message".into(), Json::Object(start.collect()))],
    );
    for (index, block) in (0..).zip(content) {
        stream.block(index, block)?;
    }
    stream.event("message_delta", end(message, usage));
    stream.event("message_stop", Vec::new());
    Some(stream.0)
}

/// The usage as it is when a message starts: nothing but a first token has been said.
fn early_usage<'j>(usage: &[Member<'j>]) -> Json<'j> {
    let early = usage.iter().map(|(name, value)| match value.as_u64() {
        Some(count) if name == "output_tokens" => (name.clone(), Json::number(count.min(1))),
        Some(_) | None => (name.clone(), value.clone()),
    });
    Json::Object(early.collect())
}

/// What the end of the stream tells of a message.
fn end<'j>(message: &[Member<'j>], usage: &[Member<'j>]) -> Vec<Member<'j>> {
    let those = |of: &[Member<'j>], wanted: &dyn Fn(&str) -> bool| {
        let chosen = of.iter().filter(|(name, _)| wanted(name));
        Json::Object(chosen.cloned().collect())
    };
    let mut members = vec![
        ("delta".into(), those(message, &|name| LATE.contains(&name))),
        (
            "usage".into(),
            those(usage, &|name| !EARLY_USAGE.contains(&name)),
        ),
    ];
    members.extend(message.iter().filter(|(name, _)| name == BESIDE).cloned());
    members
}

/// A stream being written.
struct Stream(Vec<u8>);

impl Stream {
    /// An event and its members besides its type.
    fn event<'j>(&mut self, name: &'static str, members: Vec<Member<'j>>) {
        let mut event: Vec<Member<'j>> = vec![("type".into(), Json::string(name))];
        event.extend(members);
        self.0.extend_from_slice(b"event: ");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\ndata: ");
        Json::Object(event).write(&mut self.0);
        self.0.extend_from_slice(b"\n\n");
    }

    fn block(&mut self, index: u64, block: &Json<'_>) -> Option<()> {
        let members = block.as_object()?;
        let kind = Kind::of(block.get("type")?.as_str()?)?;
        let start = members.iter().map(|(name, value)| {
            let empty = match (kind, name.as_ref(), value) {
                (Kind::Text, "text", _) | (Kind::Thinking, "thinking" | "signature", _) => {
                    Json::string("")
                }
                (Kind::Text, "citations", Json::Array(_)) => Json::Array(Vec::new()),
                (Kind::Call, "input", _) => Json::Object(Vec::new()),
                _ => value.clone(),
            };
            (name.clone(), empty)
        });
        let start = Json::Object(start.collect());
        self.event(
            "content_block_start",
            vec![
                ("index".into(), Json::number(index)),
                ("content_block".into(), start),
            ],
        );
        self.growth(index, kind, block)?;
        let index = ("index".into(), Json::number(index));
        self.event("content_block_stop", vec![index]);
        Some(())
    }

    /// What comes between the start of a block and its end.
    fn growth(&mut self, index: u64, kind: Kind, block: &Json<'_>) -> Option<()> {
        match kind {
            Kind::Whole => {}
            Kind::Text => {
                for piece in pieces(block.get("text")?.as_str()?) {
                    self.delta(index, "text_delta", "text", Json::string(piece));
                }
                let citations = block.get("citations").and_then(Json::as_array);
                for citation in citations.unwrap_or_default() {
                    self.delta(index, "citations_delta", "citation", citation.clone());
                }
            }
            Kind::Thinking => {
                for piece in pieces(block.get("thinking")?.as_str()?) {
                    self.delta(index, "thinking_delta", "thinking", Json::string(piece));
                }
                if let Some(signature) = block.get("signature") {
                    let signature = Json::string(signature.as_str()?);
                    self.delta(index, "signature_delta", "signature", signature);
                }
            }
            Kind::Call => self.input(index, block.get("input")?)?,
        }
        Some(())
    }

    /// The input of a call as text. One that is empty has none, as the provider does it.
    fn input(&mut self, index: u64, input: &Json<'_>) -> Option<()> {
        let empty = input.as_object()?.is_empty();
        let text = String::from_utf8(input.to_bytes()).ok()?;
        let text = if empty { "" } else { text.as_str() };
        self.delta(index, "input_json_delta", "partial_json", Json::string(""));
        for piece in pieces(text) {
            self.delta(
                index,
                "input_json_delta",
                "partial_json",
                Json::string(piece),
            );
        }
        Some(())
    }

    fn delta(&mut self, index: u64, kind: &'static str, name: &'static str, value: Json<'_>) {
        let delta = vec![("type".into(), Json::string(kind)), (name.into(), value)];
        self.event(
            "content_block_delta",
            vec![
                ("index".into(), Json::number(index)),
                ("delta".into(), Json::Object(delta)),
            ],
        );
    }
}

#[cfg(test)]
mod tests;
