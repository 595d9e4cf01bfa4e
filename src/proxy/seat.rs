//! Step four, the reading side: taking a seat in a fill and getting an answer
//! out of it.
//!
//! The leader gets what the provider sent, as it came. A follower gets the same
//! from its beginning, or the whole answer in its own form once there is one.
//! When the call fails in a way that another might not, the followers elect one
//! among them to try again; only so often, then they get the error too.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::account::Account;
use super::lookup::Why;
use super::reply::relayed_headers;
use super::{Proxy, ProxyError, Question, Reply, ReplyBody};
use crate::access::Standing;
use crate::backend::Cached;
use crate::flight::{Cursor, End, Failure, Form, Head, Piece, Producer, Seat};
use crate::operation::{Adapter, Echo};
use crate::policy::cache_status::Staleness;
use crate::policy::{CacheStatus, Freshness};
use crate::usage::Saved;
use crate::wire::error::ErrorBody;

/// The longest pause a provider can ask for that followers wait out before they
/// try again; a longer one they are told about.
pub(super) const ELECTION_PAUSE_MAX: Duration = Duration::from_secs(10);

/// What a request brings into the call it makes.
struct Lead {
    /// A stale answer, should the provider fail.
    fallback: Option<Arc<Cached>>,
    why: Why,
    account: Account,
}

/// What a follower came to.
enum Followed {
    /// An answer.
    Reply(Reply),
    /// The call failed, another might not.
    Again(Account, Option<(Arc<Head>, Cursor)>, Failure),
    /// Waiting any longer is not worth it.
    Alone(Account),
}

impl Proxy {
    /// Gets an answer from the provider, by a call of this request's own or one
    /// that is under way.
    ///
    /// # Errors
    /// If there is none, and no stale one may stand in.
    pub(super) async fn fill(
        self: &Arc<Self>,
        question: &Arc<Question>,
        fallback: Option<Arc<Cached>>,
        mut why: Why,
        mut account: Account,
    ) -> Result<Reply, ProxyError> {
        if question.request.directives.only_if_cached {
            account.failed(ProxyError::CacheOnlyMiss.code());
            return Err(ProxyError::CacheOnlyMiss);
        }
        let key = question.identified.key;
        // Who reads another's call along needs none, and may have to make one later.
        let is_led = why == Why::Refresh || !self.flights.is_running(&key);
        if is_led && let Err(limited) = account.need_call().await {
            return Err(account.limited(limited));
        }
        let mut seat = match why {
            Why::Refresh => self.flights.lead(key),
            Why::Absent | Why::TooOld | Why::Unverified | Why::Waited => self.flights.join(key),
        };
        let before = self.flights.failures(&key);
        loop {
            let cursor = match seat {
                Seat::Leader(producer, cursor) => {
                    if let Err(limited) = account.need_call().await {
                        return Err(account.limited(limited));
                    }
                    let lead = Lead {
                        fallback,
                        why,
                        account,
                    };
                    return self.lead(question, producer, cursor, lead).await;
                }
                Seat::Follower(cursor) => cursor,
            };
            match self.follow(question, cursor, account).await {
                Followed::Reply(reply) => return Ok(reply),
                Followed::Alone(waited) => {
                    (account, why) = (waited, Why::Waited);
                    if let Err(limited) = account.need_call().await {
                        return Err(account.limited(limited));
                    }
                    seat = self.flights.lead_alone(key);
                }
                Followed::Again(waited, refusal, failure) => {
                    account = waited;
                    let pause = refusal
                        .as_ref()
                        .and_then(|(_, cursor)| cursor.retry_after())
                        .unwrap_or_default();
                    let again = if pause > ELECTION_PAUSE_MAX {
                        None
                    } else {
                        tokio::time::sleep(pause).await;
                        self.flights.join_again(key, before)
                    };
                    let Some(again) = again else {
                        let lead = Lead {
                            fallback,
                            why,
                            account,
                        };
                        return self.give_up(question, refusal, failure, lead);
                    };
                    seat = again;
                }
            }
        }
    }

