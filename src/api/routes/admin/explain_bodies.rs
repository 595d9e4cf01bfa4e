//! What is asked of, and told by, the explanation of a request.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::explain_nearest::NearestRequest;
use crate::access::StandIn;
use crate::api::error::ApiError;
use crate::proxy::{Asked, Explained, Fate, Inquiry, Looked, StoredAnswer};
use crate::wire::Operation;

/// A request that is to be explained.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "path": "/v1/chat/completions",
    "key_id": "key_0011223344556677",
    "body": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]},
}))]
pub(super) struct ExplainRequest {
    /// Its path, with its query if it has one.
    #[schema(example = "/v1/chat/completions")]
    path: String,
    /// Its headers. Those of a credential say who asks, where nobody is named otherwise.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Whoever is to be taken for the caller: all of a tenant, as in usage reports.
    tenant: Option<String>,
    /// Whoever is to be taken for the caller: the id of a key.
    key_id: Option<String>,
    /// Its body; as a string, where every byte of it matters.
    #[schema(value_type = Option<Object>)]
    body: Option<Box<RawValue>>,
}

/// What would become of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExplainedRequest {
    /// Always `explanation`.
    #[schema(example = "explanation")]
    object: &'static str,
    /// The endpoint family.
    #[schema(example = "chat")]
    operation: &'static str,
    /// Whose answers it would meet.
    #[schema(example = "acme")]
    tenant: String,
    /// The name of its answer; null for lists, whose items have one each, and where it is
    /// a bypass.
    key: Option<String>,
    /// `hit`, `partial`, `miss` or `bypass`.
    #[schema(example = "miss")]
    outcome: &'static str,
    /// Why. Of a hit: `fresh`, `stale`, `stale-while-revalidate`, or `unverified`, if the
    /// provider would be asked first whether it accepts the credential. Of a miss:
    /// `absent`, `too-old`, `refresh`. Of a bypass: as in `Cache-Status`.
    #[schema(example = "absent")]
    reason: &'static str,
    /// What is in the key, in one spelling for all requests that are the same question;
    /// null where the body cannot be read. Path, query, provider and some headers are in
    /// the key besides.
    #[schema(value_type = Option<Object>)]
    canonical: Option<Box<RawValue>>,
    /// What is not in the key, and why.
    left_out: Vec<LeftOutMember>,
    /// What says only what is documented to be so anyway, and is not in the key.
    defaulted: Vec<String>,
    /// What is stored for it, whether or not it would answer.
    stored: Option<StoredDescription>,
    /// Of a chat request with nothing stored for it: the stored request of the same tenant
    /// that is most like it, and what differs; null if there is none. Left out otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NearestRequest>)]
    #[expect(
        clippy::option_option,
        reason = "null and left out are two things to say"
    )]
    nearest: Option<Option<NearestRequest>>,
    /// Where a list is asked for: what is known of each item, in their order.
    items: Option<Vec<ExplainedItem>>,
}

/// A member that is not in the key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeftOutMember {
    /// Where it stands.
    #[schema(example = "messages[0].cache_control")]
    field: String,
    /// Why it is left out.
    why: &'static str,
}

/// An item of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExplainedItem {
    /// The name of its answer.
    key: String,
    /// `hit` or `miss`.
    #[schema(example = "hit")]
    outcome: &'static str,
    /// Why.
    #[schema(example = "fresh")]
    reason: &'static str,
    /// What is stored for it.
    stored: Option<StoredDescription>,
}

/// What is stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StoredDescription {
    /// How old it is, in seconds.
    age: u64,
    /// How long it is still fresh, in seconds; negative once it is stale.
    ttl: i64,
    /// `memory` or `backend`.
    #[schema(example = "memory")]
    tier: &'static str,
    /// The model that answered.
    #[schema(example = "gpt-4o-mini-2024-07-18")]
    model: String,
    /// The length of the answer, in bytes.
    bytes: usize,
}

