//! Step four, the writing side: one call to the provider, recorded for all who
//! wait for it and, if the gates let it, for those who come later.
//!
//! The fill runs as a task of its own. It belongs to no client: whoever leaves,
//! an answer that was paid for is read to its end and stored.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::admit::standee;
use super::bill::{Bill, Led};
use super::error::failure;
use super::forward::log_failure;
use super::lookup::Why;
use super::recording::{Recorded, Recording, declared_form, form_of};
use super::seat::is_worth_another_try;
use super::{Proxy, Question, Request};
use crate::access::Principal;
use crate::backend::Cached;
use crate::entry::{Entry, Meta};
use crate::flight::{Alone, Failure, Form, Head, Producer};
use crate::policy::{Refusal, freshness, gate};
use crate::upstream::{
    Answer, BodyStream, Call, CallBody, Upstream, UpstreamError, forwardable, returnable,
};
use crate::wire::Operation;

/// The most that is read of a refusal, to see what it is about. In bytes.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// How long a stream that has said it is over may take to close, so that its
/// connection can be used again.
const CLOSING_TIME: Duration = Duration::from_millis(200);

/// The head of an answer that has come whole, and how long that took.
struct Came {
    status: StatusCode,
    headers: HeaderMap,
    took: Duration,
}

impl Proxy {
    /// Starts the fill that `producer` writes.
    pub(super) fn start_fill(
        self: &Arc<Self>,
        question: &Arc<Question>,
        producer: Producer,
        why: Why,
    ) {
        let (proxy, question) = (Arc::clone(self), Arc::clone(question));
        let (operation, model) = (
            question.adapter.operation(),
            &question.identified.facts.model,
        );
        let bill = self.open_bill(&question.request, operation, model, why);
        self.tasks
            .spawn(async move { proxy.run_fill(&question, producer, bill).await });
    }

    /// Opens the bill of a call that a request leads to.
    pub(super) fn open_bill(
        self: &Arc<Self>,
        request: &Request,
        operation: Operation,
        model: &str,
        why: Why,
    ) -> Bill {
        let led = Led {
            request_id: request.asked.id.clone(),
            operation,
            model: (!model.is_empty()).then(|| model.to_owned()),
            caller: request.principal.caller.clone(),
            upstream: Arc::clone(&request.upstream),
            tags: request.tags.clone(),
            outcome: why.as_str(),
            span: request.asked.span,
            meter: request.meter.clone(),
        };
        Bill::open(self, led)
    }

    /// Renews an entry behind the caller's back, unless that is under way.
    pub(super) fn refresh_behind(self: &Arc<Self>, question: &Arc<Question>) {
        if self.flights.is_running(&question.identified.key) {
            return;
        }
        match self.flights.join(question.identified.key) {
            crate::flight::Seat::Leader(producer, _) => {
                self.start_fill(question, producer, Why::Refresh);
            }
            crate::flight::Seat::Follower(_) => {}
        }
    }

