//! Step five: the answer, in the form the caller asked for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::header::{AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::account::Account;
use super::{Proxy, ProxyError, Question};
use crate::backend::{Cached, Rendition, Worth};
use crate::operation::StreamFacts;
use crate::policy::{CacheStatus, freshness};
use crate::usage::Saved;
use crate::wire::json;

const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// What the answer would have cost if it had not been stored, in US dollars.
const X_CACHE_SAVED_USD: HeaderName = HeaderName::from_static("x-cache-saved-usd");
const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";

/// An answer on its way to the client.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// What the cache did, which the headers say as well.
    pub outcome: CacheStatus,
    /// The body.
    pub body: ReplyBody,
}

/// The body of a [`Reply`].
pub enum ReplyBody {
    /// All of it.
    Full(Bytes),
    /// As it comes; an error means the connection must not end as if all were well.
    Stream(BoxStream<'static, Result<Bytes, ProxyError>>),
}

impl std::fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl Proxy {
    /// Answers with what was stored.
    pub(super) fn reply_stored(
        &self,
        question: &Question,
        cached: &Arc<Cached>,
        outcome: CacheStatus,
        mut account: Account,
    ) -> Reply {
        let facts = &question.identified.facts;
        let entry = &cached.entry;
        let streamed = facts
            .wants_stream
            .then(|| self.stream_form(question, cached))
            .flatten();
        let mut headers = HeaderMap::with_capacity(8);
        let body = if let Some(stream) = streamed {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
            stream
        } else {
            let content_type = HeaderValue::try_from(entry.meta.content_type.as_str())
                .unwrap_or(HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_TYPE, content_type);
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
            match &facts.echo {
                Some(echo) => question.adapter.retell(&entry.body, echo),
                None => entry.body.clone(),
            }
        };
        let age = freshness::age(entry.stored_at, self.clock.unix_millis());
        headers.insert(AGE, HeaderValue::from(age.as_secs()));
        outcome.write(&mut headers);
        account.outcome(outcome);
        account.status(StatusCode::OK.as_u16());
        account.usage(entry.meta.usage);
        account.answered_by(entry.meta.resolved_model.as_deref());
        if let Some(usage) = entry.meta.usage {
            let time = saved_time(outcome, entry.meta.took_millis);
            let worth = cached.worth(|| account.price(usage));
            let cost = worth.map(|worth| worth.usd);
            account.saved(Saved { usage, time, cost });
            tell_saved(worth, &mut headers);
        }
        account.sent(body.len());
        account.complete();
        Reply {
            status: StatusCode::OK,
            headers,
            outcome,
            body: ReplyBody::Full(body),
        }
    }

    /// The stored answer as a stream, rendered once; `None` if it cannot be told as one.
    pub(super) fn stream_form(&self, question: &Question, cached: &Arc<Cached>) -> Option<Bytes> {
        let facts = &question.identified.facts;
        let render = || {
            let answer = json::parse(&cached.entry.body).ok()?;
            let came = StreamFacts {
                usage_beside: cached.entry.meta.usage_beside,
            };
            let stream = question.adapter.replay(&answer, facts, came);
            stream.map(Bytes::from)
        };
        if facts.echo.is_some() {
            // It is this caller's alone.
            return render();
        }
        let which = if facts.wants_usage {
            Rendition::StreamWithUsage
        } else {
            Rendition::Stream
        };
        if let Some(rendered) = cached.rendered(which) {
            return Some(rendered.clone());
        }
        let stream = cached.rendition(which, render);
        self.store.weigh_again(&question.identified.key, cached);
        stream
    }
}

/// Tells the client what its answer did not cost, where that is known.
pub(super) fn tell_saved(saved: Option<&Worth>, headers: &mut HeaderMap) {
    if let Some(saved) = saved {
        headers.insert(X_CACHE_SAVED_USD, saved.header.clone());
    }
}

/// The upstream's time that an answer saved: none, if it was waited for with another.
pub(super) fn saved_time(outcome: CacheStatus, took_millis: u32) -> Duration {
    if outcome == CacheStatus::Collapsed {
        Duration::ZERO
    } else {
        Duration::from_millis(took_millis.into())
    }
}

/// The head of an answer that is passed on as it is recorded. Its length is left
/// out: the body ends when the fill has ended, so a client that has read it all
/// finds it stored.
pub(super) fn relayed_headers(head: &HeaderMap, streamed: bool) -> HeaderMap {
    let mut headers = head.clone();
    headers.remove(CONTENT_LENGTH);
    let advice = if streamed {
        // No proxy on the way must hold events back.
        headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        "no-cache"
    } else {
        "private, no-store"
    };
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static(advice));
    headers
}
