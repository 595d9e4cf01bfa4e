//! The names of what is exported, and the boundaries of its histograms.
//!
//! The names beginning with `gen_ai` are those of the `OpenTelemetry` semantic
//! conventions for generative AI as they stood in 2026
//! (<https://github.com/open-telemetry/semantic-conventions-genai>, status
//! "development"); they are written out here because the constants of the
//! semantic-conventions crate are deprecated in favour of that repository. Those
//! beginning with `reprise` are our own.

use crate::wire::{Operation, UpstreamKind};

pub(super) const OPERATION: &str = "gen_ai.operation.name";
pub(super) const PROVIDER: &str = "gen_ai.provider.name";
pub(super) const REQUEST_MODEL: &str = "gen_ai.request.model";
pub(super) const RESPONSE_MODEL: &str = "gen_ai.response.model";
pub(super) const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub(super) const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
pub(super) const CACHED_INPUT_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
pub(super) const TOKEN_TYPE: &str = "gen_ai.token.type";

pub(super) const STATUS_CODE: &str = "http.response.status_code";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const SERVER_ADDRESS: &str = "server.address";

pub(super) const REQUEST_ID: &str = "reprise.request_id";
pub(super) const FAMILY: &str = "reprise.operation";
pub(super) const OUTCOME: &str = "reprise.outcome";
pub(super) const DETAIL: &str = "reprise.detail";
pub(super) const SERVED: &str = "reprise.served";
pub(super) const FIRST_BYTE: &str = "reprise.first_byte_ms";

pub(super) const TOKEN_USAGE: &str = "gen_ai.client.token.usage";
pub(super) const CALL_DURATION: &str = "gen_ai.client.operation.duration";
pub(super) const REQUEST_DURATION: &str = "gen_ai.server.request.duration";
pub(super) const FIRST_TOKEN: &str = "gen_ai.server.time_to_first_token";

/// Boundaries of [`TOKEN_USAGE`].
pub(super) const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// Boundaries of [`CALL_DURATION`] and [`REQUEST_DURATION`].
pub(super) const SECONDS: [f64; 14] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];

/// Boundaries of [`FIRST_TOKEN`].
pub(super) const FIRST_TOKEN_SECONDS: [f64; 16] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The conventions' name of an operation; `None` for what asks no model anything.
pub(super) const fn operation(operation: Operation) -> Option<&'static str> {
    match operation {
        Operation::Chat | Operation::Response | Operation::Message => Some("chat"),
        Operation::Completion => Some("text_completion"),
        Operation::Embedding => Some("embeddings"),
        // The conventions have no names for these, and leave room for others.
        Operation::Moderation => Some("moderation"),
        Operation::Rerank => Some("rerank"),
        Operation::Transcription => Some("transcription"),
        Operation::Translation => Some("translation"),
        Operation::Speech => Some("speech"),
        Operation::Passthrough | Operation::Models | Operation::TokenCount => None,
    }
}

/// The conventions' name of a provider.
pub(super) const fn provider(kind: UpstreamKind) -> &'static str {
    match kind {
        UpstreamKind::OpenAi => "openai",
        UpstreamKind::Azure => "azure.ai.openai",
        UpstreamKind::Anthropic => "anthropic",
        UpstreamKind::Compatible => "openai_compatible",
    }
}
