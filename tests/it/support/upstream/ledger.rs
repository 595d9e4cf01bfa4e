//! The provider's own books.

use serde_json::Value;

use super::{Billed, Reply};

impl Reply {
    /// The tokens it tells, at the end of a stream or in a document.
    pub(super) fn told(&self) -> Billed {
        let body = self.body();
        let text = String::from_utf8_lossy(&body);
        let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let documents = events.chain([text.as_ref()]);
        let mut usages = documents
            .filter_map(|document| serde_json::from_str::<Value>(document).ok())
            .filter_map(|document| document.get("usage").cloned())
            .filter(|usage| !usage.is_null());
        let Some(usage) = usages.next_back() else {
            return Billed::default();
        };
        let count = |path: &str| {
            let count = usage.pointer(path).and_then(Value::as_u64);
            count.unwrap_or_default()
        };
        // Anthropic's are not part of the input they are told beside.
        let apart = count("/cache_read_input_tokens") + count("/cache_creation_input_tokens");
        Billed {
            input: count("/prompt_tokens") + count("/input_tokens") + apart,
            cached_input: count("/prompt_tokens_details/cached_tokens")
                + count("/cache_read_input_tokens"),
            output: count("/completion_tokens") + count("/output_tokens"),
            reasoning: count("/completion_tokens_details/reasoning_tokens"),
        }
    }
}

impl Billed {
    pub(super) fn add(&mut self, told: Self) {
        self.input += told.input;
        self.cached_input += told.cached_input;
        self.output += told.output;
        self.reasoning += told.reasoning;
    }
}
