//! What the tests are made of: the real binary, a scripted upstream, a Redis of
//! their own, a wire that can be cut, and a client that sees every byte.

mod app;
mod cache;
mod chat;
mod completions;
mod crowd;
mod cut;
mod damage;
mod embeddings;
mod http;
mod keys;
mod media;
mod messages;
mod moderations;
mod redis;
mod responses;
mod scratch;
mod upstream;
mod vectors;
mod wait;
mod websocket;

pub(crate) use app::{ADMIN, ALICE, House, Setup, Store, chat, embed, moderate, streaming};
pub(crate) use chat::{
    answer, chunk, chunks, deltas, event, fold, fold_text, question, streamed, with_usage,
};
pub(crate) use completions::{
    completion_chunk, completion_chunks, completions, fold_completions, prompt,
};
pub(crate) use crowd::{Crowd, settled};
pub(crate) use cut::Wire;
pub(crate) use damage::{Stored, stored, stored_now};
pub(crate) use embeddings::{
    EmbeddingStyle, Encoding, assert_embeds, batch, billed, counted, encoded, single, told,
};
pub(crate) use http::{Client, Ending, Live, Request, Response};
pub(crate) use keys::{ApiKey, MASTER, OPERATOR};
pub(crate) use media::Form;
pub(crate) use messages::{
    MESSAGES, fold_message, message, message_answer, message_events, message_question,
};
pub(crate) use moderations::verdicts;
pub(crate) use redis::{Redis, free_port};
pub(crate) use responses::{
    asking, asking_with, completed, payloads, respond, respond_as, response, told_as_events,
};
pub(crate) use scratch::Scratch;
pub(crate) use upstream::{Billed, Gate, Reply, Upstream};
pub(crate) use vectors::{Floats, hash, packed};
pub(crate) use wait::{eventually, in_time};
pub(crate) use websocket::{Sessions, Socket, echo, next, refused};

/// One test for each store, from one body.
///
/// Every promise about answers holds whatever they are stored in, so the body is
/// written once and gets the store it runs on.
macro_rules! on_each_store {
    ($($(#[$note:meta])* async fn $name:ident($store:ident) $body:block)+) => {$(
        $(#[$note])*
        mod $name {
            use super::*;

            async fn story($store: Store) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_embedded() {
                in_time(story(Store::Embedded)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_redis() {
                in_time(story(Store::Redis)).await;
            }
        }
    )+};
}
pub(crate) use on_each_store;