    /// Makes the call and reads along.
    async fn lead(
        self: &Arc<Self>,
        question: &Arc<Question>,
        producer: Producer,
        mut cursor: Cursor,
        lead: Lead,
    ) -> Result<Reply, ProxyError> {
        // A fill may have ended between the look-up and taking the seat.
        if lead.why == Why::Absent
            && let Some((cached, outcome)) = self.look_again(question)
        {
            hand_out(producer, &cached);
            return Ok(self.reply_stored(question, &cached, outcome, lead.account));
        }
        self.start_fill(question, producer, lead.why);
        match cursor.head().await {
            Ok(head) if may_be_stood_in_for(head.status) => {
                let refusal = Some((head, cursor));
                self.give_up(question, refusal, Failure::Unreachable, lead)
            }
            Ok(head) => {
                let outcome = lead.why.outcome(head.status);
                Ok(relay(
                    View::of(question),
                    &head,
                    cursor,
                    outcome,
                    lead.account,
                ))
            }
            Err(failure) => self.give_up(question, None, failure, lead),
        }
    }

    /// Reads a call that another makes.
    async fn follow(
        self: &Arc<Self>,
        question: &Arc<Question>,
        mut cursor: Cursor,
        account: Account,
    ) -> Followed {
        let patience = self.flights.options().follow_timeout;
        let head = match tokio::time::timeout(patience, cursor.head()).await {
            Err(_elapsed) => return Followed::Alone(account),
            Ok(Err(failure)) => return Followed::Again(account, None, failure),
            Ok(Ok(head)) => head,
        };
        if is_worth_another_try(head.status) {
            return Followed::Again(account, Some((head, cursor)), Failure::Unreachable);
        }
        let wanted = if question.identified.facts.wants_stream {
            Form::Stream
        } else {
            Form::Json
        };
        // A document comes in pieces, in which nothing can be told anew.
        let is_readable = wanted == Form::Stream || !question.adapter.echoes();
        if (head.form == wanted && is_readable) || !head.status.is_success() {
            let outcome = CacheStatus::Collapsed;
            let view = View::of_another(question);
            return Followed::Reply(relay(view, &head, cursor, outcome, account));
        }
        match cursor.end().await {
            End::Complete(Some(answer))
                if wanted == Form::Json || self.stream_form(question, &answer).is_some() =>
            {
                Followed::Reply(self.reply_stored(
                    question,
                    &answer,
                    CacheStatus::Collapsed,
                    account,
                ))
            }
            End::Complete(_) | End::Items(_) => Followed::Alone(account),
            End::Failed(failure) => Followed::Again(account, None, failure),
        }
    }

    /// There is no good answer: gives a stale one if it may stand in, otherwise
    /// what the provider said, otherwise the failure.
    fn give_up(
        self: &Arc<Self>,
        question: &Arc<Question>,
        refusal: Option<(Arc<Head>, Cursor)>,
        failure: Failure,
        lead: Lead,
    ) -> Result<Reply, ProxyError> {
        let status = refusal.as_ref().map(|(head, _)| head.status);
        let known = self.standing(&question.request) != Standing::Unknown;
        if let Some(cached) = lead.fallback
            && known
            && status.is_none_or(may_be_stood_in_for)
            && let Freshness::StaleIfErrorOnly { ttl } = self.freshness(&question.request, &cached)
        {
            let why = Staleness::Error(status);
            let outcome = CacheStatus::Stale { why, ttl };
            return Ok(self.reply_stored(question, &cached, outcome, lead.account));
        }
        if let Some((head, cursor)) = refusal {
            let outcome = lead.why.outcome(head.status);
            return Ok(relay(
                View::of(question),
                &head,
                cursor,
                outcome,
                lead.account,
            ));
        }
        lead.account.failed(failure.as_str());
        Err(failure.into())
    }
}

/// What of a fill a client is to see.
#[derive(Clone, Debug)]
pub(super) struct View {
    hides_usage: bool,
    /// What is read was told to another, and repeats what that one said.
    is_retold: bool,
    /// What is to be repeated instead.
    echo: Option<Arc<Echo>>,
    /// Who words an error in the middle of a stream; `None` where there are no
    /// streams.
    adapter: Option<&'static dyn Adapter>,
}

impl View {
    /// All of it, as it came.
    pub(super) const WHOLE: Self = Self {
        hides_usage: false,
        is_retold: false,
        echo: None,
        adapter: None,
    };

    fn of(question: &Question) -> Self {
        let facts = &question.identified.facts;
        Self {
            hides_usage: facts.wants_stream && !facts.wants_usage,
            is_retold: false,
            echo: None,
            adapter: Some(question.adapter),
        }
    }

    /// The same of a fill that another request leads.
    fn of_another(question: &Question) -> Self {
        Self {
            is_retold: question.adapter.echoes(),
            echo: question.identified.facts.echo.clone(),
            ..Self::of(question)
        }
    }
}

