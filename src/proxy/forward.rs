//! What the cache has no part in: forwarded as it comes, both ways, never stored.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http::header::CONTENT_LENGTH;
use http::{Method, StatusCode};

use super::account::Account;
use super::error::failure;
use super::{Admitted, Proxy, ProxyError, Reply, ReplyBody};
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
            directives: _,
            mut account,
        } = admitted;
        let outcome = CacheStatus::Bypass { reason };
        account.outcome(outcome);
        let method = asked.method.clone();
        let call = Call {
            method: asked.method,
            path_and_query: asked.path_and_query,
            headers: forwardable(&asked.headers, false),
            body,
        };
        let answer = match self.upstream.send(call).await {
            Ok(answer) => answer,
            Err(error) => {
                let error = log_failure(&asked.id, &error);
                account.failed(error.code());
                return Err(error);
            }
        };
        self.note_standing(&principal.scope, answer.status);
        let mut headers = returnable(&answer.headers);
        outcome.write(&mut headers);
        account.status(answer.status.as_u16());
        account.length(length(&method, &answer));
        Ok(Reply {
            status: answer.status,
            headers,
            body: ReplyBody::Stream(relay(answer.body, account)),
        })
    }
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

/// The body as it comes, counted.
fn relay(
    body: BodyStream,
    account: Account,
) -> stream::BoxStream<'static, Result<Bytes, ProxyError>> {
    stream::unfold(Some((body, account)), |state| async move {
        let (mut body, mut account) = state?;
        match body.next().await {
            Some(Ok(piece)) => {
                account.sent(piece.len());
                Some((Ok(piece), Some((body, account))))
            }
            Some(Err(error)) => {
                let failure = failure(&error);
                account.failed(failure.as_str());
                Some((Err(failure.into()), None))
            }
            None => {
                account.complete();
                None
            }
        }
    })
    .fuse()
    .boxed()
}

/// Logs why there is no answer, once, and says what the client is told.
pub(super) fn log_failure(request_id: &str, error: &crate::upstream::UpstreamError) -> ProxyError {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(request_id, %error, cause, "no answer from the upstream");
    failure(error).into()
}