    /// Learns from an answer whether the provider accepts the credential.
    pub(super) fn note_standing(
        &self,
        principal: &Principal,
        upstream: &Upstream,
        status: StatusCode,
    ) {
        let standee = || standee(principal, upstream);
        if principal.is_ours {
            // What the provider thinks of the operator's credential is not the caller's fault.
        } else if status.is_success() {
            self.standings.accept(&standee());
        } else if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            self.standings.refuse(&standee());
        }
    }

    async fn run_fill(&self, question: &Question, mut producer: Producer, mut bill: Bill) {
        let began = Instant::now();
        let answer = match producer.while_wanted(self.call(question, &mut bill)).await {
            Err(Alone) => return,
            Ok(Err(error)) => {
                log_failure(&question.request.asked.id, &error);
                let failure = failure(&error);
                bill.failed(failure.as_str());
                return producer.fail(failure);
            }
            Ok(Ok(answer)) => answer,
        };
        bill.status(answer.status);
        let request = &question.request;
        self.note_standing(&request.principal, &request.upstream, answer.status);
        let Answer {
            status,
            headers,
            mut body,
        } = answer;
        let first = match producer.while_wanted(body.next()).await {
            Err(Alone) => return,
            Ok(first) => first,
        };
        let opening = match &first {
            Some(Ok(chunk)) => chunk.clone(),
            Some(Err(_)) | None => Bytes::new(),
        };
        let form = if question.adapter.streams() {
            form_of(&headers, &opening)
        } else {
            declared_form(&headers)
        };
        let head = Head {
            status,
            headers: returnable(&headers),
            form,
        };
        if is_worth_another_try(status) {
            producer.count_failure();
        }
        producer.head(head, retry_after(&headers));
        let recording = if status.is_success() {
            bill.reads(form == Form::Stream);
            Recording::start(form, question.adapter)
        } else {
            Recording::Passing
        };
        let body = futures_util::stream::iter(first).chain(body).boxed();
        if let Some(recorded) = self.record(&mut producer, &mut bill, recording, body).await {
            let came = Came {
                status,
                headers,
                took: began.elapsed(),
            };
            match &recorded {
                Recorded::Answer(..) | Recorded::Nothing => bill.whole(),
                Recorded::Cut(_) => bill.failed(Failure::Cut.as_str()),
            }
            // Told before those who wait are: who has the answer finds it counted.
            drop(bill);
            self.settle(question, producer, recorded, &came);
        }
    }

    /// Passes the body on and reads along. `None` if there is nothing to settle:
    /// the fill has been given up or has failed.
    pub(super) async fn record(
        &self,
        producer: &mut Producer,
        bill: &mut Bill,
        mut recording: Recording,
        mut body: BodyStream,
    ) -> Option<Recorded> {
        let mut pieces = Vec::new();
        let mut bytes = 0;
        while !recording.is_done() {
            producer.paced().await.ok()?;
            let chunk = match producer.while_wanted(body.next()).await.ok()? {
                None => break,
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => {
                    log_failure(bill.request_id(), &error);
                    let failure = failure(&error);
                    bill.failed(failure.as_str());
                    producer.fail_now(failure);
                    return None;
                }
            };
            let before = bytes;
            bytes += chunk.len();
            bill.take(&chunk);
            if before <= self.policy.entry_bytes_max && bytes > self.policy.entry_bytes_max {
                recording.give_up();
                producer.unshareable();
                producer.outgrow();
                self.metrics.refused(Refusal::TooLarge.as_str());
            }
            recording.take(chunk, &mut pieces);
            pieces.drain(..).for_each(|piece| producer.push(piece));
        }
        if recording.is_done() {
            self.tasks.spawn(close(body));
        }
        let recorded = recording.finish(&mut pieces);
        pieces.drain(..).for_each(|piece| producer.push(piece));
        Some(recorded)
    }

    /// Ends the fill, and stores the answer if the gates let it.
    fn settle(&self, question: &Question, producer: Producer, recorded: Recorded, came: &Came) {
        let (text, form) = match recorded {
            Recorded::Answer(text, form) => (text, form),
            Recorded::Nothing => return producer.complete(None),
            Recorded::Cut(reason) => {
                tracing::warn!(
                    request_id = question.request.asked.id,
                    reason,
                    "the upstream's stream ended too early"
                );
                return producer.fail(Failure::Cut);
            }
        };
        let (mut entry, verdict) = self.weigh(question, text, came);
        entry.meta.usage_beside = form.usage_beside;
        match verdict {
            Ok(()) => {
                let keep_for = freshness::keep_for(entry.fresh_for, &self.policy);
                self.note_id(question, &entry, keep_for);
                let cached = self.store.insert(question.identified.key, entry, keep_for);
                producer.complete(Some(cached));
            }
            Err(refusal) => {
                self.metrics.refused(refusal.as_str());
                producer.unshareable();
                // What is no answer at all cannot be told in another form either.
                let tellable = !matches!(refusal, Refusal::NotJson | Refusal::WrongShape);
                producer.complete(tellable.then(|| Arc::new(Cached::new(entry))));
            }
        }
    }

    /// How long an answer to this request shall be fresh: as its caller says, as is said
    /// of its provider, or as it is for all.
    pub(super) fn fresh_for(&self, request: &Request, operation: Operation) -> Duration {
        let fresh_for = freshness::fresh_for(&request.directives, operation, &self.policy);
        match (request.upstream.ttl(operation), request.directives.ttl) {
            (None, _) => fresh_for,
            (Some(own), None) => own.min(self.policy.ttl_max),
            (Some(_), Some(_)) if self.policy.clients_may_extend => fresh_for,
            (Some(own), Some(_)) => fresh_for.min(own),
        }
    }

    /// Makes an entry of an answer and asks the gates about it.
    fn weigh(&self, question: &Question, text: Bytes, came: &Came) -> (Entry, Result<(), Refusal>) {
        let facts = &question.identified.facts;
        let mut meta = Meta {
            model: facts.model.clone(),
            upstream: question.request.upstream.identity().as_ref().to_owned(),
            status: came.status.as_u16(),
            tenant: Some(question.request.principal.caller.tenant.as_ref().to_owned()),
            tags: question.request.tags.iter().map(str::to_owned).collect(),
            took_millis: u32::try_from(came.took.as_millis()).unwrap_or(u32::MAX),
            generation: question.request.generation,
            ..Meta::default()
        };
        let appraisal = question.adapter.appraise(&text, facts);
        meta.resolved_model = appraisal.facts.model;
        meta.usage = appraisal.facts.usage;
        let directives = &question.request.directives;
        let declared = came.headers.get(CONTENT_TYPE);
        let declared = declared.and_then(|value| value.to_str().ok());
        let media_type = question.adapter.media_type(declared, facts);
        let verdict = gate::head(came.status, &came.headers, &self.policy)
            .and(
                media_type
                    .as_ref()
                    .map(|_kept| ())
                    .map_err(|refusal| *refusal),
            )
            .and(gate::size(text.len(), &self.policy))
            .and(directives.store.then_some(()).ok_or(Refusal::NoStore));
        // What is no answer cannot be told in another form either, whatever else it is.
        let verdict = match appraisal.verdict {
            Err(Refusal::NotJson | Refusal::WrongShape) => appraisal.verdict,
            Ok(()) | Err(_) => verdict.and(appraisal.verdict),
        };
        meta.content_type = media_type
            .ok()
            .or(declared.map(str::to_owned))
            .unwrap_or_default();
        if verdict.is_ok() {
            meta.sketch = self.sketch(&question.request, question.adapter.operation());
        }
        let fresh_for = self.fresh_for(&question.request, question.adapter.operation());
        let body = appraisal.stored.unwrap_or(text);
        let kept_for = question.adapter.kept_for(&body);
        let entry = Entry {
            operation: question.adapter.operation(),
            stored_at: question.request.began,
            fresh_for: kept_for.map_or(fresh_for, |most| fresh_for.min(most)),
            meta,
            body,
        };
        (entry, verdict)
    }

    /// Asks the provider. A stream is asked to tell its usage, which the stored
    /// form needs; a provider that does not know the option is asked without.
    async fn call(&self, question: &Question, bill: &mut Bill) -> Result<Answer, UpstreamError> {
        let facts = &question.identified.facts;
        let upstream = &question.request.upstream;
        let asks = facts.wants_stream && upstream.takes_stream_options();
        let changed = asks
            .then(|| question.adapter.asking_for_usage(&question.request.body))
            .flatten();
        let Some(changed) = changed else {
            return self
                .send(&question.request, question.request.body.clone(), bill)
                .await;
        };
        let answer = self.send(&question.request, changed.into(), bill).await?;
        if answer.status != StatusCode::BAD_REQUEST {
            return Ok(answer);
        }
        let (answer, text) = read_refusal(answer).await?;
        let about_the_option = text
            .windows(b"stream_options".len())
            .any(|window| window == b"stream_options");
        if !about_the_option {
            return Ok(answer);
        }
        upstream.rejects_stream_options();
        tracing::info!(upstream = %upstream.name(), "the upstream does not know stream_options: streams are asked for without");
        bill.again(answer.status);
        self.send(&question.request, question.request.body.clone(), bill)
            .await
    }

    /// Sends a request with this body.
    pub(super) async fn send(
        &self,
        request: &Request,
        body: Bytes,
        bill: &Bill,
    ) -> Result<Answer, UpstreamError> {
        let asked = &request.asked;
        request
            .upstream
            .send(Call {
                method: asked.method.clone(),
                path_and_query: asked.path_and_query.clone(),
                headers: bill.headers(forwardable(&asked.headers, true)),
                body: CallBody::of(body),
            })
            .await
    }
}

/// Reads the beginning of a refusal; the answer given back still has all of it.
async fn read_refusal(answer: Answer) -> Result<(Answer, Bytes), UpstreamError> {
    let mut text = BytesMut::new();
    let mut body = answer.body;
    while text.len() < REFUSAL_BYTES_MAX {
        match body.next().await {
            Some(chunk) => text.extend_from_slice(&chunk?),
            None => break,
        }
    }
    let text = text.freeze();
    let start = futures_util::stream::iter([Ok(text.clone())]);
    let answer = Answer {
        body: start.chain(body).boxed(),
        ..answer
    };
    Ok((answer, text))
}

/// Reads what is left of a stream that has said it is over.
async fn close(mut body: BodyStream) {
    let rest = async { while let Some(Ok(_)) = body.next().await {} };
    drop(tokio::time::timeout(CLOSING_TIME, rest).await);
}

/// The `retry-after` of a refusal, if it is given in seconds or milliseconds.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| -> Option<f64> { headers.get(name)?.to_str().ok()?.parse().ok() };
    let seconds = number("retry-after-ms")
        .map(|millis| millis / 1000.0)
        .or_else(|| number(RETRY_AFTER.as_str()))?;
    Duration::try_from_secs_f64(seconds).ok()
}
