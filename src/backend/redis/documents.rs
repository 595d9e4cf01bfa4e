//! The documents in Redis: a hash for each kind, and the order of their changes.
//!
//! Everything of a kind is under `<prefix>:{documents}:<kind>`, with one hash tag for
//! all, so that the changes of every kind are told by one call. These keys have no time
//! to live: nobody else has what is in them.

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::books::Books;
use super::script::Call;
use crate::backend::documents::{Change, Changes, Document, Documents, Revision, Seen};
use crate::backend::{BackendError, redis::MILLIS_MAX};

impl Documents for Books {
    fn changes<'a>(
        &'a self,
        since: &'a [(&'static str, Revision)],
    ) -> BoxFuture<'a, Result<Vec<Changes>, BackendError>> {
        let mut call = Call::new(include_str!("document_changes.lua"));
        for (kind, seen) in since {
            call.key(self.documents_key(kind))
                .key(self.revisions_key(kind))
                .argument(seen.to_string());
        }
        async move {
            if since.is_empty() {
                return Ok(Vec::new());
            }
            let told: Vec<Vec<Vec<u8>>> = self.ask_script(&call).await?;
            let told: Option<Vec<Changes>> = told.into_iter().map(changes).collect();
            told.filter(|told| told.len() == since.len())
                .ok_or_else(|| {
                    BackendError::Corrupt("the documents are of another form".to_owned())
                })
        }
        .boxed()
    }

    fn change(&self, change: Change) -> BoxFuture<'_, Result<Option<Revision>, BackendError>> {
        let seen = match change.seen {
            Seen::Absent => "absent".to_owned(),
            Seen::Anything => "anything".to_owned(),
            Seen::At(revision) => revision.to_string(),
        };
        let deed = if change.content.is_some() {
            "put"
        } else {
            "remove"
        };
        let millis = change.keep_for.map_or(0, |time| {
            let millis = u64::try_from(time.as_millis()).unwrap_or(MILLIS_MAX);
            millis.clamp(1, MILLIS_MAX)
        });
        let mut call = Call::new(include_str!("document_change.lua"));
        call.key(self.documents_key(change.kind))
            .key(self.revisions_key(change.kind))
            .key(format!("{}:ends", self.documents_key(change.kind)))
            .argument(change.id)
            .argument(seen)
            .argument(deed)
            .argument(change.content.unwrap_or_default())
            .argument(millis.to_string());
        async move {
            let revision = self.run(&call).await?;
            Ok(Revision::try_from(revision).ok().filter(|made| *made > 0))
        }
        .boxed()
    }
}

impl Books {
    fn documents_key(&self, kind: &str) -> String {
        format!("{}:{{documents}}:{kind}", self.prefix)
    }

    fn revisions_key(&self, kind: &str) -> String {
        format!("{}:revisions", self.documents_key(kind))
    }
}

/// What the script tells of a kind.
fn changes(told: Vec<Vec<u8>>) -> Option<Changes> {
    let mut told = told.into_iter();
    let revision = number(&told.next()?)?;
    let whole = told.next()? == b"1";
    let mut documents = Vec::new();
    while let Some(id) = told.next() {
        documents.push(Document {
            id: String::from_utf8(id).ok()?,
            revision: number(&told.next()?)?,
            content: Some(Bytes::from(told.next()?))
                .filter(|content| !content.is_empty())
                .map(|content| content.slice(1..)),
        });
    }
    Some(Changes {
        revision,
        whole,
        documents,
    })
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
