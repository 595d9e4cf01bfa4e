//! async-openai on the proxy: what it reads of a hit is what it reads of a miss.

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::chat::CreateChatCompletionRequest;
use async_openai::types::embeddings::CreateEmbeddingRequest;
use futures_util::StreamExt;
use reprise_clients::{calls, twice, variable};
use serde_json::json;

type OpenAi = Client<OpenAIConfig>;

fn asks(text: &str) -> CreateChatCompletionRequest {
    let asked = json!({"model": "test-model", "messages": [{"role": "user", "content": text}]});
    serde_json::from_value(asked).expect("a question")
}

async fn completion(client: &OpenAi, text: &str) -> String {
    let answer = client.chat().create(asks(text)).await.expect("an answer");
    let usage = answer.usage.as_ref().expect("its tokens");
    assert_eq!(usage.total_tokens, 10);
    let choice = answer.choices.first().expect("a choice");
    choice.message.content.clone().expect("a text")
}

async fn stream(client: &OpenAi, text: &str) -> String {
    let asked = client.chat().create_stream(asks(text)).await;
    let mut chunks = asked.expect("a stream");
    let mut whole = String::new();
    while let Some(chunk) = chunks.next().await {
        for choice in chunk.expect("a chunk").choices {
            whole += choice.delta.content.as_deref().unwrap_or_default();
        }
    }
    whole
}

async fn vectors(client: &OpenAi, texts: &[&str]) -> Vec<Vec<f32>> {
    let asked = json!({"model": "test-model", "input": texts});
    let asked: CreateEmbeddingRequest = serde_json::from_value(asked).expect("texts");
    let answer = client.embeddings().create(asked).await.expect("vectors");
    answer.data.into_iter().map(|one| one.embedding).collect()
}

#[tokio::main]
async fn main() {
    let config = OpenAIConfig::new()
        .with_api_base(variable("BASE_URL"))
        .with_api_key("sk-async-openai");
    let client = Client::with_config(config);

    let text = twice(|| completion(&client, "rust plain")).await;
    assert!(text.starts_with("answer "), "{text}");
    println!("pass a completion is the same from the cache");

    let streamed = twice(|| stream(&client, "rust stream")).await;
    let before = calls().await;
    assert_eq!(completion(&client, "rust stream").await, streamed);
    assert_eq!(calls().await, before);
    println!("pass a stream is the document");

    let first = twice(|| vectors(&client, &["a", "b", "c"])).await;
    let before = calls().await;
    assert_eq!(
        vectors(&client, &["c", "a"]).await,
        [first[2].clone(), first[0].clone()]
    );
    assert_eq!(calls().await, before);
    println!("pass vectors are the same from the cache");
}
