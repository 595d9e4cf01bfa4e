//! The addresses of Azure `OpenAI`: `/openai/deployments/{name}/…` and `/openai/…`.
//!
//! They are other spellings of endpoints that are described elsewhere, and are not
//! described again: a client made from the description would have each of them twice.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::{audio, passthrough, responses};
use crate::api::ApiState;
use crate::api::inbound::answer_json;
use crate::wire::Operation;

pub(super) fn aliases() -> Router<ApiState> {
    Router::new().route("/openai/{*rest}", post(answer).delete(delete))
}

/// Answers what has an operation, at the address it was asked at: that names the
/// deployment and the version of the API, which are part of the question.
async fn answer(state: State<ApiState>, request: Request) -> Response {
    let path = request.uri().path();
    let path = path.strip_suffix('/').unwrap_or(path).to_owned();
    let operation = Operation::at(&path);
    match operation {
        Operation::Chat
        | Operation::Completion
        | Operation::Embedding
        | Operation::Moderation
        | Operation::Response => {
            let answer = answer_json(&state, operation, &path, request).await;
            answer.unwrap_or_else(IntoResponse::into_response)
        }
        Operation::Transcription | Operation::Translation | Operation::Speech => {
            let answer = audio::answer_at(&state, operation, &path, request).await;
            answer.unwrap_or_else(IntoResponse::into_response)
        }
        Operation::Passthrough
        | Operation::Models
        | Operation::Message
        | Operation::TokenCount
        | Operation::Rerank => passthrough::forward(state, request).await,
    }
}

/// Deletes what can be deleted: a response is forgotten here as well.
async fn delete(state: State<ApiState>, request: Request) -> Response {
    if responses::is_one(request.uri().path()) {
        let answer = responses::delete_response(state, request).await;
        answer.unwrap_or_else(IntoResponse::into_response)
    } else {
        passthrough::forward(state, request).await
    }
}