/// Passes a fill on as it comes.
pub(super) fn relay(
    view: View,
    head: &Head,
    cursor: Cursor,
    outcome: CacheStatus,
    mut account: Account,
) -> Reply {
    let streamed = head.form == Form::Stream;
    let mut headers = relayed_headers(&head.headers, streamed);
    outcome.write(&mut headers);
    account.outcome(outcome);
    account.status(head.status.as_u16());
    let reading = Reading {
        is_shared: outcome == CacheStatus::Collapsed,
        cursor,
        account,
        view,
        form: head.form,
        told: 0,
    };
    let body = stream::unfold(Some(reading), Reading::step).fuse().boxed();
    Reply {
        status: head.status,
        headers,
        outcome,
        body: ReplyBody::Stream(body),
    }
}

/// A client reading a fill.
struct Reading {
    /// Another request's call is read.
    is_shared: bool,
    cursor: Cursor,
    account: Account,
    view: View,
    form: Form,
    /// How many pieces this client has been given: of a stream, its frames.
    told: u64,
}

type Step = (Result<bytes::Bytes, ProxyError>, Option<Reading>);

impl Reading {
    async fn step(reading: Option<Self>) -> Option<Step> {
        let mut this = reading?;
        loop {
            match this.cursor.next().await {
                Some(Ok(piece)) => {
                    if let Some(bytes) = this.view(piece) {
                        this.told += 1;
                        this.account.sent(bytes.len());
                        return Some((Ok(bytes), Some(this)));
                    }
                }
                Some(Err(failure)) => return Some(this.broken(failure)),
                None => {
                    if let End::Complete(Some(answer)) = this.cursor.end().await {
                        let meta = &answer.entry.meta;
                        this.account.usage(meta.usage);
                        this.account.answered_by(meta.resolved_model.as_deref());
                        if this.is_shared {
                            let usage = meta.usage.unwrap_or_default();
                            let worth = answer.worth(|| this.account.price(usage));
                            let cost = worth.map(|worth| worth.usd);
                            // It was waited for as long as the other waited.
                            let time = Duration::ZERO;
                            this.account.saved(Saved { usage, time, cost });
                        }
                    }
                    this.account.complete();
                    return None;
                }
            }
        }
    }

    /// What of a piece this client sees.
    fn view(&self, piece: Piece) -> Option<bytes::Bytes> {
        let seen = if self.view.hides_usage {
            piece.without_usage
        } else {
            Some(piece.raw)
        };
        match self.view.adapter {
            Some(adapter) if self.view.is_retold && self.form == Form::Stream => {
                let echo = self.view.echo.as_deref();
                seen.map(|frame| adapter.retell_frame(&frame, echo))
            }
            Some(_) | None => seen,
        }
    }

    /// The end of an answer that broke off. A stream says so in its own terms; a
    /// document can only be cut off, so that it is not taken for whole.
    fn broken(self, failure: Failure) -> Step {
        self.account.failed(failure.as_str());
        let error = ProxyError::from(failure);
        match self.form {
            Form::Stream => {
                let message = error.to_string();
                let body = ErrorBody {
                    message: &message,
                    kind: "api_error",
                    param: None,
                    code: Some(error.code()),
                };
                match self.view.adapter {
                    Some(adapter) => (Ok(adapter.error_event_behind(self.told, &body)), None),
                    None => (Err(error), None),
                }
            }
            Form::Json => (Err(error), None),
        }
    }
}

/// Ends a fill before it began: its answer is already there.
fn hand_out(producer: Producer, cached: &Arc<Cached>) {
    let content_type = HeaderValue::try_from(cached.entry.meta.content_type.as_str())
        .unwrap_or(HeaderValue::from_static("application/json"));
    let head = Head {
        status: StatusCode::OK,
        headers: HeaderMap::from_iter([(CONTENT_TYPE, content_type)]),
        form: Form::Json,
    };
    producer.head(head, None);
    producer.push(Piece::plain(cached.entry.body.clone()));
    producer.complete(Some(Arc::clone(cached)));
}

/// Refusals that say nothing about the request itself: another call may succeed.
pub(super) fn is_worth_another_try(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS
        )
}

/// The failures for which a stale answer may stand in (RFC 5861 §4), and the
/// provider's "not now", which is a failure to answer like the others.
pub(super) fn may_be_stood_in_for(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
    )
}
