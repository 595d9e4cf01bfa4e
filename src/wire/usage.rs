//! How many tokens an answer took.

use super::Json;

/// The tokens of one answer, under the names of the `OpenAI` usage API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the request, the cached ones included.
    pub input: u64,
    /// Tokens of the request that the provider read from its own prompt cache.
    pub cached_input: u64,
    /// Tokens of the request that the provider wrote to its own prompt cache, and
    /// charges for that.
    pub written_input: u64,
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
            // Realtime sessions.
            &["input_token_details", "cached_tokens"],
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
        // Anthropic counts what it read from its cache, and wrote to it, apart; those
        // who pass that on under OpenAI's names count it in.
        let is_apart =
            usage.get("prompt_tokens").is_none() && usage.get("input_tokens_details").is_none();
        let apart = [["cache_read_input_tokens"], ["cache_creation_input_tokens"]]
            .iter()
            .filter(|_| is_apart)
            .filter_map(|path| count(usage, path))
            .fold(0, u64::saturating_add);
        Some(Self {
            input: input.unwrap_or_default().saturating_add(apart),
            cached_input: cached_input.unwrap_or_default(),
            written_input: first(&[&["cache_creation_input_tokens"]]).unwrap_or_default(),
            output: output.unwrap_or_default(),
            reasoning: reasoning.unwrap_or_default(),
            estimated: false,
        })
    }

    /// The same, where some count nothing but the total: without an output that is the
    /// input.
    pub fn read_any(usage: &Json<'_>) -> Option<Self> {
        let total = || {
            Some(Self {
                input: count(usage, &["total_tokens"])?,
                ..Self::default()
            })
        };
        Self::read(usage).or_else(total)
    }

    /// Shares the tokens of one answer among its items, in proportion to `sizes`;
    /// the shares add up to the whole. Nothing is estimated if there is one item, or
    /// if the sizes are counts of tokens and the whole is their sum.
    pub fn share(self, sizes: &[u64], are_tokens: bool) -> Vec<Self> {
        let total = |sizes: &[u64]| {
            sizes
                .iter()
                .fold(0_u64, |sum, size| sum.saturating_add(*size))
        };
        let is_exact = sizes.len() == 1 || (are_tokens && total(sizes) == self.input);
        let split = |tokens: u64| apportion(tokens, sizes, total(sizes));
        split(self.input)
            .into_iter()
            .zip(
                split(self.cached_input)
                    .into_iter()
                    .zip(split(self.written_input)),
            )
            .zip(split(self.output).into_iter().zip(split(self.reasoning)))
            .map(
                |((input, (cached_input, written_input)), (output, reasoning))| Self {
                    input,
                    cached_input,
                    written_input,
                    output,
                    reasoning,
                    estimated: self.estimated || !is_exact,
                },
            )
            .collect()
    }

    /// Whether nothing was used.
    pub const fn is_nothing(&self) -> bool {
        self.input == 0 && self.output == 0
    }

    /// The larger of both numbers, for those of one answer that are told as they grow.
    #[must_use]
    pub fn at_least(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            cached_input: self.cached_input.max(other.cached_input),
            written_input: self.written_input.max(other.written_input),
            output: self.output.max(other.output),
            reasoning: self.reasoning.max(other.reasoning),
            estimated: self.estimated || other.estimated,
        }
    }

    /// The tokens of two answers together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cached_input: self.cached_input.saturating_add(other.cached_input),
            written_input: self.written_input.saturating_add(other.written_input),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            estimated: self.estimated || other.estimated,
        }
    }
}

/// Shares `tokens` in proportion to `sizes`, by the method of the largest
/// remainder: whole numbers that add up.
fn apportion(tokens: u64, sizes: &[u64], total: u64) -> Vec<u64> {
    let whole = u128::from(total.max(1));
    let exact = |size: u64| u128::from(tokens) * u128::from(size);
    let mut shares: Vec<u64> = sizes
        .iter()
        .map(|size| u64::try_from(exact(*size) / whole).unwrap_or(u64::MAX))
        .collect();
    let given = shares
        .iter()
        .fold(0_u64, |sum, share| sum.saturating_add(*share));
    let left = usize::try_from(tokens.saturating_sub(given)).unwrap_or(usize::MAX);
    let mut by_remainder: Vec<(u128, usize)> = sizes
        .iter()
        .enumerate()
        .map(|(at, size)| (exact(*size) % whole, at))
        .collect();
    by_remainder.sort_unstable_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(&right.1)));
    for (_, at) in by_remainder.into_iter().cycle().take(left) {
        if let Some(share) = shares.get_mut(at) {
            *share = share.saturating_add(1);
        }
    }
    shares
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
    fn shares_add_up_and_say_whether_they_are_estimated() {
        let of = |input| Usage {
            input,
            ..Usage::default()
        };
        let shares = |input, sizes: &[u64]| -> (Vec<u64>, bool) {
            let shares = of(input).share(sizes, true);
            let estimated = shares.iter().any(|share| share.estimated);
            (shares.iter().map(|share| share.input).collect(), estimated)
        };
        assert_eq!(shares(7, &[100]), (vec![7], false));
        assert_eq!(shares(6, &[1, 2, 3]), (vec![1, 2, 3], false));
        assert_eq!(shares(10, &[1, 1, 1]), (vec![4, 3, 3], true));
        assert_eq!(shares(3, &[10, 90]), (vec![0, 3], true));
        assert_eq!(shares(5, &[0, 0]), (vec![3, 2], true));
        assert_eq!(shares(5, &[]), (vec![], false));
        let of_bytes = of(6).share(&[1, 2, 3], false);
        assert!(of_bytes.iter().all(|share| share.estimated));
        assert_eq!(of(3).plus(of(4)).input, 7);
    }

    #[test]
    fn both_dialects_are_read_and_what_counts_nothing_is_no_usage() {
        let read = |text: &str| Usage::read(&parse(text.as_bytes()).unwrap());
        let expected = Usage {
            input: 9,
            cached_input: 4,
            written_input: 0,
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
        let anthropics = read(
            r#"{"input_tokens":3,"cache_read_input_tokens":4,"cache_creation_input_tokens":2,"output_tokens":5}"#,
        );
        let expected = Usage {
            written_input: 2,
            reasoning: 0,
            ..expected
        };
        assert_eq!(anthropics, Some(expected));
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
