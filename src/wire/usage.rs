//! How many tokens an answer took.

use super::Json;

/// The tokens of one answer, under the names of the `OpenAI` usage API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the request, the cached ones included.
    pub input: u64,
    /// Tokens of the request that the provider read from its own prompt cache.
    pub cached_input: u64,
    /// Tokens of the answer, the reasoning included where the provider counts it in.
    pub output: u64,
    /// Tokens of the answer that were spent on reasoning.
    pub reasoning: u64,
    /// Whether the numbers are an estimate, not the provider's own.
    pub estimated: bool,
}

impl Usage {
    /// Reads a `usage` object, of whichever API; `None` if it counts neither
    /// input nor output.
    pub fn read(usage: &Json<'_>) -> Option<Self> {
        let first = |paths: &[&[&str]]| paths.iter().find_map(|path| count(usage, path));
        let input = first(&[&["prompt_tokens"], &["input_tokens"]]);
        let output = first(&[&["completion_tokens"], &["output_tokens"]]);
        if input.is_none() && output.is_none() {
            return None;
        }
        let cached_input = first(&[
            &["prompt_tokens_details", "cached_tokens"],
            &["input_tokens_details", "cached_tokens"],
            // DeepSeek, Anthropic, Moonshot.
            &["prompt_cache_hit_tokens"],
            &["cache_read_input_tokens"],
            &["cached_tokens"],
        ]);
        let reasoning = first(&[
            &["completion_tokens_details", "reasoning_tokens"],
            &["output_tokens_details", "reasoning_tokens"],
            &["reasoning_tokens"],
        ]);
        Some(Self {
            input: input.unwrap_or_default(),
            cached_input: cached_input.unwrap_or_default(),
            output: output.unwrap_or_default(),
            reasoning: reasoning.unwrap_or_default(),
            estimated: false,
        })
    }
}

fn count(usage: &Json<'_>, path: &[&str]) -> Option<u64> {
    path.iter()
        .try_fold(usage, |value, name| value.get(name))?
        .as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::parse;

    #[test]
    fn both_dialects_are_read_and_what_counts_nothing_is_no_usage() {
        let read = |text: &str| Usage::read(&parse(text.as_bytes()).unwrap());
        let expected = Usage {
            input: 9,
            cached_input: 4,
            output: 5,
            reasoning: 2,
            estimated: false,
        };
        assert_eq!(
            read(
                r#"{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,
                "prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}"#
            ),
            Some(expected)
        );
        assert_eq!(
            read(
                r#"{"input_tokens":9,"output_tokens":5,
                "input_tokens_details":{"cached_tokens":4},"output_tokens_details":{"reasoning_tokens":2}}"#
            ),
            Some(expected)
        );
        assert_eq!(
            read(
                r#"{"prompt_tokens":9,"completion_tokens":5,"prompt_cache_hit_tokens":4,
                "prompt_tokens_details":null,"reasoning_tokens":2}"#
            ),
            Some(expected)
        );
        for nothing in [
            "{}",
            "null",
            "[]",
            r#"{"prompt_tokens":"9"}"#,
            r#"{"total_tokens":3}"#,
        ] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }
}
