//! What is not entries: the usage ledger and the objects, over a connection of their
//! own.
//!
//! Everything the ledger has is under `<prefix>:{usage}:`, everything of a kind of
//! objects under `<prefix>:{objects:<kind>}`, every document under
//! `<prefix>:{documents}:`. The hash tags are ours alone: they keep together on one node
//! of a Cluster what one script writes. Every key but those of documents has a time to
//! live.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Pipeline, Value};
use secrecy::SecretString;

use super::address::Address;
use super::link::{Link, Request};
use super::script::Call;
use super::{plain, read};
use crate::backend::BackendError;
use crate::clock::Clock;

/// How long a write may take. Nobody's answer waits for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long it may take to read as much as is asked for at once.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The ledger and the objects in Redis.
#[derive(Debug)]
pub struct Books {
    link: Link,
    pub(super) prefix: String,
    pub(super) clock: Arc<dyn Clock>,
}

impl Books {
    /// Prepares for the server of `url` as [`super::Redis::new`] does: it need not be
    /// there. Needs a runtime to run in.
    ///
    /// # Errors
    /// [`BackendError::Invalid`] if the URL or the prefix make no sense.
    pub fn new(
        url: &SecretString,
        database: Option<i64>,
        prefix: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BackendError> {
        Ok(Self {
            link: Link::new(Address::parse(url, database)?, "usage"),
            prefix: plain(prefix)?,
            clock,
        })
    }

    /// What a script that writes answers.
    pub(super) async fn run(&self, call: &Call) -> Result<i64, BackendError> {
        let request = Request::Script(call);
        first(self.link.ask(request, WRITE_TIMEOUT).await?)
    }

    /// What a script that only reads answers.
    pub(super) async fn ask_script<T: FromRedisValue>(
        &self,
        call: &Call,
    ) -> Result<T, BackendError> {
        let request = Request::Script(call);
        first(self.link.ask(request, READ_TIMEOUT).await?)
    }

    /// The answer of a command that reads.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, BackendError> {
        let request = Request::One(command);
        first(self.link.ask(request, READ_TIMEOUT).await?)
    }

    /// The answer of one node of a Cluster to a command that reads.
    pub(super) async fn query_at<T: FromRedisValue>(
        &self,
        command: &Cmd,
        (host, port): (&str, u16),
    ) -> Result<T, BackendError> {
        let request = Request::At(command, host, port);
        first(self.link.ask(request, READ_TIMEOUT).await?)
    }

    /// The answers of commands that read, one each.
    pub(super) async fn query_all(&self, commands: &[Cmd]) -> Result<Vec<Value>, BackendError> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command.clone());
        }
        let answers = self
            .link
            .ask(Request::Many(&pipeline), READ_TIMEOUT)
            .await?;
        if answers.len() == commands.len() {
            Ok(answers)
        } else {
            let reason = format!("{} answers to {} questions", answers.len(), commands.len());
            Err(BackendError::Other(reason))
        }
    }
}

fn first<T: FromRedisValue>(answers: Vec<Value>) -> Result<T, BackendError> {
    read(answers.into_iter().next().unwrap_or(Value::Nil))
}
