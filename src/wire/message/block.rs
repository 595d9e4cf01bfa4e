//! What a block of content is made of, as far as a stream tells it in pieces.

/// How a stream tells a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text in pieces, and its citations one by one.
    Text,
    /// Reasoning in pieces, and the signature over it.
    Thinking,
    /// A call of a tool, whose input comes as the text of a JSON object in pieces.
    Call,
    /// All of it with its start: redacted reasoning, what a tool of the provider found.
    Whole,
}

impl Kind {
    /// The kind of the blocks of a type; `None` for a type that nobody has described, of
    /// which it is not known how it is told.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "text" => Some(Self::Text),
            "thinking" => Some(Self::Thinking),
            "tool_use" | "server_tool_use" | "mcp_tool_use" => Some(Self::Call),
            "redacted_thinking" => Some(Self::Whole),
            other if other.ends_with("_tool_result") => Some(Self::Whole),
            _ => None,
        }
    }
}
