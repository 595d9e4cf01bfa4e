//! What is told of the stored request that is most like another.

use serde::Serialize;
use utoipa::ToSchema;

use crate::key::{Difference, Volatile};
use crate::proxy::Search;

/// The stored request of the same tenant that is most like this one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NearestRequest {
    /// The name of its answer.
    key: String,
    /// How old its answer is, in seconds.
    age_seconds: u64,
    /// The model that answered.
    #[schema(example = "gpt-4o-mini-2024-07-18")]
    model: String,
    /// What differs, seen from the request that was sent here.
    differences: Vec<DifferenceTold>,
    /// How many stored answers were looked at.
    scanned: u64,
    /// Whether those were all: no more than 5,000 are looked at, for 2 seconds at most.
    complete: bool,
}

/// Something that differs from the stored request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DifferenceTold {
    /// Where: `messages[0].content`, `temperature`; `another member` for what only the
    /// stored request has and nobody knows by name; `provider` or `request` for what is
    /// not in the body.
    #[schema(example = "messages[0].content")]
    path: String,
    /// `changed`, `added` (the stored request has it not) or `missing` (only that has it).
    #[schema(example = "changed")]
    kind: &'static str,
    /// What the request that was sent here has there, or the part of its text that
    /// differs; cut to 200 bytes.
    #[schema(example = "2026-11-21T10:00:00Z")]
    yours: Option<String>,
    /// What that looks like: `looks like a timestamp`, `looks like a date`,
    /// `looks like a UUID`, `looks like a random id`, `looks like a number that counts`.
    #[schema(example = "looks like a timestamp")]
    hint: Option<&'static str>,
    /// The same in a sentence.
    #[schema(example = "your system prompt carries a timestamp: 2026-11-21T10:00:00Z")]
    message: String,
}

impl NearestRequest {
    /// What came of looking for it; `None` if there is none.
    pub(super) fn of(search: Search) -> Option<Self> {
        let nearest = search.nearest?;
        Some(Self {
            key: hex::encode(nearest.id),
            age_seconds: nearest.age.as_secs(),
            model: nearest.model,
            differences: nearest.differences.into_iter().map(told).collect(),
            scanned: search.scanned,
            complete: search.is_complete,
        })
    }
}

fn told(difference: Difference) -> DifferenceTold {
    DifferenceTold {
        path: difference.path,
        kind: difference.kind.as_str(),
        yours: difference.yours,
        hint: difference.looks_like.map(Volatile::hint),
        message: difference.message,
    }
}
