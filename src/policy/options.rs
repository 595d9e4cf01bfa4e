//! What an operator decides about freshness and storing.

use std::time::Duration;

use crate::wire::Operation;

/// The configuration of this module.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own, by its own name"
)]
pub struct PolicyOptions {
    /// How long a completion is fresh. Default: 7 days.
    pub completion_ttl: Duration,
    /// How long the vector of an input is fresh. Default: 30 days.
    pub embedding_ttl: Duration,
    /// How long the judgement of an input is fresh. Default: 7 days.
    pub moderation_ttl: Duration,
    /// How long a list of models is fresh. Default: 60 seconds.
    pub models_ttl: Duration,
    /// The longest freshness a client may ask for. Default: 30 days.
    pub ttl_max: Duration,
    /// How long past its freshness an entry is served while it is refreshed.
    /// Default: zero, that is never: answers of models are not time series.
    pub stale_while_revalidate: Duration,
    /// How long past its freshness an entry stands in for a failing upstream.
    /// Default: 24 hours.
    pub stale_if_error: Duration,
    /// Whether clients may demand a new answer (`no-cache`, `max-age`,
    /// `min-fresh`). Default: true.
    pub clients_may_bypass: bool,
    /// Whether clients may make entries serve longer than configured
    /// (`max-stale`, `stale-if-error`, a longer `x-cache-ttl`). Default: true.
    pub clients_may_extend: bool,
    /// Whether requests that point at content elsewhere are stored. Default: false.
    pub allow_remote_refs: bool,
    /// Whether an upstream's `Cache-Control: no-store` keeps its answer out of the store.
    /// Default: true.
    pub heed_upstream_no_store: bool,
    /// The families of endpoints that are stored only where the operator says so.
    pub opt_in: OptIn,
    /// The largest answer that is stored, in bytes of its JSON. Default: 8 MiB.
    pub entry_bytes_max: usize,
}

/// The families of endpoints that are stored only where the operator says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptIn {
    /// Rerank. Default: false.
    pub rerank: bool,
    /// Transcriptions, translations and speech. Default: false.
    pub audio: bool,
}

impl Default for PolicyOptions {
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            completion_ttl: DAY * 7,
            embedding_ttl: DAY * 30,
            moderation_ttl: DAY * 7,
            models_ttl: Duration::from_mins(1),
            ttl_max: DAY * 30,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: DAY,
            clients_may_bypass: true,
            clients_may_extend: true,
            allow_remote_refs: false,
            heed_upstream_no_store: true,
            opt_in: OptIn::default(),
            entry_bytes_max: 8 * 1024 * 1024,
        }
    }
}

impl PolicyOptions {
    /// How long an answer of this operation is fresh, unless its client says
    /// otherwise.
    pub const fn ttl(&self, operation: Operation) -> Duration {
        match operation {
            Operation::Passthrough
            | Operation::Chat
            | Operation::Response
            | Operation::Completion
            | Operation::Message
            | Operation::TokenCount
            | Operation::Rerank
            | Operation::Transcription
            | Operation::Translation
            | Operation::Speech => self.completion_ttl,
            Operation::Embedding => self.embedding_ttl,
            Operation::Moderation => self.moderation_ttl,
            Operation::Models => self.models_ttl,
        }
    }

    /// Whether requests of this operation are read, to be answered from the store.
    /// Others are forwarded as they come.
    pub const fn stores(&self, operation: Operation) -> bool {
        match operation {
            Operation::Passthrough => false,
            Operation::Rerank => self.opt_in.rerank,
            Operation::Transcription | Operation::Translation | Operation::Speech => {
                self.opt_in.audio
            }
            Operation::Chat
            | Operation::Embedding
            | Operation::Moderation
            | Operation::Models
            | Operation::Response
            | Operation::Completion
            | Operation::Message
            | Operation::TokenCount => true,
        }
    }
}
