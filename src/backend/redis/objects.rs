//! The objects in Redis: a value each, and an index for each kind.
//!
//! A value expires by itself. The index only tells what to ask for: an id in it whose
//! value is gone is passed over. A removal whose answer was lost with the connection is
//! done again, and then tells that there was nothing.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use redis::cmd;

use super::books::Books;
use super::script::Call;
use super::{MILLIS_MAX, with};
use crate::backend::{BackendError, ObjectName, Objects};

/// Objects asked for at once when a kind is listed.
const OBJECTS_AT_ONCE: usize = 64;

impl Objects for Books {
    fn put(
        &self,
        name: ObjectName,
        content: Bytes,
        keep_for: Duration,
    ) -> BoxFuture<'_, Result<(), BackendError>> {
        let millis = u64::try_from(keep_for.as_millis())
            .unwrap_or(MILLIS_MAX)
            .clamp(1, MILLIS_MAX);
        let mut call = Call::new(include_str!("object_put.lua"));
        call.key(self.object_key(&name))
            .key(self.index_key(name.kind))
            .argument(name.id)
            .argument(content)
            .argument(millis.to_string());
        async move { self.run(&call).await.map(drop) }.boxed()
    }

    fn get(&self, name: &ObjectName) -> BoxFuture<'_, Result<Option<Bytes>, BackendError>> {
        let command = with(cmd("GET"), self.object_key(name));
        async move {
            let found: Option<Vec<u8>> = self.query(&command).await?;
            Ok(found.map(Bytes::from))
        }
        .boxed()
    }

    fn list(
        &self,
        kind: &'static str,
    ) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, BackendError>> {
        let mut index = with(cmd("ZRANGE"), self.index_key(kind));
        index.arg(0).arg(-1);
        async move {
            let mut ids: Vec<String> = self.query(&index).await?;
            ids.sort_unstable();
            let mut found = Vec::with_capacity(ids.len());
            for ids in ids.chunks(OBJECTS_AT_ONCE) {
                let command = ids.iter().fold(cmd("MGET"), |command, id| {
                    let id = id.clone();
                    with(command, self.object_key(&ObjectName { kind, id }))
                });
                let contents: Vec<Option<Vec<u8>>> = self.query(&command).await?;
                for (id, content) in ids.iter().zip(contents) {
                    if let Some(content) = content {
                        found.push((id.clone(), Bytes::from(content)));
                    }
                }
            }
            Ok(found)
        }
        .boxed()
    }

    fn remove(&self, name: &ObjectName) -> BoxFuture<'_, Result<bool, BackendError>> {
        let mut call = Call::new(include_str!("object_remove.lua"));
        call.key(self.object_key(name))
            .key(self.index_key(name.kind))
            .argument(name.id.as_str());
        async move { Ok(self.run(&call).await? > 0) }.boxed()
    }
}

impl Books {
    fn index_key(&self, kind: &str) -> String {
        format!("{}:{{objects:{kind}}}", self.prefix)
    }

    fn object_key(&self, name: &ObjectName) -> String {
        format!("{}:{}", self.index_key(name.kind), name.id)
    }
}