/// Reads what is to be explained.
///
/// # Errors
/// If it makes no sense.
pub(super) fn read(body: &[u8]) -> Result<Inquiry, ApiError> {
    let request: ExplainRequest =
        serde_json::from_slice(body).map_err(|error| ApiError::invalid(None, error.to_string()))?;
    let stand_in = match (request.key_id, request.tenant) {
        (Some(_), Some(_)) => {
            let message = "say either `key_id` or `tenant`".to_owned();
            return Err(ApiError::invalid(Some("tenant"), message));
        }
        (Some(id), None) => Some(StandIn::Key(id)),
        (None, Some(tenant)) => Some(StandIn::Tenant(tenant)),
        (None, None) => None,
    };
    let path = request.path.strip_prefix("/v1").unwrap_or(&request.path);
    if !path.starts_with('/') {
        let message = "a path begins with `/`, as /v1/chat/completions".to_owned();
        return Err(ApiError::invalid(Some("path"), message));
    }
    let operation = Operation::at(path.split_once('?').map_or(path, |(path, _)| path));
    let has_body = request.body.is_some();
    Ok(Inquiry {
        operation,
        asked: Asked {
            id: String::new(),
            at: Instant::now(),
            method: if has_body { Method::POST } else { Method::GET },
            path_and_query: path.to_owned(),
            headers: headers(&request.headers)?,
            peer: None,
            span: None,
        },
        stand_in,
        body: request.body.map(|body| text_of(&body)).unwrap_or_default(),
    })
}

fn headers(told: &BTreeMap<String, String>) -> Result<HeaderMap, ApiError> {
    let mut headers = HeaderMap::new();
    for (name, value) in told {
        let wrong = || ApiError::invalid(Some("headers"), format!("`{name}` is no header"));
        let value = HeaderValue::try_from(value).map_err(|_odd| wrong())?;
        let name = HeaderName::try_from(name).map_err(|_odd| wrong())?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// The body as it would be sent: what stands here, or what a string holds.
fn text_of(body: &RawValue) -> Bytes {
    match serde_json::from_str::<String>(body.get()) {
        Ok(text) => text.into(),
        Err(_no_string) => body.get().to_owned().into(),
    }
}

impl ExplainedRequest {
    pub(super) fn of(operation: Operation, explained: Explained) -> Self {
        let mut told = Self {
            object: "explanation",
            operation: operation.as_str(),
            tenant: explained.tenant.as_ref().to_owned(),
            key: None,
            outcome: "bypass",
            reason: "",
            canonical: None,
            left_out: Vec::new(),
            defaulted: Vec::new(),
            stored: None,
            nearest: None,
            items: None,
        };
        if let Some(explanation) = explained.explanation {
            let mut text = Vec::new();
            explanation.canonical.write(&mut text);
            let text = String::from_utf8(text).ok();
            told.canonical = text.and_then(|text| RawValue::from_string(text).ok());
            let left_out = explanation.left_out.into_iter();
            told.left_out = left_out
                .map(|out| LeftOutMember {
                    field: out.field,
                    why: out.why,
                })
                .collect();
            told.defaulted = explanation.defaulted;
        }
        match explained.fate {
            Fate::Bypass(reason) => told.reason = reason,
            Fate::One(looked) => {
                told.outcome = outcome(&looked);
                told.reason = looked.reason;
                told.key = Some(looked.key.to_string());
                told.stored = looked.stored.as_ref().map(StoredDescription::of);
                told.nearest = looked.like.map(NearestRequest::of);
            }
            Fate::Many(items) => told.tell_items(&items),
        }
        told
    }

    fn tell_items(&mut self, items: &[Looked]) {
        let hits = items.iter().filter(|item| item.is_hit).count();
        self.outcome = match hits {
            0 => "miss",
            _ if hits == items.len() => "hit",
            _ => "partial",
        };
        // That of the first which has to be asked for, if one has to.
        let first = items.iter().find(|item| !item.is_hit).or(items.first());
        self.reason = first.map_or("", |item| item.reason);
        self.items = Some(items.iter().map(ExplainedItem::of).collect());
    }
}

impl ExplainedItem {
    fn of(looked: &Looked) -> Self {
        Self {
            key: looked.key.to_string(),
            outcome: outcome(looked),
            reason: looked.reason,
            stored: looked.stored.as_ref().map(StoredDescription::of),
        }
    }
}

impl StoredDescription {
    fn of(stored: &StoredAnswer) -> Self {
        let entry = &stored.cached.entry;
        Self {
            age: stored.age.as_secs(),
            ttl: stored.ttl,
            tier: stored.tier.as_str(),
            model: entry.meta.answered_by().to_owned(),
            bytes: entry.body.len(),
        }
    }
}

const fn outcome(looked: &Looked) -> &'static str {
    if looked.is_hit { "hit" } else { "miss" }
}
