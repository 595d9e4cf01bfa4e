//! What the cache has no part in: forwarded as it comes, both ways, never stored.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Method, StatusCode};

use super::account::Account;
use super::bill::{Bill, Led};
use super::error::failure;
use super::recording::form_of;
use super::{Admitted, Asked, Proxy, ProxyError, Reply, ReplyBody};
use crate::flight::Form;
use crate::policy::CacheStatus;
use crate::upstream::{Answer, BodyStream, Call, CallBody, forwardable, returnable};

impl Proxy {
    /// Forwards a request that the cache has no part in, for the given reason, and
    /// passes the answer on as it comes.
    ///
    /// # Errors
    /// If the provider gives no answer at all.
    pub(super) async fn forward(
        self: &Arc<Self>,
        reason: &'static str,
        admitted: Admitted,
        body: CallBody,
    ) -> Result<Reply, ProxyError> {
        let Admitted {
            asked,
            principal,
            upstream,
            tags,
            meter,
            mut account,
            ..
        } = admitted;
        if let Err(limited) = account.need_call().await {
            return Err(account.limited(limited));
        }
        let outcome = CacheStatus::Bypass { reason };
        account.outcome(outcome);
        let headers = headers_of(&asked);
        let bill = Bill::open(
            self,
            Led {
                request_id: asked.id,
                span: asked.span,
                operation: account.operation(),
                model: account.model_asked().map(str::to_owned),
                caller: principal.caller.clone(),
                upstream: Arc::clone(&upstream),
                tags,
                outcome: outcome.as_str(),
                meter,
            },
        );
        let method = asked.method.clone();
        let call = Call {
            method: asked.method,
            path_and_query: asked.path_and_query,
            headers: bill.headers(headers),
            body,
        };
        let answer = match upstream.send(call).await {
            Ok(answer) => answer,
            Err(error) => return Err(unanswered(&error, bill, account)),
        };
        self.note_standing(&principal, &upstream, answer.status);
        let leg = Leg {
            method,
            outcome,
            account,
            bill,
        };
        Ok(leg.pass(answer))
    }
}

/// A request whose answer has begun to come.
pub(super) struct Leg {
    pub(super) method: Method,
    pub(super) outcome: CacheStatus,
    pub(super) account: Account,
    pub(super) bill: Bill,
}

impl Leg {
    /// Passes the answer on as it comes.
    pub(super) fn pass(self, answer: Answer) -> Reply {
        let Self {
            method,
            outcome,
            mut account,
            mut bill,
        } = self;
        bill.status(answer.status);
        if method == Method::POST && answer.status.is_success() {
            bill.reads(form_of(&answer.headers, &[]) == Form::Stream);
        }
        let mut headers = returnable(&answer.headers);
        outcome.write(&mut headers);
        account.status(answer.status.as_u16());
        let length = length(&method, &answer);
        account.length(length);
        let passing = Passing {
            body: answer.body,
            length,
            bytes: 0,
            account,
            bill,
        };
        Reply {
            status: answer.status,
            headers,
            outcome,
            body: ReplyBody::Stream(passing.stream()),
        }
    }
}

/// The headers a request is forwarded with.
fn headers_of(asked: &Asked) -> HeaderMap {
    let mut headers = forwardable(&asked.headers, false);
    if asked.method == Method::POST {
        // The tokens are read off the answer, which must come unencoded for that.
        headers.remove(ACCEPT_ENCODING);
    }
    headers
}

/// How long the body is that goes to the client, where that is known.
fn length(method: &Method, answer: &Answer) -> Option<u64> {
    let bodiless = method == Method::HEAD
        || matches!(
            answer.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
    if bodiless {
        return Some(0);
    }
    answer
        .headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// An answer on its way through.
struct Passing {
    body: BodyStream,
    /// How long it is, where that is known: the server stops asking for more of a body
    /// once it has that much, so its end is not seen otherwise.
    length: Option<u64>,
    bytes: u64,
    account: Account,
    bill: Bill,
}

impl Passing {
    /// The body as it comes, counted.
    fn stream(self) -> BoxStream<'static, Result<Bytes, ProxyError>> {
        let mut passing = self;
        if passing.length == Some(0) {
            passing.end();
        }
        stream::unfold(Some(passing), |passing| async move {
            let mut this = passing?;
            match this.body.next().await {
                Some(Ok(piece)) => {
                    this.account.sent(piece.len());
                    this.bill.take(&piece);
                    this.bytes += piece.len() as u64;
                    if this.length == Some(this.bytes) {
                        this.end();
                    }
                    Some((Ok(piece), Some(this)))
                }
                Some(Err(error)) => {
                    let failure = failure(&error);
                    this.bill.failed(failure.as_str());
                    this.account.failed(failure.as_str());
                    Some((Err(failure.into()), None))
                }
                None => {
                    this.end();
                    this.account.complete();
                    None
                }
            }
        })
        .fuse()
        .boxed()
    }

    /// The answer has come whole.
    fn end(&mut self) {
        self.bill.whole();
        self.account.ended();
        let found = self.bill.found();
        self.account.usage(found.usage);
        self.account.answered_by(found.model.as_deref());
    }
}

/// Tells everybody that a call got no answer, and gives what the client is told.
pub(super) fn unanswered(
    error: &crate::upstream::UpstreamError,
    mut bill: Bill,
    account: Account,
) -> ProxyError {
    let error = log_failure(bill.request_id(), error);
    bill.failed(error.code());
    account.failed(error.code());
    error
}

/// Logs why there is no answer, once, and says what the client is told.
pub(super) fn log_failure(request_id: &str, error: &crate::upstream::UpstreamError) -> ProxyError {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(request_id, %error, cause, "no answer from the upstream");
    failure(error).into()
}
