//! The least a cache in axum could do: what the product is measured against.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use redis::AsyncCommands;
use sha2::{Digest, Sha256};

/// Serves the answer in the file at `answer` for whatever is asked, from a map or
/// (`mode` is `redis,URL`) from Redis.
pub(crate) fn serve(mode: &str, answer: &str) -> anyhow::Result<()> {
    let answer = std::fs::read(answer)?;
    let url = mode.strip_prefix("redis,").map(ToOwned::to_owned);
    tokio::runtime::Runtime::new()?.block_on(async {
        let router = match url {
            None => Router::new()
                .route("/v1/chat/completions", post(from_map))
                .route("/v1/embeddings", post(from_map))
                .with_state(Arc::new(Map::of(answer))),
            Some(url) => {
                let client = redis::Client::open(url)?;
                let mut connection = client.get_multiplexed_async_connection().await?;
                let stored = zstd::bulk::compress(&answer, 3)?;
                connection.set::<_, _, ()>("bare", stored).await?;
                Router::new()
                    .route("/v1/chat/completions", post(from_redis))
                    .with_state(connection)
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", serde_json::json!({"address": listener.local_addr()?}));
        axum::serve(listener, router).await?;
        Ok(())
    })
}

struct Map {
    answers: std::sync::RwLock<HashMap<[u8; 32], Bytes>>,
    answer: Bytes,
}

impl Map {
    fn of(answer: Vec<u8>) -> Self {
        Self {
            answers: std::sync::RwLock::default(),
            answer: answer.into(),
        }
    }
}

/// Parses, hashes and looks up, as any cache has to.
fn key_of(body: &[u8]) -> Option<[u8; 32]> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let canonical = serde_json::to_vec(&value).ok()?;
    Some(Sha256::digest(canonical).into())
}

async fn from_map(State(map): State<Arc<Map>>, body: Bytes) -> Response {
    let Some(key) = key_of(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let found = map
        .answers
        .read()
        .expect("no writer panics")
        .get(&key)
        .cloned();
    let answer = found.unwrap_or_else(|| {
        let mut answers = map.answers.write().expect("no writer panics");
        answers
            .entry(key)
            .or_insert_with(|| map.answer.clone())
            .clone()
    });
    ([(CONTENT_TYPE, "application/json")], answer).into_response()
}

async fn from_redis(
    State(mut connection): State<redis::aio::MultiplexedConnection>,
    body: Bytes,
) -> Response {
    if key_of(&body).is_none() {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let stored: Vec<u8> = connection.get("bare").await.expect("Redis is there");
    let answer = zstd::bulk::decompress(&stored, 1 << 20).expect("it was compressed here");
    ([(CONTENT_TYPE, "application/json")], answer).into_response()
}
