//! Answers that a client may have already: `ETag` and `If-None-Match` (RFC 9110
//! §8.8.3, §13.1.2).

use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use super::error::ApiError;
use super::inbound::respond;
use crate::proxy::{Reply, ReplyBody};

/// A longer answer is passed on without a tag.
const TAGGED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Gives a reply a tag made of its body, and leaves the body out if the client has
/// that one.
///
/// # Errors
/// If the body breaks off.
pub(super) async fn answer_if_changed(
    request: &HeaderMap,
    reply: Reply,
) -> Result<Response, ApiError> {
    if reply.status != StatusCode::OK {
        return Ok(respond(reply));
    }
    let Reply {
        status,
        mut headers,
        outcome,
        body,
    } = reply;
    let body = match body {
        ReplyBody::Full(body) => body,
        ReplyBody::Stream(mut pieces) => {
            let mut text = BytesMut::new();
            while let Some(piece) = pieces.next().await {
                text.extend_from_slice(&piece?);
                if text.len() > TAGGED_BYTES_MAX {
                    let start = stream::iter([Ok(text.freeze())]);
                    let body = ReplyBody::Stream(start.chain(pieces).boxed());
                    return Ok(respond(Reply {
                        status,
                        headers,
                        outcome,
                        body,
                    }));
                }
            }
            text.freeze()
        }
    };
    let tag = tag_of(&body);
    let has_it = is_listed(request, &tag);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    let (status, body) = if has_it {
        headers.remove(CONTENT_TYPE);
        headers.remove(CONTENT_LENGTH);
        (StatusCode::NOT_MODIFIED, Bytes::new())
    } else {
        (status, body)
    };
    Ok(respond(Reply {
        status,
        headers,
        outcome,
        body: ReplyBody::Full(body),
    }))
}

/// A tag that no other body has.
fn tag_of(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    let half = digest.get(..16).unwrap_or_default();
    format!("\"{}\"", hex::encode(half))
}

/// Whether `If-None-Match` lists the tag. Tags are compared weakly, and commas
/// cannot stand in one of ours.
pub(super) fn is_listed(request: &HeaderMap, tag: &str) -> bool {
    request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::CacheStatus;

    async fn ask(known: Option<&str>) -> Response {
        let mut request = HeaderMap::new();
        if let Some(known) = known {
            request.insert(IF_NONE_MATCH, known.parse().unwrap());
        }
        let reply = Reply {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(
                CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )]),
            outcome: CacheStatus::Collapsed,
            body: ReplyBody::Stream(
                stream::iter([Ok(Bytes::from_static(b"{}")), Ok(Bytes::from_static(b" "))]).boxed(),
            ),
        };
        answer_if_changed(&request, reply).await.unwrap()
    }

    #[tokio::test]
    async fn who_has_the_answer_is_told_so() {
        let first = ask(None).await;
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        for known in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"a\", {tag}"),
            "*".to_owned(),
        ] {
            let again = ask(Some(&known)).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(again.headers()[ETAG], tag);
            assert!(!again.headers().contains_key(CONTENT_TYPE));
        }
        assert_eq!(ask(Some("\"a\"")).await.status(), StatusCode::OK);
    }
}
